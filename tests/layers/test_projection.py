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


def test_int8_rounds_the_kernel_and_multiplies_by_it(layer):
    layer.quantize("int8")
    assert layer.quantization_mode == "int8"
    assert layer.kernel.dtype == "int8"
    # Rounded by hand: each column by its own scale, each token by its own.
    scale = np.abs(WEIGHTS[0]).max(axis=0) / 127
    kernel = np.rint(WEIGHTS[0] / scale)
    tokens_scale = np.abs(X).max(axis=-1, keepdims=True) / 127
    tokens = np.rint(X / tokens_scale)
    expected = (tokens @ kernel) * tokens_scale * scale + WEIGHTS[1]
    assert_close(layer(X), expected, atol=1e-3)
    assert np.abs(expected - (X @ WEIGHTS[0] + WEIGHTS[1])).max() > 1e-3


def test_low_rank_updates_of_an_int8_kernel_learn(layer):
    layer.quantize("int8")
    layer.enable_lora(rank=2)
    before = ops.convert_to_numpy(layer(X))
    layer.lora_kernel_b.assign(RNG.normal(size=(2, 5)))
    a, b = (
        ops.convert_to_numpy(weight)
        for weight in (layer.lora_kernel_a, layer.lora_kernel_b)
    )
    update = layer.lora_alpha / layer.lora_rank * X @ a @ b
    assert_close(layer(X), before + update, atol=1e-4)
    assert {weight.name for weight in layer.trainable_weights} == {
        "bias",
        "lora_kernel_a",
        "lora_kernel_b",
    }


def test_a_layer_that_computes_something_else_is_not_quantized():
    class Doubled(Projection):
        def call(self, inputs, training=None):
            return 2 * super().call(inputs)

    layer = Doubled(5)
    layer.build(X.shape)
    with pytest.raises(NotImplementedError):
        layer.quantize("int8")
