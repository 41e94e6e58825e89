import numpy as np
import pytest
import tensorflow as tf

from keras_mirasol.data import snippets

pytestmark = pytest.mark.any_backend


@pytest.mark.parametrize(
    "length, count",
    [
        (0, 0),  # absent
        (1, 1),  # there, however short
        (4, 1),
        (5, 1),
        (7, 1),
        (8, 2),  # half a snippet is rounded up
        (10, 2),
        (12, 2),
        (13, 3),
    ],
)
def test_counts_the_nearest_whole_number_of_snippets_of_5(length, count):
    assert snippets.count_snippets(length, 5) == count


def test_long_signals_do_not_overflow():
    # 20 hours at 16 kHz: twice as many samples exceed 31 bits.
    length = 20 * 3600 * 16000
    assert snippets.count_snippets(length, 4000) == 288000


def test_fit_length_cuts():
    np.testing.assert_array_equal(
        snippets.fit_length(tf.constant([1, 2, 3]), 2), [1, 2]
    )


def test_fit_length_fills_with_zeros():
    signal = tf.constant([[1, 2], [3, 4]])
    np.testing.assert_array_equal(
        snippets.fit_length(signal, 4), [[1, 2], [3, 4], [0, 0], [0, 0]]
    )


def test_fit_length_fills_with_the_last_step():
    signal = tf.constant([[1, 2], [3, 4]])
    np.testing.assert_array_equal(
        snippets.fit_length(signal, 4, repeat_last=True),
        [[1, 2], [3, 4], [3, 4], [3, 4]],
    )


def test_fit_length_of_nothing_has_nothing_to_repeat():
    empty = tf.zeros((0, 2))
    assert snippets.fit_length(empty, 0, repeat_last=True).shape == (0, 2)


@pytest.mark.parametrize(
    "frames, samples, expected",
    [
        (4, 30, (2, 3, 3)),
        (6, 10, (3, 1, 3)),
        (0, 20, (0, 2, 2)),
        (4, 0, (2, 0, 2)),
        (0, 0, (0, 0, 1)),  # a text about nothing has one empty snippet
    ],
)
def test_counts_of_both_modalities_and_in_all(frames, samples, expected):
    assert snippets.count_both(frames, 2, samples, 10) == expected


def test_mask_of_the_first_snippets():
    np.testing.assert_array_equal(
        snippets.first_snippets(2, 4), [True, True, False, False]
    )


def _describe(videos, audio, num_snippets):
    """Mean level and length of each signal, padded to the snippets."""
    return {
        "level": tf.fill(
            [num_snippets], tf.reduce_sum(tf.cast(videos, tf.float32))
        ),
        "samples": snippets.length(audio),
        "frames": snippets.length(videos),
        "size": tf.shape(videos)[1:3],
    }


def _count(frames, samples):
    return snippets.count_both(frames, 2, samples, 10)


def _map(videos, audio, batch_size):
    return tf.function(
        lambda: snippets.map_clips(_describe, _count, videos, audio, batch_size)
    )()


def test_clips_of_a_dense_batch_get_as_many_snippets_as_the_longest():
    videos = tf.ones((2, 4, 2, 2, 3), tf.uint8)
    outputs = _map(videos, tf.zeros((2, 50)), 2)
    assert outputs["level"].shape == (2, 5)
    np.testing.assert_array_equal(outputs["level"][0], [48.0] * 5)
    np.testing.assert_array_equal(outputs["samples"], [50, 50])


def test_clips_of_a_ragged_batch_keep_their_own_lengths_and_sizes():
    sizes = [(2, 1, 3), (6, 4, 2), (0, 0, 0)]
    videos = tf.data.Dataset.from_generator(
        lambda: (np.ones((*size, 3), "uint8") for size in sizes),
        output_signature=tf.TensorSpec((None, None, None, 3), tf.uint8),
    )
    videos = next(iter(videos.ragged_batch(3)))
    audio = tf.ragged.constant([[0.0] * 70, [0.0] * 20, []])
    outputs = _map(videos, audio, 3)
    assert outputs["level"].shape == (3, 7)
    np.testing.assert_array_equal(outputs["level"][:, 0], [18, 144, 0])
    np.testing.assert_array_equal(outputs["frames"], [2, 6, 0])
    np.testing.assert_array_equal(outputs["samples"], [70, 20, 0])
    # Frames that are not there still need a size to be resized from.
    np.testing.assert_array_equal(outputs["size"], [[1, 3], [4, 2], [1, 1]])


def test_a_batch_without_a_modality_has_none_of_its_steps():
    outputs = _map(None, tf.zeros((3, 20)), 3)
    np.testing.assert_array_equal(outputs["frames"], [0, 0, 0])
    outputs = _map(tf.ones((3, 2, 2, 2, 3), tf.uint8), None, 3)
    np.testing.assert_array_equal(outputs["samples"], [0, 0, 0])
    outputs = _map(None, None, 3)
    assert outputs["level"].shape == (3, 1)
