"""A loop of layers: the one place where layers tell backends apart."""

import keras
from keras import ops

from keras_mirasol.layers.attention_record import is_recording
from keras_mirasol.layers.pure_function import PureFunction


class Recurrence(keras.layers.Layer):
    """Goes through a sequence with a cell, step by step; see `recur()`.

    Args:
        cell: a layer, whose call depends on its inputs, its state and its
            weights alone.
        recompute: bool. See `recur()`. Defaults to `False`.
        **kwargs: see `keras.layers.Layer`.

    Call arguments:
        sequences: tensor of shape `(batch, T, ...)`; T may vary.
        state: tensor, the state before the first step.

    Returns:
        A pair of tensors: the outputs of all steps, of shape `(batch, T,
        ...)`, and the state after the last one.
    """

    def __init__(self, cell, recompute=False, **kwargs):
        # Weights as they are: their gradients add up over steps, which half
        # precision would spoil. The cell casts them for itself.
        super().__init__(autocast=False, **kwargs)
        self.cell = cell
        self.recompute = recompute

    def build(self, sequences_shape, state_shape=None):
        batch, _, *step = sequences_shape
        self.cell.build((batch, *step))

    def call(self, sequences, state):
        outputs, state = recur(
            self.cell,
            [self.cell],
            _time_first(sequences),
            state,
            recompute=self.recompute,
        )
        return _time_first(outputs), state

    def get_config(self):
        return {
            **super().get_config(),
            "cell": keras.layers.serialize(self.cell),
            "recompute": self.recompute,
        }

    @classmethod
    def from_config(cls, config):
        cell = keras.layers.deserialize(config["cell"])
        return cls(**{**config, "cell": cell})


def recur(step, layers, inputs, state, recompute=True):
    """Goes through inputs step by step, in a loop that is compiled once.

    ```
    outputs[t], state = step(inputs[t], state)
    ```

    With `recompute`, the loop keeps its states alone, and the gradient repeats
    each step with the same random numbers, so that what only one step needs is
    never there for two of them. On TensorFlow it always does: what loops keep
    there takes several times the memory and is no faster.

    Args:
        step: function of the inputs and the state of a step that returns a
            pair, its outputs and the next state. Of variables it reads those
            of `layers` alone. Tensors that it holds are constants: no gradient
            reaches them on TensorFlow.
        layers: list of built layers.
        inputs: tensors of shape `(steps, ...)`, nested as one likes; their
            number may vary.
        state: tensors, nested as one likes, the state before the first step.
            All steps have one of the same shapes and types.
        recompute: bool. Defaults to `True`.

    Returns:
        A pair: the outputs of all steps, of shape `(steps, ...)`, and the
        state after the last one.
    """
    if is_recording():
        # A compiled loop hides what it computes.
        return _step_by_step(step, inputs, state)
    pure = PureFunction(step, layers)

    def carry_on(carry, inputs, weights=pure.weights):
        state, seeds = carry
        (outputs, state), seeds = pure(weights, seeds, inputs, state)
        return (state, seeds), outputs

    carry = (state, pure.seeds)
    if keras.backend.backend() == "tensorflow":
        carry, outputs = _scan_of_tensorflow(
            carry_on, carry, inputs, pure.weights
        )
    else:
        carry, outputs = ops.scan(
            keras.remat(carry_on) if recompute else carry_on, carry, inputs
        )
    state, seeds = carry
    pure.keep(seeds)
    return outputs, state


def _step_by_step(step, inputs, state):
    outputs = []
    for t in range(keras.tree.flatten(inputs)[0].shape[0]):
        of_step = keras.tree.map_structure(lambda x, t=t: x[t], inputs)
        output, state = step(of_step, state)
        outputs.append(output)
    return (
        keras.tree.map_structure(lambda *steps: ops.stack(steps), *outputs),
        state,
    )


