"""The Transformer Combiner."""

import keras
from keras import ops

from keras_mirasol.layers.combiner import Combiner
from keras_mirasol.layers.transformer import Transformer


@keras.saving.register_keras_serializable(package="keras_mirasol")
class TransformerCombiner(Combiner):
    """Fuses a snippet's video and audio tokens into few joint tokens.

    A Transformer runs over a snippet's video tokens, audio tokens and `m`
    learned query tokens, and its last `m` outputs are the joint tokens
    (Mirasol3B, section on the Combiner). The queries stand last so that the
    outputs kept are there whatever modality is missing: tokens of a masked
    modality are never attended to.

    Args:
        num_joint_tokens: int. `m`, joint tokens per snippet.
        dim: int. Width of the joint tokens.
        num_layers: int. Transformer blocks. Defaults to `2`.
        num_heads: int. Attention heads. Defaults to `4`.
        dropout: float. Defaults to `0.0`.
        rematerialize: bool. Whether to compute blocks again in the backward
            pass; see `Transformer`. Defaults to `False`.
        **kwargs: see `keras.layers.Layer`.

    Call arguments:
        video_tokens: tensor of shape `(batch, T, n_v, d_v)`; T may vary.
        audio_tokens: tensor of shape `(batch, T, n_a, d_a)`.
        video_mask: bool tensor of shape `(batch, T)`, `True` for snippets
            that have video.
        audio_mask: bool tensor of shape `(batch, T)`, likewise for audio.

    Returns:
        A tensor of shape `(batch, T, num_joint_tokens, dim)`.

    Raises:
        ValueError: if the numbers of snippets differ.

    Example:
    ```python
    combiner = keras_mirasol.layers.TransformerCombiner(4, dim=64)
    video = np.random.normal(size=(2, 5, 16, 96))
    audio = np.random.normal(size=(2, 5, 8, 32))
    here = np.ones((2, 5), bool)
    combiner(video, audio, here, here).shape  # (2, 5, 4, 64)
    ```
    """

    def __init__(
        self,
        num_joint_tokens,
        dim,
        num_layers=2,
        num_heads=4,
        dropout=0.0,
        rematerialize=False,
        **kwargs,
    ):
        super().__init__(
            num_joint_tokens,
            dim,
            num_layers,
            num_heads,
            dropout,
            rematerialize,
            **kwargs,
        )
        self.transformer = Transformer(
            num_layers,
            dim,
            num_heads,
            dropout=dropout,
            rematerialize=rematerialize,
            dtype=self.dtype_policy,
            name="transformer",
        )

    def build(
        self,
        video_tokens_shape,
        audio_tokens_shape,
        video_mask_shape=None,
        audio_mask_shape=None,
    ):
        super().build(video_tokens_shape, audio_tokens_shape)
        # Small beside what they gather: what all snippets have in common
        # would hide what tells them apart.
        self.queries = self.add_weight(
            shape=(self.num_joint_tokens, self.dim),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
            name="queries",
        )
        tokens = video_tokens_shape[2] + audio_tokens_shape[2]
        self.transformer.build((None, tokens + self.num_joint_tokens, self.dim))

    def call(
        self,
        video_tokens,
        audio_tokens,
        video_mask,
        audio_mask,
        training=None,
    ):
        tokens, mask = self.join(
            video_tokens, audio_tokens, video_mask, audio_mask
        )
        batch, count = ops.shape(tokens)[0], tokens.shape[2]
        kept = self.num_joint_tokens
        # Each snippet by itself: snippets into the batch.
        tokens = ops.reshape(tokens, (-1, count, self.dim))
        queries = ops.broadcast_to(
            ops.cast(self.queries, self.compute_dtype),
            (ops.shape(tokens)[0], kept, self.dim),
        )
        mask = ops.pad(
            ops.reshape(mask, (-1, count)),
            ((0, 0), (0, kept)),
            constant_values=True,
        )
        x = self.transformer(
            ops.concatenate([tokens, queries], axis=1),
            attention_mask=mask[:, None, None, :],
            kept=kept,
            training=training,
        )
        return ops.reshape(x, (batch, -1, kept, self.dim))
