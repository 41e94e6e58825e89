"""Cutting and filling signals to whole snippets, in a TensorFlow graph."""

import tensorflow as tf


def count_snippets(length, span):
    """How many snippets of `span` steps a signal of `length` steps fills.

    Rounded to the nearest whole number, so that a codec's few extra samples
    make no snippet of their own; a signal that is there has at least one.

    Args:
        length: int tensor. Steps of the signal; 0 if it is absent.
        span: int. Steps in a snippet.

    Returns:
        An int32 tensor of the same shape.

    Example:
    ```python
    keras_mirasol.preprocessing.count_snippets([0, 7, 8], span=5)  # [0, 1, 2]
    ```
    """
    length = tf.cast(length, tf.int32)
    # Twice the length could be more than an int32 holds.
    whole, rest = length // span, length % span
    rounded = whole + tf.cast(2 * rest >= span, tf.int32)
    return tf.where(length > 0, tf.maximum(rounded, 1), 0)


def snippet_bucket(count):
    """The number of snippets that a clip of `count` is filled up to.

    Four numbers an octave: multiples of 2 up to 16, of 4 up to 32, of 8 up to
    64 and so on; up to 8 snippets stay as they are. So models see few numbers
    of snippets, each of which they are compiled for, and less than a quarter
    of them is filling.

    Args:
        count: int tensor.

    Returns:
        An int32 tensor of the same shape.

    Example:
    ```python
    keras_mirasol.preprocessing.snippet_bucket([5, 9, 33])  # [5, 10, 40]
    ```
    """
    count = tf.cast(count, tf.int32)
    octaves = tf.constant([2**k for k in range(3, 31)])
    beyond = tf.reduce_sum(
        tf.cast(count[..., tf.newaxis] >= octaves, tf.int32), axis=-1
    )
    step = tf.bitwise.left_shift(tf.ones_like(count), beyond)
    return (count + step - 1) // step * step


def fit_length(signal, length, repeat_last=False):
    """Cuts a signal along its first axis, or fills it up, to `length` steps.

    Args:
        signal: tensor.
        length: scalar int tensor.
        repeat_last: bool. Fill with copies of the last step instead of zeros.
            Defaults to `False`.

    Returns:
        A tensor.

    Example:
    ```python
    keras_mirasol.preprocessing.fit_length([1, 2], 4)  # [1, 2, 0, 0]
    ```
    """
    signal = tf.convert_to_tensor(signal)[:length]
    missing = length - tf.shape(signal)[0]
    if repeat_last:
        filling = tf.repeat(signal[-1:], missing, axis=0)
    else:
        shape = tf.concat([[missing], tf.shape(signal)[1:]], axis=0)
        filling = tf.zeros(shape, signal.dtype)
    return tf.concat([signal, filling], axis=0)


def first_snippets(count, of):
    """A bool mask `(of,)` whose first `count` entries are set."""
    return tf.range(of) < count
