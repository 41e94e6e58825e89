"""Waveforms to what a model of audio reads that others have trained."""

import json

import keras
import keras_hub

from keras_mirasol.layers.pretrained.source import object_and_source
from keras_mirasol.models.mirasol_backbone import MirasolBackbone
from keras_mirasol.models.shipped_presets import ShippedPresets
from keras_mirasol.preprocessing.graph import in_graph
from keras_mirasol.preprocessing.snippet_audio import convert_by_snippet
from keras_mirasol.preprocessing.snippet_audio import normalize_waveforms


@keras.saving.register_keras_serializable(package="keras_mirasol")
class PretrainedAudioConverter(ShippedPresets, keras_hub.layers.AudioConverter):
    """The features that a trained model of audio reads, snippet by snippet.

    Each snippet is converted by itself, as if it were all the audio there is,
    so that its features know nothing of what comes later, and a stream has
    those of the whole clip. A converter of spectrograms, such as Whisper's,
    makes frames of mel bins at its own rate; one of waveforms, such as
    Moonshine's, leaves samples, which are cut into frames.

    Args:
        converter: a `keras_hub.layers.AudioConverter`. Also what
            `keras.saving.serialize_keras_object()` makes of one.
        audio_frames_per_snippet: int. Frames in a snippet.
        audio_frame_rate: float. Frames per second of a converter of
            waveforms. Defaults to `50.0`. A spectrogram has its own.
        **kwargs: see `keras.layers.Layer`.

    Call arguments:
        audio: float tensor of shape `(samples,)`, from -1 to 1.

    Returns:
        A float32 tensor of shape `(samples // hop, num_mels)`: `hop` samples
        are a frame, and of a waveform they are its `num_mels` features.

    Raises:
        ValueError: if a frame is no whole number of samples.

    Example:
    ```python
    converter = keras_mirasol.models.PretrainedAudioConverter(
        keras_hub.layers.WhisperAudioConverter(), audio_frames_per_snippet=100
    )
    converter(np.zeros(32000, "float32")).shape  # (200, 80)
    ```
    """

    backbone_cls = MirasolBackbone

    def __init__(
        self,
        converter,
        audio_frames_per_snippet,
        audio_frame_rate=50.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        converter, self._source = object_and_source(converter)
        self.sampling_rate = converter.sampling_rate
        self.makes_spectrograms = hasattr(converter, "stride")
        if self.makes_spectrograms:
            audio_frame_rate = self.sampling_rate / converter.stride
        elif self.sampling_rate % audio_frame_rate:
            raise ValueError(
                "A frame must be a whole number of samples: the sampling rate "
                "must be a multiple of `audio_frame_rate`. Received: "
                f"sampling_rate={self.sampling_rate}, "
                f"audio_frame_rate={audio_frame_rate}"
            )
        self.audio_frame_rate = audio_frame_rate
        self.hop = int(self.sampling_rate / audio_frame_rate)
        self.num_mels = getattr(converter, "num_mels", self.hop)
        self.audio_frames_per_snippet = audio_frames_per_snippet
        self.samples_per_snippet = audio_frames_per_snippet * self.hop
        # A copy, which fills up to a snippet and not to half a minute.
        self.converter = type(converter).from_config(converter.get_config())
        self.converter.num_samples = self.samples_per_snippet

    @property
    def context_samples(self):
        """Samples before a piece of a clip that its features depend on."""
        return 0

    def audio_shape(self):
        """Shape of the result for a clip of any length."""
        return (None, self.num_mels)

    def adapt(self, data, num_clips=256):
        """Refuses: a trained model reads what it was trained on."""
        self.normalize(None, None)

    def normalize(self, mean, deviation):
        """Refuses; see `adapt()`."""
        raise ValueError(
            "Features of a trained model must stay as the model was trained "
            "with. There is nothing to adapt: leave `adapt()` out."
        )

    @in_graph
    def call(self, audio):
        return convert_by_snippet(
            audio, self._convert, self.samples_per_snippet, self.hop
        )

    def _convert(self, snippets):
        if self.makes_spectrograms:
            return self.converter(snippets)
        if getattr(self.converter, "do_normalize", False):
            return normalize_waveforms(snippets)
        return snippets

    unscaled = call

    def compute_output_shape(self, audio_shape):
        samples = audio_shape[0]
        return (samples and samples // self.hop, self.num_mels)

    def get_config(self):
        return {
            **super().get_config(),
            "converter": json.loads(self._source),
            "audio_frames_per_snippet": self.audio_frames_per_snippet,
            "audio_frame_rate": self.audio_frame_rate,
        }
