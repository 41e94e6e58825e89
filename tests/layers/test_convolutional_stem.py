import keras
import numpy as np
import pytest
from arrays import assert_close
from arrays import gelu
from arrays import layer_norm
from arrays import randomize
from keras import ops

from keras_mirasol.layers import ConvolutionalStem


def test_equals_a_strided_convolution_with_zeros_above_and_left(normal):
    stem, x = ConvolutionalStem(5), normal(2, 6, 8, 3)
    stem.build(x.shape)
    kernel, bias = randomize(stem).get_weights()

    convolution = keras.layers.Conv2D(
        5, 3, strides=2, kernel_initializer="zeros"
    )
    convolution.build((None, 7, 9, 3))
    convolution.set_weights([kernel.reshape(3, 3, 3, 5), bias])
    padded = np.pad(x, ((0, 0), (1, 0), (1, 0), (0, 0)))
    assert_close(stem(x), gelu(ops.convert_to_numpy(convolution(padded))))


def test_norm_is_of_the_channels_of_a_pixel_before_the_gelu(normal):
    stem, x = ConvolutionalStem(5, norm=True), normal(2, 6, 8, 3)
    stem.build(x.shape)
    randomize(stem)
    kernel, bias = stem.projection.get_weights()
    # What pixel (1, 2) of the second image sees: rows 1 to 3, columns 3 to 5.
    seen = x[1, 1:4, 3:6].reshape(-1)
    expected = gelu(layer_norm(seen @ kernel + bias, stem.norm.get_weights()))
    assert_close(ops.convert_to_numpy(stem(x))[1, 1, 2], expected)


@pytest.mark.parametrize("norm", [False, True])
def test_exact_number_of_weights(norm):
    stem = ConvolutionalStem(5, norm=norm)
    stem.build((None, 6, 8, 3))
    assert stem.count_params() == 9 * 3 * 5 + 5 + norm * (5 + 5)


def test_odd_size():
    with pytest.raises(ValueError, match="must be even. Received: 6x7"):
        ConvolutionalStem(5).build((None, 6, 7, 3))
