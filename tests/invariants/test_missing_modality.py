"""What is masked is not there, whatever stands in its place."""

import numpy as np
import pytest
import small_models
from arrays import assert_same_bits
from arrays import differ
from small_models import AUDIO_FRAMES
from small_models import FRAMES

# Clip 0 has no sound in its first snippet, clip 1 no picture in its last.
MASKED = {
    "audio_features": (0, slice(0, AUDIO_FRAMES)),
    "pixel_values": (1, slice(2 * FRAMES, None)),
}


@pytest.fixture
def inputs(inputs):
    inputs["audio_mask"][0, 0] = False
    inputs["video_mask"][1, 2] = False
    return inputs


def _put(inputs, content):
    inputs = {key: array.copy() for key, array in inputs.items()}
    for key, place in MASKED.items():
        inputs[key][place] = content
    return inputs


@pytest.mark.parametrize("content", [100.0, np.nan, np.inf])
def test_its_content_changes_nothing(backbone, inputs, content):
    expected = backbone.predict_on_batch(inputs)
    outputs = backbone.predict_on_batch(_put(inputs, content))
    for key in expected:
        assert np.isfinite(expected[key]).all()
        assert_same_bits(outputs[key], expected[key])


@pytest.mark.parametrize("content", [100.0, np.nan, np.inf])
def test_its_content_is_not_learned_from(training_step, inputs, content):
    expected_losses, expected = training_step(inputs)
    losses, gradients = training_step(_put(inputs, content))
    assert losses == expected_losses
    for path in expected:
        assert np.isfinite(expected[path]).all()
        assert_same_bits(gradients[path], expected[path])


@pytest.mark.parametrize("modality", ["audio", "videos"])
def test_silence_and_darkness_are_not_absence(backbone, modality):
    clip = small_models.random_clip()
    # One clip twice, without the modality and with nothing but zeros in it.
    clips = {key: [value] * 2 for key, value in clip.items()}
    clips[modality] = [None, np.zeros_like(clip[modality])]
    x = small_models.build_preprocessor().generate_preprocess(
        {**clips, "prompts": ["?", "?"]}, sequence_length=6
    )
    for array in backbone.predict_on_batch(x).values():
        assert differ(array[0], array[1])
