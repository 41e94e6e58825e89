import keras
import numpy as np
import pytest
from arrays import assert_close
from docstrings import check_example
from gradients import gradients

from keras_mirasol.losses import contrastive_loss
from keras_mirasol.losses import text_clip_pairs

PAIRS = np.array([[1, 0], [0, 1]], bool)
LOGITS = np.array([[2.0, 1.0], [-1.0, 0.5]], "float32")


def reference(logits, pairs, negatives):
    """The formula of the docstring, pair by pair."""
    losses = []
    e = np.exp(np.asarray(logits, "float64"))
    for i, c in zip(*np.nonzero(pairs), strict=True):
        for against in (e[i][negatives[i]], e[:, c][negatives[:, c]]):
            losses.append(-np.log(e[i, c] / (e[i, c] + against.sum())))
    return np.mean(losses) if losses else 0.0


def test_the_cross_entropy_of_both_softmaxes():
    # Of each text over clips, then of each clip over texts.
    terms = [[2, 1], [0.5, -1], [2, -1], [0.5, 1]]
    expected = np.mean([np.log(1 + np.exp(no - yes)) for yes, no in terms])
    assert_close(contrastive_loss(LOGITS, PAIRS, ~PAIRS), expected)


def test_several_texts_of_a_clip_do_not_count_against_each_other():
    pairs = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], bool)
    logits = np.zeros((4, 2), "float32")
    # Each text is against one clip, each clip and text against two texts.
    expected = (np.log(2) + np.log(3)) / 2
    assert_close(contrastive_loss(logits, pairs, ~pairs), expected)


def test_equal_texts_and_what_is_masked_by_hand(normal):
    token_ids = np.array([[1], [2], [3], [2], [4], [5]])
    pairs, negatives = (
        np.asarray(matrix)
        for matrix in text_clip_pairs(
            token_ids,
            np.ones((6, 1), bool),
            np.array([True, True, True, True, False, True]),
            np.array([True, True, True]),
        )
    )
    assert (pairs.sum(), negatives.sum()) == (5, 8)
    logits = 3 * normal(6, 3)
    assert_close(
        contrastive_loss(logits, pairs, negatives),
        reference(logits, pairs, negatives),
    )


@pytest.mark.parametrize("scale", [1.0, 100.0])
@pytest.mark.parametrize(
    "pairs, negatives",
    [
        (np.array([[True], [True]]), np.array([[False], [False]])),
        (np.zeros((2, 2), bool), np.zeros((2, 2), bool)),
        (np.zeros((2, 2), bool), np.ones((2, 2), bool)),
    ],
    ids=["one clip", "nothing at all", "no pair"],
)
def test_nothing_is_learned_without_pairs_or_negatives(
    normal, pairs, negatives, scale
):
    logits = keras.Variable(scale * normal(*pairs.shape))

    def loss():
        return contrastive_loss(logits.value, pairs, negatives)

    assert_close(loss(), 0.0)
    (gradient,) = gradients(loss, [logits])
    assert_close(gradient, np.zeros(pairs.shape))


def test_gradients_of_extreme_logits_are_finite():
    logits = keras.Variable([[100.0, -100.0], [-100.0, -100.0]])

    def loss():
        return contrastive_loss(logits.value, PAIRS, ~PAIRS)

    assert np.isfinite(keras.ops.convert_to_numpy(loss()))
    (gradient,) = gradients(loss, [logits])
    # Only the second pair is undecided, both times by a half.
    assert_close(gradient, [[0, 0.125], [0.125, -0.25]])


def test_examples():
    check_example(contrastive_loss)
    check_example(text_clip_pairs)
