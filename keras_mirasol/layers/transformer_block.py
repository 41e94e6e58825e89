"""A pre-norm Transformer block with an optional cache."""

import keras
from keras import ops

from keras_mirasol.layers.almost_zero import almost_zero
from keras_mirasol.layers.attention import Attention
from keras_mirasol.layers.gelu import gelu
from keras_mirasol.layers.layer_norm import layer_norm
from keras_mirasol.layers.memory_attention import attend_to_memory
from keras_mirasol.layers.projection import Projection
from keras_mirasol.layers.write_at import write_at


@keras.saving.register_keras_serializable(package="keras_mirasol")
class TransformerBlock(keras.layers.Layer):
    """A pre-norm Transformer block, optionally attending to a memory.

    ```
    x = x + self_attention(norm(x))
    x = x + cross_attention(norm(x), memory)      if there is a memory
    x = x + mlp(norm(x))
    ```

    Args:
        dim: int. Width of `x`.
        num_heads: int. Attention heads; must divide `dim`.
        mlp_dim: int. Width of the MLP's hidden layer.
        memory_dim: int. Width of a memory that the block attends to. Defaults
            to `None`: there is none, and no cross attention.
        rotary_wavelength: float or `None`. Base of rotary positions in self
            attention. Defaults to `None`, no positions.
        dropout: float. Defaults to `0.0`.
        **kwargs: see `keras.layers.Layer`.

    Call arguments:
        x: tensor of shape `(batch, length, dim)`.
        attention_mask: bool tensor that broadcasts to `(batch, heads, length,
            keys)`, `True` where `x` may attend.
        cache: tensor of shape `(batch, 2, heads, max_length, head_dim)`, the
            keys and values up to `start`. Defaults to `None`, no cache.
        start: int or scalar int tensor. Position of `x[:, 0]`.
        cache_places: int tensor of shape `(batch, length)`. Where each row of
            `x` goes in its row of the cache, whatever its position. Defaults
            to `None`: from `start` on.
        memory_key_values: keys and values of the memory, from
            `memory_key_values()`, for `texts_per_clip * batch` rows of `x` at
            a time: rows of one clip stand together and share its memory.
        memory_mask: bool tensor `(memory_batch, memory_length)`.
        kept: int. How many of the last rows of `x` to transform; they attend
            to all. Defaults to `None`, all.

    Returns:
        `x` transformed, its last `kept` rows; with `cache`, a pair `(x,
        cache)`.

    Raises:
        ValueError: if `cache` has no room for `x`, `memory_key_values` are
            missing, or rows of `x` cannot be shared out to the memories.

    Example:
    ```python
    block = keras_mirasol.layers.TransformerBlock(64, 4, 256)
    block(np.random.normal(size=(2, 5, 64))).shape  # (2, 5, 64)
    ```
    """

    def __init__(
        self,
        dim,
        num_heads,
        mlp_dim,
        memory_dim=None,
        rotary_wavelength=None,
        dropout=0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.dim = dim
        self.num_heads = num_heads
        self.mlp_dim = mlp_dim
        self.memory_dim = memory_dim
        self.rotary_wavelength = rotary_wavelength
        self.dropout = dropout

        policy = self.dtype_policy
        self.self_attention_norm = layer_norm("self_attention_norm", policy)
        self.self_attention = Attention(
            num_heads,
            dim,
            rotary_wavelength=rotary_wavelength,
            dropout=dropout,
            dtype=policy,
            name="self_attention",
        )
        if memory_dim is not None:
            self.cross_attention_norm = layer_norm(
                "cross_attention_norm", policy
            )
            self.cross_attention = Attention(
                num_heads,
                dim,
                memory_dim=memory_dim,
                dropout=dropout,
                output_initializer=almost_zero(0.1),
                dtype=policy,
                name="cross_attention",
            )
        self.mlp_norm = layer_norm("mlp_norm", policy)
        self.mlp_hidden = Projection(
            mlp_dim, activation=gelu, dtype=policy, name="mlp_hidden"
        )
        self.mlp_output = Projection(dim, dtype=policy, name="mlp_output")
        self.mlp_dropout = keras.layers.Dropout(dropout, dtype=policy)

    def build(self, x_shape):
        self.self_attention_norm.build(x_shape)
        self.self_attention.build(x_shape)
        if self.memory_dim is not None:
            self.cross_attention_norm.build(x_shape)
            self.cross_attention.build(x_shape)
        self.mlp_norm.build(x_shape)
        self.mlp_hidden.build(x_shape)
        self.mlp_output.build((*x_shape[:-1], self.mlp_dim))

    def memory_key_values(self, memory):
        """Keys and values of a memory of shape `(batch, length, features)`."""
        return self.cross_attention.key_values(memory)

    def call(
        self,
        x,
        attention_mask=None,
        cache=None,
        start=0,
        cache_places=None,
        memory_key_values=None,
        memory_mask=None,
        kept=None,
        training=None,
    ):
        normed = self.self_attention_norm(x)
        key_values = self.self_attention.key_values(normed, start)
        if cache is not None:
            key_values = cache = _write(cache, key_values, start, cache_places)
        if kept is not None:
            # The others are attended to, and their outputs are not wanted.
            start = start + ops.shape(x)[1] - kept
            x, normed = x[:, -kept:], normed[:, -kept:]
            attention_mask = _last_rows(attention_mask, kept)
        x = x + self.self_attention(
            normed,
            key_values,
            attention_mask=attention_mask,
            start=start,
            training=training,
        )
        if self.memory_dim is not None:
            x = x + attend_to_memory(
                self.cross_attention,
                self.cross_attention_norm(x),
                memory_key_values,
                memory_mask,
                training,
            )
        x = x + self._mlp(self.mlp_norm(x), training)
        return x if cache is None else (x, cache)

    def _mlp(self, x, training):
        x = self.mlp_output(self.mlp_hidden(x))
        return self.mlp_dropout(x, training=training)

    def compute_output_shape(self, x_shape):
        return x_shape

    def get_config(self):
        return {
            **super().get_config(),
            "dim": self.dim,
            "num_heads": self.num_heads,
            "mlp_dim": self.mlp_dim,
            "memory_dim": self.memory_dim,
            "rotary_wavelength": self.rotary_wavelength,
            "dropout": self.dropout,
        }


def _write(cache, key_values, start, places):
    _check_room(cache, key_values, start)
    if places is not None:
        return write_at(cache, key_values, places, axis=3)
    return ops.slice_update(
        cache, (0, 0, 0, start, 0), ops.cast(key_values, cache.dtype)
    )


def _last_rows(attention_mask, kept):
    """Those of the mask, unless all rows have the same."""
    if attention_mask is None or attention_mask.shape[-2] == 1:
        return attention_mask
    return attention_mask[..., -kept:, :]


def _check_room(cache, key_values, start):
    """Refuses a cache that is too short; backends would clip `start`."""
    room, length = cache.shape[3], key_values.shape[3]
    if isinstance(start, int) and length is not None and start + length > room:
        raise ValueError(
            f"A cache of {room} positions has no room for {length} from "
            f"`start` = {start} on. Make longer caches with `empty_caches()`."
        )
