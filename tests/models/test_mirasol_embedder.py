import inspect

import keras
import numpy as np
import pytest
import small_models
import tensorflow as tf
from arrays import assert_close
from arrays import assert_same_bits
from pretrained import CLIPS
from pretrained import PROMPT
from pretrained import RESPONSES
from pretrained import build_pretrainer
from pretrained import pretrained

from keras_mirasol.models import MirasolEmbedder


@pytest.fixture(scope="module")
def embedder():
    return MirasolEmbedder.from_pretrainer(pretrained().pretrainer, PROMPT)


@pytest.fixture(scope="module")
def clips(embedder):
    return embedder.embed_clips(CLIPS)


@pytest.fixture(scope="module")
def texts(embedder):
    return embedder.embed_texts(RESPONSES)


def _clip(index):
    return {key: CLIPS[key][index] for key in CLIPS}


def test_each_text_finds_its_clip(embedder, clips, texts):
    ranks = embedder.rank(CLIPS, RESPONSES)
    assert ranks.shape == (4, 4)
    assert ranks[:, 0].tolist() == [0, 1, 2, 3]
    scores = texts @ clips.T
    for text, order in enumerate(ranks):
        assert sorted(order) == [0, 1, 2, 3]
        assert (np.diff(scores[text, order]) <= 0).all()


def test_embeddings_are_those_of_the_pretrainer(clips, texts):
    x, _, _ = pretrained().batch
    outputs = pretrained().pretrainer.predict_on_batch(x)
    assert clips.shape == texts.shape == (4, 8)
    assert clips.dtype == texts.dtype == np.float32
    assert_close(clips, outputs["clip_embeddings"])
    assert_close(texts, outputs["text_embeddings"][:, 0])
    assert_close((clips**2).sum(-1), np.ones(4))


def test_one_clip_or_text_gives_one_vector(embedder, clips, texts):
    assert_close(embedder.embed_clips(_clip(2)), clips[2])
    assert_close(embedder.embed_texts(RESPONSES[2]), texts[2])
    assert embedder.rank(clips, RESPONSES[2]).tolist()[0] == 2
    assert embedder.rank(_clip(2), texts[:2]).tolist() == [[0], [0]]


def test_clips_may_come_one_by_one_or_in_batches(embedder, clips):
    assert_close(embedder.embed_clips([_clip(1), _clip(0)]), clips[1::-1])
    assert_close(
        embedder.embed_clips({key: list(CLIPS[key]) for key in CLIPS}), clips
    )
    # Texts that a dataset has beside its clips are ignored.
    dataset = tf.data.Dataset.from_tensor_slices(
        {**CLIPS, "prompts": ["what?"] * 4, "responses": RESPONSES}
    )
    assert_close(
        embedder.embed_clips(dataset.batch(4).repeat(2)), [*clips, *clips]
    )


def test_clips_may_lack_a_modality(embedder):
    seen = embedder.embed_clips({"videos": CLIPS["videos"]})
    # Of each two only the sound differed, and the noise.
    assert (seen[0] @ seen[1]) > (seen[0] @ seen[2])
    heard = embedder.embed_clips({"audio": CLIPS["audio"][1], "videos": None})
    assert heard.shape == (8,) and np.isfinite(heard).all()


def test_what_is_embedded_can_be_kept(embedder, clips, texts):
    expected = embedder.rank(CLIPS, RESPONSES)
    assert_same_bits(embedder.rank(clips, texts), expected)
    assert_same_bits(embedder.rank(clips, texts[1]), expected[1])
    assert_same_bits(embedder.rank(clips, np.array(RESPONSES)), expected)


def test_texts_respond_to_the_prompt(embedder, texts, monkeypatch):
    monkeypatch.setattr(embedder, "prompt", "when?")
    other = embedder.embed_texts(RESPONSES)
    x, _, _ = embedder.preprocessor.preprocess_texts(
        np.array(["when?"] * 4, object), np.array(RESPONSES, object)
    )
    assert_close(other, embedder.text_model.predict(x, verbose=0))
    assert np.abs(other - texts).max() > 1e-3


def test_without_a_preprocessor_inputs_are_preprocessed(
    embedder, clips, texts, monkeypatch
):
    monkeypatch.setattr(embedder, "preprocessor", None)
    x, _, _ = pretrained().batch
    assert_close(embedder.embed_clips(x), clips)
    first = {key: x[key][:, 0] for key in ("token_ids", "padding_mask")}
    assert_close(embedder.embed_texts(first), texts)


