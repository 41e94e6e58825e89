"""Nothing depends on what comes later."""

import numpy as np
import pytest
import small_models
from arrays import assert_same_bits
from arrays import differ

CLIP = ["joint_tokens", "snippet_latents"]


def _change_snippets_after(inputs, t):
    """Other content from snippet t + 1 on, and no sound in its midst."""
    others = small_models.random_inputs(seed=1)
    for key, steps in (
        ("pixel_values", small_models.FRAMES),
        ("audio_features", small_models.AUDIO_FRAMES),
    ):
        later = slice((t + 1) * steps, None)
        inputs[key][:, later] = others[key][:, later]
    inputs["audio_mask"][0, t + 1] = False


@pytest.mark.parametrize("t", [0, 1])
def test_later_snippets_change_nothing_before_them(backbone, inputs, t):
    before = backbone.predict_on_batch(inputs)
    _change_snippets_after(inputs, t)
    after = backbone.predict_on_batch(inputs)
    for key in CLIP:
        assert_same_bits(after[key][:, : t + 1], before[key][:, : t + 1])
        assert differ(after[key][:, t + 1], before[key][:, t + 1])


def test_earlier_snippets_are_remembered(backbone, inputs):
    before = backbone.predict_on_batch(inputs)["snippet_latents"]
    inputs["pixel_values"][:, : small_models.FRAMES] = 0
    after = backbone.predict_on_batch(inputs)["snippet_latents"]
    assert all(differ(after[:, t], before[:, t]) for t in range(3))


@pytest.mark.parametrize("position", [0, 3])
def test_later_tokens_change_nothing_before_them(backbone, inputs, position):
    before = backbone.predict_on_batch(inputs)
    token_ids = inputs["token_ids"]
    token_ids[:, position + 1 :] = (token_ids[:, position + 1 :] + 1) % 258
    after = backbone.predict_on_batch(inputs)
    key, seen = "sequence_output", slice(position + 1)
    assert_same_bits(after[key][:, seen], before[key][:, seen])
    assert differ(after[key][:, position + 1], before[key][:, position + 1])


def test_a_text_changes_nothing_of_its_clip(backbone, inputs):
    before = backbone.predict_on_batch(inputs)
    inputs["token_ids"] = (inputs["token_ids"] + 1) % 258
    inputs["padding_mask"] = np.tri(2, 6, 3, dtype=bool)
    after = backbone.predict_on_batch(inputs)
    for key in CLIP:
        assert_same_bits(after[key], before[key])
