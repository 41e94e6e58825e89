"""The blocks of KerasHub's language models, called in one way."""

import inspect

from keras import ops

# What their blocks call a cache, where it is written and a padding mask.
_NAMES = {
    "self_attention_cache": (
        "self_attention_cache_update_index",
        "decoder_padding_mask",
    ),
    "cache": ("cache_update_index", "padding_mask"),
}
# Models that multiply embedded tokens by the root of their width.
_SCALED = ("GemmaBackbone", "Gemma3Backbone")
# Models that keep keys and values of a block apart.
_APART = ("Gemma3Backbone",)


class LanguageBlocks:
    """What lies between a language model's embedding and its logits.

    Args:
        backbone: the `keras_hub.models.Backbone` of a causal language model,
            with `transformer_layers` between a `token_embedding` and a
            `layer_norm`: GPT-2, Gemma, Gemma 3, Llama, Mistral, Qwen and
            others that are built like these.

    Raises:
        ValueError: if the backbone is none of these.
    """

    def __init__(self, backbone):
        name = type(backbone).__name__
        _check(backbone)
        self.dim = backbone.hidden_dim
        self.layers = list(backbone.transformer_layers)
        self.norm = backbone.layer_norm
        self.position_embedding = getattr(backbone, "position_embedding", None)
        self.dropout = getattr(backbone, "embeddings_dropout", None)
        self.scale = self.dim**0.5 if name in _SCALED else None
        self.num_heads = getattr(
            backbone, "num_query_heads", getattr(backbone, "num_heads", None)
        )
        self._are_apart = name in _APART
        heads = getattr(backbone, "num_key_value_heads", self.num_heads)
        head_dim = getattr(backbone, "head_dim", None)
        self._cache_shape = (heads, head_dim or self.dim // self.num_heads)
        parameters = inspect.signature(self.layers[0].call).parameters
        self._takes_training = "training" in parameters
        (self._cache_name,) = _cache_names(parameters)
        self._start_name, self._mask_name = _NAMES[self._cache_name]

    def embed(self, x, start=0, training=None):
        """What the first block reads of embedded tokens."""
        if self.scale is not None:
            x = x * ops.cast(self.scale, x.dtype)
        if self.position_embedding is not None:
            x = x + self.position_embedding(x, start_index=start)
        return x if self.dropout is None else self.dropout(x, training=training)

    def call(self, layer, x, padding_mask=None, training=None):
        """What a block makes of whole texts."""
        kwargs = {self._mask_name: padding_mask}
        if self._takes_training:
            kwargs["training"] = training
        return layer(x, **kwargs)

    def call_cached(self, layer, x, cache, start):
        """What a block makes of tokens from `start` on, and its cache."""
        return layer(x, **{self._cache_name: cache, self._start_name: start})

    def empty_caches(self, batch_size, max_length):
        """A cache a block, for `call_cached()`."""
        shape = (max_length, *self._cache_shape)

        def zeros(*shape):
            return ops.zeros(shape, self.layers[0].compute_dtype)

        if self._are_apart:
            return [
                (zeros(batch_size, *shape), zeros(batch_size, *shape))
                for _ in self.layers
            ]
        return [zeros(batch_size, 2, *shape) for _ in self.layers]


def _cache_names(parameters):
    return [name for name in _NAMES if name in parameters]


def _check(backbone):
    parts = ("token_embedding", "transformer_layers", "layer_norm")
    missing = [part for part in parts if not hasattr(backbone, part)]
    if not missing:
        call = backbone.transformer_layers[0].call
        if not _cache_names(inspect.signature(call).parameters):
            missing = ["caches of its blocks"]
    if missing:
        raise ValueError(
            "A language model must be built like GPT-2, Gemma 3, Llama or "
            "Qwen: blocks between a `token_embedding` and a `layer_norm`. "
            f"Received: {type(backbone).__name__}, without {missing}"
        )
    if getattr(backbone, "vision_encoder", None) is not None:
        raise ValueError(
            f"{type(backbone).__name__} was given with a `vision_encoder`, "
            "which would see nothing here. Use a preset of the text model "
            "alone, such as one whose name ends in `_text`."
        )
