"""A language model of KerasHub that reads clips."""

import functools
import json

import keras
from keras import ops

from keras_mirasol.layers.clip_reader import ClipReader
from keras_mirasol.layers.pretrained.gated_attention import GatedAttention
from keras_mirasol.layers.pretrained.language_blocks import LanguageBlocks
from keras_mirasol.layers.pretrained.source import object_and_source
from keras_mirasol.layers.recomputation import recomputed


@keras.saving.register_keras_serializable(package="keras_mirasol")
class PretrainedTextDecoder(ClipReader):
    """The blocks of a trained language model, with clips read in between.

    ```
    x = gate_i(x, snippet latents)      before every block, or every few
    x = block_i(x)
    ```

    The gates are `GatedAttention`s, closed at first: before training, the
    outputs are those of the language model, whatever the clip ("Flamingo",
    arXiv 2204.14198, section 2.2). The tokens are embedded, and logits made,
    by the language model's own `token_embedding`, which goes beside it.

    Args:
        backbone: the `keras_hub.models.Backbone` of a causal language model:
            GPT-2, Gemma, Gemma 3, Llama, Mistral, Qwen and others that are
            built like these. Also what
            `keras.saving.serialize_keras_object()` makes of one.
        memory_dim: int. Width of the snippet latents.
        gate_every: int. A gate stands before the first of so many blocks.
            Defaults to `1`.
        num_heads: int. Heads of the gates' attention; must divide the model's
            width. Defaults to `None`, as many as the blocks have.
        frozen: bool. Whether to leave the model's weights as they are.
            Defaults to `True`.
        rematerialize: bool. Whether to compute blocks again in the backward
            pass. Defaults to `False`.
        **kwargs: see `keras.layers.Layer`.

    Call arguments:
        x: embedded tokens, of shape `(batch * texts_per_clip, L, dim)`; L may
            vary.
        snippet_latents: tensor of shape `(batch, T, m, memory_dim)`.
        snippet_mask: bool tensor of shape `(batch, T)`, `True` for snippets
            that have video or audio.
        padding_mask: bool tensor `(batch * texts_per_clip, L)`, `False` where
            text is padding.
        layer_intercept_fn: a function of what a block makes and of the block's
            number that returns what goes on in its place. Defaults to `None`.

    Returns:
        A tensor of the shape of `x`.

    Raises:
        ValueError: if the backbone is no such language model.

    Example:
    ```python
    gpt2 = keras_hub.models.GPT2Backbone(
        vocabulary_size=8, num_layers=1, num_heads=2, hidden_dim=32,
        intermediate_dim=64, max_sequence_length=16,
    )
    decoder = keras_mirasol.layers.PretrainedTextDecoder(gpt2, memory_dim=64)
    latents = np.random.normal(size=(2, 5, 4, 64))
    text = gpt2.token_embedding(np.ones((6, 7), "int32"))
    here, text_mask = np.ones((2, 5), bool), np.ones((6, 7), bool)
    decoder(text, latents, here, text_mask).shape  # (6, 7, 32)
    ```
    """

    def __init__(
        self,
        backbone,
        memory_dim,
        gate_every=1,
        num_heads=None,
        frozen=True,
        rematerialize=False,
        **kwargs,
    ):
        super().__init__(memory_dim, **kwargs)
        backbone, self._source = object_and_source(backbone)
        self._blocks = LanguageBlocks(backbone)
        self.blocks = self._blocks.layers
        self.norm = self._blocks.norm
        self.position_embedding = self._blocks.position_embedding
        self.dropout = self._blocks.dropout
        self.dim = self._blocks.dim
        self.gate_every = gate_every
        self.num_heads = num_heads
        self.rematerialize = rematerialize
        self.gates = [
            GatedAttention(
                self.dim,
                num_heads or self._blocks.num_heads,
                memory_dim,
                dtype=self.dtype_policy,
                name=f"gate_{i}",
            )
            for i in range(0, len(self.blocks), gate_every)
        ]
        self.frozen = frozen

    @property
    def language_layers(self):
        """The layers of the language model."""
        others = (self.position_embedding, self.dropout)
        others = [layer for layer in others if layer is not None]
        return [*self.blocks, self.norm, *others]

    @property
    def frozen(self):
        """Whether the model's weights stay as they are. May be set."""
        return not self.norm.trainable

    @frozen.setter
    def frozen(self, value):
        for layer in self.language_layers:
            layer.trainable = not value

    def build(
        self,
        x_shape,
        snippet_latents_shape,
        snippet_mask_shape=None,
        padding_mask_shape=None,
    ):
        self.add_null_token()
        for gate in self.gates:
            gate.build(x_shape)

    def memory_key_values(self, memory):
        return [gate.memory_key_values(memory) for gate in self.gates]

    def empty_caches(self, batch_size, max_length):
        """Caches of `max_length` tokens for `decode()`."""
        return self._blocks.empty_caches(batch_size, max_length)

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
        return self._run(x, memory, caches=caches, start=start)

    def call(
        self,
        x,
        snippet_latents,
        snippet_mask,
        padding_mask,
        layer_intercept_fn=None,
        training=None,
    ):
        outputs, _ = self._run(
            x,
            self.encode_memory(snippet_latents, snippet_mask),
            padding_mask=padding_mask,
            layer_intercept_fn=layer_intercept_fn,
            training=training,
        )
        return outputs

    def _run(
        self,
        x,
        memory,
        padding_mask=None,
        caches=None,
        start=0,
        layer_intercept_fn=None,
        training=None,
    ):
        updated = []
        # Dropout of what is not trained would be noise.
        is_trained = any(v.trainable for v in self.blocks[0].weights)
        block_training = bool(training) and is_trained
        # There is no backward pass from what is cached.
        again = self.rematerialize and training and caches is None
        x = ops.cast(x, self.blocks[0].compute_dtype)
        x = self._blocks.embed(x, start, block_training)
        for i, block in enumerate(self.blocks):
            call = functools.partial(
                self._block,
                number=i,
                memory_mask=memory["memory_mask"],
                padding_mask=padding_mask,
                cache=None if caches is None else caches[i],
                start=start,
                training=block_training,
            )
            inputs, layers = {"x": x}, [block]
            if i % self.gate_every == 0:
                gate = i // self.gate_every
                layers.append(self.gates[gate])
                inputs["memory"] = memory["memory_key_values"][gate]
            x = recomputed(call, layers, **inputs) if again else call(**inputs)
            if caches is not None:
                x, cache = x
                updated.append(cache)
            if layer_intercept_fn is not None:
                x = layer_intercept_fn(x, i)
        return ops.cast(self.norm(x), self.compute_dtype), updated

    def _block(
        self,
        x,
        number,
        memory_mask,
        padding_mask,
        cache,
        start,
        training,
        memory=None,
    ):
        """A block, behind its gate if it has one."""
        if memory is not None:
            gate = self.gates[number // self.gate_every]
            x = gate(x, memory, memory_mask)
        block = self.blocks[number]
        if cache is not None:
            return self._blocks.call_cached(block, x, cache, start)
        return self._blocks.call(block, x, padding_mask, training)

    def compute_output_shape(self, x_shape, *_, **__):
        return x_shape

    def get_config(self):
        return {
            **super().get_config(),
            "backbone": json.loads(self._source),
            "gate_every": self.gate_every,
            "num_heads": self.num_heads,
            "frozen": self.frozen,
            "rematerialize": self.rematerialize,
        }
