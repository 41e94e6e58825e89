"""Attention to clips that a trained language model does not notice at first."""

import keras
from keras import ops

from keras_mirasol.layers.attention import Attention
from keras_mirasol.layers.layer_norm import layer_norm
from keras_mirasol.layers.memory_attention import attend_to_memory


@keras.saving.register_keras_serializable(package="keras_mirasol")
class GatedAttention(keras.layers.Layer):
    """Adds what a text reads of its clip, through a gate.

    ```
    x = x + tanh(gate) * attention(norm(x), memory)
    ```

    The gate is a number that starts at 0, so that at first the layer changes
    nothing, to the bit ("Flamingo", arXiv 2204.14198, section 2.2).

    Args:
        dim: int. Width of `x`.
        num_heads: int. Attention heads; must divide `dim`.
        memory_dim: int. Width of the memory.
        **kwargs: see `keras.layers.Layer`.

    Call arguments:
        x: tensor of shape `(batch * texts_per_clip, L, dim)`.
        memory_key_values: tensor from `memory_key_values()`.
        memory_mask: bool tensor `(batch, memory_length)`. Defaults to `None`.

    Returns:
        A tensor of the shape of `x`.

    Example:
    ```python
    layer = keras_mirasol.layers.GatedAttention(32, num_heads=4, memory_dim=64)
    text = np.random.normal(size=(6, 7, 32))  # three texts for each clip
    memory = layer.memory_key_values(np.random.normal(size=(2, 5, 64)))
    layer(text, memory).shape  # (6, 7, 32)
    ```
    """

    def __init__(self, dim, num_heads, memory_dim, **kwargs):
        super().__init__(**kwargs)
        self.dim = dim
        self.num_heads = num_heads
        self.memory_dim = memory_dim
        self.norm = layer_norm("norm", self.dtype_policy)
        self.attention = Attention(
            num_heads,
            dim,
            memory_dim=memory_dim,
            dtype=self.dtype_policy,
            name="attention",
        )

    def build(self, x_shape, *_, **__):
        self.gate = self.add_weight(shape=(), initializer="zeros", name="gate")
        self.norm.build(x_shape)
        self.attention.build(x_shape)

    def memory_key_values(self, memory):
        """Keys and values of a memory of shape `(batch, length, features)`."""
        return self.attention.key_values(memory)

    def call(self, x, memory_key_values, memory_mask=None):
        read = attend_to_memory(
            self.attention, self.norm(x), memory_key_values, memory_mask
        )
        gate = ops.cast(ops.tanh(self.gate), read.dtype)
        return x + ops.cast(gate * read, x.dtype)

    def compute_output_shape(self, x_shape, *_, **__):
        return x_shape

    def get_config(self):
        return {
            **super().get_config(),
            "dim": self.dim,
            "num_heads": self.num_heads,
            "memory_dim": self.memory_dim,
        }
