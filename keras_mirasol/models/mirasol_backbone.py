"""The Mirasol backbone."""

import keras
import keras_hub
from keras import ops

from keras_mirasol.layers import AudioEncoder
from keras_mirasol.layers import SnippetTransformer
from keras_mirasol.layers import TextDecoder
from keras_mirasol.layers import TokenTuringCombiner
from keras_mirasol.layers import TransformerCombiner
from keras_mirasol.layers import VideoEncoder
from keras_mirasol.models.shipped_presets import ShippedPresets


@keras.saving.register_keras_serializable(package="keras_mirasol")
class MirasolBackbone(ShippedPresets, keras_hub.models.Backbone):
    """Mirasol3B: snippets of video and audio, and a text that reads them.

    Video and audio of a clip are cut into T snippets of equal duration. Each
    snippet's frames and spectrogram frames are encoded, a Combiner fuses them
    into `num_joint_tokens` joint tokens, a Transformer that is causal from
    snippet to snippet makes snippet latents of them, and a causal text
    decoder attends to the latents ("Mirasol3B", arXiv 2311.05698).

    T and the text length may vary from call to call. Every clip may have
    several texts: `token_ids` and `padding_mask` then have
    `batch * texts_per_clip` rows, the texts of one clip together.

    Args:
        vocabulary_size: int. Size of the token vocabulary.
        frames_per_snippet: int. Video frames in a snippet, F.
        audio_frames_per_snippet: int. Spectrogram frames in a snippet, A.
        image_size: int or pair of ints (height, width) of a frame.
        num_mels: int. Mel bins of a spectrogram frame.
        num_joint_tokens: int. Joint tokens of a snippet, m.
        tubes: list of dicts. The video tubes; see
            `keras_mirasol.layers.TubeEmbedding`.
        audio_patch_size: pair of ints, (frames, mels) of a spectrogram patch.
        video_hidden_dim: int. Width of the video encoder.
        video_num_layers: int. Depth of the video encoder.
        video_num_heads: int. Heads of the video encoder.
        audio_hidden_dim: int. Width of the audio encoder.
        audio_num_layers: int. Depth of the audio encoder.
        audio_num_heads: int. Heads of the audio encoder.
        hidden_dim: int. Width of joint tokens and snippet latents.
        num_heads: int. Heads of the Combiner and the snippet Transformer.
        combiner_num_layers: int. Depth of the Combiner.
        latent_num_layers: int. Depth of the snippet Transformer.
        text_hidden_dim: int. Width of the text decoder.
        text_num_layers: int. Depth of the text decoder.
        text_num_heads: int. Heads of the text decoder.
        combiner: `"transformer"`, `"token_turing"`, or a layer with the
            interface of `keras_mirasol.layers.TransformerCombiner`. Defaults
            to `"transformer"`.
        combiner_settings: dict. Further arguments of a Combiner that is
            chosen by name, such as `{"memory_size": 32}` of
            `keras_mirasol.layers.TokenTuringCombiner`. Defaults to `None`.
        stem_filters: sequence of ints. Convolutional stem of the video
            encoder; see `keras_mirasol.layers.VideoEncoder`. Defaults to
            `()`.
        snippet_seconds: float. Duration of a snippet. Defaults to `1.0`.
        time_wavelengths: pair of floats, shortest and longest wavelength of
            the snippets' positions in time, in seconds. Defaults to `None`;
            see `keras_mirasol.layers.SnippetTransformer`.
        dropout: float. Defaults to `0.0`.
        dtype: string or `keras.DTypePolicy`. Defaults to the global policy.
        **kwargs: see `keras_hub.models.Backbone`.

    Inputs, a dict:
        pixel_values: float tensor `(batch, T * F, height, width, 3)`.
        audio_features: float tensor `(batch, T * A, num_mels)`.
        video_mask: bool tensor `(batch, T)`, which snippets have video.
        audio_mask: bool tensor `(batch, T)`, which snippets have audio.
        token_ids: int tensor `(batch * texts_per_clip, L)`.
        padding_mask: bool tensor `(batch * texts_per_clip, L)`.

    Outputs, a dict:
        joint_tokens: float tensor `(batch, T, m, hidden_dim)`.
        snippet_latents: float tensor `(batch, T, m, hidden_dim)`.
        sequence_output: float tensor `(batch * texts_per_clip, L,
            text_hidden_dim)`.

    Example:
    ```python
    backbone = keras_mirasol.models.MirasolBackbone.from_preset("mirasol_tiny")
    outputs = backbone(
        {
            "pixel_values": np.zeros((1, 8, 32, 32, 3), "float32"),
            "audio_features": np.zeros((1, 20, 32), "float32"),
            "video_mask": np.ones((1, 4), bool),
            "audio_mask": np.ones((1, 4), bool),
            "token_ids": np.ones((1, 12), "int32"),
            "padding_mask": np.ones((1, 12), bool),
        }
    )
    outputs["snippet_latents"].shape  # (1, 4, 1, 96)
    ```
    """

    def __init__(
        self,
        vocabulary_size,
        frames_per_snippet,
        audio_frames_per_snippet,
        image_size,
        num_mels,
        num_joint_tokens,
        tubes,
        audio_patch_size,
        video_hidden_dim,
        video_num_layers,
        video_num_heads,
        audio_hidden_dim,
        audio_num_layers,
        audio_num_heads,
        hidden_dim,
        num_heads,
        combiner_num_layers,
        latent_num_layers,
        text_hidden_dim,
        text_num_layers,
        text_num_heads,
        combiner="transformer",
        combiner_settings=None,
        stem_filters=(),
        snippet_seconds=1.0,
        time_wavelengths=None,
        dropout=0.0,
        dtype=None,
        **kwargs,
    ):
        if isinstance(image_size, int):
            image_size = (image_size, image_size)
        height, width = image_size

        # === Layers ===
        self.video_encoder = VideoEncoder(
            frames_per_snippet,
            tubes,
            video_hidden_dim,
            video_num_layers,
            video_num_heads,
            stem_filters=stem_filters,
            dropout=dropout,
            dtype=dtype,
            name="video_encoder",
        )
        self.audio_encoder = AudioEncoder(
            audio_frames_per_snippet,
            audio_patch_size,
            audio_hidden_dim,
            audio_num_layers,
            audio_num_heads,
            dropout=dropout,
            dtype=dtype,
            name="audio_encoder",
        )
        self.combiner = _get_combiner(
            combiner,
            combiner_settings or {},
            num_joint_tokens=num_joint_tokens,
            dim=hidden_dim,
            num_layers=combiner_num_layers,
            num_heads=num_heads,
            snippet_seconds=snippet_seconds,
            wavelengths=time_wavelengths,
            dropout=dropout,
            dtype=dtype,
        )
        self.snippet_transformer = SnippetTransformer(
            latent_num_layers,
            hidden_dim,
            num_heads,
            snippet_seconds=snippet_seconds,
            wavelengths=time_wavelengths,
            dropout=dropout,
            dtype=dtype,
            name="snippet_transformer",
        )
        self.token_embedding = keras.layers.ReversibleEmbedding(
            vocabulary_size,
            text_hidden_dim,
            embeddings_initializer=keras.initializers.RandomNormal(
                stddev=text_hidden_dim**-0.5
            ),
            dtype=dtype,
            name="token_embedding",
        )
        self.text_decoder = TextDecoder(
            text_num_layers,
            text_hidden_dim,
            text_num_heads,
            memory_dim=hidden_dim,
            dropout=dropout,
            dtype=dtype,
            name="text_decoder",
        )

        # === Functional Model ===
        pixel_values = keras.Input(
            (None, height, width, 3), name="pixel_values"
        )
        audio_features = keras.Input((None, num_mels), name="audio_features")
        video_mask = keras.Input((None,), dtype="bool", name="video_mask")
        audio_mask = keras.Input((None,), dtype="bool", name="audio_mask")
        token_ids = keras.Input((None,), dtype="int32", name="token_ids")
        padding_mask = keras.Input((None,), dtype="bool", name="padding_mask")
        joint_tokens = self._fuse(
            pixel_values, audio_features, video_mask, audio_mask
        )
        snippet_latents = self.snippet_transformer(joint_tokens)
        sequence_output = self.text_decoder(
            self.token_embedding(token_ids),
            snippet_latents,
            ops.logical_or(video_mask, audio_mask),
            padding_mask,
        )
        super().__init__(
            inputs={
                "pixel_values": pixel_values,
                "audio_features": audio_features,
                "video_mask": video_mask,
                "audio_mask": audio_mask,
                "token_ids": token_ids,
                "padding_mask": padding_mask,
            },
            outputs={
                "joint_tokens": joint_tokens,
                "snippet_latents": snippet_latents,
                "sequence_output": sequence_output,
            },
            dtype=dtype,
            **kwargs,
        )

        # === Config ===
        self.vocabulary_size = vocabulary_size
        self.frames_per_snippet = frames_per_snippet
        self.audio_frames_per_snippet = audio_frames_per_snippet
        self.image_size = tuple(image_size)
        self.num_mels = num_mels
        self.num_joint_tokens = num_joint_tokens
        self.tubes = self.video_encoder.embedding.tubes
        self.audio_patch_size = tuple(audio_patch_size)
        self.video_hidden_dim = video_hidden_dim
        self.video_num_layers = video_num_layers
        self.video_num_heads = video_num_heads
        self.audio_hidden_dim = audio_hidden_dim
        self.audio_num_layers = audio_num_layers
        self.audio_num_heads = audio_num_heads
        self.hidden_dim = hidden_dim
        self.num_heads = num_heads
        self.combiner_num_layers = combiner_num_layers
        self.latent_num_layers = latent_num_layers
        self.text_hidden_dim = text_hidden_dim
        self.text_num_layers = text_num_layers
        self.text_num_heads = text_num_heads
        self.combiner_kind = combiner
        self.combiner_settings = dict(combiner_settings or {})
        self.stem_filters = tuple(stem_filters)
        self.snippet_seconds = snippet_seconds
        self.time_wavelengths = self.snippet_transformer.wavelengths
        self.dropout = dropout

    def _fuse(self, pixel_values, audio_features, video_mask, audio_mask):
        return self.combiner(
            self.video_encoder(pixel_values, video_mask),
            self.audio_encoder(audio_features, audio_mask),
            video_mask,
            audio_mask,
        )

    def encode_clip(self, pixel_values, audio_features, video_mask, audio_mask):
        """What text attends to: the clip's part of the forward pass.

        Returns:
            What `TextDecoder.encode_memory()` makes of the snippet latents.
        """
        joint_tokens = self._fuse(
            pixel_values, audio_features, video_mask, audio_mask
        )
        return self.text_decoder.encode_memory(
            self.snippet_transformer(joint_tokens),
            ops.logical_or(video_mask, audio_mask),
        )

    def get_config(self):
        combiner = self.combiner_kind
        if not isinstance(combiner, str):
            combiner = keras.layers.serialize(self.combiner)
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "frames_per_snippet": self.frames_per_snippet,
            "audio_frames_per_snippet": self.audio_frames_per_snippet,
            "image_size": self.image_size,
            "num_mels": self.num_mels,
            "num_joint_tokens": self.num_joint_tokens,
            "tubes": self.tubes,
            "audio_patch_size": self.audio_patch_size,
            "video_hidden_dim": self.video_hidden_dim,
            "video_num_layers": self.video_num_layers,
            "video_num_heads": self.video_num_heads,
            "audio_hidden_dim": self.audio_hidden_dim,
            "audio_num_layers": self.audio_num_layers,
            "audio_num_heads": self.audio_num_heads,
            "hidden_dim": self.hidden_dim,
            "num_heads": self.num_heads,
            "combiner_num_layers": self.combiner_num_layers,
            "latent_num_layers": self.latent_num_layers,
            "text_hidden_dim": self.text_hidden_dim,
            "text_num_layers": self.text_num_layers,
            "text_num_heads": self.text_num_heads,
            "combiner": combiner,
            "combiner_settings": dict(self.combiner_settings),
            "stem_filters": self.stem_filters,
            "snippet_seconds": self.snippet_seconds,
            "time_wavelengths": self.time_wavelengths,
            "dropout": self.dropout,
        }


def _get_combiner(combiner, settings, *, snippet_seconds, wavelengths, **sizes):
    if combiner == "transformer":
        return TransformerCombiner(name="combiner", **{**sizes, **settings})
    if combiner == "token_turing":
        times = dict(snippet_seconds=snippet_seconds, wavelengths=wavelengths)
        return TokenTuringCombiner(
            name="combiner", **{**sizes, **times, **settings}
        )
    if isinstance(combiner, dict):
        combiner = keras.layers.deserialize(combiner)
    if not isinstance(combiner, keras.layers.Layer):
        raise ValueError(
            '`combiner` must be "transformer", "token_turing" or a layer with '
            f"the interface of `TransformerCombiner`. Received: {combiner}"
        )
    if settings:
        raise ValueError(
            "`combiner_settings` are for a Combiner chosen by name; give "
            f"{combiner.__class__.__name__} its arguments directly. Received: "
            f"{settings}"
        )
    return combiner
