import numpy as np
import pytest
from arrays import assert_close
from arrays import randomize
from compiled import compiled
from keras import ops

from keras_mirasol.layers import Attention


def project(x, projection, heads):
    kernel, bias = projection.get_weights()
    y = x @ kernel + bias
    return y.reshape(*y.shape[:2], heads, -1)


def direct_attention(layer, x, memory, mask):
    """`softmax(q k^T / sqrt(d)) v`, head by head."""
    query, key, value = (
        project(y, projection, layer.num_heads)
        for y, projection in (
            (x, layer.query),
            (memory, layer.key),
            (memory, layer.value),
        )
    )
    attended = np.zeros_like(query)
    for head in range(layer.num_heads):
        q, k, v = query[:, :, head], key[:, :, head], value[:, :, head]
        scores = q @ k.transpose(0, 2, 1) / np.sqrt(layer.head_dim)
        weights = np.where(mask, np.exp(scores), 0)
        weights /= weights.sum(-1, keepdims=True)
        attended[:, :, head] = weights @ v
    kernel, bias = layer.output_dense.get_weights()
    return attended.reshape(*attended.shape[:2], -1) @ kernel + bias


def test_self_attention_equals_the_formula(normal):
    layer, x = Attention(num_heads=2, dim=8), normal(2, 4, 8)
    layer.build(x.shape)
    randomize(layer)
    assert_close(compiled(layer)(x), direct_attention(layer, x, x, True))
    mask = np.tril(np.ones((4, 4), bool))
    assert_close(
        compiled(layer)(x, attention_mask=mask[None, None]),
        direct_attention(layer, x, x, mask),
    )


def test_memory_of_another_width(normal):
    layer, x, memory = Attention(2, 8, 6), normal(2, 4, 8), normal(2, 5, 6)
    y = layer(x, key_values=layer.key_values(memory))
    assert_close(y, direct_attention(layer, x, memory, True))


def test_input_of_another_width(normal):
    layer = Attention(2, 8, memory_dim=6)
    layer.build((None, None, 10))
    # Query, key, value and output: a matrix and a bias each.
    assert layer.count_params() == (
        (10 * 8 + 8) + (6 * 8 + 8) + (6 * 8 + 8) + (8 * 8 + 8)
    )
    x, memory = normal(2, 4, 10), normal(2, 5, 6)
    y = layer(x, key_values=layer.key_values(memory))
    assert_close(y, direct_attention(layer, x, memory, True))


def test_exact_number_of_weights():
    layer = Attention(num_heads=2, dim=8)
    layer.build((None, None, 8))
    assert layer.count_params() == 4 * (8 * 8 + 8)


def test_kept_key_values_give_what_computing_them_gives(normal):
    layer, x = Attention(2, 8, rotary_wavelength=100.0), normal(2, 4, 8)
    layer.build(x.shape)
    attend = compiled(layer)
    whole = attend(x)
    kept = ops.concatenate(
        [layer.key_values(x[:, :1]), layer.key_values(x[:, 1:], start=1)],
        axis=3,
    )
    assert_close(attend(x, key_values=kept), whole)
    assert_close(
        attend(x[:, 1:], key_values=kept, start=1),
        ops.convert_to_numpy(whole)[:, 1:],
    )


def test_rotary_self_attention_does_not_see_a_shift(normal):
    layer, x = Attention(2, 8, rotary_wavelength=100.0), normal(2, 4, 8)
    layer.build(x.shape)
    attend = compiled(layer)
    assert_close(attend(x), attend(x, start=9))


def test_heads_that_do_not_divide_dim():
    with pytest.raises(ValueError, match="dim=10, num_heads=4"):
        Attention(num_heads=4, dim=10)


def test_rotary_heads_of_odd_width():
    with pytest.raises(ValueError, match="must be even"):
        Attention(num_heads=2, dim=6, rotary_wavelength=100.0)


def test_one_query_for_all_rows(normal):
    layer, query, memory = Attention(2, 8), normal(1, 3, 8), normal(2, 5, 8)
    y = layer(query, key_values=layer.key_values(memory))
    rows = query.repeat(2, axis=0)
    assert_close(y, direct_attention(layer, rows, memory, True))
