"""What all Combiners share."""

import keras
from keras import ops


class Combiner(keras.layers.Layer):
    """Fuses what is seen and heard in a snippet into few joint tokens.

    To be inherited from. Video and audio tokens come in widths of their own;
    `join()` projects both to `dim` and puts them side by side, and `call()` of
    a subclass fuses them.

    Args:
        num_joint_tokens: int. `m`, joint tokens per snippet.
        dim: int. Width of the joint tokens.
        num_layers: int. Transformer blocks.
        num_heads: int. Attention heads.
        dropout: float.
        rematerialize: bool.
        **kwargs: see `keras.layers.Layer`.
    """

    def __init__(
        self,
        num_joint_tokens,
        dim,
        num_layers,
        num_heads,
        dropout,
        rematerialize,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_joint_tokens = num_joint_tokens
        self.dim = dim
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.dropout = dropout
        self.rematerialize = rematerialize
        self.video_projection = keras.layers.Dense(
            dim, dtype=self.dtype_policy, name="video_projection"
        )
        self.audio_projection = keras.layers.Dense(
            dim, dtype=self.dtype_policy, name="audio_projection"
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

    def join(self, video_tokens, audio_tokens, video_mask, audio_mask):
        """All tokens of each snippet in one row, and which of them there are.

        Args:
            video_tokens: tensor of shape `(batch, T, n_v, d_v)`.
            audio_tokens: tensor of shape `(batch, T, n_a, d_a)`.
            video_mask: bool tensor of shape `(batch, T)`.
            audio_mask: bool tensor of shape `(batch, T)`.

        Returns:
            A pair of tensors: tokens of shape `(batch, T, n_v + n_a, dim)`,
            and a bool mask of shape `(batch, T, n_v + n_a)`.

        Raises:
            ValueError: if the numbers of snippets differ.
        """
        _check_same_snippets(video_tokens, audio_tokens, video_mask, audio_mask)
        video, video_mask = _without_masked(video_tokens, video_mask)
        audio, audio_mask = _without_masked(audio_tokens, audio_mask)
        tokens = ops.concatenate(
            [self.video_projection(video), self.audio_projection(audio)], axis=2
        )
        return tokens, ops.concatenate([video_mask, audio_mask], axis=2)

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
            "rematerialize": self.rematerialize,
        }


def _check_same_snippets(video_tokens, audio_tokens, video_mask, audio_mask):
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


def _without_masked(tokens, mask):
    """Content of masked snippets to zero, and the mask of all tokens."""
    mask = ops.repeat(ops.cast(mask, "bool")[:, :, None], tokens.shape[2], 2)
    # Not even NaN may pass from what is masked.
    return ops.where(mask[..., None], tokens, 0), mask
