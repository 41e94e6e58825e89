"""Batches that Python makes, as a `tf.data.Dataset`."""

import itertools

import keras
import numpy as np
import tensorflow as tf

# Takes a pipeline down before Python ends.
from keras_mirasol.data import iterators_at_exit  # noqa: F401


def is_batch_iterable(data):
    """Whether data is an iterable of batches, not arrays or a dataset.

    That is a generator or other iterator, a `keras.utils.PyDataset` or a
    PyTorch `DataLoader`. Datasets of `tf.data` and Grain have a `map()`.
    """
    if isinstance(data, keras.utils.PyDataset):
        return True
    is_array = isinstance(data, (dict, list, tuple, str)) or any(
        hasattr(data, name) for name in ("shape", "map")
    )
    return hasattr(data, "__iter__") and not is_array


def as_dataset(batches, preprocess):
    """A dataset of preprocessed batches.

    Args:
        batches: an iterable of batches: `x`, or tuples of `x` and perhaps `y`
            and sample weights. An iterator can be gone through once.
        preprocess: callable of these three. Runs in Python.

    Returns:
        A `tf.data.Dataset`; it knows its length if `batches` do.

    Raises:
        ValueError: if there is no batch.
    """
    items = batches.__iter__
    if isinstance(batches, keras.utils.PyDataset):
        items = _items_of(batches)

    def one_pass():
        return (_preprocess(batch, preprocess) for batch in items())

    rest = one_pass()
    first = next(rest, None)
    if first is None:
        raise ValueError("Expected at least one batch. Received none.")
    # An iterator does not begin anew: what was taken goes back before it.
    is_iterator = hasattr(batches, "__next__")
    whole = itertools.chain([first], rest)
    dataset = tf.data.Dataset.from_generator(
        (lambda: whole) if is_iterator else one_pass,
        output_signature=_signature(first),
    )
    length = _length(batches)
    if length is not None:
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(length))
    return dataset.prefetch(tf.data.AUTOTUNE)


def _items_of(py_dataset):
    def items():
        for index in range(len(py_dataset)):
            yield py_dataset[index]
        py_dataset.on_epoch_end()

    return items


def _length(batches):
    try:
        return len(batches)
    except TypeError:
        return None


def _preprocess(batch, preprocess):
    batch = batch if isinstance(batch, (tuple, list)) else (batch,)
    return tf.nest.map_structure(np.asarray, preprocess(*batch))


def _signature(batch):
    """The type of batches of any size, T, text length and texts per clip."""
    x, *rest = tf.nest.map_structure(_any_length, batch)
    for name in ("pixel_values", "audio_features"):
        array = batch[0][name]
        shape = (None, None, *array.shape[2:])
        x[name] = tf.TensorSpec(shape, array.dtype)
    return (x, *rest)


def _any_length(array):
    return tf.TensorSpec([None] * array.ndim, array.dtype)
