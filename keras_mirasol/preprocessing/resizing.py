"""Frames of one size, in a TensorFlow graph."""

import tensorflow as tf


def resize_frames(frames, resizing):
    """Resizes frames, unless they are known to have the size already.

    Args:
        frames: tensor of shape `(frames, height, width, channels)`.
        resizing: a `keras.layers.Resizing`.

    Returns:
        A float32 tensor.

    Example:
    ```python
    resizing = keras.layers.Resizing(32, 32, antialias=True, dtype="float32")
    keras_mirasol.preprocessing.resize_frames(
        np.zeros((8, 48, 64, 3), "uint8"), resizing
    )  # (8, 32, 32, 3)
    ```
    """
    frames = tf.convert_to_tensor(frames)
    if tuple(frames.shape[-3:-1]) == (resizing.height, resizing.width):
        # TensorFlow would resample every pixel to itself.
        return tf.cast(frames, tf.float32)
    return resizing(frames)
