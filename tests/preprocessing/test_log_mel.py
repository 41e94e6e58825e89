import librosa_log_mel
import numpy as np
import numpy_log_mel
import pytest

from keras_mirasol.models import MirasolAudioConverter
from keras_mirasol.models.librosa_mel_spectrogram import LibrosaMelSpectrogram
from keras_mirasol.preprocessing.log_mel import log_mel

RATE, HOP, MELS = 8000, 400, 16
FLOOR = 1e-6


@pytest.fixture(scope="module")
def mel_spectrogram():
    return LibrosaMelSpectrogram(
        num_mel_bins=MELS,
        sampling_rate=RATE,
        sequence_stride=HOP,
        sequence_length=2 * HOP,
        fft_length=1024,
        min_freq=40.0,
        power_to_db=False,
    )


def _log_mel(audio, mel_spectrogram):
    import tensorflow as tf

    # A graph, in which the layer works under every backend.
    return tf.function(lambda x: log_mel(x, mel_spectrogram, FLOOR))(
        tf.constant(audio, tf.float32)
    ).numpy()


@pytest.mark.parametrize("length", [400, 3200, 3599])
def test_is_a_numpy_log_mel_of_causal_windows(mel_spectrogram, length):
    rng = np.random.default_rng(0)
    audio = rng.uniform(-1, 1, length).astype("float32")
    audio_frames = _log_mel(audio, mel_spectrogram)
    assert audio_frames.shape == (length // HOP, MELS)
    np.testing.assert_allclose(
        audio_frames,
        numpy_log_mel.log_mel(
            audio, rate=RATE, hop=HOP, mels=MELS, floor=FLOOR
        ),
        atol=1e-3,
    )


def test_faint_sound_is_as_exact_as_loud(mel_spectrogram):
    rng = np.random.default_rng(0)
    audio = 1e-3 * rng.uniform(-1, 1, 2000).astype("float32")
    np.testing.assert_allclose(
        _log_mel(audio, mel_spectrogram),
        numpy_log_mel.log_mel(
            audio, rate=RATE, hop=HOP, mels=MELS, floor=FLOOR
        ),
        atol=1e-3,
    )


def test_less_than_a_frame_is_no_frame(mel_spectrogram):
    assert _log_mel(np.ones(HOP - 1), mel_spectrogram).shape == (0, MELS)
    assert _log_mel(np.ones(0), mel_spectrogram).shape == (0, MELS)


def test_silence_is_the_floor(mel_spectrogram):
    np.testing.assert_allclose(
        _log_mel(np.zeros(1200), mel_spectrogram), np.log(FLOOR), rtol=1e-6
    )


def test_a_spectrogram_frame_knows_nothing_of_what_follows(mel_spectrogram):
    rng = np.random.default_rng(0)
    audio = rng.uniform(-1, 1, 4000).astype("float32")
    audio_frames = _log_mel(audio, mel_spectrogram)
    for audio_frame in (0, 3, 8):
        changed = audio.copy()
        changed[(audio_frame + 1) * HOP :] = rng.uniform(
            -100, 100, 4000 - (audio_frame + 1) * HOP
        )
        after = _log_mel(changed, mel_spectrogram)
        np.testing.assert_array_equal(
            after[: audio_frame + 1], audio_frames[: audio_frame + 1]
        )
        assert (
            np.abs(after[audio_frame + 1] - audio_frames[audio_frame + 1]).max()
            > 1
        )


def test_a_spectrogram_frame_sees_its_own_hop_and_the_one_before(
    mel_spectrogram,
):
    for sample, seen_in in ((200, [0, 1]), (1700, [4, 5]), (2300, [5, 6])):
        audio = np.zeros(4000, "float32")
        audio[sample] = 1.0
        audio_frames = _log_mel(audio, mel_spectrogram)
        heard = np.flatnonzero(
            (audio_frames > np.log(FLOOR) + 1e-3).any(axis=1)
        )
        assert list(heard) == seen_in


@pytest.mark.parametrize("name", librosa_log_mel.SETTINGS)
def test_agrees_with_librosa(name):
    settings = librosa_log_mel.SETTINGS[name]
    converter = MirasolAudioConverter(**settings)
    sounds = librosa_log_mel.sounds(settings["sampling_rate"])
    audio_frames = np.asarray(converter.unscaled(sounds))
    with np.load(librosa_log_mel.FILE) as by_librosa:
        expected = by_librosa[name]
    assert audio_frames.shape == expected.shape
    # Noise is far from the floor, the chirp leaves most bins for others.
    assert np.ptp(audio_frames) > 10
    np.testing.assert_allclose(audio_frames, expected, atol=1e-3, rtol=0)


def test_librosa_was_given_what_mirasol_tiny_has():
    config = MirasolAudioConverter.from_preset("mirasol_tiny").get_config()
    settings = librosa_log_mel.SETTINGS["mirasol_tiny"]
    assert settings.items() <= config.items()
    assert config["max_freq"] is None
