"""The loop over snippets, against steps written out one after another."""

import keras
import numpy as np
import pytest
from arrays import assert_close
from arrays import randomize
from compiled import compiled
from gradients import gradients
from keras import ops

from keras_mirasol.layers.recurrence import Recurrence
from keras_mirasol.layers.recurrence import recur
from keras_mirasol.layers.token_turing_cell import TokenTuringCell

BATCH, STEPS, TOKENS, DIM, MEMORY = 2, 5, 3, 8, 4


def cell(dtype=None):
    return TokenTuringCell(
        num_outputs=2,
        dim=DIM,
        memory_size=MEMORY,
        num_layers=1,
        num_heads=2,
        read="attention",
        write="attention",
        positions=True,
        dtype=dtype,
    )


@pytest.fixture(params=[None, "mixed_bfloat16"])
def recurrence(request):
    return build(request.param)


def build(dtype=None):
    recurrence = Recurrence(cell(dtype), dtype=dtype)
    recurrence.build((None, None, TOKENS, DIM))
    return randomize(recurrence)


@pytest.fixture
def sequences(recurrence, normal):
    """What the cell goes through, as variables, with a snippet masked."""
    mask = np.ones((BATCH, STEPS, TOKENS), bool)
    mask[:, 2] = False
    tokens = ops.convert_to_tensor(normal(BATCH, STEPS, TOKENS, DIM))
    prepared = recurrence.cell.prepare(
        ops.cast(tokens, recurrence.compute_dtype), mask
    )
    return keras.Variable(ops.cast(prepared, "float32"))


@pytest.fixture
def memory(normal):
    return keras.Variable(normal(BATCH, MEMORY, DIM))


def step_by_step(cell, sequences, memory):
    outputs = []
    for t in range(STEPS):
        output, memory = cell(sequences[:, t], memory)
        outputs.append(output)
    return ops.stack(outputs, axis=1), memory


def in_a_loop(recurrence, sequences, memory):
    return recurrence(sequences, memory)


def inputs(recurrence, sequences, memory):
    return [
        ops.cast(ops.convert_to_tensor(x), recurrence.compute_dtype)
        for x in (sequences, memory)
    ]


def assert_same(actual, expected, recurrence):
    """Equal up to rounding, in proportion to the largest value."""
    actual, expected = (
        ops.convert_to_numpy(ops.cast(x, "float32")) for x in (actual, expected)
    )
    rounding = 2e-2 if recurrence.compute_dtype == "bfloat16" else 1e-5
    assert_close(actual, expected, rounding * (1 + np.abs(expected).max()))


def test_goes_step_by_step(recurrence, sequences, memory):
    arguments = inputs(recurrence, sequences, memory)
    outputs, last = compiled(lambda *x: in_a_loop(recurrence, *x))(*arguments)
    expected = compiled(lambda *x: step_by_step(recurrence.cell, *x))(
        *arguments
    )
    for actual, value in zip((outputs, last), expected, strict=True):
        assert actual.dtype == value.dtype
        assert_same(actual, value, recurrence)


def test_gradients_are_those_of_the_steps(recurrence, sequences, memory):
    variables = [sequences, memory, *recurrence.trainable_weights]

    def gradients_of(run, layer):
        def loss():
            arguments = inputs(recurrence, sequences, memory)
            outputs, last = run(layer, *arguments)
            outputs, last = (
                ops.cast(outputs, "float32"),
                ops.cast(last, "float32"),
            )
            return ops.sum(ops.square(outputs - 1)) + ops.sum(last**3)

        return gradients(loss, variables)

    actual = gradients_of(in_a_loop, recurrence)
    expected = gradients_of(step_by_step, recurrence.cell)
    for mine, its in zip(actual, expected, strict=True):
        assert_same(mine, its, recurrence)


def test_either_result_may_be_of_no_use(sequences, memory, recurrence):
    for index in (0, 1):

        def loss(index=index):
            arguments = inputs(recurrence, sequences, memory)
            results = in_a_loop(recurrence, *arguments)
            return ops.sum(ops.cast(results[index], "float32") ** 2)

        of_sequences, of_memory = gradients(loss, [sequences, memory])
        assert abs(of_sequences).max() > 0
        assert abs(of_memory).max() > 0


