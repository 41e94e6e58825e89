"""Waveforms to log-mel spectrograms."""

import keras
import keras_hub
import numpy as np

from keras_mirasol.models.clip_statistics import adapt_converters
from keras_mirasol.models.clip_statistics import plain_floats
from keras_mirasol.models.clip_statistics import signals
from keras_mirasol.models.librosa_mel_spectrogram import LibrosaMelSpectrogram
from keras_mirasol.models.mirasol_backbone import MirasolBackbone
from keras_mirasol.models.shipped_presets import ShippedPresets
from keras_mirasol.preprocessing.graph import in_graph
from keras_mirasol.preprocessing.log_mel import log_mel

# In units of the natural logarithm, about 2 dB: a mel bin that is silent
# throughout must not be blown up to a deviation of 1.
MIN_DEVIATION = 0.5


@keras.saving.register_keras_serializable(package="keras_mirasol")
class MirasolAudioConverter(ShippedPresets, keras_hub.layers.AudioConverter):
    """Turns a waveform into frames of a log-mel spectrogram.

    Frame t ends where sample `(t + 1) * hop` begins, with `hop =
    sampling_rate / audio_frame_rate`: its Hann window covers the last two
    hops, with silence before the clip. So a spectrogram frame knows nothing of
    what follows it, and snippets are cut between spectrogram frames. Power is
    put on a logarithmic scale, `(log(mel + floor) - mean) / std`, in the same
    way for every clip and every moment: what is loud later changes nothing
    earlier. `adapt()` sets `mean` and `std` to those of the data. A model that
    comes with weights must keep the settings that it was trained with.

    Mels are those of `librosa.filters.mel(htk=True, norm=None)`: triangles of
    height 1, evenly spaced on HTK's scale, with sides straight over hertz.

    Args:
        num_mels: int. Mel bins.
        audio_frame_rate: float. Spectrogram frames per second. Defaults to
            `20.0`.
        sampling_rate: int. Samples per second of the clips that are given.
            Defaults to `16000`.
        fft_length: int. Defaults to `None`, the power of two that is at least
            two hops.
        min_freq: float. Lowest frequency, in Hz. Defaults to `40.0`.
        max_freq: float. Highest frequency, in Hz. Defaults to `None`, half
            of the sampling rate.
        floor: float. Power that is added before the logarithm; a full-scale
            sine has about 0.25. Defaults to `1e-6`.
        mean: float, or list of `num_mels` floats, one for each mel bin.
            Subtracted from the logarithm. Defaults to `-7.0`.
        std: float, or list of `num_mels` floats. The difference is divided by
            it. Defaults to `3.5`.
        **kwargs: see `keras.layers.Layer`.

    Call arguments:
        audio: float tensor of shape `(samples,)`, from -1 to 1.

    Returns:
        A float32 tensor of shape `(samples // hop, num_mels)`.

    Raises:
        ValueError: if a hop is not a whole number of samples, or `mean` or
            `std` is neither a number nor `num_mels` of them.

    Example:
    ```python
    converter = keras_mirasol.models.MirasolAudioConverter(num_mels=32)
    converter(np.zeros(16000, "float32")).shape  # (20, 32)
    ```
    """

    backbone_cls = MirasolBackbone

    def __init__(
        self,
        num_mels,
        audio_frame_rate=20.0,
        sampling_rate=16000,
        fft_length=None,
        min_freq=40.0,
        max_freq=None,
        floor=1e-6,
        mean=-7.0,
        std=3.5,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if sampling_rate % audio_frame_rate:
            raise ValueError(
                "A spectrogram frame must be a whole number of samples: "
                "`sampling_rate` must be a multiple of `audio_frame_rate`. "
                f"Received: sampling_rate={sampling_rate}, "
                f"audio_frame_rate={audio_frame_rate}"
            )
        self.num_mels = num_mels
        self.audio_frame_rate = audio_frame_rate
        self.sampling_rate = sampling_rate
        self.hop = int(sampling_rate / audio_frame_rate)
        self.fft_length = fft_length or 1 << (2 * self.hop - 1).bit_length()
        self.min_freq = min_freq
        self.max_freq = max_freq
        self.floor = floor
        self.mean = plain_floats("mean", mean, num_mels)
        self.std = plain_floats("std", std, num_mels)
        self.mel_spectrogram = LibrosaMelSpectrogram(
            num_mel_bins=num_mels,
            sampling_rate=sampling_rate,
            sequence_stride=self.hop,
            sequence_length=2 * self.hop,
            fft_length=self.fft_length,
            min_freq=min_freq,
            max_freq=max_freq,
            power_to_db=False,
            dtype="float32",
            name="mel_spectrogram",
        )

    @property
    def context_samples(self):
        """Samples before a piece of a clip that its features depend on."""
        return self.hop

    def audio_shape(self):
        """Shape of the result for a clip of any length."""
        return (None, self.num_mels)

    def adapt(self, data, num_clips=256):
        """Sets `mean` and `std` to those of log-mel frames, bin by bin.

        `std` is at least `MIN_DEVIATION`, 0.5 units of the logarithm.

        Args:
            data: float waveform of a clip, `(samples,)`, or of a batch of
                clips, as an array or a ragged tensor; or an iterable of
                these.
            num_clips: int. How many clips to look at: drawn from an array or
                a list, always the same ones, and the first ones of any other
                iterable. Defaults to `256`; `None` for all.

        Raises:
            ValueError: if there is no spectrogram frame, or waveforms are not
                as described.

        Example:
        ```python
        converter = keras_mirasol.models.MirasolAudioConverter(num_mels=32)
        clips = np.random.uniform(-1e-3, 1e-3, (4, 32000))
        converter.adapt(clips)
        converter(clips[0]).mean()  # about 0
        ```
        """
        adapt_converters(
            [self],
            ((audio,) for audio in signals(data, "audio", num_clips)),
            "clips of waveforms of at least a spectrogram frame",
        )

    def normalize(self, mean, deviation):
        """Sets `mean` and `std`; see `adapt()`."""
        self.mean = mean.tolist()
        self.std = np.maximum(deviation, MIN_DEVIATION).tolist()

    @in_graph
    def unscaled(self, audio):
        """Log-mel spectrogram frames, `log(mel + floor)`."""
        return log_mel(audio, self.mel_spectrogram, self.floor)

    @in_graph
    def call(self, audio):
        mean, std = np.float32(self.mean), np.float32(self.std)
        return (self.unscaled(audio) - mean) / std

    def compute_output_shape(self, audio_shape):
        samples = audio_shape[0]
        return (samples and samples // self.hop, self.num_mels)

    def get_config(self):
        return {
            **super().get_config(),
            "num_mels": self.num_mels,
            "audio_frame_rate": self.audio_frame_rate,
            "sampling_rate": self.sampling_rate,
            "fft_length": self.fft_length,
            "min_freq": self.min_freq,
            "max_freq": self.max_freq,
            "floor": self.floor,
            "mean": plain_floats("mean", self.mean, self.num_mels),
            "std": plain_floats("std", self.std, self.num_mels),
        }
