"""Fixed sines and cosines of real coordinates, and rotary positions."""

import math

import keras
from keras import ops


def sinusoids(coordinates, dim, wavelengths):
    """Sines and cosines of coordinates, as many of each axis as fit `dim`.

    With `f_i` frequencies whose wavelengths run geometrically from the
    shortest to the longest, an axis with coordinate `x` becomes
    `[sin(2 pi f_0 x), ..., cos(2 pi f_0 x), ...]`. `dim` is shared equally
    by the axes; what is left over is zero.

    Args:
        coordinates: float tensor of shape `(..., axes)`.
        dim: int. Size of the result's last axis, at least `2 * axes`.
        wavelengths: pair of floats, the shortest and the longest wavelength,
            in the unit of the coordinates.

    Returns:
        A float32 tensor of shape `(..., dim)`.
    """
    coordinates = ops.cast(coordinates, "float32")
    axes = coordinates.shape[-1]
    count = dim // (2 * axes)
    shortest, longest = wavelengths
    ratio = (longest / shortest) ** (1 / max(count - 1, 1))
    angular = [2 * math.pi / (shortest * ratio**i) for i in range(count)]
    angles = ops.expand_dims(coordinates, -1) * ops.array(angular, "float32")
    waves = ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)
    waves = ops.reshape(waves, (*ops.shape(coordinates)[:-1], 2 * count * axes))
    left_over = dim - 2 * count * axes
    return ops.pad(waves, [(0, 0)] * (len(waves.shape) - 1) + [(0, left_over)])


def rotate(x, start, max_wavelength):
    """Rotary positions: turns channel pairs by angles that grow with time.

    Channel `i` of the first half and channel `i` of the second half form a
    pair that is turned by `position * max_wavelength ** (-2 i / dim)`, so that
    products of turned queries and keys depend on their distance alone
    (Su et al., 2021, section 3.2).

    Args:
        x: tensor of shape `(batch, length, heads, dim)`, `dim` even.
        start: int or scalar int tensor. Position of the first element.
        max_wavelength: float. Base of the geometric series of frequencies.

    Returns:
        A tensor of the shape and dtype of `x`.
    """
    half = x.shape[-1] // 2
    positions = ops.cast(start, "float32") + ops.arange(
        ops.shape(x)[1], dtype="float32"
    )
    frequencies = [max_wavelength ** (-i / half) for i in range(half)]
    angles = positions[:, None] * ops.array(frequencies, "float32")
    cos = ops.cast(ops.cos(angles), x.dtype)[:, None, :]
    sin = ops.cast(ops.sin(angles), x.dtype)[:, None, :]
    a, b = x[..., :half], x[..., half:]
    return ops.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)


def time_wavelengths(wavelengths, snippet_seconds):
    """A pair of wavelengths in seconds; by default 4 and 4096 snippets."""
    return tuple(wavelengths or (4 * snippet_seconds, 4096 * snippet_seconds))


@keras.saving.register_keras_serializable(package="keras_mirasol")
class SinusoidalPositions(keras.layers.Layer):
    """Embeds real coordinates as `gain * sinusoids(coordinates)`.

    The waves are fixed, so coordinates that were never seen in training, such
    as the times of a longer clip, need no new weights. Wavelengths must match
    the range of the coordinates, and the embedding must not drown in the
    tokens that it is added to: the one weight is a learned gain.

    Args:
        dim: int. Size of the embedding.
        wavelengths: pair of floats, the shortest and the longest wavelength,
            in the unit of the coordinates. Defaults to `(4.0, 10000.0)`.
        gain: float. Initial gain. Defaults to `1.0`.
        **kwargs: see `keras.layers.Layer`.

    Call arguments:
        coordinates: float tensor of shape `(..., axes)`.

    Returns:
        A tensor of shape `(..., dim)`.

    Example:
    ```python
    times = np.arange(8.0)[:, None] * 0.25  # seconds
    positions = keras_mirasol.layers.SinusoidalPositions(
        64, wavelengths=(1.0, 60.0)
    )
    positions(times).shape  # (8, 64)
    ```
    """

    def __init__(self, dim, wavelengths=(4.0, 10000.0), gain=1.0, **kwargs):
        # Half precision would round coordinates, to seconds in long clips.
        super().__init__(autocast=False, **kwargs)
        self.dim = dim
        self.wavelengths = tuple(wavelengths)
        self.initial_gain = gain
        if not 0 < self.wavelengths[0] <= self.wavelengths[1]:
            raise ValueError(
                "`wavelengths` must be a pair (shortest, longest) with "
                f"0 < shortest <= longest. Received: {wavelengths}"
            )

    def build(self, coordinates_shape):
        axes = coordinates_shape[-1]
        if self.dim < 2 * axes:
            raise ValueError(
                "`dim` must leave a sine and a cosine to each of the "
                f"{axes} axes, so at least {2 * axes}. Received: {self.dim}"
            )
        self.gain = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(self.initial_gain),
            name="gain",
        )

    def call(self, coordinates):
        waves = sinusoids(coordinates, self.dim, self.wavelengths)
        return ops.cast(self.gain * waves, self.compute_dtype)

    def compute_output_shape(self, coordinates_shape):
        return (*coordinates_shape[:-1], self.dim)

    def get_config(self):
        return {
            **super().get_config(),
            "dim": self.dim,
            "wavelengths": self.wavelengths,
            "gain": self.initial_gain,
        }
