"""Gradients on the backend under test."""

import keras
import numpy as np


def gradients(loss, variables):
    """Gradients of a scalar with respect to variables, as arrays.

    Args:
        loss: function without arguments that returns a scalar tensor.
        variables: list of `keras.Variable`s; those that the loss does not
            depend on get zeros.
    """
    return [
        np.zeros(variable.shape, "float32")
        if gradient is None
        else keras.ops.convert_to_numpy(gradient)
        for gradient, variable in zip(
            _GRADIENTS[keras.backend.backend()](loss, variables),
            variables,
            strict=True,
        )
    ]


def _tensorflow(loss, variables):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        value = loss()
    return tape.gradient(value, [variable.value for variable in variables])


def _jax(loss, variables):
    import jax

    def of_values(values):
        mapping = zip(variables, values, strict=True)
        with keras.StatelessScope(state_mapping=list(mapping)):
            return loss()

    gradient = jax.jit(jax.grad(of_values))
    return gradient([variable.value for variable in variables])


def _torch(loss, variables):
    import torch

    return torch.autograd.grad(
        loss(), [variable.value for variable in variables], allow_unused=True
    )


_GRADIENTS = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