def _scan_of_tensorflow(step, carry, inputs, weights):
    """`ops.scan` whose gradient is a loop of its own."""
    import tensorflow as tf

    nest = tf.nest
    carry, inputs, weights = nest.map_structure(
        tf.convert_to_tensor, (carry, inputs, weights)
    )
    count = tf.shape(nest.flatten(inputs)[0])[0]
    of_step = nest.map_structure(
        lambda x: tf.TensorSpec(x.shape[1:], x.dtype), inputs
    )
    _, of_outputs = (
        tf.function(lambda *args: step(*args, weights), autograph=False)
        .get_concrete_function(
            nest.map_structure(
                lambda x: tf.TensorSpec(x.shape, x.dtype), carry
            ),
            of_step,
        )
        .structured_outputs
    )

    def arrays(specs):
        return [
            tf.TensorArray(spec.dtype, count, element_shape=spec.shape)
            for spec in specs
        ]

    def write(arrays, t, values):
        return [
            array.write(t, value)
            for array, value in zip(arrays, values, strict=True)
        ]

    def floats(values):
        return [x for x in nest.flatten(values) if x.dtype.is_floating]

    def like(values, gradients):
        """Gradients of all values, `None` for those that have none."""
        gradients = iter(gradients)
        return [
            next(gradients) if x.dtype.is_floating else None
            for x in nest.flatten(values)
        ]

    @tf.custom_gradient
    def loop(*arguments):
        carry_, inputs_, weights_ = nest.pack_sequence_as(
            (carry, inputs, weights), arguments
        )

        def inputs_of(t):
            return nest.map_structure(lambda x: x[t], inputs_)

        def forward(t, now, carries, outputs):
            after, result = step(
                nest.pack_sequence_as(carry, now), inputs_of(t), weights_
            )
            return (
                t + 1,
                nest.flatten(after),
                write(carries, t, now),
                write(outputs, t, nest.flatten(result)),
            )

        first = nest.flatten(carry_)
        _, last, carries, outputs = tf.while_loop(
            lambda t, *_: t < count,
            forward,
            (0, first, arrays(first), arrays(nest.flatten(of_outputs))),
            maximum_iterations=count,
        )
        carries = [array.stack() for array in carries]
        results = [array.stack() for array in outputs] + list(last)

        def gradient(*by_results):
            by_results = [
                gradient
                for gradient, result in zip(by_results, results, strict=True)
                if result.dtype.is_floating
            ]
            by_outputs = by_results[: len(floats(of_outputs))]
            by_last = by_results[len(by_outputs) :]

            def backward(t, by_carry, by_inputs, by_weights):
                now = nest.pack_sequence_as(carry, [x[t] for x in carries])
                those = inputs_of(t)
                sources = [floats(now), floats(those), list(weights_)]
                with tf.GradientTape() as tape:
                    tape.watch(sources)
                    after, result = step(now, those, weights_)
                    targets = floats(result) + floats(after)
                by_carry, by_those, more = tape.gradient(
                    targets,
                    sources,
                    output_gradients=[x[t] for x in by_outputs]
                    + list(by_carry),
                    unconnected_gradients="zero",
                )
                return (
                    t - 1,
                    by_carry,
                    write(by_inputs, t, by_those),
                    nest.map_structure(tf.add, by_weights, more),
                )

            _, by_carry, by_inputs, by_weights = tf.while_loop(
                lambda t, *_: t >= 0,
                backward,
                (
                    count - 1,
                    by_last,
                    arrays(floats(of_step)),
                    [tf.zeros_like(weight) for weight in weights_],
                ),
                maximum_iterations=count,
            )
            return (
                like(carry, by_carry)
                + like(inputs, [array.stack() for array in by_inputs])
                + list(by_weights)
            )

        return results, gradient

    results = loop(*nest.flatten((carry, inputs, weights)))
    num_outputs = len(nest.flatten(of_outputs))
    return (
        nest.pack_sequence_as(carry, results[num_outputs:]),
        nest.pack_sequence_as(of_outputs, results[:num_outputs]),
    )


def _time_first(x):
    """Swaps the first two axes; and back."""
    return ops.swapaxes(x, 0, 1)
