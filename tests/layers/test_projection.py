"""Dense layers of tokens, and their gradients."""

import keras
import numpy as np
import pytest
from arrays import assert_close
from gradients import gradients
from keras import ops

from keras_mirasol.layers.projection import Projection

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 3, 4)).astype("float32")
WEIGHTS = [RNG.normal(size=(4, 5)), RNG.normal(size=5)]
UPSTREAM = RNG.normal(size=(2, 3, 5)).astype("float32")


@pytest.fixture
def layer():
    layer = Projection(5)
    layer.build(X.shape)
    layer.set_weights(WEIGHTS)
    return layer


def test_it_multiplies_tokens(layer):
    assert_close(layer(X), X @ WEIGHTS[0] + WEIGHTS[1])


def test_gradients_are_those_of_a_product(layer):
    x = keras.Variable(X)

    def loss():
        return ops.sum(layer(x * 1.0) * ops.convert_to_tensor(UPSTREAM))

    of_x, of_kernel, of_bias = gradients(loss, [x, layer.kernel, layer.bias])
    assert_close(of_x, UPSTREAM @ WEIGHTS[0].T)
    tokens, upstream = X.reshape(6, 4), UPSTREAM.reshape(6, 5)
    assert_close(of_kernel, tokens.T @ upstream)
    assert_close(of_bias, upstream.sum(axis=0))


def test_gradients_of_half_precision_reach_whole_weights():
    layer = Projection(5, dtype="mixed_bfloat16")
    layer.build(X.shape)
    layer.set_weights(WEIGHTS)

    def loss():
        outputs = ops.cast(layer(X), "float32")
        return ops.sum(outputs * ops.convert_to_tensor(UPSTREAM))

    (of_kernel,) = gradients(loss, [layer.kernel])
    assert of_kernel.dtype == "float32"
    expected = X.reshape(6, 4).T @ UPSTREAM.reshape(6, 5)
    assert_close(of_kernel, expected, atol=0.1)


def test_low_rank_updates_learn(layer):
    layer.enable_lora(rank=2)
    layer.lora_kernel_b.assign(RNG.normal(size=(2, 5)))

    def loss():
        return ops.sum(layer(X) * ops.convert_to_tensor(UPSTREAM))

    of_a, of_b = gradients(loss, [layer.lora_kernel_a, layer.lora_kernel_b])
    by_kernel = X.reshape(6, 4).T @ UPSTREAM.reshape(6, 5)
    a, b = (
        ops.convert_to_numpy(weight)
        for weight in (layer.lora_kernel_a, layer.lora_kernel_b)
    )
    scale = layer.lora_alpha / layer.lora_rank
    assert_close(of_a, scale * by_kernel @ b.T, atol=1e-4)
    assert_close(of_b, scale * a.T @ by_kernel, atol=1e-4)
