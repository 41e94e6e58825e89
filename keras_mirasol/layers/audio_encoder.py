"""The encoder of a snippet's audio."""

import keras

from keras_mirasol.layers.patch_encoder import PatchEncoder
from keras_mirasol.layers.spectrogram_embedding import SpectrogramEmbedding


@keras.saving.register_keras_serializable(package="keras_mirasol")
class AudioEncoder(PatchEncoder):
    """Patches of each snippet's log-mel spectrogram, through a Transformer.

    Args:
        audio_frames_per_snippet: int. Spectrogram frames in a snippet.
        patch_size: pair of ints, (frames, mels) of a patch.
        dim: int. Width of the tokens.
        num_layers: int. Transformer blocks.
        num_heads: int. Attention heads.
        dropout: float. Defaults to `0.0`.
        rematerialize: bool. Whether to compute blocks again in the backward
            pass; see `Transformer`. Defaults to `False`.
        **kwargs: see `keras.layers.Layer`.

    Call arguments:
        x: tensor of shape `(batch, T * audio_frames_per_snippet, mels)`; T may
            vary.
        snippet_mask: bool tensor of shape `(batch, T)`, `False` for snippets
            whose content is not to be looked at. Defaults to `None`, all are.

    Returns:
        A tensor of shape `(batch, T, tokens, dim)`.

    Raises:
        ValueError: if the spectrogram frames are no whole number of snippets,
            the mask has another number of them, or patches do not divide a
            snippet.

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
        audio_frames_per_snippet,
        patch_size,
        dim,
        num_layers,
        num_heads,
        dropout=0.0,
        rematerialize=False,
        **kwargs,
    ):
        super().__init__(
            audio_frames_per_snippet,
            dim,
            num_layers,
            num_heads,
            dropout,
            rematerialize,
            **kwargs,
        )
        self.embedding = SpectrogramEmbedding(
            dim, patch_size, dtype=self.dtype_policy, name="embedding"
        )

    def build(self, x_shape):
        self.embedding.build((None, self.span, *x_shape[2:]))
        self.transformer.build(self.tokens_shape(x_shape))

    def embed(self, snippets):
        return self.embedding(snippets)

    def tokens_shape(self, x_shape):
        return self.embedding.compute_output_shape(
            (None, self.span, *x_shape[2:])
        )

    def get_config(self):
        return {
            **super().get_config(),
            "audio_frames_per_snippet": self.span,
            "patch_size": self.embedding.patch_size,
        }
