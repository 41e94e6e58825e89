import numpy as np
import pytest
import tensorflow as tf

from keras_mirasol.preprocessing import text_packing

pytestmark = pytest.mark.any_backend

START, END, PAD = 7, 8, 0


def _pack(prompts, responses, length):
    ragged = tf.ragged.constant
    return [
        packed.numpy()
        for packed in text_packing.pack_texts(
            ragged(prompts, dtype=tf.int32, ragged_rank=1),
            responses
            if responses is None
            else ragged(responses, dtype=tf.int32, ragged_rank=1),
            START,
            END,
            PAD,
            length,
        )
    ]


def test_ended_texts_are_filled_up_with_their_end():
    tokens = tf.ragged.constant([[1, 2, 3], [4], []], dtype=tf.int32)
    np.testing.assert_array_equal(
        text_packing.end_texts(tokens, END),
        [[1, 2, 3, 8], [4, 8, 8, 8], [8, 8, 8, 8]],
    )


def test_start_prompt_response_and_end_follow_one_another():
    token_ids, padding_mask, response_mask = _pack(
        [[1, 2], [3]], [[4], [5, 6]], 7
    )
    np.testing.assert_array_equal(
        token_ids, [[7, 1, 2, 4, 8, 0, 0], [7, 3, 5, 6, 8, 0, 0]]
    )
    np.testing.assert_array_equal(padding_mask, [[1, 1, 1, 1, 1, 0, 0]] * 2)
    np.testing.assert_array_equal(
        response_mask, [[0, 0, 0, 1, 1, 0, 0], [0, 0, 1, 1, 1, 0, 0]]
    )
    assert token_ids.dtype == "int32"
    assert padding_mask.dtype == response_mask.dtype == bool


def test_prompts_alone_have_no_end():
    token_ids, padding_mask, response_mask = _pack([[1, 2], [3]], None, 5)
    np.testing.assert_array_equal(token_ids, [[7, 1, 2, 0, 0], [7, 3, 0, 0, 0]])
    np.testing.assert_array_equal(
        padding_mask, [[1, 1, 1, 0, 0], [1, 1, 0, 0, 0]]
    )
    assert not response_mask.any()


def test_padding_is_told_by_masks_not_by_its_value():
    # Tokens of the value of padding are tokens all the same.
    token_ids, padding_mask, _ = _pack([[0, 0]], [[0]], 6)
    np.testing.assert_array_equal(token_ids, [[7, 0, 0, 0, 8, 0]])
    np.testing.assert_array_equal(padding_mask, [[1, 1, 1, 1, 1, 0]])


def test_empty_prompt_and_response():
    token_ids, padding_mask, response_mask = _pack([[]], [[]], 3)
    np.testing.assert_array_equal(token_ids, [[7, 8, 0]])
    np.testing.assert_array_equal(padding_mask, [[1, 1, 0]])
    np.testing.assert_array_equal(response_mask, [[0, 1, 0]])


def test_a_text_that_just_fits():
    token_ids, padding_mask, _ = _pack([[1]], [[2]], 4)
    np.testing.assert_array_equal(token_ids, [[7, 1, 2, 8]])
    assert padding_mask.all()


@pytest.mark.parametrize(
    "prompts, responses, length, words",
    [
        ([[1], [1, 2, 3]], [[2], [4]], 5, "A text has.*6.*room for.*5"),
        # Nothing could follow a prompt that fills all there is.
        ([[1, 2]], None, 3, "A text has.*3.*room for.*2"),
    ],
)
def test_a_text_that_does_not_fit_is_refused(prompts, responses, length, words):
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"(?s){words}"):
        _pack(prompts, responses, length)


@pytest.mark.parametrize(
    "longest, bucket", [(1, 16), (16, 16), (17, 32), (33, 40), (40, 40)]
)
def test_prompts_are_read_to_the_bucket_that_holds_them(longest, bucket):
    lengths = np.array([[1], [longest]])
    padding_mask = np.arange(40) < lengths
    assert text_packing.bucket_of_prompts(padding_mask) == bucket


def test_flattened_texts_get_their_shape_back():
    texts = tf.constant([["a", "bb", "c"], ["d", "e", "ff"]])
    flat = text_packing.flatten_texts(texts)
    np.testing.assert_array_equal(flat, [b"a", b"bb", b"c", b"d", b"e", b"ff"])
    lengths = tf.strings.length(flat)[:, tf.newaxis]
    restored = text_packing.unflatten_texts(lengths, texts)
    np.testing.assert_array_equal(restored, [[[1], [2], [1]], [[1], [1], [2]]])


def test_one_text_has_no_leading_axis():
    text = tf.constant("bell")
    values = tf.constant([[1, 2]])
    restored = text_packing.unflatten_texts(values, text)
    np.testing.assert_array_equal(restored, [1, 2])


def test_next_tokens_are_shifted_by_one():
    x, y, sample_weight = text_packing.next_tokens(
        tf.constant([[7, 1, 4, 8, 0]]),
        tf.constant([[True, True, True, True, False]]),
        tf.constant([[False, False, True, True, False]]),
    )
    np.testing.assert_array_equal(x["token_ids"], [[7, 1, 4, 8]])
    np.testing.assert_array_equal(x["padding_mask"], [[1, 1, 1, 1]])
    np.testing.assert_array_equal(y, [[1, 4, 8, 0]])
    np.testing.assert_array_equal(sample_weight, [[0.0, 1.0, 1.0, 0.0]])
    assert sample_weight.dtype == tf.float32


@pytest.mark.parametrize(
    "longest, length, bucket",
    [
        (0, 128, 16),
        (16, 128, 16),
        (17, 128, 32),
        (65, 128, 128),
        (65, 100, 100),
        (20, 24, 24),
        (9, 12, 12),
    ],
)
def test_texts_are_cut_to_a_bucket(longest, length, bucket):
    assert int(text_packing.text_bucket(longest, length)) == bucket
