import functools

import keras
import numpy as np
import pytest

from keras_mirasol import models
from keras_mirasol.data import sounding_shapes
from keras_mirasol.evaluation import answer_manifest
from keras_mirasol.evaluation import share_by

EVERY_CLASS = [
    models.MirasolAudioConverter,
    models.MirasolBackbone,
    models.MirasolCausalLM,
    models.MirasolCausalLMPreprocessor,
    models.MirasolTokenizer,
    models.MirasolVideoConverter,
]

every_class = pytest.mark.parametrize("cls", EVERY_CLASS)


@functools.cache
def tiny(cls):
    return cls.from_preset("mirasol_tiny")


@pytest.fixture
def task():
    return tiny(models.MirasolCausalLM)


def test_presets_are_listed_by_name_with_what_is_known_of_them():
    presets = models.MirasolBackbone.presets
    assert all(cls.presets == presets for cls in EVERY_CLASS)
    count = presets["mirasol_tiny"]["metadata"]["parameter_count"]
    assert count == tiny(models.MirasolBackbone).count_params()


@every_class
def test_every_part_is_loaded_by_the_name_of_the_preset(cls):
    assert type(tiny(cls)) is cls


@every_class
@pytest.mark.parametrize("name", ["mirasol_tinny", "./nowhere", ""])
def test_an_unknown_preset_is_refused_with_the_known_ones(cls, name):
    with pytest.raises(ValueError) as raised:
        cls.from_preset(name)
    assert f"no preset {name!r}" in str(raised.value)
    assert "'mirasol_tiny'" in str(raised.value)


def test_the_parts_fit_together(task):
    backbone = tiny(models.MirasolBackbone)
    assert backbone.get_config() == task.backbone.get_config()
    for mine, yours in zip(
        backbone.weights, task.backbone.weights, strict=True
    ):
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(mine), keras.ops.convert_to_numpy(yours)
        )
    preprocessor = tiny(models.MirasolCausalLMPreprocessor)
    assert preprocessor.get_config() == task.preprocessor.get_config()


def test_weights_may_be_left_new(task):
    new = models.MirasolBackbone.from_preset("mirasol_tiny", load_weights=False)
    embeddings = (
        keras.ops.convert_to_numpy(backbone.token_embedding.embeddings)
        for backbone in (new, task.backbone)
    )
    assert not np.array_equal(*embeddings)


def test_it_answers(task):
    second = {
        "videos": np.full((8, 48, 64, 3), 127, "uint8"),
        "audio": np.zeros(16000, "float32"),
    }
    answer = task.generate({**second, "prompts": "what is heard first?"})
    # Trained weights give words; those of a new model would give noise.
    assert isinstance(answer, str)
    assert answer.isascii() and 0 < len(answer) < 40


def test_it_answers_questions_about_held_out_files(task, tmp_path):
    manifest = sounding_shapes.write_corpus(tmp_path, 6, seed=4711)
    lines = answer_manifest(task, manifest, batch_size=6)
    assert len(lines) == 48
    assert share_by(lines) > 0.9
