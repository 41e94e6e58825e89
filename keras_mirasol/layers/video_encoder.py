"""The encoder of a snippet's video."""

import keras
from keras import ops

from keras_mirasol.layers.convolutional_stem import ConvolutionalStem
from keras_mirasol.layers.patch_encoder import PatchEncoder
from keras_mirasol.layers.tube_embedding import TubeEmbedding


@keras.saving.register_keras_serializable(package="keras_mirasol")
class VideoEncoder(PatchEncoder):
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
        rematerialize: bool. Whether to compute blocks again in the backward
            pass; see `Transformer`. Defaults to `False`.
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
        rematerialize=False,
        **kwargs,
    ):
        super().__init__(
            frames_per_snippet,
            dim,
            num_layers,
            num_heads,
            dropout,
            rematerialize,
            **kwargs,
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
        self.transformer.build(self.tokens_shape(x_shape))

    def embed(self, snippets):
        if self.stem:
            frames = ops.reshape(snippets, (-1, *snippets.shape[2:]))
            for convolution in self.stem:
                frames = convolution(frames)
            snippets = ops.reshape(frames, (-1, self.span, *frames.shape[1:]))
        return self.embedding(snippets)

    def tokens_shape(self, x_shape):
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
