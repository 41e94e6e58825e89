import numpy as np
from arrays import assert_close
from arrays import assert_same_bits
from arrays import randomize
from keras import ops

from keras_mirasol.layers import GatedAttention


def test_a_closed_gate_changes_nothing_to_the_bit(normal):
    layer = GatedAttention(8, 2, memory_dim=6)
    x = normal(4, 5, 8)
    memory = layer.memory_key_values(normal(2, 3, 6))
    assert_same_bits(layer(x, memory), x)


def test_an_open_gate_adds_what_is_read_of_the_clip(normal):
    layer = GatedAttention(8, 2, memory_dim=6)
    x, memory = normal(2, 5, 8), normal(2, 3, 6)
    key_values = layer.memory_key_values(memory)
    layer(x, key_values)
    randomize(layer)
    layer.gate.assign(0.5)
    key_values = layer.memory_key_values(memory)
    mask = np.array([[True, True, False], [True, False, False]])
    read = layer.attention(
        layer.norm(x), key_values, attention_mask=mask[:, None, None, :]
    )
    expected = x + np.tanh(0.5) * ops.convert_to_numpy(read)
    assert_close(layer(x, key_values, mask), expected)


def test_texts_of_a_clip_read_its_memory_alone(normal):
    layer = GatedAttention(8, 2, memory_dim=6)
    x, memory = normal(6, 5, 8), normal(2, 3, 6)
    layer(x, layer.memory_key_values(memory))
    randomize(layer)
    before = layer(x, layer.memory_key_values(memory))
    memory[1] += 1.0
    after = layer(x, layer.memory_key_values(memory))
    assert_same_bits(after[:3], before[:3])
    alone = layer(x[3:], layer.memory_key_values(memory[1:]))
    assert_close(after[3:], alone)
