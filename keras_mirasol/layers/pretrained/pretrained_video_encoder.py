"""A snippet's video, seen by a model of KerasHub."""

import math

import keras
from keras import ops

from keras_mirasol.layers.pretrained.pretrained_encoder import PretrainedEncoder
from keras_mirasol.layers.pretrained.towers import video_tower


@keras.saving.register_keras_serializable(package="keras_mirasol")
class PretrainedVideoEncoder(PretrainedEncoder):
    """Tokens of snippets from a trained model of images or of videos.

    A model of images (ViT, SigLIP, CLIP, DINOv2 and v3, convolutional ones)
    sees frame by frame; its tokens are all tokens of its last layer, be they
    classes, registers or patches. A model of videos (VideoPrism) sees snippet
    by snippet. Of models that also read text, the part that sees is taken.

    Args:
        backbone: a `keras_hub.models.Backbone`. Also what
            `keras.saving.serialize_keras_object()` makes of one.
        frames_per_snippet: int. Frames in a snippet; those that a model of
            videos takes.
        pooling: how the tokens of a snippet become fewer: `"mean"`, over
            frames, which leaves those of one frame; `"attention"`, by
            learned queries, which leaves `num_tokens`; or `None`, all stay,
            with learned positions in time, 0 at first. Defaults to `"mean"`.
        num_tokens: int. Defaults to `16`.
        num_heads: int. Heads of that attention. Defaults to `4`.
        frozen: bool. Whether to leave the model's weights as they are.
            Defaults to `True`.
        rematerialize: bool. Whether to compute features again in the backward
            pass, where the model is trained. Defaults to `False`.
        **kwargs: see `keras.layers.Layer`.

    Call arguments:
        x: tensor of shape `(batch, T * frames_per_snippet, height, width,
            3)`, scaled as the model wants it; T may vary.
        snippet_mask: bool tensor of shape `(batch, T)`, `False` for snippets
            whose content is not to be looked at. Defaults to `None`, all are.

    Returns:
        A tensor of shape `(batch, T, tokens, dim)`.

    Raises:
        ValueError: if the backbone does not see, wants frames of another
            size or another number of them, or `pooling` is unknown.

    Example:
    ```python
    vit = keras_hub.models.ViTBackbone(
        (32, 32, 3), (16, 16), num_layers=1, num_heads=2, hidden_dim=64,
        mlp_dim=128,
    )
    encoder = keras_mirasol.layers.PretrainedVideoEncoder(vit, 2)
    clip = np.random.uniform(size=(1, 10, 32, 32, 3))
    encoder(clip).shape  # (1, 5, 5, 64)
    ```
    """

    def __init__(
        self,
        backbone,
        frames_per_snippet,
        pooling="mean",
        num_tokens=16,
        num_heads=4,
        frozen=True,
        rematerialize=False,
        **kwargs,
    ):
        super().__init__(
            backbone,
            video_tower,
            frames_per_snippet,
            pooling,
            num_tokens,
            num_heads,
            frozen,
            rematerialize,
            **kwargs,
        )
        self.sees_videos = len(self.features.input_shape) == 5

    def build(self, x_shape):
        wanted = self.features.input_shape[1:]
        if not self.sees_videos:
            wanted = (self.span, *wanted)
        given = (self.span, *x_shape[2:])
        if any(
            size not in (None, own)
            for size, own in zip(wanted, given, strict=True)
        ):
            raise ValueError(
                "The model wants snippets (frames, height, width, channels) of "
                f"{wanted}. Received: {given}. Give it frames of that size and "
                "that `frames_per_snippet`, or build the model for others."
            )
        super().build(x_shape)

    def encode_times(self, snippets, training=None):
        if self.sees_videos:
            return self.run(snippets, training=training)
        frames = ops.reshape(snippets, (-1, *snippets.shape[2:]))
        tokens = self.run(frames, training=training)
        dim = tokens.shape[-1]
        # A vector is one token; a map of features has a token a place.
        count = 1 if len(tokens.shape) == 2 else math.prod(tokens.shape[1:-1])
        return ops.reshape(tokens, (-1, self.span, count, dim))

    def get_config(self):
        return {**super().get_config(), "frames_per_snippet": self.span}
