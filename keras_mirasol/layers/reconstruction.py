"""Reconstruction of the next snippet's media from its latents."""

import math

import keras
from keras import ops

from keras_mirasol.layers.attention import Attention
from keras_mirasol.layers.transformer import almost_zero
from keras_mirasol.layers.transformer import gelu
from keras_mirasol.layers.transformer import layer_norm


class Reconstruction(keras.layers.Layer):
    """Learned queries, one a patch, read the latents; a Dense draws patches.

    An MLP lets a patch make its own of what it reads: attention alone gives
    all of them the same where there is but one latent a snippet. The
    parameters grow with the number of patches times the width, not with the
    number of pixels times the number of latents.
    """

    def __init__(self, patch_size, num_heads=4, **kwargs):
        super().__init__(**kwargs)
        self.patch_size = tuple(patch_size)
        self.num_heads = num_heads

    def _check(self, target):
        if len(target) != len(self.patch_size) or any(
            s % p for s, p in zip(target, self.patch_size, strict=True)
        ):
            raise ValueError(
                f"`patch_size` must divide the target {target}, axis by axis. "
                f"Received: patch_size={self.patch_size}"
            )
        return tuple(
            s // p for s, p in zip(target, self.patch_size, strict=True)
        )

    def build(self, snippet_latents_shape):
        dim = snippet_latents_shape[-1]
        count = math.prod(self.grid)
        self.queries = self.add_weight(
            shape=(count, dim),
            initializer=keras.initializers.RandomNormal(stddev=0.5),
            name="queries",
        )
        self.attention = Attention(
            self.num_heads, dim, dtype=self.dtype_policy, name="attention"
        )
        self.attention.build((None, count, dim))
        self.mlp_norm = layer_norm("mlp_norm", self.dtype_policy)
        self.mlp_norm.build((None, count, dim))
        self.mlp_hidden = keras.layers.Dense(
            2 * dim,
            activation=gelu,
            dtype=self.dtype_policy,
            name="mlp_hidden",
        )
        self.mlp_hidden.build((None, count, dim))
        self.mlp_output = keras.layers.Dense(
            dim, dtype=self.dtype_policy, name="mlp_output"
        )
        self.mlp_output.build((None, count, 2 * dim))
        self.norm = layer_norm("norm", self.dtype_policy)
        self.norm.build((None, count, dim))
        self.patch = keras.layers.Dense(
            math.prod(self.patch_size) * self.channels,
            kernel_initializer=almost_zero(),
            dtype=self.dtype_policy,
            name="patch",
        )
        self.patch.build((None, count, dim))

    def read_patches(self, snippet_latents):
        """Patches `(batch * T, *grid, *patch_size, channels)`."""
        m, dim = snippet_latents.shape[2:]
        latents = ops.reshape(snippet_latents, (-1, m, dim))
        queries = ops.broadcast_to(
            ops.cast(self.queries, self.compute_dtype),
            (ops.shape(latents)[0], *self.queries.shape),
        )
        read = queries + self.attention(
            queries, self.attention.key_values(latents)
        )
        read = read + self.mlp_output(self.mlp_hidden(self.mlp_norm(read)))
        return ops.reshape(
            self.patch(self.norm(read)),
            (-1, *self.grid, *self.patch_size, self.channels),
        )

    def get_config(self):
        return {
            **super().get_config(),
            "patch_size": self.patch_size,
            "num_heads": self.num_heads,
        }


@keras.saving.register_keras_serializable(package="keras_mirasol")
class FrameReconstruction(Reconstruction):
    """Draws a small version of the next snippet's frames.

    Args:
        target_size: quadruple of ints (frames, height, width, channels) of
            the small frames.
        patch_size: triple of ints (frames, height, width), the box that one
            query draws; must divide the target.
        num_heads: int. Attention heads. Defaults to `4`.
        **kwargs: see `keras.layers.Layer`.

    Call arguments:
        snippet_latents: tensor of shape `(batch, T, m, dim)`.

    Returns:
        A tensor of shape `(batch, T, frames, height, width, channels)`;
        `[:, t]` reconstructs snippet t + 1.

    Example:
    ```python
    head = keras_mirasol.layers.FrameReconstruction((2, 8, 8, 3), (1, 4, 4))
    latents = np.random.normal(size=(2, 5, 4, 64))
    head(latents).shape  # (2, 5, 2, 8, 8, 3)
    ```
    """

    def __init__(self, target_size, patch_size, num_heads=4, **kwargs):
        super().__init__(patch_size, num_heads, **kwargs)
        self.target_size = tuple(target_size)
        self.channels = self.target_size[-1]
        self.grid = self._check(self.target_size[:-1])

    def call(self, snippet_latents):
        batch = ops.shape(snippet_latents)[0]
        patches = self.read_patches(snippet_latents)
        frames = ops.transpose(patches, (0, 1, 4, 2, 5, 3, 6, 7))
        return ops.reshape(frames, (batch, -1, *self.target_size))

    def compute_output_shape(self, snippet_latents_shape):
        return (*snippet_latents_shape[:2], *self.target_size)

    def get_config(self):
        return {**super().get_config(), "target_size": self.target_size}


@keras.saving.register_keras_serializable(package="keras_mirasol")
class SpectrogramReconstruction(Reconstruction):
    """Draws a small version of the next snippet's log-mel spectrogram.

    Args:
        target_size: pair of ints (bands, mels) of the small spectrogram.
        patch_size: pair of ints (bands, mels), the patch that one query
            draws; must divide the target.
        num_heads: int. Attention heads. Defaults to `4`.
        **kwargs: see `keras.layers.Layer`.

    Call arguments:
        snippet_latents: tensor of shape `(batch, T, m, dim)`.

    Returns:
        A tensor of shape `(batch, T, bands, mels)`; `[:, t]` reconstructs
        snippet t + 1.

    Example:
    ```python
    head = keras_mirasol.layers.SpectrogramReconstruction((4, 32), (4, 8))
    latents = np.random.normal(size=(2, 5, 4, 64))
    head(latents).shape  # (2, 5, 4, 32)
    ```
    """

    channels = 1

    def __init__(self, target_size, patch_size, num_heads=4, **kwargs):
        super().__init__(patch_size, num_heads, **kwargs)
        self.target_size = tuple(target_size)
        self.grid = self._check(self.target_size)

    def call(self, snippet_latents):
        batch = ops.shape(snippet_latents)[0]
        patches = self.read_patches(snippet_latents)
        bands = ops.transpose(patches, (0, 1, 3, 2, 4, 5))
        return ops.reshape(bands, (batch, -1, *self.target_size))

    def compute_output_shape(self, snippet_latents_shape):
        return (*snippet_latents_shape[:2], *self.target_size)

    def get_config(self):
        return {**super().get_config(), "target_size": self.target_size}
