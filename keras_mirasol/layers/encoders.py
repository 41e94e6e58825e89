"""Encoders of a snippet's video and of its audio."""

import keras
from keras import ops

from keras_mirasol.layers.convolutional_stem import ConvolutionalStem
from keras_mirasol.layers.spectrogram_embedding import SpectrogramEmbedding
from keras_mirasol.layers.transformer import Transformer
from keras_mirasol.layers.tube_embedding import TubeEmbedding


class SnippetEncoder(keras.layers.Layer):
    """Encodes all snippets at once: they are folded into the batch.

    Subclasses cut a signal of shape `(batch, T * span, ...)` into snippets of
    `span` steps and turn each into tokens with `embed()`; cost grows linearly
    with T. Masked snippets are encoded as zeros.
    """

    def __init__(self, span, dim, num_layers, num_heads, dropout, **kwargs):
        super().__init__(**kwargs)
        self.span = span
        self.dim = dim
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.dropout = dropout
        self.transformer = Transformer(
            num_layers,
            dim,
            num_heads,
            dropout=dropout,
            dtype=self.dtype_policy,
            name="transformer",
        )

    def embed(self, snippets, training=None):
        raise NotImplementedError

    def call(self, x, snippet_mask=None, training=None):
        self._check_steps(x, snippet_mask)
        batch, features = ops.shape(x)[0], x.shape[2:]
        snippets = ops.reshape(x, (-1, self.span, *features))
        if snippet_mask is not None:
            mask = ops.reshape(
                ops.cast(snippet_mask, "bool"), (-1, 1, *[1] * len(features))
            )
            # Here, not after: NaN would get into the gradients of weights
            # even where no token that it has made is used.
            snippets = ops.where(mask, snippets, 0)
        tokens = self.embed(snippets, training=training)
        tokens = self.transformer(tokens, training=training)
        return ops.reshape(tokens, (batch, -1, *tokens.shape[1:]))

    def _check_steps(self, x, snippet_mask):
        steps = x.shape[1]
        if steps is None:
            return
        if steps % self.span:
            raise ValueError(
                f"{self.__class__.__name__} takes a whole number of snippets "
                f"of {self.span} steps each along axis 1. Received: shape "
                f"{tuple(x.shape)}, that is {steps} steps. Pad or cut the "
                "clip to whole snippets."
            )
        masked = None if snippet_mask is None else snippet_mask.shape[1]
        if masked not in (None, steps // self.span):
            raise ValueError(
                f"{self.__class__.__name__} takes a mask with one value a "
                f"snippet of {self.span} steps. Received: {steps} steps, that "
                f"is {steps // self.span} snippets, and a mask of {masked}."
            )

    def compute_output_shape(self, x_shape):
        snippets = None if x_shape[1] is None else x_shape[1] // self.span
        return (x_shape[0], snippets, *self.embedding_shape(x_shape)[1:])

    def get_config(self):
        return {
            **super().get_config(),
            "dim": self.dim,
            "num_layers": self.num_layers,
            "num_heads": self.num_heads,
            "dropout": self.dropout,
        }


@keras.saving.register_keras_serializable(package="keras_mirasol")
class VideoEncoder(SnippetEncoder):
    """Tubes of each snippet's frames, through a Transformer.

    Args:
        frames_per_snippet: int. Frames in a snippet.
        tubes: list of dicts, see `TubeEmbedding`. With a stem they cut its
            feature maps, which are `2 ** len(stem_filters)` times smaller.
        dim: int. Width of the tokens.
        num_layers: int. Transformer blocks.
        num_heads: int. Attention heads.
        stem_filters: sequence of ints. Filters of 3x3 convolutions with
            stride 2 that each frame passes first; they find fine detail much
            sooner than bare patches. Defaults to `()`, no stem.
        dropout: float. Defaults to `0.0`.
        **kwargs: see `keras.layers.Layer`.

    Call arguments:
        x: tensor of shape `(batch, T * frames_per_snippet, height, width,
            channels)`; T may vary.
        snippet_mask: bool tensor of shape `(batch, T)`, `False` for snippets
            whose content is not to be looked at. Defaults to `None`, all are.

    Returns:
        A tensor of shape `(batch, T, tokens, dim)`.

    Raises:
        ValueError: if the frames are no whole number of snippets, the mask has
            another number of them, or a tube does not fit a snippet.

    Example:
    ```python
    encoder = keras_mirasol.layers.VideoEncoder(
        2, [{"kernel": (2, 8, 8)}], dim=64, num_layers=2, num_heads=4
    )
    clip = np.random.uniform(size=(1, 10, 32, 32, 3))
    encoder(clip).shape  # (1, 5, 16, 64)
    ```
    """

    def __init__(
        self,
        frames_per_snippet,
        tubes,
        dim,
        num_layers,
        num_heads,
        stem_filters=(),
        dropout=0.0,
        **kwargs,
    ):
        super().__init__(
            frames_per_snippet, dim, num_layers, num_heads, dropout, **kwargs
        )
        self.stem_filters = tuple(stem_filters)
        self.stem = [
            ConvolutionalStem(
                filters, dtype=self.dtype_policy, name=f"stem_{i}"
            )
            for i, filters in enumerate(self.stem_filters)
        ]
        self.embedding = TubeEmbedding(
            dim, tubes, dtype=self.dtype_policy, name="embedding"
        )

    def build(self, x_shape):
        shape = (None, *x_shape[2:])
        for convolution in self.stem:
            convolution.build(shape)
            shape = convolution.compute_output_shape(shape)
        self.embedding.build((None, self.span, *shape[1:]))
        self.transformer.build(self.embedding_shape(x_shape))

    def embed(self, snippets, training=None):
        if self.stem:
            frames = ops.reshape(snippets, (-1, *snippets.shape[2:]))
            for convolution in self.stem:
                frames = convolution(frames)
            snippets = ops.reshape(frames, (-1, self.span, *frames.shape[1:]))
        return self.embedding(snippets)

    def embedding_shape(self, x_shape):
        shape = (None, *x_shape[2:])
        for convolution in self.stem:
            shape = convolution.compute_output_shape(shape)
        return self.embedding.compute_output_shape(
            (None, self.span, *shape[1:])
        )

    def get_config(self):
        return {
            **super().get_config(),
            "frames_per_snippet": self.span,
            "tubes": self.embedding.tubes,
            "stem_filters": self.stem_filters,
        }


@keras.saving.register_keras_serializable(package="keras_mirasol")
class AudioEncoder(SnippetEncoder):
    """Patches of each snippet's log-mel spectrogram, through a Transformer.

    Args:
        bands_per_snippet: int. Spectrogram bands in a snippet.
        patch_size: pair of ints, (bands, mels) of a patch.
        dim: int. Width of the tokens.
        num_layers: int. Transformer blocks.
        num_heads: int. Attention heads.
        dropout: float. Defaults to `0.0`.
        **kwargs: see `keras.layers.Layer`.

    Call arguments:
        x: tensor of shape `(batch, T * bands_per_snippet, mels)`; T may vary.
        snippet_mask: bool tensor of shape `(batch, T)`, `False` for snippets
            whose content is not to be looked at. Defaults to `None`, all are.

    Returns:
        A tensor of shape `(batch, T, tokens, dim)`.

    Raises:
        ValueError: if the bands are no whole number of snippets, the mask has
            another number of them, or patches do not divide a snippet.

    Example:
    ```python
    encoder = keras_mirasol.layers.AudioEncoder(
        8, patch_size=(4, 16), dim=64, num_layers=2, num_heads=4
    )
    encoder(np.random.normal(size=(1, 40, 64))).shape  # (1, 5, 8, 64)
    ```
    """

    def __init__(
        self,
        bands_per_snippet,
        patch_size,
        dim,
        num_layers,
        num_heads,
        dropout=0.0,
        **kwargs,
    ):
        super().__init__(
            bands_per_snippet, dim, num_layers, num_heads, dropout, **kwargs
        )
        self.embedding = SpectrogramEmbedding(
            dim, patch_size, dtype=self.dtype_policy, name="embedding"
        )

    def build(self, x_shape):
        self.embedding.build((None, self.span, *x_shape[2:]))
        self.transformer.build(self.embedding_shape(x_shape))

    def embed(self, snippets, training=None):
        return self.embedding(snippets)

    def embedding_shape(self, x_shape):
        return self.embedding.compute_output_shape(
            (None, self.span, *x_shape[2:])
        )

    def get_config(self):
        return {
            **super().get_config(),
            "bands_per_snippet": self.span,
            "patch_size": self.embedding.patch_size,
        }
