import keras
import numpy as np
import pytest
from arrays import assert_close
from docstrings import check_example
from gradients import gradients

from keras_mirasol.losses import past_latent_loss

EAST, NORTH, WEST = [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]
# One clip of four snippets with one token each.
JOINT_TOKENS = np.array([[[NORTH], [EAST], [NORTH], [WEST]]], "float32")
EVERYTHING = np.ones((1, 4), bool)
NOWHERE = [np.pi, -np.e]


def predictions(*tokens):
    return np.array([[[token] for token in tokens]], "float32")


@pytest.mark.parametrize(
    "lag, predicted, expected",
    [
        (1, predictions(NOWHERE, [0.0, 7.0], EAST, NORTH), 0.0),
        (1, predictions(NOWHERE, NORTH, EAST, EAST), (0 + 0 + 1) / 3),
        (2, predictions(NOWHERE, NOWHERE, NORTH, WEST), (0 + 2) / 2),
        (3, predictions(NOWHERE, NOWHERE, NOWHERE, NORTH), 0.0),
    ],
)
def test_one_minus_cosine_of_the_snippet_that_lies_lag_before(
    lag, predicted, expected
):
    loss = past_latent_loss(JOINT_TOKENS, predicted, EVERYTHING, lag)
    assert_close(loss, expected)


@pytest.mark.parametrize(
    "mask, expected",
    [
        ([True, True, True, False], 1.0),
        ([False, True, True, True], 2.0),
        ([True, False, False, True], 0.0),
    ],
)
def test_pairs_of_snippets_that_both_exist(mask, expected):
    # The first pair is orthogonal, the second opposite.
    predicted = predictions(NOWHERE, NOWHERE, EAST, WEST)
    loss = past_latent_loss(JOINT_TOKENS, predicted, np.array([mask]), 2)
    assert_close(loss, expected)


@pytest.mark.parametrize("lag", [4, 9])
def test_a_clip_without_a_snippet_so_early_has_no_loss(lag):
    loss = past_latent_loss(JOINT_TOKENS, -JOINT_TOKENS, EVERYTHING, lag)
    assert_close(loss, 0.0)


def test_gradient_flows_into_predictions_alone(normal):
    joint_tokens = keras.Variable(normal(1, 4, 2, 4))
    predicted = keras.Variable(normal(1, 4, 2, 4))
    to_tokens, to_predicted = gradients(
        lambda: past_latent_loss(
            joint_tokens.value, predicted.value, EVERYTHING, 2
        ),
        [joint_tokens, predicted],
    )
    assert not to_tokens.any()
    assert to_predicted[0, 2:].all() and not to_predicted[0, :2].any()


def test_example():
    check_example(past_latent_loss)
