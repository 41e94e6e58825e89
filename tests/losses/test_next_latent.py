import keras
import numpy as np
import pytest
from arrays import assert_close
from docstrings import check_example
from gradients import gradients

from keras_mirasol.losses import next_latent_loss
from keras_mirasol.losses.next_latent import next_snippet_mask

EAST, NORTH = [1.0, 0.0], [0.0, 1.0]
# One clip of three snippets with one token each.
JOINT_TOKENS = np.array([[[NORTH], [EAST], [NORTH]]], "float32")
EVERYTHING = np.ones((1, 3), bool)


def predictions(first, second):
    """What is predicted of snippets 1 and 2; nothing follows the last."""
    return np.array([[[first], [second], [[np.e, np.pi]]]], "float32")


@pytest.mark.parametrize(
    "first, second, expected",
    [
        (EAST, NORTH, 0.0),
        ([5.0, 0.0], [0.0, 0.1], 0.0),
        (NORTH, NORTH, (1 + 0) / 2),
        ([-2.0, 0.0], NORTH, (2 + 0) / 2),
        ([3.0, 3.0], NORTH, (1 - np.sqrt(0.5)) / 2),
    ],
    ids=["right", "right but scaled", "orthogonal", "opposite", "diagonal"],
)
def test_one_minus_cosine_of_the_next_snippet(first, second, expected):
    loss = next_latent_loss(
        JOINT_TOKENS, predictions(first, second), EVERYTHING
    )
    assert_close(loss, expected)


@pytest.mark.parametrize(
    "mask, expected",
    [
        ([True, True, False], 1.0),
        ([False, True, True], 2.0),
        ([True, False, True], 0.0),
        ([False, False, False], 0.0),
    ],
)
def test_pairs_of_snippets_that_both_exist(mask, expected):
    # The first pair is orthogonal, the second opposite.
    loss = next_latent_loss(
        JOINT_TOKENS, predictions(NORTH, [0.0, -1.0]), np.array([mask])
    )
    assert_close(loss, expected)


def test_pairs_of_all_clips_and_tokens_count_alike():
    joint_tokens = np.array([[[EAST, EAST]] * 3, [[EAST, EAST]] * 3], "float32")
    predicted = joint_tokens.copy()
    predicted[0, 0, 1] = NORTH
    mask = np.array([[True, True, True], [True, True, False]])
    # One token of three pairs of two.
    assert_close(next_latent_loss(joint_tokens, predicted, mask), 1 / 6)


def test_single_snippet_has_no_next():
    tokens = np.ones((2, 1, 2, 4), "float32")
    loss = next_latent_loss(tokens, -tokens, np.ones((2, 1), bool))
    assert_close(loss, 0.0)


def test_gradient_flows_into_predictions_alone(normal):
    joint_tokens = keras.Variable(normal(2, 3, 2, 4))
    predicted = keras.Variable(normal(2, 3, 2, 4))
    mask = np.array([[True, True, True], [True, True, False]])
    to_tokens, to_predicted = gradients(
        lambda: next_latent_loss(joint_tokens.value, predicted.value, mask),
        [joint_tokens, predicted],
    )
    assert not to_tokens.any()
    assert to_predicted[0, :2].all() and to_predicted[1, 0].all()
    assert not to_predicted[0, 2].any() and not to_predicted[1, 1:].any()


def test_zeros_point_nowhere_and_are_drawn_to_what_comes_next():
    zeros = keras.Variable(np.zeros((1, 3, 1, 2), "float32"))

    def loss():
        return next_latent_loss(JOINT_TOKENS, zeros.value, EVERYTHING)

    assert_close(loss(), 1.0)
    (gradient,) = gradients(loss, [zeros])
    assert (-gradient[0, 0, 0]).tolist() == pytest.approx([500.0, 0.0])
    assert (-gradient[0, 1, 0]).tolist() == pytest.approx([0.0, 500.0])


def test_next_snippet_mask():
    mask = next_snippet_mask(
        np.array([[True, True, False, True]]),
        np.array([[False, True, True, False]]),
    )
    np.testing.assert_array_equal(mask, [[True, True, False]])


def test_example():
    check_example(next_latent_loss)
