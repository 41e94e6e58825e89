import numpy as np
import pytest
from arrays import assert_close
from arrays import assert_same_bits
from arrays import differ
from arrays import randomize
from compiled import compiled
from keras import ops

from keras_mirasol.layers import TextDecoder

SNIPPET_MASK = np.array([[True, True, False], [False, True, False]])
ALL_TEXT = np.ones((2, 5), bool)


@pytest.fixture(scope="module")
def decoder():
    decoder = TextDecoder(num_layers=2, dim=8, num_heads=2, memory_dim=6)
    decoder.build((None, None, 8), (None, None, 2, 6))
    return randomize(decoder)


@pytest.fixture(scope="module")
def call(decoder):
    return compiled(decoder)


@pytest.fixture
def text(normal):
    return normal(2, 5, 8)


@pytest.fixture
def latents(normal):
    return normal(2, 3, 2, 6)


@pytest.mark.parametrize("position", [0, 2, 3])
def test_later_tokens_change_nothing_before_them(
    call, text, latents, normal, position
):
    before = ops.convert_to_numpy(call(text, latents, SNIPPET_MASK, ALL_TEXT))
    text[:, position + 1 :] += normal(2, 4 - position, 8)
    after = ops.convert_to_numpy(call(text, latents, SNIPPET_MASK, ALL_TEXT))
    seen = slice(position + 1)
    assert_same_bits(after[:, seen], before[:, seen])
    assert differ(after[:, position + 1], before[:, position + 1])


def test_padding_with_anything_changes_no_real_token(call, text, latents):
    # Behind the text, before it and within.
    mask = np.array([[1, 1, 1, 0, 0], [0, 1, 1, 0, 1]], bool)
    before = ops.convert_to_numpy(call(text, latents, SNIPPET_MASK, mask))
    text[~mask] = 100.0
    after = ops.convert_to_numpy(call(text, latents, SNIPPET_MASK, mask))
    assert np.isfinite(after).all()
    assert_same_bits(after[mask], before[mask])


def test_padded_text_equals_the_text_alone(call, text, latents):
    mask = ALL_TEXT.copy()
    mask[:, 3:] = False
    padded = ops.convert_to_numpy(call(text, latents, SNIPPET_MASK, mask))
    alone = call(text[:, :3], latents, SNIPPET_MASK, ALL_TEXT[:, :3])
    assert_close(alone, padded[:, :3])


def test_masked_snippets_change_nothing(call, text, latents):
    before = call(text, latents, SNIPPET_MASK, ALL_TEXT)
    masked_changed = np.where(SNIPPET_MASK[:, :, None, None], latents, 100.0)
    after = call(text, masked_changed, SNIPPET_MASK, ALL_TEXT)
    assert_same_bits(after, before)
    seen_changed = np.where(SNIPPET_MASK[:, :, None, None], 1.0, latents)
    after = call(text, seen_changed, SNIPPET_MASK, ALL_TEXT)
    assert differ(after, before)


def test_clip_without_any_snippet(call, text, latents):
    all_masked = call(text, latents, np.zeros((2, 3), bool), ALL_TEXT)
    none = call(text, latents[:, :0], np.zeros((2, 0), bool), ALL_TEXT)
    assert np.isfinite(ops.convert_to_numpy(none)).all()
    assert_close(none, all_masked)


@pytest.mark.parametrize("steps", [[1, 1, 1, 1, 1], [3, 1, 1]], ids=str)
def test_decoding_with_caches_gives_what_the_call_gives(
    decoder, call, text, latents, steps
):
    decode = compiled(decoder.decode)
    memory = compiled(decoder.encode_memory)(latents, SNIPPET_MASK)
    caches = decoder.empty_caches(batch_size=2, max_length=7)
    parts, start = [], 0
    for length in steps:
        part, caches = decode(
            text[:, start : start + length], memory, caches, start
        )
        parts.append(part)
        start += length
    assert_close(
        ops.concatenate(parts, axis=1),
        call(text, latents, SNIPPET_MASK, ALL_TEXT),
    )


def test_texts_of_one_clip_equal_the_clip_given_with_each(
    call, latents, normal
):
    text, mask = normal(6, 5, 8), np.ones((6, 5), bool)
    shared = call(text, latents, SNIPPET_MASK, mask)
    repeated = call(
        text, latents.repeat(3, axis=0), SNIPPET_MASK.repeat(3, axis=0), mask
    )
    assert_close(shared, repeated)


def test_exact_number_of_weights(decoder):
    norm, self_attention = 2 * 8, 4 * (8 * 8 + 8)
    cross_attention = 2 * (8 * 8 + 8) + 2 * (6 * 8 + 8)
    mlp = (8 * 32 + 32) + (32 * 8 + 8)
    block = self_attention + cross_attention + mlp + 3 * norm
    null_token = 6
    assert decoder.count_params() == null_token + 2 * block + norm


def test_a_memory_that_is_extended_is_that_of_the_whole_clip(
    decoder, call, text, latents
):
    extend = compiled(decoder.extend_memory)
    # The rows get their snippets in different slots, of which one is left.
    memory = decoder.empty_memory(2, num_slots=4, num_joint_tokens=2)
    for t in range(3):
        memory = extend(
            memory,
            latents[:, t : t + 1],
            SNIPPET_MASK[:, t : t + 1],
            np.array([[t], [3 - t]], "int32"),
        )
    decode = compiled(decoder.decode)
    decoded, _ = decode(text, memory, decoder.empty_caches(2, 5), 0)
    assert_close(decoded, call(text, latents, SNIPPET_MASK, ALL_TEXT))


def test_a_snippet_of_a_memory_makes_way_for_another(
    decoder, call, text, latents
):
    memory = compiled(decoder.encode_memory)(latents, ~SNIPPET_MASK)
    for t in range(3):
        memory = compiled(decoder.extend_memory)(
            memory,
            latents[:, t : t + 1] + 1,
            SNIPPET_MASK[:, t : t + 1],
            np.full((2, 1), t, "int32"),
        )
    decode = compiled(decoder.decode)
    decoded, _ = decode(text, memory, decoder.empty_caches(2, 5), 0)
    assert_close(decoded, call(text, latents + 1, SNIPPET_MASK, ALL_TEXT))
