import inspect
import re

import numpy as np
import pytest
from arrays import assert_close
from arrays import assert_same_bits
from arrays import differ
from arrays import randomize
from compiled import compiled
from keras import ops

from keras_mirasol.layers import SnippetTransformer
from keras_mirasol.layers.snippet_transformer import snippet_causal_mask


@pytest.fixture(scope="module")
def model():
    model = SnippetTransformer(num_layers=2, dim=8, num_heads=2)
    model.build((None, None, 2, 8))
    return randomize(model)


@pytest.fixture(scope="module")
def call(model):
    return compiled(model)


def test_mask_is_the_one_drawn_in_the_docstring():
    drawing = re.findall(
        r"^ *([1.]+)$", inspect.getdoc(SnippetTransformer), re.MULTILINE
    )
    drawn = np.array([[mark == "1" for mark in row] for row in drawing])
    assert drawn.shape == (6, 6)
    snippets = np.arange(3, dtype="int32")[None]
    mask = snippet_causal_mask(snippets, snippets, num_joint_tokens=2)
    assert_same_bits(mask, drawn[None, None])
    # The rows of the last snippet alone, as in streaming.
    mask = snippet_causal_mask(snippets[:, 2:], snippets, num_joint_tokens=2)
    assert_same_bits(mask, drawn[None, None, 4:])


@pytest.mark.parametrize("t", [0, 1, 2])
def test_later_snippets_change_nothing_before_them(call, normal, t):
    joint_tokens = normal(2, 4, 2, 8)
    before = ops.convert_to_numpy(call(joint_tokens))
    joint_tokens[:, t + 1 :] += normal(2, 3 - t, 2, 8)
    after = ops.convert_to_numpy(call(joint_tokens))
    assert_same_bits(after[:, : t + 1], before[:, : t + 1])
    assert differ(after[:, t + 1], before[:, t + 1])


def test_earlier_snippets_and_their_own_are_seen(call, normal):
    joint_tokens = normal(1, 4, 2, 8)
    before = ops.convert_to_numpy(call(joint_tokens))
    joint_tokens[:, 1, 1] += normal(8)
    after = ops.convert_to_numpy(call(joint_tokens))
    assert_same_bits(after[:, 0], before[:, 0])
    # The other token of snippet 1, and all later ones.
    assert differ(after[:, 1, 0], before[:, 1, 0])
    assert differ(after[:, 2], before[:, 2])
    assert differ(after[:, 3], before[:, 3])


@pytest.mark.parametrize("steps", [[1, 1, 1, 1], [2, 2]], ids=str)
def test_streaming_gives_what_the_whole_clip_gives(model, call, normal, steps):
    joint_tokens = normal(2, 4, 2, 8)
    caches = model.empty_caches(batch_size=2, max_snippets=6)
    parts, start = [], 0
    for count in steps:
        part, caches = call(
            joint_tokens[:, start : start + count], caches=caches, start=start
        )
        parts.append(part)
        start += count
    assert_close(ops.concatenate(parts, axis=1), call(joint_tokens))


def test_clip_longer_than_its_caches(model, normal):
    caches = model.empty_caches(batch_size=2, max_snippets=2)
    with pytest.raises(ValueError, match="no room"):
        compiled(lambda x: model(x, caches=caches, start=2))(normal(2, 1, 2, 8))


def test_length_varies_without_new_weights(model, call, normal):
    weights = model.count_params()
    joint_tokens = normal(2, 4, 2, 8)
    long = ops.convert_to_numpy(call(joint_tokens))
    assert_close(call(joint_tokens[:, :1]), long[:, :1])
    assert model.count_params() == weights


def test_exact_number_of_weights(model):
    norm, places, gain = 2 * 8, 2 * 8, 1
    block = 4 * (8 * 8 + 8) + (8 * 32 + 32) + (32 * 8 + 8) + 2 * norm
    assert model.count_params() == norm + places + gain + 2 * block + norm


def test_time_counts_in_seconds(normal):
    joint_tokens = normal(1, 4, 2, 8)

    def latents(snippet_seconds, wavelengths):
        model = SnippetTransformer(
            1, 8, 2, snippet_seconds=snippet_seconds, wavelengths=wavelengths
        )
        model.build(joint_tokens.shape)
        return compiled(randomize(model))(joint_tokens)

    assert_close(latents(0.5, (2.0, 50.0)), latents(1.0, (4.0, 100.0)))
    assert differ(latents(0.5, (2.0, 50.0)), latents(1.0, (2.0, 50.0)))


def test_default_wavelengths_are_4_and_4096_snippets():
    model = SnippetTransformer(1, 8, 2, snippet_seconds=0.25)
    assert model.wavelengths == (1.0, 1024.0)


def band(count, window, num_sinks):
    """Which of `count` snippets attends to which, one by one."""
    mask = np.zeros((count, count), bool)
    for row in range(count):
        for column in range(row + 1):
            is_near = row - column < window
            mask[row, column] = is_near or column < num_sinks
    return mask


@pytest.mark.parametrize("window, num_sinks", [(3, 0), (2, 2), (1, 1)])
def test_window_is_a_band_beside_the_sinks(window, num_sinks):
    snippets = np.arange(7, dtype="int32")[None]
    mask = snippet_causal_mask(snippets, snippets, 1, window, num_sinks)
    assert_same_bits(mask[0, 0], band(7, window, num_sinks))


@pytest.mark.parametrize("window, num_sinks", [(3, 0), (2, 2), (1, 1)])
def test_streaming_with_a_window_gives_what_the_whole_clip_gives(
    model, normal, window, num_sinks
):
    joint_tokens = normal(2, 9, 2, 8)
    settings = dict(window=window, num_sinks=num_sinks)
    whole = compiled(lambda x: model(x, **settings))(joint_tokens)
    step = compiled(
        lambda x, caches, start: model(x, caches, start=start, **settings)
    )
    caches, parts = model.empty_caches(2, window + num_sinks), []
    for t in range(9):
        start = ops.full((2,), t, "int32")
        part, caches = step(joint_tokens[:, t : t + 1], caches, start)
        parts.append(part)
    assert_close(ops.concatenate(parts, axis=1), whole)


@pytest.mark.parametrize("settings", [{}, {"window": 2, "num_sinks": 1}])
def test_rows_may_have_come_to_different_snippets(model, normal, settings):
    joint_tokens = normal(1, 6, 2, 8)
    whole = ops.convert_to_numpy(
        compiled(lambda x: model(x, **settings))(joint_tokens)
    )
    step = compiled(
        lambda x, caches, start: model(x, caches, start=start, **settings)
    )
    slots = sum(settings.values()) or 6
    # The second row follows two snippets behind: what it is given before its
    # clip begins is overwritten.
    caches = model.empty_caches(2, slots)
    for t in range(6):
        places = np.maximum([t, t - 2], 0)
        both = joint_tokens[0, places][:, None]
        part, caches = step(both, caches, ops.array(places, "int32"))
        assert_close(part[:, 0], whole[0, places])


def test_snippets_that_a_window_cannot_take(model, normal):
    x = normal(1, 2, 2, 8)
    caches = model.empty_caches(1, max_snippets=3)
    with pytest.raises(ValueError, match=r"caches of 3.*empty_caches\(.*4"):
        model(x[:, :1], caches=caches, window=3, num_sinks=1)
    with pytest.raises(ValueError, match="one by one.*2 snippets"):
        model(x, caches=caches, window=2, num_sinks=1)
