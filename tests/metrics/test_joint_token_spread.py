import itertools

import keras
import numpy as np
import pytest
from arrays import assert_close
from docstrings import check_example

from keras_mirasol.metrics import JointTokenSpread

EAST, NORTH, WEST = [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]


def spread(joint_tokens, mask=None):
    joint_tokens = np.array(joint_tokens, "float32")
    if mask is None:
        mask = np.ones(joint_tokens.shape[:2], bool)
    return JointTokenSpread()(joint_tokens, np.array(mask))


def test_the_mean_of_one_minus_cosine_over_all_pairs(normal):
    tokens = normal(2, 3, 4, 5)
    places = tokens.reshape(6, 4, 5).transpose(1, 0, 2)
    expected = [
        1 - (a @ b) / np.sqrt((a @ a) * (b @ b))
        for place in places
        for a, b in itertools.combinations(place, 2)
    ]
    assert_close(spread(tokens), np.mean(expected))


def test_constant_tokens_have_none(normal):
    # Tokens of a snippet differ, but those of all snippets are the same.
    assert_close(spread(np.tile(normal(4, 5), (3, 6, 1, 1))), 0.0)


@pytest.mark.parametrize(
    "tokens, expected",
    [
        ([EAST, [7.0, 0.0]], 0.0),
        ([EAST, NORTH], 1.0),
        ([EAST, WEST], 2.0),
        ([EAST, EAST, NORTH], 2 / 3),
    ],
)
def test_directions_by_hand(tokens, expected):
    assert_close(spread([[[token] for token in tokens]]), expected)
    # Snippets of other clips count as those of the same.
    assert_close(spread([[[token]] for token in tokens]), expected)


def test_only_tokens_in_the_same_place_are_compared():
    assert_close(spread([[[EAST, NORTH], [EAST, NORTH]]]), 0.0)
    assert_close(spread([[[EAST, NORTH], [EAST, EAST]]]), 0.5)


def test_masked_snippets_do_not_count():
    tokens = [[[EAST], [NORTH], [[np.nan, np.nan]]]]
    assert_close(spread(tokens, [[True, True, False]]), 1.0)


def test_batches_with_fewer_than_two_snippets_do_not_count():
    metric = JointTokenSpread()
    assert metric.name == "joint_token_spread"
    tokens = np.array([[[EAST], [NORTH]]], "float32")
    for mask in ([True, True], [True, False], [False, False]):
        metric.update_state(tokens, np.array([mask]))
    assert_close(metric.result(), 1.0)


def test_is_rebuilt_from_its_config():
    metric = JointTokenSpread(name="spread")
    config = keras.saving.serialize_keras_object(metric)
    rebuilt = keras.saving.deserialize_keras_object(config)
    assert isinstance(rebuilt, JointTokenSpread) and rebuilt.name == "spread"


def test_example():
    check_example(JointTokenSpread)
