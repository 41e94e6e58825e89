"""Pre-norm Transformer blocks and stacks with an optional cache."""

import keras
from keras import ops

from keras_mirasol.layers.attention import Attention
from keras_mirasol.layers.projection import projection


@keras.saving.register_keras_serializable(package="keras_mirasol")
class TransformerBlock(keras.layers.Layer):
    """A pre-norm Transformer block, optionally attending to a memory.

    ```
    x = x + self_attention(norm(x))
    x = x + cross_attention(norm(x), memory)      if cross_attention
    x = x + mlp(norm(x))
    ```

    Args:
        dim: int. Width of `x`.
        num_heads: int. Attention heads; must divide `dim`.
        mlp_dim: int. Width of the MLP's hidden layer.
        cross_attention: bool. Whether the block attends to a memory.
            Defaults to `False`.
        rotary_wavelength: float or `None`. Base of rotary positions in self
            attention. Defaults to `None`, no positions.
        dropout: float. Defaults to `0.0`.
        **kwargs: see `keras.layers.Layer`.

    Call arguments:
        x: tensor of shape `(batch, length, dim)`.
        attention_mask: bool tensor that broadcasts to `(batch, heads, length,
            keys)`, `True` where `x` may attend.
        cache: tensor of shape `(batch, 2, max_length, heads, head_dim)`, the
            keys and values up to `start`. Defaults to `None`, no cache.
        start: int or scalar int tensor. Position of `x[:, 0]`.
        memory_key_values: keys and values of the memory, from
            `memory_key_values()`, for `texts_per_clip * batch` rows of `x` at
            a time: rows of one clip stand together and share its memory.
        memory_mask: bool tensor `(memory_batch, memory_length)`.

    Returns:
        `x` transformed; with `cache`, a pair `(x, cache)`.

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
        cross_attention=False,
        rotary_wavelength=None,
        dropout=0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.dim = dim
        self.num_heads = num_heads
        self.mlp_dim = mlp_dim
        self.has_cross_attention = cross_attention
        self.rotary_wavelength = rotary_wavelength
        self.dropout = dropout
        self.memory_features = None  # see `Attention`

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
        if cross_attention:
            self.cross_attention_norm = layer_norm(
                "cross_attention_norm", policy
            )
            self.cross_attention = Attention(
                num_heads,
                dim,
                dropout=dropout,
                output_initializer=almost_zero(0.1),
                dtype=policy,
                name="cross_attention",
            )
        self.mlp_norm = layer_norm("mlp_norm", policy)
        self.mlp_hidden = projection(
            mlp_dim, activation=gelu, dtype=policy, name="mlp_hidden"
        )
        self.mlp_output = projection(dim, dtype=policy, name="mlp_output")
        self.mlp_dropout = keras.layers.Dropout(dropout, dtype=policy)

    def build(self, x_shape):
        self.self_attention_norm.build(x_shape)
        self.self_attention.build(x_shape)
        if self.has_cross_attention:
            self.cross_attention_norm.build(x_shape)
            self.cross_attention.memory_features = self.memory_features
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
        memory_key_values=None,
        memory_mask=None,
        training=None,
    ):
        normed = self.self_attention_norm(x)
        key_values = self.self_attention.key_values(normed, start)
        if cache is not None:
            _check_room(cache, x, start)
            key_values = cache = ops.slice_update(
                cache, (0, 0, start, 0, 0), ops.cast(key_values, cache.dtype)
            )
        x = x + self.self_attention(
            normed,
            key_values,
            attention_mask=attention_mask,
            start=start,
            training=training,
        )
        if self.has_cross_attention:
            x = x + self._attend_to_memory(
                self.cross_attention_norm(x),
                memory_key_values,
                memory_mask,
                training,
            )
        x = x + self._mlp(self.mlp_norm(x), training)
        return x if cache is None else (x, cache)

    def _attend_to_memory(self, x, key_values, mask, training):
        _check_memory(key_values, x)
        # All texts of a clip, end to end, are one long query to its memory.
        texts_shape = ops.shape(x)
        clips = ops.shape(key_values)[0]
        x = ops.reshape(x, (clips, -1, self.dim))
        if mask is not None:
            mask = mask[:, None, None, :]
        x = self.cross_attention(
            x, key_values, attention_mask=mask, training=training
        )
        return ops.reshape(x, texts_shape)

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
            "cross_attention": self.has_cross_attention,
            "rotary_wavelength": self.rotary_wavelength,
            "dropout": self.dropout,
        }


def _check_room(cache, x, start):
    """Refuses a cache that is too short; backends would clip `start`."""
    room, length = cache.shape[2], x.shape[1]
    if isinstance(start, int) and length is not None and start + length > room:
        raise ValueError(
            f"A cache of {room} positions has no room for {length} from "
            f"`start` = {start} on. Make longer caches with `empty_caches()`."
        )


def _check_memory(key_values, x):
    """Refuses rows that cannot be shared out to the memories."""
    if key_values is None:
        raise ValueError(
            "A block with cross attention needs `memory_key_values`. Make "
            "them with `memory_key_values(memory)`."
        )
    rows, clips = x.shape[0], key_values.shape[0]
    if rows is not None and clips is not None and rows % clips:
        raise ValueError(
            "The rows of `x` must be as many for each clip of "
            f"`memory_key_values`. Received: {rows} rows and {clips} clips"
        )


@keras.saving.register_keras_serializable(package="keras_mirasol")
class Transformer(keras.layers.Layer):
    """A stack of `TransformerBlock`s and a final layer normalisation.

    Args:
        num_layers: int. Number of blocks.
        dim: int. Width.
        num_heads: int. Attention heads; must divide `dim`.
        mlp_dim: int. Width of the MLPs' hidden layer. Defaults to `4 * dim`.
        cross_attention: bool. Whether the blocks attend to a memory.
            Defaults to `False`.
        rotary_wavelength: float or `None`. See `TransformerBlock`.
        dropout: float. Defaults to `0.0`.
        **kwargs: see `keras.layers.Layer`.

    Call arguments:
        x: tensor of shape `(batch, length, dim)`.
        attention_mask: bool tensor that broadcasts to `(batch, heads, length,
            keys)`.
        caches: list of one cache a block, from `empty_caches()` or an earlier
            call. Defaults to `None`, no cache.
        start: int or scalar int tensor. Position of `x[:, 0]`.
        memory_key_values: list of one tensor a block, from
            `memory_key_values()`.
        memory_mask: bool tensor `(memory_batch, memory_length)`.

    Returns:
        A tensor of shape `(batch, length, dim)`; with `caches`, a pair of it
        and the updated caches.

    Example:
    ```python
    transformer = keras_mirasol.layers.Transformer(2, dim=64, num_heads=4)
    transformer(np.random.normal(size=(2, 5, 64))).shape  # (2, 5, 64)
    ```
    """

    def __init__(
        self,
        num_layers,
        dim,
        num_heads,
        mlp_dim=None,
        cross_attention=False,
        rotary_wavelength=None,
        dropout=0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_layers = num_layers
        self.dim = dim
        self.num_heads = num_heads
        self.mlp_dim = mlp_dim or 4 * dim
        self.has_cross_attention = cross_attention
        self.rotary_wavelength = rotary_wavelength
        self.dropout = dropout
        self.memory_features = None  # see `Attention`
        self.blocks = [
            TransformerBlock(
                dim,
                num_heads,
                self.mlp_dim,
                cross_attention=cross_attention,
                rotary_wavelength=rotary_wavelength,
                dropout=dropout,
                dtype=self.dtype_policy,
                name=f"block_{i}",
            )
            for i in range(num_layers)
        ]
        self.norm = layer_norm("norm", self.dtype_policy)

    def build(self, x_shape):
        for block in self.blocks:
            block.memory_features = self.memory_features
            block.build(x_shape)
        self.norm.build(x_shape)

    def empty_caches(self, batch_size, max_length):
        """Caches of `max_length` positions for calls with `caches`."""
        head_dim = self.dim // self.num_heads
        shape = (batch_size, 2, max_length, self.num_heads, head_dim)
        return [ops.zeros(shape, self.compute_dtype) for _ in self.blocks]

    def memory_key_values(self, memory):
        """One tensor a block: keys and values of a memory, made once."""
        return [block.memory_key_values(memory) for block in self.blocks]

    def call(
        self,
        x,
        attention_mask=None,
        caches=None,
        start=0,
        memory_key_values=None,
        memory_mask=None,
        training=None,
    ):
        nothing = [None] * self.num_layers
        updated = []
        for block, cache, key_values in zip(
            self.blocks,
            caches or nothing,
            memory_key_values or nothing,
            strict=True,
        ):
            x = block(
                x,
                attention_mask=attention_mask,
                cache=cache,
                start=start,
                memory_key_values=key_values,
                memory_mask=memory_mask,
                training=training,
            )
            if caches is not None:
                x, cache = x
                updated.append(cache)
        x = self.norm(x)
        return x if caches is None else (x, updated)

    def compute_output_shape(self, x_shape):
        return x_shape

    def get_config(self):
        return {
            **super().get_config(),
            "num_layers": self.num_layers,
            "dim": self.dim,
            "num_heads": self.num_heads,
            "mlp_dim": self.mlp_dim,
            "cross_attention": self.has_cross_attention,
            "rotary_wavelength": self.rotary_wavelength,
            "dropout": self.dropout,
        }


def almost_zero(size=0.01):
    """Initializer of a projection that reads from what is still untrained.

    At full size, what is read at first is noise to the loss, and the quickest
    way to less of it is to silence the layers that are read from, for good.
    Almost closed, the projection opens to what turns out to be of use.

    Args:
        size: float. Of what is read, beside that of an ordinary projection.
            The smaller it is, the longer the layers that are read from wait
            for their gradients. Defaults to `0.01`.
    """
    return keras.initializers.VarianceScaling(size**2)


def layer_norm(name, dtype):
    return keras.layers.LayerNormalization(epsilon=1e-6, dtype=dtype, name=name)


@keras.saving.register_keras_serializable(package="keras_mirasol")
def gelu(x):
    # The tanh form: cheaper, and every export format has it.
    return keras.activations.gelu(x, approximate=True)
