"""How large a program a computation compiles to."""

import keras


def operations_of_gradient(loss, variables, *inputs):
    """Operations in the program of a loss and its gradient.

    What a loop repeats counts once, as it is compiled once.

    Args:
        loss: function of `inputs` that returns a scalar tensor.
        variables: list of `keras.Variable`s.
        inputs: arrays.
    """
    return _OPERATIONS[keras.backend.backend()](loss, variables, *inputs)


def _tensorflow(loss, variables, *inputs):
    import tensorflow as tf

    @tf.function
    def step(*inputs):
        with tf.GradientTape() as tape:
            value = loss(*inputs)
        return tape.gradient(value, [variable.value for variable in variables])

    graph = step.get_concrete_function(
        *[tf.TensorSpec(x.shape, x.dtype) for x in inputs]
    ).graph.as_graph_def()
    functions = [len(f.node_def) for f in graph.library.function]
    return len(graph.node) + sum(functions)


def _jax(loss, variables, *inputs):
    import jax

    def of_values(values, *inputs):
        mapping = zip(variables, values, strict=True)
        with keras.StatelessScope(state_mapping=list(mapping)):
            return loss(*inputs)

    values = [variable.value for variable in variables]
    program = jax.make_jaxpr(jax.grad(of_values))(values, *inputs)
    return str(program).count(" = ")


_OPERATIONS = {"tensorflow": _tensorflow, "jax": _jax}
