"""Multi-head attention whose keys and values can be kept."""

import keras
from keras import ops

from keras_mirasol.layers.attention_record import record
from keras_mirasol.layers.positions import rotate
from keras_mirasol.layers.projection import Projection


@keras.saving.register_keras_serializable(package="keras_mirasol")
class Attention(keras.layers.Layer):
    """Multi-head attention over keys and values that a caller may keep.

    `softmax(q k^T / sqrt(head_dim)) v`, with a boolean mask. Keys and values
    come from `key_values(memory)`; handing them to the call, extended or
    unchanged, is all that caching needs, so that there is one forward
    computation with and without a cache.

    Args:
        num_heads: int. Number of heads; must divide `dim`.
        dim: int. Width of the output, and of all heads together.
        memory_dim: int. Width of what is attended to. Defaults to `None`, that
            of `x`.
        rotary_wavelength: float or `None`. If set, queries and keys are
            turned by rotary positions with this base. Defaults to `None`.
        dropout: float. Dropout rate of the output. Defaults to `0.0`.
        output_initializer: initializer of the output projection's kernel.
            Defaults to `"glorot_uniform"`.
        **kwargs: see `keras.layers.Layer`.

    Call arguments:
        x: tensor of shape `(batch, length, features)`, or one row for all rows
            of `key_values`.
        key_values: tensor of shape `(batch, 2, num_heads, memory_length,
            head_dim)`, made by `key_values()`. Defaults to that of `x`.
        attention_mask: bool tensor that broadcasts to `(batch, num_heads,
            length, memory_length)`, `True` where `x` may attend.
        start: int or scalar int tensor. Position of `x[:, 0]`, for rotary
            positions. Defaults to `0`.

    Returns:
        A tensor of shape `(batch, length, dim)`.

    Example:
    ```python
    attention = keras_mirasol.layers.Attention(num_heads=4, dim=64)
    x = np.random.normal(size=(2, 5, 64))
    y = attention(x)  # self attention, (2, 5, 64)
    memory = np.random.normal(size=(2, 9, 64))
    y = attention(x, key_values=attention.key_values(memory))
    ```
    """

    def __init__(
        self,
        num_heads,
        dim,
        memory_dim=None,
        rotary_wavelength=None,
        dropout=0.0,
        output_initializer="glorot_uniform",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if dim % num_heads:
            raise ValueError(
                "`dim` must be a multiple of `num_heads`. Received: "
                f"dim={dim}, num_heads={num_heads}"
            )
        self.num_heads = num_heads
        self.dim = dim
        self.head_dim = dim // num_heads
        self.memory_dim = memory_dim
        self.rotary_wavelength = rotary_wavelength
        self.dropout = dropout
        self.output_initializer = keras.initializers.get(output_initializer)
        if rotary_wavelength is not None and self.head_dim % 2:
            raise ValueError(
                "Rotary positions turn pairs of channels: `dim / num_heads` "
                f"must be even. Received: dim={dim}, num_heads={num_heads}"
            )
        # Matrices, for heads as axes of a kernel are copied by compilers.
        self.query, self.key, self.value = (
            Projection(dim, dtype=self.dtype_policy, name=name)
            for name in ("query", "key", "value")
        )
        self.output_dense = Projection(
            dim,
            kernel_initializer=self.output_initializer,
            dtype=self.dtype_policy,
            name="output",
        )
        self.output_dropout = keras.layers.Dropout(
            dropout, dtype=self.dtype_policy
        )

    def build(self, x_shape):
        self.query.build(x_shape)
        if not self.key.built:  # as they are once `key_values()` was called
            memory_dim = self.memory_dim or x_shape[-1]
            self.key.build((None, None, memory_dim))
            self.value.build((None, None, memory_dim))
        self.output_dense.build((None, None, self.dim))

    def key_values(self, memory, start=0):
        """Keys and values of `memory`, to keep or to hand to the call.

        Args:
            memory: tensor of shape `(batch, memory_length, features)`.
            start: int or scalar int tensor. Position of `memory[:, 0]`.

        Returns:
            A tensor of shape `(batch, 2, num_heads, memory_length, head_dim)`.
        """
        key = self._rotated(self._heads(self.key(memory)), start)
        kept = ops.stack([key, self._heads(self.value(memory))], axis=1)
        # Heads first, as products want them: what is kept is read many times.
        return ops.swapaxes(kept, 2, 3)

    def call(
        self,
        x,
        key_values=None,
        attention_mask=None,
        start=0,
        training=None,
    ):
        if key_values is None:
            key_values = self.key_values(x, start)
        query = self._rotated(self._heads(self.query(x)), start)
        record(self, lambda: _softmax(query, key_values[:, 0], attention_mask))
        batch, length = ops.shape(key_values)[0], ops.shape(x)[1]
        attended = ops.dot_product_attention(
            # A query that all rows share is projected once.
            ops.broadcast_to(query, (batch, *ops.shape(query)[1:])),
            ops.swapaxes(key_values[:, 0], 1, 2),
            ops.swapaxes(key_values[:, 1], 1, 2),
            mask=attention_mask,
        )
        return self.output_dropout(
            self.output_dense(ops.reshape(attended, (-1, length, self.dim))),
            training=training,
        )

    def _heads(self, x):
        """`(batch, length, dim)` to `(batch, length, num_heads, head_dim)`."""
        length = ops.shape(x)[1]
        return ops.reshape(x, (-1, length, self.num_heads, self.head_dim))

    def _rotated(self, x, start):
        if self.rotary_wavelength is None:
            return x
        return rotate(x, start, self.rotary_wavelength)

    def compute_output_shape(self, x_shape, key_values_shape=None):
        return (*x_shape[:-1], self.dim)

    def get_config(self):
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "dim": self.dim,
            "memory_dim": self.memory_dim,
            "rotary_wavelength": self.rotary_wavelength,
            "dropout": self.dropout,
            "output_initializer": keras.initializers.serialize(
                self.output_initializer
            ),
        }


def _softmax(query, key, mask):
    """What `dot_product_attention` multiplies values with."""
    # One row of queries may be for all rows of keys.
    products = ops.matmul(ops.swapaxes(query, 1, 2), ops.swapaxes(key, 2, 3))
    products = ops.cast(products, "float32") * query.shape[-1] ** -0.5
    if mask is not None:
        products = ops.where(mask, products, -1e9)
    # Not `ops.softmax`, which warns where there is one key.
    return ops.exp(products - ops.logsumexp(products, axis=-1, keepdims=True))
