"""What encoders that are made of models of KerasHub share."""

import json

import keras
from keras import ops

from keras_mirasol.layers.pretrained.source import object_and_source
from keras_mirasol.layers.recomputation import recomputed
from keras_mirasol.layers.snippet_encoder import SnippetEncoder
from keras_mirasol.layers.token_summary import AttentionSummary

POOLINGS = (None, "mean", "attention")


class PretrainedEncoder(SnippetEncoder):
    """Features that a trained model has of each snippet, pooled over time.

    To be inherited from. A subclass makes features with `encode_times()`.

    Args:
        backbone: a `keras_hub.models.Backbone`, or what
            `keras.saving.serialize_keras_object()` makes of one.
        tower: a function that takes of the backbone what is needed, a
            `keras.Model`.
        span: int. Steps of a snippet.
        pooling: `None`, `"mean"` or `"attention"`.
        num_tokens: int. Tokens that attention leaves of a snippet.
        num_heads: int. Heads of that attention.
        frozen: bool. Whether to leave the model's weights as they are.
        rematerialize: bool. Whether to compute the features again in the
            backward pass, where the model is trained.
        **kwargs: see `keras.layers.Layer`.

    Raises:
        ValueError: if `pooling` is unknown.
    """

    def __init__(
        self,
        backbone,
        tower,
        span,
        pooling,
        num_tokens,
        num_heads,
        frozen,
        rematerialize,
        **kwargs,
    ):
        super().__init__(span, **kwargs)
        if pooling not in POOLINGS:
            raise ValueError(
                f"`pooling` must be one of {POOLINGS}. Received: {pooling!r}"
            )
        backbone, self._source = object_and_source(backbone)
        self.features = tower(backbone)
        # Such as Whisper's sinusoids.
        self._constant = [
            layer.name for layer in self.features.layers if not layer.trainable
        ]
        self.frozen = frozen
        self.pooling = pooling
        self.num_tokens = num_tokens
        self.num_heads = num_heads
        self.rematerialize = rematerialize

    @property
    def frozen(self):
        """Whether the model's weights stay as they are. May be set."""
        return not self.features.trainable

    @frozen.setter
    def frozen(self, value):
        self.features.trainable = not value
        for name in self._constant:
            self.features.get_layer(name).trainable = False

    def encode_times(self, snippets, training=None):
        """Tokens at each time of a snippet.

        Args:
            snippets: tensor `(snippets, span, ...)`.
            training: bool.

        Returns:
            A tensor `(snippets, times, places, dim)`.
        """
        raise NotImplementedError

    def build(self, x_shape):
        # By a trace: what layers of KerasHub say of their shapes may be wrong.
        trace = keras.layers.Lambda(self.encode_times, dtype=self.dtype_policy)
        shape = trace.compute_output_shape((1, self.span, *x_shape[2:]))
        _, self.num_times, self.num_places, self.dim = shape
        if self.pooling == "attention":
            self.summary = AttentionSummary(
                self.num_tokens,
                self.dim,
                positions=True,
                num_heads=self.num_heads,
                dtype=self.dtype_policy,
                name="summary",
            )
            count = self.num_times * self.num_places
            self.summary.build((None, count, self.dim))
        if self.pooling is None:
            self.time_positions = self.add_weight(
                shape=(self.num_times, 1, self.dim),
                initializer="zeros",
                name="time_positions",
            )

    def tokens_shape(self, x_shape):
        count = {
            None: self.num_times * self.num_places,
            "mean": self.num_places,
            "attention": self.num_tokens,
        }[self.pooling]
        return (None, count, self.dim)

    def run(self, *inputs, training=None):
        """Features of a batch, in the precision of this layer."""
        # Dropout and batch statistics of what is not trained would be noise.
        is_trained = any(v.trainable for v in self.features.weights)
        training = bool(training) and is_trained
        model, features = self.features, inputs[0]

        def call(x):
            given = [x, *inputs[1:]] if len(inputs) > 1 else x
            return model(given, training=training)

        if training and self.rematerialize:
            features = recomputed(call, [model], x=features)
        else:
            features = call(features)
        return ops.cast(features, self.compute_dtype)

    def encode(self, snippets, training=None):
        tokens = self.encode_times(snippets, training=training)
        if self.pooling == "mean":
            return ops.mean(tokens, axis=1)
        if self.pooling is None:
            tokens = tokens + ops.cast(self.time_positions, tokens.dtype)
        count = self.num_times * self.num_places
        tokens = ops.reshape(tokens, (-1, count, self.dim))
        return tokens if self.pooling is None else self.summary(tokens)

    def get_config(self):
        return {
            **super().get_config(),
            "backbone": json.loads(self._source),
            "pooling": self.pooling,
            "num_tokens": self.num_tokens,
            "num_heads": self.num_heads,
            "frozen": self.frozen,
            "rematerialize": self.rematerialize,
        }
