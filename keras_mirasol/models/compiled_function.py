"""Functions of a model's weights, compiled as each backend does it."""

import functools

import keras
from keras import ops


def compiled_function(model, function, variables=(), donated=()):
    """Compiles a function that computes with the weights of a model.

    The weights are those of each call, so that a model that was trained on
    needs no new function. It computes no gradients, and runs as it is if the
    model is compiled with `run_eagerly=True`.

    Args:
        model: a `keras.Model`.
        function: a function of nested tensors, given by place, and of static
            settings, hashable and given by name.
        variables: list of `keras.Variable`s beside those of the model that
            the function may read and assign, such as the seeds of a sampler.
            What it assigns to other variables is lost on JAX.
        donated: tuple of ints. Places of the arguments whose memory the
            outputs may take, where the backend can; not to be used again.

    Returns:
        A function of the same arguments, arrays or tensors.

    Example:
    ```python
    compiled = compiled_function(model, lambda x: 2 * model(x))
    compiled(np.ones((1, 3)))
    ```
    """
    if model.run_eagerly:
        return function
    compiled = _COMPILE[keras.backend.backend()](
        model, function, list(variables), donated
    )

    def call(*args, **settings):
        args = keras.tree.map_structure(ops.convert_to_tensor, args)
        return compiled(*args, **settings)

    return call


def _jax(model, function, variables, donated):
    import jax

    def weights():
        return model.trainable_variables + model.non_trainable_variables

    @functools.partial(
        jax.jit,
        static_argnums=0,
        # After the settings, the weights and the variables.
        donate_argnums=tuple(place + 3 for place in donated),
    )
    def stateless(settings, weight_values, values, *args):
        mapping = [
            *zip(weights(), weight_values, strict=True),
            *zip(variables, values, strict=True),
        ]
        with keras.StatelessScope(state_mapping=mapping) as scope:
            outputs = function(*args, **dict(settings))
        return outputs, [scope.get_current_value(v) for v in variables]

    def call(*args, **settings):
        outputs, values = stateless(
            tuple(sorted(settings.items())),
            [weight.value for weight in weights()],
            [variable.value for variable in variables],
            *args,
        )
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        return outputs

    return call


def _tensorflow(model, function, variables, donated):
    import tensorflow as tf

    return tf.function(function, jit_compile=model.jit_compile)


def _torch(model, function, variables, donated):
    import torch

    return torch.no_grad()(function)


_COMPILE = {"jax": _jax, "tensorflow": _tensorflow, "torch": _torch}