def test_weights_that_are_not_trained_count_all_the_same(sequences, memory):
    recurrence = build()
    arguments = inputs(recurrence, sequences, memory)
    before, _ = in_a_loop(recurrence, *arguments)
    recurrence.cell.process.trainable = False
    after, _ = in_a_loop(recurrence, *arguments)
    assert_close(after, before)
    (by_sequences,) = gradients(
        lambda: ops.sum(
            in_a_loop(recurrence, *inputs(recurrence, sequences, memory))[0]
        ),
        [sequences],
    )
    assert abs(by_sequences).max() > 0


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="the others have no program of their own for it",
)
@pytest.mark.parametrize(
    "recurrence, jit_compile",
    [(None, False), ("mixed_bfloat16", False), (None, True)],
    indirect=["recurrence"],
)
def test_tensorflow_compiles_it_for_any_lengths(
    recurrence, sequences, memory, jit_compile
):
    import tensorflow as tf

    weights = [weight.value for weight in recurrence.trainable_weights]

    def step(sequences, memory):
        with tf.GradientTape() as tape:
            tape.watch((sequences, memory))
            outputs, last = in_a_loop(recurrence, sequences, memory)
            loss = tf.reduce_sum(tf.cast(outputs, "float32") ** 2)
            loss += tf.reduce_sum(tf.cast(last, "float32"))
        return tape.gradient(loss, [sequences, memory, *weights])

    whole = inputs(recurrence, sequences, memory)
    compiled_step = tf.function(
        step,
        jit_compile=jit_compile,
        input_signature=[
            tf.TensorSpec(shape, whole[0].dtype)
            for shape in (
                (None, None, *sequences.shape[2:]),
                (None, MEMORY, DIM),
            )
        ],
    )
    for arguments in (whole, [whole[0][:1, :3], whole[1][:1]]):
        actual, expected = compiled_step(*arguments), step(*arguments)
        for mine, its in zip(actual, expected, strict=True):
            assert_same(mine, its, recurrence)


@pytest.mark.parametrize("recompute", [True, False])
def test_loop_takes_nested_tensors_and_draws_anew_in_each_step(
    normal, recompute
):
    dense, dropout = keras.layers.Dense(DIM), keras.layers.Dropout(0.5, seed=7)
    dense.build((None, DIM))
    x = keras.Variable(normal(STEPS, BATCH, DIM))
    start = keras.Variable(normal(BATCH, DIM))
    seeds = dropout.seed_generator.state
    mask = np.array([True, False, True, True, True])

    def step(inputs, state):
        y = dropout(dense(inputs["x"] + state["y"]), training=True)
        y = ops.where(inputs["mask"], y, state["y"])
        return (2 * y, state["count"]), {"y": y, "count": state["count"] + 1}

    def loop():
        return recur(
            step,
            [dense, dropout],
            {"x": ops.convert_to_tensor(x), "mask": mask},
            {"y": ops.convert_to_tensor(start), "count": ops.array(0)},
            recompute=recompute,
        )

    def by_hand():
        state, outputs = {"y": ops.convert_to_tensor(start), "count": 0}, []
        for t in range(STEPS):
            inputs = {"x": x[t], "mask": mask[t]}
            output, state = step(inputs, state)
            outputs.append(output[0])
        return (ops.stack(outputs), None), state

    def gradients_of(run):
        seeds.assign([7, 0])

        def loss():
            (y, _), state = run()
            return ops.sum(y**2) + ops.sum(state["y"] ** 3)

        return gradients(loss, [x, start, *dense.trainable_weights])

    for mine, its in zip(
        gradients_of(loop), gradients_of(by_hand), strict=True
    ):
        assert_close(mine, its, 1e-5 * (1 + np.abs(its).max()))

    seeds.assign([7, 0])
    with keras.StatelessScope() as scope:
        (_, counts), state = loop()
        np.testing.assert_array_equal(
            ops.convert_to_numpy(scope.get_current_value(seeds)), [7, STEPS]
        )
    np.testing.assert_array_equal(ops.convert_to_numpy(counts), range(STEPS))
    assert int(state["count"]) == STEPS
