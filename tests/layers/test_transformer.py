import numpy as np
import pytest
from arrays import assert_close
from arrays import assert_same_bits
from arrays import dense
from arrays import differ
from arrays import gelu as direct_gelu
from arrays import layer_norm
from arrays import randomize
from compiled import compiled
from keras import ops

from keras_mirasol.layers import Transformer
from keras_mirasol.layers import TransformerBlock
from keras_mirasol.layers.gelu import gelu


def built(layer):
    layer.build((None, None, 8))
    return randomize(layer)


@pytest.fixture(scope="module")
def reader():
    """A stack that reads a memory."""
    return built(Transformer(2, 8, 2, memory_dim=8, rotary_wavelength=100.0))


@pytest.fixture(scope="module")
def read(reader):
    return compiled(reader)


@pytest.fixture(scope="module")
def key_values(reader):
    return compiled(reader.memory_key_values)


def test_gelu_is_the_tanh_form():
    # The exact form would give 0.8413 at 1.
    assert_close(gelu(ops.array([-1.0, 0.0, 1.0])), [-0.15881, 0.0, 0.84119])


def attend(attention, *inputs):
    return ops.convert_to_numpy(compiled(attention)(*inputs))


def test_block_is_pre_norm(normal):
    block = built(TransformerBlock(8, 2, 32, memory_dim=6))
    x, memory = normal(2, 4, 8), normal(2, 3, 6)
    key_values = compiled(block.memory_key_values)(memory)
    actual = compiled(block)(x, memory_key_values=key_values)

    normed = layer_norm(x, block.self_attention_norm.weights)
    x = x + attend(block.self_attention, normed)
    normed = layer_norm(x, block.cross_attention_norm.weights)
    x = x + attend(block.cross_attention, normed, key_values)
    normed = layer_norm(x, block.mlp_norm.weights)
    hidden = direct_gelu(dense(normed, block.mlp_hidden))
    assert_close(actual, x + dense(hidden, block.mlp_output))


def test_cross_attention_starts_at_a_tenth_of_its_size():
    block = TransformerBlock(64, 4, 64, memory_dim=64)
    block.build((None, None, 64))
    own, cross = (
        ops.convert_to_numpy(attention.output_dense.kernel).std()
        for attention in (block.self_attention, block.cross_attention)
    )
    assert cross / own == pytest.approx(0.1, rel=0.1)


def test_exact_number_of_weights():
    attention, norm = 4 * (8 * 8 + 8), 2 * 8
    mlp = (8 * 32 + 32) + (32 * 8 + 8)
    block = built(TransformerBlock(8, 2, 32))
    assert block.count_params() == attention + mlp + 2 * norm

    block = built(TransformerBlock(8, 2, 32, memory_dim=6))
    cross_attention = 2 * (8 * 8 + 8) + 2 * (6 * 8 + 8)
    assert block.count_params() == (
        attention + cross_attention + mlp + 3 * norm
    )

    stack = built(Transformer(2, 8, 2))  # an MLP of 4 * 8
    assert stack.count_params() == 2 * (attention + mlp + 2 * norm) + norm


def test_stack_ends_in_a_normalisation(normal):
    stack, x = Transformer(1, 8, 2), normal(2, 4, 8)
    stack.build(x.shape)
    y = ops.convert_to_numpy(compiled(stack)(x))
    last = ops.convert_to_numpy(compiled(stack.blocks[0])(x))
    assert_close(y, layer_norm(last, stack.norm.weights))
    assert_close(y.mean(-1), np.zeros((2, 4)))
    assert_close(y.var(-1), np.ones((2, 4)), atol=1e-3)


@pytest.mark.parametrize("steps", [[1, 1, 1, 1], [3, 1]], ids=str)
def test_caches_give_what_the_whole_gives(
    reader, read, key_values, normal, steps
):
    x = normal(2, 4, 8)
    memory = {"memory_key_values": key_values(normal(2, 3, 8))}
    # Positions beyond the text stay empty, and unseen.
    causal = np.tril(np.ones((4, 6), bool))
    whole = read(x, attention_mask=causal[None, None, :, :4], **memory)

    caches, parts, start = reader.empty_caches(2, max_length=6), [], 0
    for length in steps:
        part, caches = read(
            x[:, start : start + length],
            attention_mask=causal[None, None, start : start + length],
            caches=caches,
            start=start,
            **memory,
        )
        parts.append(part)
        start += length
    assert_close(ops.concatenate(parts, axis=1), whole)


def test_texts_of_one_clip_share_its_memory_row_for_row(
    read, key_values, normal
):
    x, memory = normal(6, 4, 8), normal(2, 3, 8)
    mask = np.array([[True, True, False], [False, True, True]])
    shared = read(
        x,
        memory_key_values=key_values(memory),
        memory_mask=mask,
    )
    repeated = read(
        x,
        memory_key_values=key_values(memory.repeat(3, axis=0)),
        memory_mask=mask.repeat(3, axis=0),
    )
    assert_close(shared, repeated)


def test_masked_memory_is_not_read(read, key_values, normal):
    x, memory = normal(6, 4, 8), normal(2, 3, 8)
    mask = np.array([[True, True, False], [False, True, True]])

    def read_memory(memory):
        return read(
            x,
            memory_key_values=key_values(memory),
            memory_mask=mask,
        )

    masked_changed = np.where(mask[:, :, None], memory, 100.0)
    assert_same_bits(read_memory(masked_changed), read_memory(memory))
    seen_changed = np.where(mask[:, :, None], memory + 1, memory)
    assert differ(read_memory(seen_changed), read_memory(memory))


def test_dropout_in_training_alone(normal):
    stack, x = Transformer(1, 8, 2, dropout=0.5), normal(2, 4, 8)
    assert_same_bits(stack(x), stack(x, training=False))
    assert differ(stack(x, training=True), stack(x))


def test_cache_without_room(normal):
    stack, x = built(Transformer(1, 8, 2)), normal(2, 2, 8)
    caches = stack.empty_caches(2, max_length=3)
    with pytest.raises(ValueError, match="3 positions has no room for 2"):
        compiled(lambda: stack(x, caches=caches, start=2))()


def test_missing_memory(read, normal):
    with pytest.raises(ValueError, match="needs `memory_key_values`"):
        read(normal(2, 4, 8))


def test_rows_that_cannot_be_shared_out_to_memories(read, key_values, normal):
    memory = key_values(normal(2, 3, 8))
    with pytest.raises(ValueError, match="3 rows and 2 clips"):
        read(normal(3, 4, 8), memory_key_values=memory)


@pytest.mark.parametrize("num_layers", [0, 2])
def test_rows_that_are_not_kept_change_nothing(num_layers, normal):
    model = built(Transformer(num_layers, 8, 2, rotary_wavelength=100.0))
    x, causal = normal(2, 5, 8), np.tril(np.ones((5, 5), bool))[None, None]
    somewhere = np.array([True, False, True, True, True])[None, None, None]
    for mask in (None, causal, somewhere):
        whole = ops.convert_to_numpy(model(x, attention_mask=mask))
        assert_close(model(x, attention_mask=mask, kept=2), whole[:, -2:])
