"""Backbones and preprocessors whose parts others have trained."""

import collections
import os

import keras_hub

from keras_mirasol.layers import PretrainedAudioEncoder
from keras_mirasol.layers import PretrainedTextDecoder
from keras_mirasol.layers import PretrainedVideoEncoder
from keras_mirasol.models.mirasol_video_converter import MirasolVideoConverter
from keras_mirasol.models.parts_report import PartsReport
from keras_mirasol.models.pretrained_audio_converter import (
    PretrainedAudioConverter,
)

# What belongs to a model beside its weights, by the modality.
_COMPANIONS = {
    "video": keras_hub.layers.ImageConverter,
    "audio": keras_hub.layers.AudioConverter,
    "text": keras_hub.tokenizers.Tokenizer,
}

Part = collections.namedtuple("Part", ["backbone", "companion", "source"])


class PretrainedParts:
    """Models of KerasHub that see, hear and write, and what belongs to them.

    Args:
        video, audio, text: each the name of a preset, a folder with one, or a
            pair of a `keras_hub.models.Backbone` and its `ImageConverter`,
            `AudioConverter` or `Tokenizer`.
        snippet_seconds: float. Duration of a snippet.
        frames_per_snippet: int. Frames of video in a snippet, evenly spaced.
        image_size: int or `None`. Height and width of frames, for a preset
            that may be loaded for another size than its own.
        load_weights: bool. Whether to load the weights of presets.
        dtype: `None`, string or `keras.DTypePolicy`, for all parts.

    Raises:
        ValueError: if a part is given otherwise, a snippet is no whole number
            of audio frames, or frames have no known size.
    """

    def __init__(
        self,
        video,
        audio,
        text,
        snippet_seconds,
        frames_per_snippet,
        image_size,
        load_weights,
        dtype,
    ):
        settings = {"load_weights": load_weights}
        if dtype is not None:
            settings["dtype"] = dtype
        shape = {}
        if image_size is not None:
            shape["image_shape"] = (image_size, image_size, 3)
        self.video = _load("video", video, **settings, **shape)
        self.audio = _load("audio", audio, **settings)
        self.text = _load("text", text, **settings)
        self.snippet_seconds = snippet_seconds
        self.frames_per_snippet = frames_per_snippet
        self.dtype = dtype
        self.video_converter = self._video_converter()
        self.audio_converter = self._audio_converter()

    def _video_converter(self):
        converter = self.video.companion
        if converter.pad_to_aspect_ratio:
            raise ValueError(
                "Frames cannot be padded to an aspect ratio. Give the image "
                "converter `pad_to_aspect_ratio=False`."
            )
        return MirasolVideoConverter(
            _image_size(self.video),
            frame_rate=self.frames_per_snippet / self.snippet_seconds,
            scale=_or(converter.scale, 1.0),
            offset=_or(converter.offset, 0.0),
            crop_to_aspect_ratio=converter.crop_to_aspect_ratio,
            interpolation=converter.interpolation,
            antialias=converter.antialias,
        )

    def _audio_converter(self):
        # Of one snippet, to learn the frame rate.
        rate = PretrainedAudioConverter(
            self.audio.companion, 1
        ).audio_frame_rate
        count = rate * self.snippet_seconds
        if abs(count - round(count)) > 1e-6:
            raise ValueError(
                "A snippet must be a whole number of audio frames. Received: "
                f"snippet_seconds={self.snippet_seconds}, and {rate:g} audio "
                f"frames per second, that is {count:g}."
            )
        return PretrainedAudioConverter(self.audio.companion, round(count))

    def build_backbone(
        self,
        backbone_class,
        num_joint_tokens=8,
        hidden_dim=512,
        num_heads=8,
        combiner_num_layers=2,
        latent_num_layers=4,
        video_settings=None,
        audio_settings=None,
        text_settings=None,
        **settings,
    ):
        """A backbone of the parts, and of new ones between them.

        Args:
            backbone_class: `MirasolBackbone` or a subclass.
            num_joint_tokens, hidden_dim, num_heads, combiner_num_layers,
                latent_num_layers: ints. Arguments of the backbone.
            video_settings, audio_settings, text_settings: dicts or `None`.
                Arguments of `PretrainedVideoEncoder` and so on.
            **settings: further arguments of the backbone.

        Returns:
            A `MirasolBackbone`, whose `parts_report` tells what was taken.
        """
        common = {"dtype": self.dtype}
        audio_frames = self.audio_converter.audio_frames_per_snippet
        text_decoder = PretrainedTextDecoder(
            self.text.backbone,
            hidden_dim,
            name="text_decoder",
            **{**common, **(text_settings or {})},
        )
        token_embedding = self.text.backbone.token_embedding
        # As the rest of its model.
        token_embedding.trainable = not text_decoder.frozen
        backbone = backbone_class(
            vocabulary_size=self.text.backbone.vocabulary_size,
            frames_per_snippet=self.frames_per_snippet,
            audio_frames_per_snippet=audio_frames,
            image_size=self.video_converter.image_size,
            num_mels=self.audio_converter.num_mels,
            num_joint_tokens=num_joint_tokens,
            hidden_dim=hidden_dim,
            num_heads=num_heads,
            combiner_num_layers=combiner_num_layers,
            latent_num_layers=latent_num_layers,
            video_encoder=PretrainedVideoEncoder(
                self.video.backbone,
                self.frames_per_snippet,
                name="video_encoder",
                **{**common, **(video_settings or {})},
            ),
            audio_encoder=PretrainedAudioEncoder(
                self.audio.backbone,
                audio_frames,
                name="audio_encoder",
                **{**common, **(audio_settings or {})},
            ),
            token_embedding=token_embedding,
            text_decoder=text_decoder,
            snippet_seconds=self.snippet_seconds,
            **common,
            **settings,
        )
        backbone.parts_report = PartsReport.of(
            backbone,
            {
                part.source: part.backbone
                for part in (self.video, self.audio, self.text)
            },
        )
        return backbone

    def build_preprocessor(self, preprocessor_class, sequence_length):
        """The preprocessor that makes what such a backbone reads.

        Args:
            preprocessor_class: `MirasolCausalLMPreprocessor` or a subclass.
            sequence_length: int. Most tokens of a packed text.

        Returns:
            A `MirasolCausalLMPreprocessor`.

        Raises:
            ValueError: if the language model reads no texts of that length.
        """
        longest = getattr(self.text.backbone, "max_sequence_length", None)
        if longest is not None and sequence_length > longest:
            raise ValueError(
                f"{self.text.source} reads at most {longest} tokens. Received: "
                f"sequence_length={sequence_length}. Use one at most as large."
            )
        return preprocessor_class(
            video_converter=self.video_converter,
            audio_converter=self.audio_converter,
            tokenizer=self.text.companion,
            frames_per_snippet=self.frames_per_snippet,
            audio_frames_per_snippet=(
                self.audio_converter.audio_frames_per_snippet
            ),
            sequence_length=sequence_length,
        )


