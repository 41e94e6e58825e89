"""Reconstruction of the next snippet's media from its latents."""

import math

import keras
from keras import ops

from keras_mirasol.layers.almost_zero import almost_zero
from keras_mirasol.layers.attention import Attention
from keras_mirasol.layers.gelu import gelu
from keras_mirasol.layers.layer_norm import layer_norm


class Reconstruction(keras.layers.Layer):
    """Learned queries, one a patch, read the latents; a Dense draws patches.

    An MLP lets a patch make its own of what it reads: attention alone gives
    all of them the same where there is but one latent per snippet. The
    parameters grow with the number of patches times the width, not with the
    number of pixels times the number of latents.
    """

    def __init__(self, dim, patch_size, channels, num_heads=4, **kwargs):
        super().__init__(**kwargs)
        self.dim = dim
        self.patch_size = tuple(patch_size)
        self.channels = channels
        self.num_heads = num_heads
        self.attention = Attention(
            num_heads, dim, dtype=self.dtype_policy, name="attention"
        )
        self.mlp_norm = layer_norm("mlp_norm", self.dtype_policy)
        self.mlp_hidden = keras.layers.Dense(
            2 * dim,
            activation=gelu,
            dtype=self.dtype_policy,
            name="mlp_hidden",
        )
        self.mlp_output = keras.layers.Dense(
            dim, dtype=self.dtype_policy, name="mlp_output"
        )
        self.norm = layer_norm("norm", self.dtype_policy)
        self.patch = keras.layers.Dense(
            math.prod(self.patch_size) * channels,
            kernel_initializer=almost_zero(),
            dtype=self.dtype_policy,
            name="patch",
        )

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
        tokens_shape = (None, math.prod(self.grid), self.dim)
        self.queries = self.add_weight(
            shape=tokens_shape[1:],
            initializer=keras.initializers.RandomNormal(stddev=0.5),
            name="queries",
        )
        self.attention.build(tokens_shape)
        self.mlp_norm.build(tokens_shape)
        self.mlp_hidden.build(tokens_shape)
        self.mlp_output.build((*tokens_shape[:-1], 2 * self.dim))
        self.norm.build(tokens_shape)
        self.patch.build(tokens_shape)

    def read_patches(self, snippet_latents):
        """Patches `(batch * T, *grid, *patch_size, channels)`."""
        m = snippet_latents.shape[2]
        latents = ops.reshape(snippet_latents, (-1, m, self.dim))
        queries = ops.cast(self.queries, self.compute_dtype)[None]
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
            "dim": self.dim,
            "patch_size": self.patch_size,
            "num_heads": self.num_heads,
        }


@keras.saving.register_keras_serializable(package="keras_mirasol")
class FrameReconstruction(Reconstruction):
    """Draws a small version of the next snippet's frames.

    Args:
        dim: int. Width of the snippet latents.
        target_size: quadruple of ints (frames, height, width, channels) of
            the small frames.
        patch_size: triple of ints (frames, height, width), the box that one
            query draws; must divide the target.
        num_heads: int. Attention heads; must divide `dim`. Defaults to `4`.
        **kwargs: see `keras.layers.Layer`.

    Call arguments:
        snippet_latents: tensor of shape `(batch, T, m, dim)`.

    Returns:
        A tensor of shape `(batch, T, frames, height, width, channels)`;
        `[:, t]` reconstructs snippet t + 1.

    Example:
    ```python
    head = keras_mirasol.layers.FrameReconstruction(
        64, (2, 8, 8, 3), (1, 4, 4)
    )
    latents = np.random.normal(size=(2, 5, 4, 64))
    head(latents).shape  # (2, 5, 2, 8, 8, 3)
    ```
    """

    def __init__(self, dim, target_size, patch_size, num_heads=4, **kwargs):
        super().__init__(dim, patch_size, target_size[-1], num_heads, **kwargs)
        self.target_size = tuple(target_size)
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
        dim: int. Width of the snippet latents.
        target_size: pair of ints (frames, mels) of the small spectrogram.
        patch_size: pair of ints (frames, mels), the patch that one query
            draws; must divide the target.
        num_heads: int. Attention heads; must divide `dim`. Defaults to `4`.
        **kwargs: see `keras.layers.Layer`.

    Call arguments:
        snippet_latents: tensor of shape `(batch, T, m, dim)`.

    Returns:
        A tensor of shape `(batch, T, frames, mels)`; `[:, t]` reconstructs
        snippet t + 1.

    Example:
    ```python
    head = keras_mirasol.layers.SpectrogramReconstruction(
        64, (4, 32), (4, 8)
    )
    latents = np.random.normal(size=(2, 5, 4, 64))
    head(latents).shape  # (2, 5, 4, 32)
    ```
    """

    def __init__(self, dim, target_size, patch_size, num_heads=4, **kwargs):
        super().__init__(dim, patch_size, 1, num_heads, **kwargs)
        self.target_size = tuple(target_size)
        self.grid = self._check(self.target_size)

    def call(self, snippet_latents):
        batch = ops.shape(snippet_latents)[0]
        patches = self.read_patches(snippet_latents)
        spectrogram = ops.transpose(patches, (0, 1, 3, 2, 4, 5))
        return ops.reshape(spectrogram, (batch, -1, *self.target_size))

    def compute_output_shape(self, snippet_latents_shape):
        return (*snippet_latents_shape[:2], *self.target_size)

    def get_config(self):
        return {**super().get_config(), "target_size": self.target_size}
