"""Mel spectrograms on the filterbank of librosa."""

import keras
import numpy as np


class LibrosaMelSpectrogram(keras.layers.MelSpectrogram):
    """A `keras.layers.MelSpectrogram` on the filterbank of librosa.

    It is that of `librosa.filters.mel(htk=True, norm=None)`: triangles of
    height 1 with corners evenly spaced on HTK's mel scale and sides straight
    over hertz, as torchaudio draws them too. So features agree with those that
    users of these libraries have, and that encoders trained with them expect.
    Keras, as TensorFlow and HTK, draws sides straight over mels; the logarithm
    would differ by a few hundredths.

    Args:
        **kwargs: see `keras.layers.MelSpectrogram`.

    Example:
    ```python
    mel_spectrogram = LibrosaMelSpectrogram(num_mel_bins=32)
    mel_spectrogram(np.zeros(16000, "float32")).shape  # (32, 32)
    ```
    """

    def linear_to_mel_weight_matrix(self, dtype="float32", **kwargs):
        """The triangles, of shape `(spectrogram bins, mels)`.

        Args:
            dtype: str. The type of the result. Defaults to `"float32"`.
            **kwargs: what the layer passes of its own settings. Not used:
                inside a graph the number of bins may be a tensor.
        """
        mel_corners = np.linspace(
            _mels(self.min_freq), _mels(self.max_freq), self.num_mel_bins + 2
        )
        corners = 700 * (10 ** (mel_corners / 2595) - 1)
        bins = np.fft.rfftfreq(self.fft_length, 1 / self.sampling_rate)
        triangles = [
            np.interp(bins, corners[mel : mel + 3], [0, 1, 0])
            for mel in range(self.num_mel_bins)
        ]
        # A constant, so that it becomes part of any backend's graph.
        return self.backend.convert_to_tensor(np.transpose(triangles), dtype)


def _mels(hertz):
    return 2595 * np.log10(1 + hertz / 700)
