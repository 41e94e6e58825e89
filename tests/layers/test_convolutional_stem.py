import keras
import numpy as np
import pytest
from arrays import assert_close
from arrays import gelu
from arrays import randomize
from keras import ops

from keras_mirasol.layers import ConvolutionalStem


def test_is_a_strided_convolution_with_zeros_above_and_left_normalised(normal):
    stem, x = ConvolutionalStem(5), normal(2, 6, 8, 3)
    stem.build(x.shape)
    kernel, bias, gamma, beta = randomize(stem).get_weights()

    convolution = keras.layers.Conv2D(
        5, 3, strides=2, kernel_initializer="zeros"
    )
    convolution.build((None, 7, 9, 3))
    convolution.set_weights([kernel.reshape(3, 3, 3, 5), bias])
    padded = np.pad(x, ((0, 0), (1, 0), (1, 0), (0, 0)))
    maps = ops.convert_to_numpy(convolution(padded))
    maps -= maps.mean(-1, keepdims=True)
    maps /= np.sqrt((maps**2).mean(-1, keepdims=True) + 1e-6)
    assert_close(stem(x), gelu(gamma * maps + beta))


def test_exact_number_of_weights():
    stem = ConvolutionalStem(5)
    stem.build((None, 6, 8, 3))
    assert stem.count_params() == 9 * 3 * 5 + 5 + 2 * 5


def test_odd_size():
    with pytest.raises(ValueError, match="must be even. Received: 6x7"):
        ConvolutionalStem(5).build((None, 6, 7, 3))