def test_calling_it_gives_both_embeddings(embedder):
    shapes = {name: value.shape for name, value in embedder.output.items()}
    assert shapes == {
        "clip_embeddings": (None, 8),
        "text_embeddings": (None, 8),
    }


@pytest.mark.parametrize("values", ["dog.mp4", 3, None])
def test_what_is_no_clip_is_refused(embedder, values):
    with pytest.raises(
        ValueError, match='Expected a dict with `"videos"`.*such dicts'
    ):
        embedder.embed_clips(values)


def test_a_clip_without_media_is_refused(embedder):
    with pytest.raises(ValueError, match=r"Received the keys: \['video'\]"):
        embedder.embed_clips({"video": CLIPS["videos"], "prompts": "what?"})
    with pytest.raises(ValueError, match=r"Unknown keys \['video'\]"):
        embedder.embed_clips(
            {"video": CLIPS["videos"], "audio": CLIPS["audio"]}
        )


@pytest.mark.parametrize("values", [[], [3], [["a dog"]]])
def test_what_is_no_text_is_refused(embedder, values):
    with pytest.raises(ValueError, match="at least one string. Received"):
        embedder.embed_texts(values)


# Saving


def assert_same_weights(copy, original):
    for mine, yours in zip(copy.weights, original.weights, strict=True):
        assert_same_bits(mine, yours)


def config_of(embedder):
    """The configuration, without a name and the shapes of built layers."""
    config = embedder.get_config()
    del config["name"]
    for name in ("clip_embedding", "text_embedding"):
        config[name] = config[name]["config"]
    return config


def test_the_preset_of_a_pretrainer_is_that_of_an_embedder(embedder, tmp_path):
    pretrained().pretrainer.save_to_preset(str(tmp_path))
    loaded = MirasolEmbedder.from_preset(tmp_path, prompt=PROMPT)
    assert type(loaded) is MirasolEmbedder
    assert config_of(loaded) == config_of(embedder)
    assert_same_weights(loaded, embedder)
    # Without what only pretraining needs.
    assert loaded.count_params() < pretrained().pretrainer.count_params()


@pytest.mark.any_backend
def test_a_preset_of_ones_own(embedder, clips, texts, tmp_path):
    embedder.save_to_preset(str(tmp_path))
    copy = MirasolEmbedder.from_preset(str(tmp_path))
    assert copy.prompt == PROMPT
    assert_same_weights(copy, embedder)
    assert_close(copy.embed_clips(CLIPS), clips)
    assert_close(copy.embed_texts(RESPONSES), texts)
    other = MirasolEmbedder.from_preset(tmp_path, prompt="when?")
    assert other.prompt == "when?"


def test_layers_are_shared_with_the_pretrainer(embedder):
    task = pretrained().pretrainer
    assert embedder.backbone is task.backbone
    assert embedder.clip_embedding is task.clip_embedding


def test_every_argument_is_in_the_config(embedder):
    config = embedder.get_config()
    arguments = inspect.signature(MirasolEmbedder).parameters
    assert set(arguments) - {"kwargs"} <= set(config)
    copy = MirasolEmbedder.from_config(config)
    assert config_of(copy) == config_of(embedder)


def test_saving_whole(embedder, tmp_path):
    embedder.save(tmp_path / "embedder.keras")
    copy = keras.saving.load_model(tmp_path / "embedder.keras")
    assert config_of(copy) == config_of(embedder)
    assert_same_weights(copy, embedder)


def test_the_preset_of_a_task_without_embeddings_is_refused(tmp_path):
    small_models.shared_task().save_to_preset(str(tmp_path))
    with pytest.raises(ValueError, match="`MirasolCausalLM`, which has no emb"):
        MirasolEmbedder.from_preset(tmp_path)
    with pytest.raises(ValueError, match="`MirasolCausalLM`, which has no emb"):
        MirasolEmbedder.from_preset("mirasol_tiny")
    with pytest.raises(ValueError, match="There is no preset 'mirasol_huge'"):
        MirasolEmbedder.from_preset("mirasol_huge")


def test_a_pretrainer_without_contrast_is_refused():
    task = build_pretrainer(contrastive_weight=0)
    with pytest.raises(ValueError, match="`contrastive_weight` of 0"):
        MirasolEmbedder.from_pretrainer(task)
