import numpy as np
import pytest
from arrays import assert_close
from arrays import assert_same_bits
from arrays import randomize
from compiled import compiled
from keras import ops
from numpy_token_turing import summary

from keras_mirasol.layers.token_summary import AttentionSummary
from keras_mirasol.layers.token_summary import WeightedSummary


@pytest.fixture(scope="module", params=["attention", "weighted_sum"])
def layer(request):
    if request.param == "attention":
        layer = AttentionSummary(2, 8, positions=True, num_heads=2)
    else:
        layer = WeightedSummary(2, 8, positions=True)
    layer.build((None, 5, 8))
    return randomize(layer)


@pytest.fixture(scope="module")
def summarise(layer):
    return compiled(layer)


def test_equals_the_formula(layer, summarise, normal):
    tokens = normal(3, 5, 8)
    assert_close(
        summarise(tokens), [summary(layer, row, heads=2) for row in tokens]
    )


def test_masked_tokens_are_as_if_they_were_not_there(layer, summarise, normal):
    tokens = normal(2, 5, 8)
    mask = np.array([[True, False, True, True, False], [True] * 5])
    masked = summarise(tokens, mask)
    few = summary(layer, tokens[0, [0, 2, 3]], heads=2, places=[0, 2, 3])
    assert_close(masked[0], few)
    assert_same_bits(masked[1], summarise(tokens, np.ones((2, 5), bool))[1])
    tokens[0, [1, 4]] = 100.0
    assert_same_bits(summarise(tokens, mask), masked)


def test_tokens_embedded_apart_are_pooled_as_if_together(
    layer, summarise, normal
):
    tokens = normal(2, 5, 8)

    def in_two_parts(tokens):
        first = layer.embed(tokens[:, :3])
        last = layer.embed(tokens[:, 3:], start=3)
        return layer.pool(ops.concatenate([first, last], axis=1))

    assert_close(compiled(in_two_parts)(tokens), summarise(tokens))


def test_without_positions_the_order_of_tokens_does_not_matter(normal):
    tokens = normal(2, 5, 8)
    layers = [
        AttentionSummary(2, 8, positions=False, num_heads=2),
        WeightedSummary(2, 8, positions=False),
    ]
    for layer in layers:
        layer.build((None, 5, 8))
        summarise = compiled(randomize(layer))
        assert_close(summarise(tokens[:, ::-1]), summarise(tokens))


def test_equal_weights_give_the_mean(normal):
    layer = WeightedSummary(2, 8, positions=True)
    layer.build((None, 5, 8))
    layer.logits.kernel.assign(np.zeros((8, 2)))
    tokens = normal(2, 5, 8)
    mean = tokens.mean(1)
    assert_close(compiled(layer)(tokens), np.stack([mean, mean], axis=1))


def test_exact_number_of_weights():
    def count(layer):
        layer.build((None, 5, 8))
        return layer.count_params()

    norm, positions, queries = 2 * 8, 5 * 8, 3 * 8
    attention = queries + 2 * 8 * 8 + (8 * 8 + 8)
    mlp = (8 * 8 + 8) + 8 * 3
    assert count(AttentionSummary(3, 8, True, 2)) == (
        norm + positions + attention
    )
    assert count(AttentionSummary(3, 8, False, 2)) == norm + attention
    assert count(WeightedSummary(3, 8, True)) == norm + positions + mlp
    assert count(WeightedSummary(3, 8, False)) == norm + mlp
