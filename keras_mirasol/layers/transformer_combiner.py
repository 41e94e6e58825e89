"""The Transformer Combiner."""

import keras
from keras import ops

from keras_mirasol.layers.transformer import Transformer


@keras.saving.register_keras_serializable(package="keras_mirasol")
class TransformerCombiner(keras.layers.Layer):
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
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_joint_tokens = num_joint_tokens
        self.dim = dim
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.dropout = dropout
        self.video_projection = keras.layers.Dense(
            dim, dtype=self.dtype_policy, name="video_projection"
        )
        self.audio_projection = keras.layers.Dense(
            dim, dtype=self.dtype_policy, name="audio_projection"
        )
        self.transformer = Transformer(
            num_layers,
            dim,
            num_heads,
            dropout=dropout,
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
        self.video_projection.build(video_tokens_shape)
        self.audio_projection.build(audio_tokens_shape)
        # Small beside what they gather: what all snippets have in common
        # would hide what tells them apart.
        self.queries = self.add_weight(
            shape=(self.num_joint_tokens, self.dim),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
            name="queries",
        )
        length = (
            video_tokens_shape[2]
            + audio_tokens_shape[2]
            + self.num_joint_tokens
        )
        self.transformer.build((None, length, self.dim))

    def call(
        self,
        video_tokens,
        audio_tokens,
        video_mask,
        audio_mask,
        training=None,
    ):
        check_same_snippets(video_tokens, audio_tokens, video_mask, audio_mask)
        batch = ops.shape(video_tokens)[0]
        video, video_mask = _fold(video_tokens, video_mask)
        audio, audio_mask = _fold(audio_tokens, audio_mask)
        snippets = ops.shape(video)[0]
        queries = ops.broadcast_to(
            ops.cast(self.queries, self.compute_dtype),
            (snippets, self.num_joint_tokens, self.dim),
        )
        always = ops.ones((snippets, self.num_joint_tokens), "bool")
        x = ops.concatenate(
            [
                self.video_projection(video),
                self.audio_projection(audio),
                queries,
            ],
            axis=1,
        )
        mask = ops.concatenate([video_mask, audio_mask, always], axis=1)
        x = self.transformer(
            x, attention_mask=mask[:, None, None, :], training=training
        )
        return ops.reshape(
            x[:, -self.num_joint_tokens :],
            (batch, -1, self.num_joint_tokens, self.dim),
        )

    def compute_output_shape(self, video_tokens_shape, *_, **__):
        return (*video_tokens_shape[:2], self.num_joint_tokens, self.dim)

    def get_config(self):
        return {
            **super().get_config(),
            "num_joint_tokens": self.num_joint_tokens,
            "dim": self.dim,
            "num_layers": self.num_layers,
            "num_heads": self.num_heads,
            "dropout": self.dropout,
        }


def check_same_snippets(video_tokens, audio_tokens, video_mask, audio_mask):
    """Refuses inputs whose numbers of snippets are known and differ."""
    counts = {
        "video": video_tokens.shape[1],
        "audio": audio_tokens.shape[1],
        "video_mask": video_mask.shape[1],
        "audio_mask": audio_mask.shape[1],
    }
    if len({count for count in counts.values() if count is not None}) > 1:
        raise ValueError(
            "Video, audio and their masks must have the same number of "
            f"snippets. Received: {counts}. Check that frames and audio cover "
            "the same span of time, and that masks have one value per snippet."
        )


def without_masked(tokens, mask):
    """Content of masked snippets to zero, and the mask of all tokens."""
    mask = ops.repeat(ops.cast(mask, "bool")[:, :, None], tokens.shape[2], 2)
    # Not even NaN may pass from what is masked.
    return ops.where(mask[..., None], tokens, 0), mask


def _fold(tokens, mask):
    """Snippets into the batch, without what is masked."""
    tokens, mask = without_masked(tokens, mask)
    count, dim = tokens.shape[2:]
    return ops.reshape(tokens, (-1, count, dim)), ops.reshape(mask, (-1, count))