def _load(modality, given, **settings):
    companion_class = _COMPANIONS[modality]
    if isinstance(given, (str, os.PathLike)):
        preset = str(given)
        return Part(
            keras_hub.models.Backbone.from_preset(preset, **settings),
            companion_class.from_preset(preset),
            preset,
        )
    is_pair = isinstance(given, (tuple, list)) and len(given) == 2
    if (
        not is_pair
        or not isinstance(given[0], keras_hub.models.Backbone)
        or not isinstance(given[1], companion_class)
    ):
        raise ValueError(
            f"`{modality}` must be the name of a preset of KerasHub, or a pair "
            "of a `keras_hub.models.Backbone` and its "
            f"`{companion_class.__name__}`. Received: {given!r}"
        )
    return Part(*given, f"{type(given[0]).__name__} ({modality})")


def _image_size(part):
    """Height and width of frames: those of the model, or of its converter."""
    backbone = getattr(part.backbone, "vision_encoder", part.backbone)
    shape = getattr(backbone, "image_shape", (None, None))[:2]
    size = part.companion.image_size if None in shape else shape
    if size is None:
        raise ValueError(
            f"{part.source} has no size of images. Give `image_size`, or an "
            "image converter that has one."
        )
    return tuple(size)


def _or(value, default):
    return default if value is None else value
