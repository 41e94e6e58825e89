"""The autoregressive model of text, which attends to the clip."""

import keras
from keras import ops

from keras_mirasol.layers.clip_reader import ClipReader
from keras_mirasol.layers.transformer import Transformer


@keras.saving.register_keras_serializable(package="keras_mirasol")
class TextDecoder(ClipReader):
    """A causal Transformer over text, cross-attending to snippet latents.

    Several texts may share one clip: give `texts_per_clip * batch` rows of
    text, the texts of one clip together, and the clip is encoded and projected
    once. A learned null token stands before the clip's latents, so that text
    has something to attend to when a clip has no snippet at all.

    Args:
        num_layers: int. Transformer blocks.
        dim: int. Width of the text tokens.
        num_heads: int. Attention heads; must divide `dim`.
        memory_dim: int. Width of the snippet latents.
        dropout: float. Defaults to `0.0`.
        rematerialize: bool. Whether to compute blocks again in the backward
            pass; see `Transformer`. Defaults to `False`.
        **kwargs: see `keras.layers.Layer`.

    Call arguments:
        x: embedded tokens, of shape `(batch * texts_per_clip, L, dim)`; L may
            vary.
        snippet_latents: tensor of shape `(batch, T, m, memory_dim)`.
        snippet_mask: bool tensor of shape `(batch, T)`, `True` for snippets
            that have video or audio.
        padding_mask: bool tensor `(batch * texts_per_clip, L)`, `False` where
            text is padding.
        layer_intercept_fn: see `Transformer`.

    Returns:
        A tensor of the shape of `x`.

    Example:
    ```python
    decoder = keras_mirasol.layers.TextDecoder(
        2, dim=32, num_heads=4, memory_dim=64
    )
    latents = np.random.normal(size=(2, 5, 4, 64))
    text = np.random.normal(size=(6, 7, 32))  # three texts for each clip
    here, text_mask = np.ones((2, 5), bool), np.ones((6, 7), bool)
    decoder(text, latents, here, text_mask).shape  # (6, 7, 32)
    ```
    """

    def __init__(
        self,
        num_layers,
        dim,
        num_heads,
        memory_dim,
        dropout=0.0,
        rematerialize=False,
        **kwargs,
    ):
        super().__init__(memory_dim, **kwargs)
        self.num_layers = num_layers
        self.dim = dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.rematerialize = rematerialize
        self.transformer = Transformer(
            num_layers,
            dim,
            num_heads,
            memory_dim=memory_dim,
            rotary_wavelength=10000.0,
            dropout=dropout,
            rematerialize=rematerialize,
            dtype=self.dtype_policy,
            name="transformer",
        )

    def build(
        self,
        x_shape,
        snippet_latents_shape,
        snippet_mask_shape=None,
        padding_mask_shape=None,
    ):
        self.add_null_token()
        self.transformer.build(x_shape)

    def memory_key_values(self, memory):
        return self.transformer.memory_key_values(memory)

    def empty_caches(self, batch_size, max_length):
        """Caches of `max_length` tokens for `decode()`."""
        return self.transformer.empty_caches(batch_size, max_length)

    def decode(self, x, memory, caches, start):
        """Continues text from position `start`, with what came before cached.

        Args:
            x: embedded tokens of shape `(batch, length, dim)`.
            memory: what `encode_memory()` returned.
            caches: list of caches, from `empty_caches()` or the last call.
            start: int or scalar int tensor. Position of `x[:, 0]`.

        Returns:
            A pair of the outputs and the updated caches.
        """
        rows = start + ops.arange(ops.shape(x)[1], dtype="int32")
        columns = ops.arange(caches[0].shape[3], dtype="int32")
        causal = (columns[None, :] <= rows[:, None])[None, None]
        return self.transformer(
            x,
            attention_mask=causal,
            caches=caches,
            start=start,
            **memory,
        )

    def call(
        self,
        x,
        snippet_latents,
        snippet_mask,
        padding_mask,
        layer_intercept_fn=None,
        training=None,
    ):
        return self.transformer(
            x,
            attention_mask=_text_mask(padding_mask),
            layer_intercept_fn=layer_intercept_fn,
            training=training,
            **self.encode_memory(snippet_latents, snippet_mask),
        )

    def compute_output_shape(self, x_shape, *_, **__):
        return x_shape

    def get_config(self):
        return {
            **super().get_config(),
            "num_layers": self.num_layers,
            "dim": self.dim,
            "num_heads": self.num_heads,
            "dropout": self.dropout,
            "rematerialize": self.rematerialize,
        }


def _text_mask(padding_mask):
    """Causal, without padding; a token always attends to itself."""
    places = ops.arange(ops.shape(padding_mask)[1], dtype="int32")
    before = places[None, :] < places[:, None]
    itself = places[None, :] == places[:, None]
    real = ops.cast(padding_mask, "bool")[:, None, None, :]
    return ops.logical_or(ops.logical_and(real, before), itself)
