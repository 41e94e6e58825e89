"""NumPy helpers of the tests: comparison, seeded weights, references."""

import numpy as np
from keras import ops


def assert_close(actual, expected, atol=1e-5):
    np.testing.assert_allclose(
        ops.convert_to_numpy(actual),
        ops.convert_to_numpy(expected),
        rtol=0,
        atol=atol,
    )


def assert_same_bits(actual, expected):
    np.testing.assert_array_equal(
        ops.convert_to_numpy(actual), ops.convert_to_numpy(expected)
    )


def differ(a, b):
    """Whether two arrays differ by more than rounding."""
    a, b = ops.convert_to_numpy(a), ops.convert_to_numpy(b)
    return np.abs(a - b).max() > 1e-3


def randomize(layer):
    """Sets all weights, gains and biases too, to seeded values.

    Freshly built, biases are zero and some projections close to it, so that
    much of a layer would go untested.
    """
    rng = np.random.default_rng(1)
    for weight in layer.weights:
        weight.assign(rng.normal(scale=0.5, size=weight.shape))
    return layer


def layer_norm(x, weights):
    gamma, beta = map(ops.convert_to_numpy, weights)
    centred = x - x.mean(-1, keepdims=True)
    deviation = np.sqrt(x.var(-1, keepdims=True) + 1e-6)
    return gamma * centred / deviation + beta


def gelu(x):
    """The tanh form (Hendrycks and Gimpel, 2016)."""
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def dense(x, layer):
    kernel, bias = map(ops.convert_to_numpy, layer.get_weights())
    return x @ kernel + bias


def sinusoids(coordinates, dim, shortest, longest):
    """`keras_mirasol.layers.positions.sinusoids`, wave by wave."""
    coordinates = np.asarray(coordinates, "float64")
    axes = coordinates.shape[-1]
    count = dim // (2 * axes)
    waves = np.zeros((*coordinates.shape[:-1], dim))
    for axis in range(axes):
        for i in range(count):
            wavelength = shortest * (longest / shortest) ** (
                i / (count - 1) if count > 1 else 0
            )
            angle = 2 * np.pi * coordinates[..., axis] / wavelength
            waves[..., 2 * count * axis + i] = np.sin(angle)
            waves[..., 2 * count * axis + count + i] = np.cos(angle)
    return waves
