import keras
import pytest
from arrays import assert_close
from arrays import layer_norm
from arrays import randomize
from arrays import sinusoids
from compiled import compiled
from keras import ops

from keras_mirasol.layers import SpectrogramEmbedding


def test_equals_a_convolution_normalised_plus_positions(normal):
    embedding = SpectrogramEmbedding(8, (2, 4), wavelengths=(4.0, 50.0))
    x = normal(3, 4, 12)
    embedding.build(x.shape)
    randomize(embedding)

    kernel, bias = embedding.projection.get_weights()
    convolution = keras.layers.Conv2D(
        8, (2, 4), strides=(2, 4), kernel_initializer="zeros"
    )
    convolution.build((None, 4, 12, 1))
    convolution.set_weights([kernel.reshape(2, 4, 1, 8), bias])
    patches = ops.convert_to_numpy(convolution(x[..., None]))
    tokens = layer_norm(patches.reshape(3, 2 * 3, 8), embedding.norm.weights)

    centres = [(1, 2), (1, 6), (1, 10), (3, 2), (3, 6), (3, 10)]
    gain = ops.convert_to_numpy(embedding.positions.gain)
    positions = gain * sinusoids(centres, 8, 4.0, 50.0)
    assert_close(compiled(embedding)(x), tokens + positions)


def test_exact_number_of_weights():
    embedding = SpectrogramEmbedding(8, (2, 4))
    embedding.build((None, 4, 12))
    # The projection, the normalisation and the positions' gain.
    assert embedding.count_params() == (2 * 4 * 8 + 8) + 2 * 8 + 1


def test_faint_sounds_do_not_drown_in_their_positions(normal):
    embedding, x = SpectrogramEmbedding(8, (2, 4)), normal(3, 4, 12)
    embedding.build(x.shape)
    embed = compiled(embedding)
    assert_close(embed(x), embed(0.05 * x), atol=0.05)


def test_patches_that_do_not_divide_a_snippet():
    with pytest.raises(
        ValueError, match=r"\(2, 4\).*5 spectrogram frames of 12 mels"
    ):
        SpectrogramEmbedding(8, (2, 4)).build((None, 5, 12))


def test_patch_size_that_is_no_pair():
    with pytest.raises(ValueError, match=r"\(frames, mels\). Received: \(4,\)"):
        SpectrogramEmbedding(8, (4,))
