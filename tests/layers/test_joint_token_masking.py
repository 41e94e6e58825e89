import keras
import numpy as np
import pytest
from arrays import assert_same_bits
from keras import ops

from keras_mirasol.layers import JointTokenMasking


@pytest.fixture
def joint_tokens(normal):
    return normal(8, 25, 5, 3)


def is_masked(masking, joint_tokens, training=True):
    """Which tokens are the mask token; all others must be unchanged."""
    outputs = ops.convert_to_numpy(masking(joint_tokens, training=training))
    masked = (outputs == ops.convert_to_numpy(masking.mask_token)).all(-1)
    assert_same_bits(outputs[~masked], joint_tokens[~masked])
    return masked


def test_tokens_are_masked_each_on_its_own_at_the_rate(joint_tokens):
    masked = is_masked(JointTokenMasking(0.3, seed=0), joint_tokens)
    # 1000 tokens: the rate, within three deviations of a binomial.
    assert abs(masked.mean() - 0.3) < 3 * np.sqrt(0.3 * 0.7 / 1000)
    # Snippets are masked in part, as independent tokens would be.
    counts = masked.sum(axis=-1)
    assert set(np.unique(counts)) >= {0, 1, 2, 3}


def test_each_step_masks_others_and_a_seed_repeats_them(joint_tokens):
    masking = JointTokenMasking(0.5, seed=3)
    first = is_masked(masking, joint_tokens)
    second = is_masked(masking, joint_tokens)
    assert (first != second).any()
    again = JointTokenMasking(0.5, seed=3)
    np.testing.assert_array_equal(is_masked(again, joint_tokens), first)


@pytest.mark.parametrize("training", [False, None])
def test_outside_of_training_all_tokens_pass(joint_tokens, training):
    masking = JointTokenMasking(0.9)
    assert_same_bits(masking(joint_tokens, training=training), joint_tokens)


def test_the_mask_token_is_the_only_weight():
    masking = JointTokenMasking(0.1)
    masking.build((None, None, 2, 7))
    assert [weight.shape for weight in masking.trainable_weights] == [(7,)]


@pytest.mark.parametrize("rate", [-0.1, 1.0, 5])
def test_a_rate_that_is_no_share_is_refused(rate):
    with pytest.raises(ValueError, match=f"less than 1. Received: {rate}"):
        JointTokenMasking(rate)


def test_masks_in_a_model_that_is_trained(joint_tokens):
    # Seeds of layers must be part of a compiled step's state.
    inputs = keras.Input((None, 5, 3))
    model = keras.Model(inputs, JointTokenMasking(0.5, seed=0)(inputs))
    model.compile(keras.optimizers.SGD(0.0), loss="mse")
    losses = [model.train_on_batch(joint_tokens, joint_tokens) for _ in "12"]
    assert 0 < losses[0] != losses[1] > 0
    assert model.test_on_batch(joint_tokens, joint_tokens) == 0
