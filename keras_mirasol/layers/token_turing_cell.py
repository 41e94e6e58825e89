"""One step of a Token Turing Machine: read, process, write."""

import keras
from keras import ops

from keras_mirasol.layers.erase_and_add import EraseAndAdd
from keras_mirasol.layers.token_summary import AttentionSummary
from keras_mirasol.layers.token_summary import WeightedSummary
from keras_mirasol.layers.transformer import Transformer

READS = ("attention", "weighted_sum")
WRITES = (*READS, "erase_and_add")


@keras.saving.register_keras_serializable(package="keras_mirasol")
class TokenTuringCell(keras.layers.Layer):
    """Reads from memory and a snippet, processes, and writes to memory.

    ```
    Z     = Read([M || I])
    O     = Transformer(Z)
    M_new = Write([M || O || I])
    ```

    M is the memory, I are the snippet's tokens. A snippet without any token
    is read from memory alone, and leaves the memory as it was.

    It is the cell of a `Recurrence`. What does not depend on the memory is not
    recurrent: `prepare()` does it, for all snippets at once.

    Args:
        num_outputs: int. Tokens that are read and put out.
        dim: int. Width of all tokens.
        memory_size: int. Tokens of the memory.
        num_layers: int. Blocks of the Transformer.
        num_heads: int. Attention heads.
        read: one of `READS`.
        write: one of `WRITES`.
        positions: bool. Whether reads and writes know the tokens' places.
        **kwargs: see `keras.layers.Layer`.

    Call arguments:
        inputs: what `prepare()` made of a snippet.
        memory: tensor of shape `(batch, memory_size, dim)`.

    Returns:
        A pair of tensors: the outputs, of shape `(batch, num_outputs, dim)`,
        and the new memory.
    """

    def __init__(
        self,
        num_outputs,
        dim,
        memory_size,
        num_layers,
        num_heads,
        read,
        write,
        positions,
        **kwargs,
    ):
        super().__init__(**kwargs)
        _check_choice("read", read, READS)
        _check_choice("write", write, WRITES)
        if write == "erase_and_add" and not positions:
            raise ValueError(
                '`write="erase_and_add"` needs `read_write_positions=True`: '
                "without positions, nothing would ever tell the slots of the "
                "memory apart."
            )
        self.num_outputs = num_outputs
        self.dim = dim
        self.memory_size = memory_size
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.read_mode = read
        self.write_mode = write
        self.has_positions = positions

        def summary(kind, num_tokens, name):
            settings = dict(positions=positions, dtype=self.dtype_policy)
            if kind == "weighted_sum":
                return WeightedSummary(num_tokens, dim, name=name, **settings)
            return AttentionSummary(
                num_tokens, dim, num_heads=num_heads, name=name, **settings
            )

        self.read = summary(read, num_outputs, "read")
        self.process = Transformer(
            num_layers, dim, num_heads, dtype=self.dtype_policy, name="process"
        )
        if write == "erase_and_add":
            self.write = EraseAndAdd(dim, dtype=self.dtype_policy, name="write")
        else:
            self.write = summary(write, memory_size, "write")

    def build(self, inputs_shape):
        memory = (None, self.memory_size, self.dim)
        outputs = (None, self.num_outputs, self.dim)
        read_from = self.memory_size + inputs_shape[1]
        written_from = self.memory_size + self.num_outputs + inputs_shape[1]
        self.read.build((None, read_from, self.dim))
        self.process.build(outputs)
        if self.write_mode == "erase_and_add":
            self.write.build(memory, outputs)
        else:
            self.write.build((None, written_from, self.dim))

    def prepare(self, tokens, token_mask):
        """What steps need of their snippets' tokens, in one tensor.

        Args:
            tokens: tensor of shape `(batch, T, n, dim)`.
            token_mask: bool tensor `(batch, T, n)`, which tokens there are.

        Returns:
            A tensor of shape `(batch, T, n, num_features)`.
        """
        batch, snippets, count = ops.shape(tokens)[:3]
        tokens = ops.reshape(tokens, (-1, count, self.dim))
        parts = [self.read.embed(tokens, start=self.memory_size)]
        if self.write_mode != "erase_and_add":
            start = self.memory_size + self.num_outputs
            parts.append(self.write.embed(tokens, start=start))
        token_mask = ops.reshape(token_mask, (-1, count, 1))
        parts.append(ops.cast(token_mask, self.compute_dtype))
        features = ops.concatenate(parts, axis=-1)
        return ops.reshape(
            features, (batch, snippets, count, features.shape[-1])
        )

    def call(self, inputs, memory):
        to_read = inputs[..., : self.read.num_features]
        to_write = inputs[..., self.read.num_features : -1]
        token_mask = inputs[..., -1] > 0.5

        read = self.read.pool(
            ops.concatenate([self.read.embed(memory), to_read], axis=1),
            self._with_always(self.memory_size, token_mask),
        )
        outputs = self.process(read)
        if self.write_mode == "erase_and_add":
            written = self.write(memory, outputs)
        else:
            before = ops.concatenate([memory, outputs], axis=1)
            written = self.write.pool(
                ops.concatenate([self.write.embed(before), to_write], axis=1),
                self._with_always(
                    self.memory_size + self.num_outputs, token_mask
                ),
            )
        something = ops.any(token_mask, axis=1)[:, None, None]
        return outputs, ops.where(something, written, memory)

    def _with_always(self, count, token_mask):
        """The mask with `count` tokens before it that are always there."""
        return ops.pad(token_mask, ((0, 0), (count, 0)), constant_values=True)

    def compute_output_shape(self, inputs_shape, *_, **__):
        outputs = (inputs_shape[0], self.num_outputs, self.dim)
        return outputs, (inputs_shape[0], self.memory_size, self.dim)

    def get_config(self):
        return {
            **super().get_config(),
            "num_outputs": self.num_outputs,
            "dim": self.dim,
            "memory_size": self.memory_size,
            "num_layers": self.num_layers,
            "num_heads": self.num_heads,
            "read": self.read_mode,
            "write": self.write_mode,
            "positions": self.has_positions,
        }


def _check_choice(argument, value, choices):
    if value not in choices:
        raise ValueError(
            f"`{argument}` must be one of {', '.join(map(repr, choices))}. "
            f"Received: {value!r}"
        )
