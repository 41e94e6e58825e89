import keras
import numpy as np
import pytest

from keras_mirasol.models.librosa_mel_spectrogram import LibrosaMelSpectrogram

pytestmark = pytest.mark.any_backend


def test_sides_are_straight_over_hertz_between_corners_even_in_mels():
    # From 0 to 1400 Hz `1 + hertz / 700` grows from 1 to 3, by the cube root
    # of 3 a corner.
    low, high = 700 * (3 ** (1 / 3) - 1), 700 * (3 ** (2 / 3) - 1)
    hertz = 100.0 * np.arange(15)
    expected = np.stack(
        [
            np.minimum(hertz / low, (high - hertz) / (high - low)),
            np.minimum(
                (hertz - low) / (high - low), (1400 - hertz) / (1400 - high)
            ),
        ],
        axis=1,
    )
    layer = LibrosaMelSpectrogram(
        num_mel_bins=2,
        sampling_rate=2800,
        fft_length=28,
        sequence_stride=14,
        min_freq=0.0,
    )
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(layer.linear_to_mel_weight_matrix()),
        np.maximum(expected, 0),
        atol=1e-6,
    )
