import keras
import numpy as np
import pytest
from arrays import assert_close
from docstrings import check_example
from gradients import gradients
from keras import ops

from keras_mirasol.losses import hard_negatives
from keras_mirasol.losses import matching_loss

YES = np.array([True, True, False])


def test_the_binary_cross_entropy_of_those_that_count():
    logits = np.array([2.0, -1.0, 3.0], "float32")
    # -log sigmoid(x) of matches, -log(1 - sigmoid(x)) of the others.
    first, second, third = np.log1p(np.exp([-2.0, 1.0, 3.0]))
    everything = np.ones(3, bool)
    assert_close(
        matching_loss(YES, logits, everything), (first + second + third) / 3
    )
    mask = np.array([True, False, True])
    assert_close(matching_loss(YES, logits, mask), (first + third) / 2)


def test_none_counts():
    logits = np.array([2.0, -1.0, 3.0], "float32")
    assert_close(matching_loss(YES, logits, np.zeros(3, bool)), 0.0)


def test_what_is_surely_wrong_is_learned_from():
    logits = keras.Variable([-1000.0, 1000.0, 1000.0])

    def loss():
        return matching_loss(YES, logits.value, np.ones(3, bool))

    assert_close(loss(), 2000 / 3, atol=1e-3)
    (gradient,) = gradients(loss, [logits])
    assert_close(gradient, [-1 / 3, 0, 1 / 3])


def drawn(logits, negatives, rows=4000):
    """How often each candidate is drawn, in many equal rows."""
    candidates, found = hard_negatives(
        np.tile(np.array(logits, "float32"), (rows, 1)),
        np.tile(np.array(negatives, bool), (rows, 1)),
        keras.random.SeedGenerator(0),
    )
    found = ops.convert_to_numpy(found)
    assert found.all() == found.any() == np.any(negatives)
    candidates = ops.convert_to_numpy(candidates)
    return np.bincount(candidates, minlength=len(logits)) / rows


def test_the_more_alike_the_more_often():
    logits = np.array([0.0, 5.0, 1.0, 2.0])
    share = np.exp(logits) * [1, 0, 1, 1]
    share /= share.sum()
    # Three deviations of the share of 4000 draws.
    atol = 3 * np.sqrt(0.25 / 4000)
    assert_close(drawn(logits, [1, 0, 1, 1]), share, atol=atol)


def test_only_negatives_are_drawn():
    frequency = drawn([100.0, -100.0, 0.0], [0, 1, 0], rows=50)
    assert frequency.tolist() == [0, 1, 0]


def test_rows_without_negatives_are_told():
    # Each draw is a candidate's index all the same.
    assert drawn([1.0, 2.0], [0, 0], rows=50).sum() == 1


def test_each_row_has_candidates_of_its_own():
    negatives = np.array([[0, 1, 0], [0, 0, 0], [1, 0, 0], [0, 0, 1]], bool)
    candidates, found = hard_negatives(np.zeros((4, 3)), negatives, seed=0)
    found = ops.convert_to_numpy(found)
    assert found.tolist() == [True, False, True, True]
    assert ops.convert_to_numpy(candidates)[found].tolist() == [1, 0, 2]


@pytest.mark.parametrize("function", [matching_loss, hard_negatives])
def test_examples(function):
    check_example(function)
