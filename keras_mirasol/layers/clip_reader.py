"""What text decoders share: the memory of a clip that text attends to."""

import keras
from keras import ops

from keras_mirasol.layers.snippet_slots import tokens_of
from keras_mirasol.layers.write_at import write_at


class ClipReader(keras.layers.Layer):
    """Makes the memory of a clip: keys and values of its snippet latents.

    To be inherited from. A subclass calls `add_null_token()` when it is built,
    and has `memory_key_values()`.

    Args:
        memory_dim: int. Width of the snippet latents.
        **kwargs: see `keras.layers.Layer`.
    """

    def __init__(self, memory_dim, **kwargs):
        super().__init__(**kwargs)
        self.memory_dim = memory_dim

    def add_null_token(self):
        """Text attends to it when a clip has no snippet at all."""
        self.null_token = self.add_weight(
            shape=(1, self.memory_dim),
            initializer=keras.initializers.RandomNormal(stddev=0.5),
            name="null_token",
        )

    def memory_key_values(self, memory):
        """Keys and values of a memory, for each layer that attends to it.

        Args:
            memory: tensor of shape `(batch, length, memory_dim)`.

        Returns:
            A list of tensors, from `Attention.key_values()`.
        """
        raise NotImplementedError

    def encode_memory(self, snippet_latents, snippet_mask):
        """What the text attends to, made once for all texts and tokens.

        Args:
            snippet_latents: tensor of shape `(batch, T, m, memory_dim)`.
            snippet_mask: bool tensor of shape `(batch, T)`.

        Returns:
            A dict of `"memory_key_values"` and `"memory_mask"`.
        """
        latents, mask = _memory_tokens(snippet_latents, snippet_mask)
        null_token = ops.broadcast_to(
            ops.cast(self.null_token, self.compute_dtype),
            (ops.shape(latents)[0], 1, latents.shape[-1]),
        )
        memory = ops.concatenate([null_token, latents], axis=1)
        return {
            "memory_key_values": self.memory_key_values(memory),
            "memory_mask": ops.pad(
                mask, ((0, 0), (1, 0)), constant_values=True
            ),
        }

    def empty_memory(self, batch_size, num_slots, num_joint_tokens):
        """What `encode_memory()` makes of so many snippets that are absent."""
        shape = (batch_size, num_slots, num_joint_tokens, self.memory_dim)
        return self.encode_memory(
            ops.zeros(shape, self.compute_dtype), ops.zeros(shape[:2], "bool")
        )

    def extend_memory(self, memory, snippet_latents, snippet_mask, slots):
        """Puts further snippets into a memory, each in the place of another.

        Args:
            memory: dict, from `encode_memory()`, `empty_memory()` or an
                earlier call.
            snippet_latents: tensor of shape `(batch, T, m, memory_dim)`.
            snippet_mask: bool tensor of shape `(batch, T)`.
            slots: int tensor of shape `(batch, T)`. The snippets of the memory
                that make way.

        Returns:
            The memory, as `encode_memory()` makes it.
        """
        latents, mask = _memory_tokens(snippet_latents, snippet_mask)
        # Behind the null token.
        places = 1 + tokens_of(slots, snippet_latents.shape[2])
        new = self.memory_key_values(latents)
        return {
            "memory_key_values": [
                write_at(key_values, values, places, axis=3)
                for key_values, values in zip(
                    memory["memory_key_values"], new, strict=True
                )
            ],
            "memory_mask": write_at(
                memory["memory_mask"], mask, places, axis=1
            ),
        }

    def get_config(self):
        return {**super().get_config(), "memory_dim": self.memory_dim}


def _memory_tokens(snippet_latents, snippet_mask):
    """All latents of a clip end to end, and which of them there are."""
    m, dim = snippet_latents.shape[2:]
    batch = ops.shape(snippet_latents)[0]
    mask = ops.repeat(ops.cast(snippet_mask, "bool"), m, axis=1)
    return ops.reshape(snippet_latents, (batch, -1, dim)), mask
