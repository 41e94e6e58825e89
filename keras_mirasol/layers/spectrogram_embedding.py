"""Spectrogram patches."""

import keras
from keras import ops

from keras_mirasol.layers.layer_norm import layer_norm
from keras_mirasol.layers.positions import SinusoidalPositions


@keras.saving.register_keras_serializable(package="keras_mirasol")
class SpectrogramEmbedding(keras.layers.Layer):
    """Cuts the log-mel spectrogram of snippets into patches, a token each.

    Args:
        dim: int. Width of a token.
        patch_size: pair of ints, (frames, mels) of a patch: its extent in time
            and in frequency. Patches do not overlap.
        wavelengths: pair of floats, the shortest and longest wavelength of
            the positions, in spectrogram frames and mels. Defaults to
            `(4.0, 1000.0)`.
        **kwargs: see `keras.layers.Layer`.

    Call arguments:
        x: tensor of shape `(batch, frames, mels)`, all but the batch static.

    Returns:
        A tensor of shape `(batch, tokens, dim)`.

    Raises:
        ValueError: if patches do not divide the spectrogram.

    Example:
    ```python
    embedding = keras_mirasol.layers.SpectrogramEmbedding(64, (4, 16))
    embedding(np.random.normal(size=(3, 8, 64))).shape  # (3, 2 * 4, 64)
    ```
    """

    def __init__(self, dim, patch_size, wavelengths=(4.0, 1000.0), **kwargs):
        super().__init__(**kwargs)
        self.dim = dim
        self.patch_size = tuple(patch_size)
        if len(self.patch_size) != 2:
            raise ValueError(
                "`patch_size` must be a pair of ints, (frames, mels). "
                f"Received: {patch_size}"
            )
        self.wavelengths = tuple(wavelengths)
        self.projection = keras.layers.Dense(
            dim, dtype=self.dtype_policy, name="projection"
        )
        self.norm = layer_norm("norm", self.dtype_policy)
        self.positions = SinusoidalPositions(
            dim,
            self.wavelengths,
            gain=0.5,
            dtype=self.dtype_policy,
            name="positions",
        )

    def build(self, x_shape):
        rows, columns = self._grid(x_shape)
        patch_height, patch_width = self.patch_size
        self.projection.build((None, None, patch_height * patch_width))
        self.centres = [
            (
                row * patch_height + patch_height // 2,
                column * patch_width + patch_width // 2,
            )
            for row in range(rows)
            for column in range(columns)
        ]
        self.norm.build((None, None, self.dim))
        self.positions.build((len(self.centres), 2))

    def call(self, x):
        rows, columns = self._grid(x.shape)
        patch_height, patch_width = self.patch_size
        x = ops.reshape(x, (-1, rows, patch_height, columns, patch_width))
        x = ops.transpose(x, (0, 1, 3, 2, 4))
        patches = ops.reshape(
            x, (-1, rows * columns, patch_height * patch_width)
        )
        # Faint content would drown in its position, which has a fixed size.
        return self.norm(self.projection(patches)) + self.positions(
            ops.array(self.centres, "float32")
        )

    def _grid(self, x_shape):
        """Patches along time and along frequency."""
        if any(
            size % patch
            for size, patch in zip(x_shape[1:], self.patch_size, strict=True)
        ):
            raise ValueError(
                "Patches must divide a snippet's spectrogram. Received: "
                f"patch_size={self.patch_size} (frames, mels) for "
                f"{x_shape[1]} spectrogram frames of {x_shape[2]} mels"
            )
        return tuple(
            size // patch
            for size, patch in zip(x_shape[1:], self.patch_size, strict=True)
        )

    def compute_output_shape(self, x_shape):
        rows, columns = self._grid(x_shape)
        return (x_shape[0], rows * columns, self.dim)

    def get_config(self):
        return {
            **super().get_config(),
            "dim": self.dim,
            "patch_size": self.patch_size,
            "wavelengths": self.wavelengths,
        }
