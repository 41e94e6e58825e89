"""The presets without weights. `mirasol_tiny` is tested elsewhere."""

import json

import numpy as np
import pytest
from compiled import traced
from keras import ops
from scripts import ROOT
from scripts import load_script

from keras_mirasol import models

UNTRAINED = ["mirasol_small", "mirasol_base", "mirasol_3b"]

every_untrained = pytest.mark.parametrize("name", UNTRAINED)


@pytest.fixture(scope="module")
def script():
    """The script that wrote them."""
    return load_script("training/larger_presets.py")


def read(name, file):
    path = ROOT / "keras_mirasol" / "presets" / name / file
    return json.loads(path.read_text())


def test_every_preset_is_listed_and_says_whether_it_has_weights():
    for cls in (models.MirasolBackbone, models.MirasolCausalLM):
        assert {
            name: preset["has_weights"] for name, preset in cls.presets.items()
        } == {"mirasol_tiny": True, **dict.fromkeys(UNTRAINED, False)}


@every_untrained
def test_files_hold_what_the_script_says(name, script):
    sizes = json.loads(json.dumps(script.BACKBONES[name]))
    sizes["image_size"] = [sizes["image_size"]] * 2
    # Tubes are saved with their defaults.
    sizes["tubes"] = [
        {"stride": tube["kernel"], "offset": [0, 0, 0], **tube}
        for tube in sizes["tubes"]
    ]
    backbone = read(name, "config.json")["config"]
    assert {key: backbone[key] for key in sizes} == sizes

    task = read(name, "task.json")["config"]
    assert task["backbone"]["config"] == backbone
    assert task["preprocessor"] == read(name, "preprocessor.json")
    preprocessor = task["preprocessor"]["config"]
    assert preprocessor["sequence_length"] == script.SEQUENCE_LENGTHS[name]


@every_untrained
@pytest.mark.parametrize(
    "cls", [models.MirasolBackbone, models.MirasolCausalLM]
)
@pytest.mark.parametrize("settings", [{}, {"load_weights": True}])
def test_weights_that_do_not_ship_are_refused(name, cls, settings):
    with pytest.raises(ValueError) as raised:
        cls.from_preset(name, **settings)
    message = str(raised.value)
    assert f"{name!r} has no weights" in message
    assert "`load_weights=False`" in message
    assert "one of ['mirasol_tiny']" in message


def test_a_folder_without_weights_is_refused_too(tmp_path):
    for file in ("config.json", "metadata.json"):
        text = json.dumps(read("mirasol_small", file))
        (tmp_path / file).write_text(text)
    with pytest.raises(ValueError, match="no weights.*`load_weights=False`"):
        models.MirasolBackbone.from_preset(tmp_path)


@every_untrained
def test_clips_are_preprocessed_as_the_backbone_reads_them(name):
    # What needs no weights loads without a word about them.
    preprocessor = models.MirasolCausalLMPreprocessor.from_preset(name)
    backbone = read(name, "config.json")["config"]
    seconds = backbone["snippet_seconds"]
    noise = np.random.default_rng(0)
    x, _, _ = preprocessor(
        {
            "videos": noise.integers(
                0, 256, (round(2 * seconds * 8), 90, 120, 3), dtype="uint8"
            ),
            "audio": noise.normal(scale=0.1, size=round(2 * seconds * 16000)),
            "prompts": "what is heard?",
            "responses": "noise",
        }
    )
    height, width = backbone["image_size"]
    frames, audio_frames = (
        2 * backbone[f"{media}_per_snippet"]
        for media in ("frames", "audio_frames")
    )
    assert x["pixel_values"].shape == (frames, height, width, 3)
    assert x["audio_features"].shape == (audio_frames, backbone["num_mels"])
    assert x["video_mask"].tolist() == x["audio_mask"].tolist() == [True] * 2
    # Noise is heard in every mel bin: none falls between two frequencies.
    silence = (np.log(1e-6) + 7) / 3.5
    assert x["audio_features"].max(axis=0).min() > silence + 1


def test_a_task_is_built_untrained_in_the_dtype_that_is_asked_for():
    task = models.MirasolCausalLM.from_preset(
        "mirasol_small", load_weights=False, dtype="bfloat16"
    )
    assert {weight.dtype for weight in task.backbone.weights} == {"bfloat16"}
    # Drawn at random, and not by one draw for all.
    kernels = [
        block.mlp_hidden.kernel
        for block in task.backbone.video_encoder.transformer.blocks
    ]
    deviations = [
        float(np.std(ops.convert_to_numpy(ops.cast(kernel, "float32"))))
        for kernel in kernels
    ]
    # Glorot's, for 384 features in and 4 * 384 out.
    np.testing.assert_allclose(deviations, (2 / (5 * 384)) ** 0.5, rtol=0.01)
    assert len(set(deviations)) == len(kernels) == 6

    x, y, _ = task.preprocessor(
        {
            "videos": np.zeros((1, 8, 64, 64, 3), "uint8"),
            "audio": np.zeros((1, 16000), "float32"),
            "prompts": ["what is seen?"],
            "responses": ["nothing"],
        },
        sequence_length=32,
    )

    def check():
        outputs = task(x)
        assert outputs["joint_tokens"].shape == (1, 2, 8, 384)
        assert outputs["logits"].shape == (*y.shape, 8192) == (1, 32, 8192)
        assert outputs["frames"].shape == (1, 2, 4, 32, 32, 3)
        assert outputs["spectrogram"].shape == (1, 2, 20, 32)

    traced(check)
