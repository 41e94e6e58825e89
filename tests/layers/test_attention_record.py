"""What layers attend to, as recorded, against what they compute."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_mirasol import layers


def recorded(function, *args, **kwargs):
    with layers.record_attention() as record:
        outputs = function(*args, **kwargs)
    return outputs, record


def test_scores_are_the_softmax_that_values_are_multiplied_with(normal):
    attention = layers.Attention(num_heads=2, dim=8)
    x = normal(2, 5, 8)
    mask = np.tril(np.ones((5, 5), bool))[None, None]
    outputs, record = recorded(attention, x, attention_mask=mask)
    (scores,) = record[attention.path]
    assert scores.shape == (2, 2, 5, 5)
    assert not scores[:, :, ~mask[0, 0]].any()
    np.testing.assert_allclose(scores.sum(axis=-1), 1, atol=1e-6)
    values = ops.convert_to_numpy(attention.value(x)).reshape(2, 5, 2, 4)
    attended = np.einsum("bhlk,bkhd->blhd", scores, values).reshape(2, 5, 8)
    np.testing.assert_allclose(
        ops.convert_to_numpy(attention.output_dense(attended)),
        ops.convert_to_numpy(outputs),
        atol=1e-5,
    )


def test_one_row_of_queries_has_scores_for_all_rows_of_keys(normal):
    attention = layers.Attention(num_heads=2, dim=8, memory_dim=8)
    queries, memory = normal(1, 3, 8), normal(4, 6, 8)
    attention(queries)
    _, record = recorded(
        attention, queries, key_values=attention.key_values(memory)
    )
    (scores,) = record[attention.path]
    assert scores.shape == (4, 2, 3, 6)
    assert np.ptp(scores, axis=0).max() > 1e-3


def test_nothing_is_recorded_before_and_after(normal):
    attention = layers.Attention(num_heads=2, dim=8)
    x = normal(1, 3, 8)
    attention(x)
    _, record = recorded(attention, x)
    attention(x)
    assert [len(calls) for calls in record.values()] == [1]


@pytest.mark.parametrize("write", ["attention", "weighted_sum"])
def test_reads_and_writes_of_a_memory_are_recorded_snippet_by_snippet(
    write, normal
):
    combiner = layers.TokenTuringCombiner(
        2, dim=8, num_heads=2, num_layers=1, memory_size=6, write=write
    )
    video, audio = normal(1, 4, 3, 5), normal(1, 4, 2, 7)
    here = np.ones((1, 4), bool)
    deaf = np.array([[True, False, True, True]])
    expected = combiner(video, audio, here, deaf)
    outputs, record = recorded(combiner, video, audio, here, deaf)
    # Step by step, it computes what the compiled loop does.
    np.testing.assert_allclose(
        ops.convert_to_numpy(outputs), ops.convert_to_numpy(expected), atol=1e-5
    )
    reads, writes = (
        next(calls for path, calls in record.items() if path.endswith(end))
        for end in ("cell/read", "cell/write")
    )
    heads = 2 if write == "attention" else 1
    assert [call.shape for call in reads] == [(1, 2, 2, 6 + 3 + 2)] * 4
    assert [call.shape for call in writes] == [(1, heads, 6, 6 + 2 + 5)] * 4
    for call in (*reads, *writes):
        np.testing.assert_allclose(call.sum(axis=-1), 1, atol=1e-5)
    # The sound of snippet 1 is not there.
    assert not reads[1][..., -2:].any() and not writes[1][..., -2:].any()
    assert reads[0][..., -2:].all()


def test_slots_that_are_erased_and_added_to_are_recorded(normal):
    combiner = layers.TokenTuringCombiner(
        2,
        dim=8,
        num_heads=2,
        num_layers=1,
        memory_size=6,
        write="erase_and_add",
    )
    here = np.ones((1, 3), bool)
    _, record = recorded(
        combiner, normal(1, 3, 3, 5), normal(1, 3, 2, 7), here, here
    )
    writes = next(
        calls for path, calls in record.items() if path.endswith("cell/write")
    )
    assert [call.shape for call in writes] == [(1, 1, 2, 6)] * 3
    np.testing.assert_allclose(np.sum(writes, axis=-1), 1, atol=1e-5)


@pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="PyTorch runs as it is written"
)
def test_a_compiled_model_is_refused(normal):
    inputs = keras.Input((3, 8))
    model = keras.Model(inputs, layers.Attention(2, 8)(inputs))
    # Without it JAX runs layers one by one; TensorFlow makes a graph anyhow.
    model.compile(jit_compile=keras.backend.backend() == "jax")
    with pytest.raises(ValueError, match="Call the model itself"):
        recorded(model.predict, normal(1, 3, 8), verbose=0)
