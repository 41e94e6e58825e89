"""A loop over snippets: the one place where layers tell backends apart."""

import keras


class Recurrence(keras.layers.RNN):
    """`keras.layers.RNN`, whose gradient on TensorFlow is a loop of its own.

    For the gradient of a loop TensorFlow keeps all that its steps compute,
    which takes several times the memory and is no faster than to compute it
    again. There, the loop keeps its states alone, and the loop of the gradient
    repeats each step. JAX does well as it is, PyTorch has no loops to compile.

    Args:
        cell: a layer with one state, whose call depends on its inputs, its
            state and its weights alone.
        **kwargs: see `keras.layers.Layer`.

    Call arguments:
        sequences: tensor of shape `(batch, T, ...)`; T may vary.
        initial_state: list of the state before the first step.

    Returns:
        A pair of tensors: the outputs of all steps, of shape `(batch, T,
        ...)`, and the state after the last one.
    """

    def __init__(self, cell, **kwargs):
        super().__init__(
            cell,
            return_sequences=True,
            return_state=True,
            # Weights as they are: their gradients add up over steps, which
            # half precision would spoil. The cell casts them for itself.
            autocast=False,
            **kwargs,
        )

    def call(self, sequences, initial_state):
        if keras.backend.backend() == "tensorflow":
            return _loop_of_tensorflow(self.cell, sequences, *initial_state)
        return super().call(sequences, initial_state=initial_state)


def _loop_of_tensorflow(cell, sequences, state):
    import tensorflow as tf

    def value(variable):
        return tf.convert_to_tensor(variable.value)

    trained = cell.trainable_variables
    fixed = [
        (variable, value(variable))
        for variable in cell.variables
        if all(variable is not other for other in trained)
    ]

    def step(inputs, state, weights):
        """The cell with these weights, so that all it reads is an argument."""
        weights = [*zip(trained, weights, strict=True), *fixed]
        with keras.StatelessScope(state_mapping=weights):
            output, (state,) = cell(inputs, [state])
        return output, state

    def array(dtype, shape):
        return tf.TensorArray(dtype, count, element_shape=shape)

    @tf.custom_gradient
    def loop(sequences, state, *weights):
        def forward(t, state, states, outputs):
            output, next_state = step(sequences[t], state, weights)
            return (
                t + 1,
                next_state,
                states.write(t, state),
                outputs.write(t, output),
            )

        _, last, states, outputs = tf.while_loop(
            lambda t, *_: t < count,
            forward,
            (
                0,
                state,
                array(state.dtype, state.shape),
                array(state.dtype, output_shape),
            ),
            maximum_iterations=count,
        )
        states = states.stack()

        def gradient(by_outputs, by_last):
            def backward(t, by_state, by_sequences, by_weights):
                arguments = (sequences[t], states[t], weights)
                with tf.GradientTape() as tape:
                    tape.watch(arguments)
                    results = step(*arguments)
                by_inputs, by_state, more = tape.gradient(
                    results,
                    arguments,
                    output_gradients=(by_outputs[t], by_state),
                    unconnected_gradients="zero",
                )
                return (
                    t - 1,
                    by_state,
                    by_sequences.write(t, by_inputs),
                    tf.nest.map_structure(tf.add, by_weights, more),
                )

            _, by_state, by_sequences, by_weights = tf.while_loop(
                lambda t, *_: t >= 0,
                backward,
                (
                    count - 1,
                    by_last,
                    array(sequences.dtype, sequences.shape[1:]),
                    tf.nest.map_structure(tf.zeros_like, weights),
                ),
                maximum_iterations=count,
            )
            return by_sequences.stack(), by_state, *by_weights

        return (outputs.stack(), last), gradient

    sequences = _time_first(sequences)
    count = tf.shape(sequences)[0]
    output_shape, _ = cell.compute_output_shape(sequences.shape[1:])
    outputs, last = loop(sequences, state, *map(value, trained))
    return _time_first(outputs), last


def _time_first(x):
    """Swaps the first two axes; and back."""
    return keras.ops.swapaxes(x, 0, 1)
