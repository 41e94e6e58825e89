import numpy as np
import pytest
import tensorflow as tf

from keras_mirasol.preprocessing import snippets

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


def test_counts_many_at_once():
    counts = snippets.count_snippets([0, 7, 8], 5)
    np.testing.assert_array_equal(counts, [0, 1, 2])


def test_mask_of_the_first_snippets():
    np.testing.assert_array_equal(
        snippets.first_snippets(2, 4), [True, True, False, False]
    )


def test_buckets_are_four_an_octave():
    counts = np.arange(1, 3000)
    buckets = snippets.snippet_bucket(counts).numpy()
    assert sorted(set(buckets[:64])) == [
        *range(1, 9),
        *(10, 12, 14, 16),
        *(20, 24, 28, 32),
        *(40, 48, 56, 64),
    ]
    # Never less than the clip, and less than a quarter more.
    assert (buckets >= counts).all()
    assert (buckets - counts < counts / 4).all()
    # What is in a bucket stays there.
    np.testing.assert_array_equal(snippets.snippet_bucket(buckets), buckets)
