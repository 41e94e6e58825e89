"""Padding is as if it were not there."""

import numpy as np
import pytest
from arrays import assert_close
from arrays import assert_same_bits
from small_models import AUDIO_FRAMES
from small_models import FRAMES

CLIP = ["joint_tokens", "snippet_latents"]
# The second clip has two snippets of three and four tokens of six.
SNIPPETS, TOKENS = 2, 4


@pytest.fixture
def inputs(inputs):
    for key in ("video_mask", "audio_mask"):
        inputs[key][1, SNIPPETS:] = False
    inputs["padding_mask"][1, TOKENS:] = False
    return inputs


def _fill(inputs, media, token):
    """The inputs with other padding."""
    inputs = {key: array.copy() for key, array in inputs.items()}
    inputs["pixel_values"][1, SNIPPETS * FRAMES :] = media
    inputs["audio_features"][1, SNIPPETS * AUDIO_FRAMES :] = media
    inputs["token_ids"][1, TOKENS:] = token
    return inputs


@pytest.mark.parametrize("media", [100.0, np.nan, -np.inf])
def test_what_it_is_made_of_changes_nothing(backbone, inputs, media):
    expected = backbone.predict_on_batch(inputs)
    outputs = backbone.predict_on_batch(_fill(inputs, media, token=7))
    real = inputs["video_mask"]
    for key in CLIP:
        assert_same_bits(outputs[key][real], expected[key][real])
    real, key = inputs["padding_mask"], "sequence_output"
    assert_same_bits(outputs[key][real], expected[key][real])


@pytest.mark.parametrize("media", [100.0, np.nan])
def test_what_it_is_made_of_is_not_learned_from(training_step, inputs, media):
    expected_losses, expected = training_step(inputs)
    losses, gradients = training_step(_fill(inputs, media, token=7))
    assert losses == expected_losses
    for path in expected:
        assert_same_bits(gradients[path], expected[path])


def test_a_clip_and_its_text_are_as_without_it(backbone, inputs):
    padded = backbone.predict_on_batch(inputs)
    steps = {"pixel_values": FRAMES, "audio_features": AUDIO_FRAMES}
    alone = {
        key: array[1:, :TOKENS]
        if key in ("token_ids", "padding_mask")
        else array[1:, : SNIPPETS * steps.get(key, 1)]
        for key, array in inputs.items()
    }
    outputs = backbone.predict_on_batch(alone)
    for key in CLIP:
        assert_close(outputs[key], padded[key][1:, :SNIPPETS])
    key = "sequence_output"
    assert_close(outputs[key], padded[key][1:, :TOKENS])
