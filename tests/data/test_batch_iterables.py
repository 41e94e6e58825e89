import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mirasol.data.batch_iterables import as_dataset
from keras_mirasol.data.batch_iterables import is_batch_iterable

pytestmark = pytest.mark.any_backend


def raw(number):
    return {"number": number}


def preprocess(x, y=None, sample_weight=None):
    """Features of as many snippets as the number tells."""
    snippets = x["number"]
    features = {
        "pixel_values": np.full((1, 2 * snippets, 4, 4, 3), 1, "float32"),
        "audio_features": np.full((1, 5 * snippets, 8), 2, "float32"),
        "token_ids": np.full((1, 3, snippets), snippets, "int32"),
    }
    weights = np.ones((1, 3, snippets), "float32")
    return features, features["token_ids"], weights


def numbers(dataset):
    return [int(y[0, 0, 0]) for _, y, _ in dataset]


class Loader(keras.utils.PyDataset):
    ended = 0

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return (raw(index + 1),)

    def on_epoch_end(self):
        self.ended += 1


class Iterable:
    """As a `DataLoader` is: with a length, and to be gone through again."""

    def __len__(self):
        return 3

    def __iter__(self):
        return iter([raw(1), (raw(3),), [raw(2)]])


def test_batches_of_a_generator_are_preprocessed_once_each_in_order():
    dataset = as_dataset((raw(n) for n in (2, 1, 3)), preprocess)
    assert dataset.cardinality() == tf.data.UNKNOWN_CARDINALITY
    assert numbers(dataset) == [2, 1, 3]
    assert numbers(dataset) == []


def test_an_iterable_is_gone_through_in_each_pass():
    dataset = as_dataset(Iterable(), preprocess)
    assert len(dataset) == 3
    assert numbers(dataset) == numbers(dataset) == [1, 3, 2]


def test_a_py_dataset_is_told_when_a_pass_ends():
    loader = Loader()
    dataset = as_dataset(loader, preprocess)
    assert len(dataset) == 2
    assert numbers(dataset) == [1, 2]
    assert loader.ended == 1


def test_pixels_and_mels_are_known_and_lengths_are_open():
    x, y, weights = as_dataset(iter([raw(2)]), preprocess).element_spec
    assert x["pixel_values"].shape.as_list() == [None, None, 4, 4, 3]
    assert x["audio_features"].shape.as_list() == [None, None, 8]
    for spec in (x["token_ids"], y, weights):
        assert spec.shape.as_list() == [None] * 3


def test_no_batch_is_refused():
    with pytest.raises(ValueError, match="at least one batch"):
        as_dataset(iter([]), preprocess)


@pytest.mark.parametrize(
    "data, expected",
    [
        ((x for x in ()), True),
        (iter([]), True),
        (Loader(), True),
        (Iterable(), True),
        ({"videos": []}, False),
        ((1, 2), False),
        ([1, 2], False),
        (np.zeros(2), False),
        (tf.zeros(2), False),
        (tf.data.Dataset.range(2), False),
        ("text", False),
        (None, False),
    ],
)
def test_what_is_an_iterable_of_batches(data, expected):
    assert is_batch_iterable(data) is expected
