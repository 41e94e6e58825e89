"""What is computed again is the same again, dropout included."""

import keras
import numpy as np
import pytest
from arrays import assert_close
from arrays import randomize
from gradients import gradients
from keras import ops

from keras_mirasol.layers import Transformer
from keras_mirasol.layers.recomputation import recomputed


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_gradients_of_a_transformer_are_the_same(normal, dtype):
    x, memory = (keras.Variable(normal(2, 4, 8)) for _ in range(2))
    causal = np.tril(np.ones((1, 1, 4, 4), bool))

    def build(rematerialize):
        stack = Transformer(
            2,
            8,
            2,
            memory_dim=8,
            dropout=0.4,
            rematerialize=rematerialize,
            dtype=dtype,
        )
        stack.build((None, None, 8))
        return randomize(stack)

    kept, again = build(False), build(True)
    again.set_weights(kept.get_weights())

    def gradients_of(stack):
        keras.utils.set_random_seed(3)
        weights = {id(weight) for weight in stack.weights}
        for variable in stack.variables:
            if id(variable) not in weights:
                variable.assign([3, 0])

        def loss():
            y = stack(
                ops.convert_to_tensor(x),
                attention_mask=causal,
                memory_key_values=stack.memory_key_values(
                    ops.convert_to_tensor(memory)
                ),
                training=True,
            )
            return ops.sum(ops.cast(y, "float32") ** 3)

        return gradients(loss, [x, memory, *stack.trainable_weights])

    expected = gradients_of(kept)
    for mine, its in zip(gradients_of(again), expected, strict=True):
        mine, its = mine.astype("float32"), its.astype("float32")
        # Half precision is rounded elsewhere where steps are fused otherwise.
        rounding = 1e-5 if dtype == "float32" else 3e-2
        assert_close(mine, its, rounding * (1 + np.abs(its).max()))


def test_seeds_go_on_as_ever(normal):
    dropout = keras.layers.Dropout(0.5, seed=7)
    x = normal(4, 8)

    def run(call):
        dropout.seed_generator.state.assign([7, 0])
        return [ops.convert_to_numpy(call()) for _ in range(2)]

    again = run(
        lambda: recomputed(
            lambda x: dropout(x, training=True),
            [dropout],
            x=ops.convert_to_tensor(x),
        )
    )
    expected = run(lambda: dropout(x, training=True))
    np.testing.assert_array_equal(again, expected)
    assert (again[0] != again[1]).any()


def test_what_would_be_lost_is_refused(normal):
    norm = keras.layers.BatchNormalization(name="norm")
    norm.build((None, 8))
    x = ops.convert_to_tensor(normal(4, 8))

    def run():
        return recomputed(lambda x: norm(x, training=True), [norm], x=x)

    with pytest.raises(ValueError, match="'norm'.*moving_mean.*trainable ="):
        run()
    norm.trainable = False
    run()
    loud = keras.layers.ActivityRegularization(l2=0.1)
    with pytest.raises(ValueError, match="adds a loss"):
        recomputed(lambda x: loud(x), [loud], x=x)
