"""A snippet's audio, heard by a model of KerasHub."""

import keras
from keras import ops

from keras_mirasol.layers.pretrained.pretrained_encoder import PretrainedEncoder
from keras_mirasol.layers.pretrained.towers import audio_tower


@keras.saving.register_keras_serializable(package="keras_mirasol")
class PretrainedAudioEncoder(PretrainedEncoder):
    """Tokens of snippets from a trained model of audio.

    The model, such as the encoder of Whisper (50 tokens a second) or of
    Moonshine (about 40), hears each snippet by itself, so that nothing is
    heard before it sounds, and a stream is heard as the whole clip is.

    Args:
        backbone: a `keras_hub.models.Backbone`. Also what
            `keras.saving.serialize_keras_object()` makes of one.
        audio_frames_per_snippet: int. Frames of features in a snippet.
        pooling: how the tokens of a snippet become fewer: `"mean"`, to a
            single one; `"attention"`, by learned queries, to `num_tokens`;
            or `None`, all stay, with learned positions in time, 0 at first.
            Defaults to `None`.
        num_tokens: int. Defaults to `16`.
        num_heads: int. Heads of that attention. Defaults to `4`.
        frozen: bool. Whether to leave the model's weights as they are.
            Defaults to `True`.
        rematerialize: bool. Whether to compute features again in the backward
            pass, where the model is trained. Defaults to `False`.
        **kwargs: see `keras.layers.Layer`.

    Call arguments:
        x: tensor of shape `(batch, T * audio_frames_per_snippet, features)`,
            as `keras_mirasol.models.PretrainedAudioConverter` makes it; T may
            vary.
        snippet_mask: bool tensor of shape `(batch, T)`, `False` for snippets
            whose content is not to be listened to. Defaults to `None`, all
            are.

    Returns:
        A tensor of shape `(batch, T, tokens, dim)`.

    Raises:
        ValueError: if the backbone does not hear, or `pooling` is unknown.

    Example:
    ```python
    whisper = keras_hub.models.WhisperBackbone(
        vocabulary_size=8, num_layers=1, num_heads=2, hidden_dim=64,
        intermediate_dim=128,
    )
    encoder = keras_mirasol.layers.PretrainedAudioEncoder(whisper, 100)
    encoder(np.random.normal(size=(1, 300, 80))).shape  # (1, 3, 50, 64)
    ```
    """

    def __init__(
        self,
        backbone,
        audio_frames_per_snippet,
        pooling=None,
        num_tokens=16,
        num_heads=4,
        frozen=True,
        rematerialize=False,
        **kwargs,
    ):
        super().__init__(
            backbone,
            audio_tower,
            audio_frames_per_snippet,
            pooling,
            num_tokens,
            num_heads,
            frozen,
            rematerialize,
            **kwargs,
        )

    def encode_times(self, snippets, training=None):
        x = snippets
        # A model of waveforms gets the samples of all frames, end to end.
        if self.features.inputs[0].shape[-1] == 1:
            x = ops.reshape(x, (-1, x.shape[1] * x.shape[2], 1))
        given = [x]
        if len(self.features.inputs) > 1:
            given.append(ops.ones_like(x[..., 0], "bool"))
        tokens = self.run(*given, training=training)
        return tokens[:, :, None]

    def get_config(self):
        return {**super().get_config(), "audio_frames_per_snippet": self.span}
