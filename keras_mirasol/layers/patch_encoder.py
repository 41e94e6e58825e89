"""What the encoders of video and of audio share."""

from keras_mirasol.layers.snippet_encoder import SnippetEncoder
from keras_mirasol.layers.transformer import Transformer


class PatchEncoder(SnippetEncoder):
    """Patches of each snippet, which a subclass embeds, through a Transformer.

    To be inherited from. `embed()` turns snippets into tokens of width `dim`,
    and `tokens_shape()` says how many.
    """

    def __init__(
        self,
        span,
        dim,
        num_layers,
        num_heads,
        dropout,
        rematerialize,
        **kwargs,
    ):
        super().__init__(span, **kwargs)
        self.dim = dim
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.dropout = dropout
        self.rematerialize = rematerialize
        self.transformer = Transformer(
            num_layers,
            dim,
            num_heads,
            dropout=dropout,
            rematerialize=rematerialize,
            dtype=self.dtype_policy,
            name="transformer",
        )

    def embed(self, snippets):
        raise NotImplementedError

    def encode(self, snippets, training=None):
        return self.transformer(self.embed(snippets), training=training)

    def get_config(self):
        return {
            **super().get_config(),
            "dim": self.dim,
            "num_layers": self.num_layers,
            "num_heads": self.num_heads,
            "dropout": self.dropout,
            "rematerialize": self.rematerialize,
        }
