import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mirasol.preprocessing import resize_frames


@pytest.fixture
def frames():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (2, 8, 6, 3)).astype("uint8")


def _resized(frames, size, signature):
    resizing = keras.layers.Resizing(*size, antialias=True, dtype="float32")
    graph = tf.function(
        lambda x: resize_frames(x, resizing), input_signature=[signature]
    )
    return graph(frames).numpy()


@pytest.mark.parametrize("known", [True, False])
def test_frames_of_the_size_stay_as_they_are(frames, known):
    shape = frames.shape if known else (None, None, None, 3)
    resized = _resized(frames, (8, 6), tf.TensorSpec(shape, tf.uint8))
    assert resized.dtype == "float32"
    np.testing.assert_allclose(resized, frames, atol=1e-3)


def test_others_are_averaged(frames):
    # An eighth of a row of stripes: black and white are grey from afar.
    frames[:] = 0
    frames[:, :, ::2] = 255
    spec = tf.TensorSpec((None, None, None, 3), tf.uint8)
    resized = _resized(frames, (8, 2), spec)
    assert resized.shape == (2, 8, 2, 3)
    np.testing.assert_allclose(resized, 127.5, atol=30)
