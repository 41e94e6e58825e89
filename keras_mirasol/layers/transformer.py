"""A stack of Transformer blocks with optional caches."""

import functools

import keras
from keras import ops

from keras_mirasol.layers.layer_norm import layer_norm
from keras_mirasol.layers.recomputation import recomputed
from keras_mirasol.layers.transformer_block import TransformerBlock


@keras.saving.register_keras_serializable(package="keras_mirasol")
class Transformer(keras.layers.Layer):
    """A stack of `TransformerBlock`s and a final layer normalisation.

    Args:
        num_layers: int. Number of blocks.
        dim: int. Width.
        num_heads: int. Attention heads; must divide `dim`.
        mlp_dim: int. Width of the MLPs' hidden layer. Defaults to `4 * dim`.
        memory_dim: int. Width of a memory that the blocks attend to. Defaults
            to `None`: there is none.
        rotary_wavelength: float or `None`. See `TransformerBlock`.
        dropout: float. Defaults to `0.0`.
        rematerialize: bool. Whether training keeps of each block its inputs
            alone, and the backward pass computes the rest again: less memory
            for more time, with the same outputs and gradients, dropout
            included. Defaults to `False`.
        **kwargs: see `keras.layers.Layer`.

    Call arguments:
        x: tensor of shape `(batch, length, dim)`.
        attention_mask: bool tensor that broadcasts to `(batch, heads, length,
            keys)`.
        caches: list of one cache a block, from `empty_caches()` or an earlier
            call. Defaults to `None`, no cache.
        start: int or scalar int tensor. Position of `x[:, 0]`.
        cache_places: int tensor `(batch, length)`. See `TransformerBlock`.
        memory_key_values: list of one tensor a block, from
            `memory_key_values()`.
        memory_mask: bool tensor `(memory_batch, memory_length)`.
        kept: int. How many of the last rows are wanted; the last block does
            no more. Defaults to `None`, all.
        layer_intercept_fn: a function of what a block makes and of the block's
            number that returns what goes on in its place. Defaults to `None`.

    Returns:
        A tensor of shape `(batch, length, dim)`, or `(batch, kept, dim)`; with
        `caches`, a pair of it and the updated caches.

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
        memory_dim=None,
        rotary_wavelength=None,
        dropout=0.0,
        rematerialize=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_layers = num_layers
        self.dim = dim
        self.num_heads = num_heads
        self.mlp_dim = mlp_dim or 4 * dim
        self.memory_dim = memory_dim
        self.rotary_wavelength = rotary_wavelength
        self.dropout = dropout
        self.rematerialize = rematerialize
        self.blocks = [
            TransformerBlock(
                dim,
                num_heads,
                self.mlp_dim,
                memory_dim=memory_dim,
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
            block.build(x_shape)
        self.norm.build(x_shape)

    def empty_caches(self, batch_size, max_length):
        """Caches of `max_length` positions for calls with `caches`."""
        head_dim = self.dim // self.num_heads
        shape = (batch_size, 2, self.num_heads, max_length, head_dim)
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
        cache_places=None,
        memory_key_values=None,
        memory_mask=None,
        kept=None,
        layer_intercept_fn=None,
        training=None,
    ):
        nothing = [None] * self.num_layers
        updated = []
        # There is no backward pass from what is cached.
        again = self.rematerialize and training and caches is None
        for i, (block, cache, key_values) in enumerate(
            zip(
                self.blocks,
                caches or nothing,
                memory_key_values or nothing,
                strict=True,
            )
        ):
            call = functools.partial(
                block,
                attention_mask=attention_mask,
                cache=cache,
                start=start,
                cache_places=cache_places,
                memory_mask=memory_mask,
                kept=kept if block is self.blocks[-1] else None,
                training=training,
            )
            inputs = {"x": x}
            if key_values is not None:
                inputs["memory_key_values"] = key_values
            x = recomputed(call, [block], **inputs) if again else call(**inputs)
            if caches is not None:
                x, cache = x
                updated.append(cache)
            if layer_intercept_fn is not None:
                x = layer_intercept_fn(x, i)
        x = self.norm(x if kept is None else x[:, -kept:])
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
            "memory_dim": self.memory_dim,
            "rotary_wavelength": self.rotary_wavelength,
            "dropout": self.dropout,
            "rematerialize": self.rematerialize,
        }
