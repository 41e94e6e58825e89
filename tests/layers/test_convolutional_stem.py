import keras
import numpy as np
import pytest
from arrays import assert_close
from arrays import gelu
from arrays import layer_norm
from arrays import randomize
from keras import ops

from keras_mirasol.layers import ConvolutionalStem


def test_equals_a_strided_convolution_a_norm_of_channels_and_a_gelu(normal):
    stem, x = ConvolutionalStem(5), normal(2, 6, 8, 3)
    stem.build(x.shape)
    kernel, bias = randomize(stem).projection.get_weights()

    convolution = keras.layers.Conv2D(
        5, 3, strides=2, kernel_initializer="zeros"
    )
    convolution.build((None, 7, 9, 3))
    convolution.set_weights([kernel.reshape(3, 3, 3, 5), bias])
    # Zeros above and to the left.
    padded = np.pad(x, ((0, 0), (1, 0), (1, 0), (0, 0)))
    maps = ops.convert_to_numpy(convolution(padded))
    assert_close(stem(x), gelu(layer_norm(maps, stem.norm.get_weights())))


def test_exact_number_of_weights():
    stem = ConvolutionalStem(5)
    stem.build((None, 6, 8, 3))
    assert stem.count_params() == 9 * 3 * 5 + 5 + 2 * 5


def test_odd_size():
    with pytest.raises(ValueError, match="must be even. Received: 6x7"):
        ConvolutionalStem(5).build((None, 6, 7, 3))
