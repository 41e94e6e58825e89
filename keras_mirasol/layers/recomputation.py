"""Computing again in the backward pass what need not be kept for it."""

import keras

from keras_mirasol.layers.pure_function import PureFunction
from keras_mirasol.layers.pure_function import as_tensor


def recomputed(function, layers, **inputs):
    """Calls a function and keeps its inputs alone for the gradient.

    The gradient computes the rest again, with the same random numbers. The
    result is that of `function(**inputs)`, dropout included.

    Args:
        function: what to call. Of variables it reads those of `layers` alone.
        layers: list of built layers.
        **inputs: float tensors. Other tensors that the function needs it may
            hold by itself; no gradient reaches them.

    Returns:
        What the function returns, one or several tensors.
    """
    pure = PureFunction(function, layers)

    @keras.remat
    def run(weights, inputs):
        return pure(weights, pure.seeds, **inputs)

    inputs = {name: as_tensor(x) for name, x in inputs.items()}
    outputs, seeds = run(pure.weights, inputs)
    pure.keep(seeds)
    return outputs
