import keras
import numpy as np
import pytest
from arrays import assert_close
from docstrings import check_example
from gradients import gradients
from keras import ops

from keras_mirasol.losses import text_loss

TOKENS = np.array([[0, 1, 1]])
# The softmax of each: a quarter and three quarters.
LOGITS = np.tile(np.array([0.0, np.log(3.0)], "float32"), (1, 3, 1))
RARE, USUAL = np.log(4.0), np.log(4.0 / 3.0)


@pytest.mark.parametrize(
    "weights, expected",
    [
        (None, (RARE + 2 * USUAL) / 3),
        ([[1.0, 0.0, 0.0]], RARE),
        ([[0.0, 1.0, 1.0]], USUAL),
        ([[1.0, 0.0, 0.5]], (RARE + 0.5 * USUAL) / 1.5),
        ([[0.0, 0.0, 0.0]], 0.0),
    ],
    ids=["none", "first", "others", "half", "no response"],
)
def test_cross_entropy_of_weighted_tokens(weights, expected):
    weights = None if weights is None else np.array(weights, "float32")
    assert_close(text_loss(TOKENS, LOGITS, weights), expected)


def test_texts_of_several_clips_count_token_by_token():
    """A long response weighs more than a short one."""
    weights = np.array([[[1.0, 1.0, 1.0]], [[0.0, 1.0, 0.0]]], "float32")
    loss = text_loss(
        np.stack([TOKENS, TOKENS]), np.stack([LOGITS, LOGITS]), weights
    )
    assert_close(loss, (RARE + 3 * USUAL) / 4)


def test_half_precision_logits_are_not_summed_in_half_precision():
    logits = ops.cast(np.zeros((1, 1000, 4)), "bfloat16")
    loss = text_loss(np.zeros((1, 1000), "int32"), logits)
    assert keras.backend.standardize_dtype(loss.dtype) == "float32"
    assert_close(loss, np.log(4.0))


def test_unweighted_tokens_get_no_gradient():
    logits = keras.Variable(LOGITS)
    weights = np.array([[0.0, 1.0, 0.0]], "float32")
    (gradient,) = gradients(
        lambda: text_loss(TOKENS, logits.value, weights), [logits]
    )
    # Softmax less the token.
    assert_close(gradient, [[[0.0, 0.0], [0.25, -0.25], [0.0, 0.0]]])


def test_example():
    check_example(text_loss)


def test_a_loss_a_text():
    weights = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], "float32")
    tokens, logits = np.repeat(TOKENS, 2, 0), np.repeat(LOGITS, 2, 0)
    loss = text_loss(tokens, logits, weights, axis=-1)
    assert_close(loss, [RARE, USUAL])
