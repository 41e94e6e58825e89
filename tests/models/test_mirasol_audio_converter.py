import json

import keras
import numpy as np
import numpy_log_mel
import pytest
import tensorflow as tf

from keras_mirasol.models import MirasolAudioConverter

RATE, HOP, MELS = 8000, 400, 16
MEAN, STD, FLOOR = -7.0, 3.5, 1e-6


@pytest.fixture(scope="module")
def converter():
    return MirasolAudioConverter(MELS, sampling_rate=RATE)


def _noise(seconds=1.0, level=0.5, rate=RATE):
    rng = np.random.default_rng(0)
    return rng.uniform(-level, level, int(seconds * rate)).astype("float32")


def _tone(hertz, seconds=0.5, amplitude=0.5, rate=RATE):
    time = np.arange(int(seconds * rate)) / rate
    return (amplitude * np.sin(2 * np.pi * hertz * time)).astype("float32")


@pytest.mark.parametrize("level", [0.5, 1e-3])
def test_is_a_normalised_log_mel_spectrogram(converter, level):
    audio = _noise(level=level)
    expected = numpy_log_mel.log_mel(
        audio, rate=RATE, hop=HOP, mels=MELS, floor=FLOOR
    )
    audio_frames = converter(audio)
    assert audio_frames.dtype == "float32"
    np.testing.assert_allclose(audio_frames, (expected - MEAN) / STD, atol=1e-3)


def test_every_setting_is_heeded():
    converter = MirasolAudioConverter(
        8,
        audio_frame_rate=40.0,
        sampling_rate=16000,
        fft_length=2048,
        min_freq=100.0,
        floor=1e-3,
        mean=-2.0,
        std=0.5,
    )
    audio = _noise(rate=16000)
    expected = numpy_log_mel.log_mel(
        audio,
        rate=16000,
        hop=400,
        mels=8,
        floor=1e-3,
        fft_length=2048,
        low=100.0,
    )
    np.testing.assert_allclose(
        converter(audio), (expected + 2.0) / 0.5, atol=1e-3
    )


def test_highest_frequency_is_heeded():
    above = _tone(3000)
    heard = MirasolAudioConverter(MELS, sampling_rate=RATE)(above)
    not_heard = MirasolAudioConverter(MELS, sampling_rate=RATE, max_freq=1500)(
        above
    )
    assert heard[2:].max() > not_heard[2:].max() + 2


@pytest.mark.parametrize(
    "samples, audio_frames", [(0, 0), (399, 0), (400, 1), (799, 1), (8000, 20)]
)
def test_counts_whole_spectrogram_frames(converter, samples, audio_frames):
    assert converter(np.zeros(samples, "float32")).shape == (audio_frames, MELS)
    assert converter.compute_output_shape((samples,)) == (audio_frames, MELS)


def test_number_of_spectrogram_frames_may_be_unknown(converter):
    assert converter.compute_output_shape((None,)) == (None, MELS)
    assert converter.audio_shape() == (None, MELS)


def test_sound_changes_no_spectrogram_frame_that_ended_before_it(converter):
    audio = _noise()
    before = converter(audio)
    for audio_frame in (0, 7, 18):
        changed = audio.copy()
        changed[(audio_frame + 1) * HOP :] = 50.0
        after = converter(changed)
        np.testing.assert_array_equal(
            after[: audio_frame + 1], before[: audio_frame + 1]
        )
        assert (after[audio_frame + 1] != before[audio_frame + 1]).any()


@pytest.mark.parametrize("hertz", [200, 440, 1000, 2500, 3500])
def test_a_tone_lands_in_its_mel_bin(converter, hertz):
    # Bins peak at equal steps of the HTK mel scale, from 40 to 4000 Hz.
    def mel(f):
        return 2595 * np.log10(1 + f / 700)

    peaks = np.linspace(mel(40), mel(4000), MELS + 2)[1:-1]
    expected = np.argmin(np.abs(peaks - mel(hertz)))
    audio_frames = converter(_tone(hertz))
    assert (audio_frames[1:].argmax(axis=1) == expected).all()


def test_twenty_decibels_are_a_step_of_log_100():
    converter = MirasolAudioConverter(MELS, sampling_rate=RATE, floor=1e-14)
    steps = converter(_noise(level=1.0)) - converter(_noise(level=0.1))
    np.testing.assert_allclose(steps, np.log(100) / STD, atol=1e-3)


def test_level_does_not_depend_on_the_audio_frame_rate():
    # A spectrogram frame of any length hears a steady tone as loud.
    levels = [
        MirasolAudioConverter(MELS, audio_frame_rate=rate, sampling_rate=RATE)(
            _tone(1000)
        )[3].max()
        for rate in (10.0, 20.0, 25.0)
    ]
    np.testing.assert_allclose(levels, levels[0], atol=0.2)


def test_silence_is_faint_but_there(converter):
    audio_frames = converter(np.zeros(2000, "float32"))
    assert audio_frames.shape == (5, MELS)
    np.testing.assert_allclose(
        audio_frames, (np.log(FLOOR) - MEAN) / STD, rtol=1e-5
    )


def test_pipeline_gives_the_same(converter):
    audio = _noise()
    dataset = tf.data.Dataset.from_tensors(audio).map(converter)
    np.testing.assert_allclose(next(iter(dataset)), converter(audio), atol=1e-5)


def test_lists_and_tensors_are_taken(converter):
    audio = _noise(0.1)
    expected = converter(audio)
    for given in (
        list(map(float, audio)),
        keras.ops.convert_to_tensor(audio),
        tf.constant(audio),
    ):
        np.testing.assert_array_equal(converter(given), expected)


def test_fft_is_the_power_of_two_that_holds_a_window(converter):
    assert converter.fft_length == 1024
    assert MirasolAudioConverter(8, sampling_rate=10240).fft_length == 1024
    assert MirasolAudioConverter(8, sampling_rate=16000).fft_length == 2048


def test_a_spectrogram_frame_must_be_whole_samples():
    with pytest.raises(
        ValueError, match="sampling_rate=8000, audio_frame_rate=30"
    ):
        MirasolAudioConverter(MELS, audio_frame_rate=30, sampling_rate=8000)


def test_config_round_trip():
    settings = dict(
        num_mels=8,
        audio_frame_rate=40.0,
        sampling_rate=RATE,
        fft_length=512,
        min_freq=100.0,
        max_freq=3000.0,
        floor=1e-3,
        mean=-2.0,
        std=0.5,
    )
    converter = MirasolAudioConverter(**settings)
    config = converter.get_config()
    assert {key: config[key] for key in settings} == settings
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(converter)
    )
    assert isinstance(copy, MirasolAudioConverter)
    assert copy.get_config() == config


def _new():
    return MirasolAudioConverter(MELS, sampling_rate=RATE)


def test_is_adapted_to_mean_0_and_deviation_1_per_bin():
    # Steps in loudness make every bin deviate by more than the least.
    clips = [_noise(level=0.5), _noise(2.0, level=1e-2), _tone(440)]
    expected = np.concatenate(
        [
            numpy_log_mel.log_mel(
                audio, rate=RATE, hop=HOP, mels=MELS, floor=FLOOR
            )
            for audio in clips
        ]
    )
    converter = _new()
    before = converter(clips[0])
    assert converter.adapt(clips) is None
    assert (before != converter(clips[0])).all()
    np.testing.assert_allclose(converter.mean, expected.mean(axis=0), atol=1e-2)
    np.testing.assert_allclose(converter.std, expected.std(axis=0), atol=1e-2)
    audio_frames = np.concatenate([converter(audio) for audio in clips])
    np.testing.assert_allclose(audio_frames.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(audio_frames.std(axis=0), 1, rtol=1e-5)


@pytest.mark.parametrize("kind", ["batch", "ragged", "dataset"])
def test_adapts_to_clips_however_they_come(kind):
    clips = [_noise(level=0.5), _noise(level=1e-2)]
    if kind == "ragged":
        clips[1] = clips[1][:4000]
    given = {
        "batch": lambda: np.stack(clips),
        "ragged": lambda: tf.ragged.stack(clips),
        "dataset": lambda: tf.data.Dataset.from_tensor_slices(np.stack(clips)),
    }[kind]()
    converter, expected = _new(), _new()
    expected.adapt(clips)
    converter.adapt(given)
    assert (converter.mean, converter.std) == (expected.mean, expected.std)


def test_silence_is_not_blown_up():
    converter = _new()
    converter.adapt(np.zeros(RATE, "float32"))
    np.testing.assert_allclose(
        converter(np.zeros(RATE, "float32")), 0, atol=1e-5
    )
    assert converter.std == [0.5] * MELS
    assert np.isfinite(converter(_noise())).all()


def test_without_a_spectrogram_frame_there_is_nothing_to_adapt_to():
    with pytest.raises(
        ValueError,
        match="at least a spectrogram frame.*no spectrogram frame of audio",
    ):
        _new().adapt(np.zeros(HOP - 1, "float32"))
    with pytest.raises(ValueError, match="must be floating point"):
        _new().adapt([np.zeros(RATE, "int16")])


def test_adapted_settings_survive_saving():
    converter = _new()
    converter.adapt(_noise())
    config = json.loads(json.dumps(converter.get_config()))
    copy = MirasolAudioConverter.from_config(config)
    np.testing.assert_array_equal(copy(_noise()), converter(_noise()))


def test_a_setting_that_is_assigned_takes_effect():
    converter, audio = _new(), _noise()
    audio_frames = STD * converter(audio) + MEAN
    converter.mean, converter.std = np.arange(MELS), 2.0
    np.testing.assert_allclose(
        converter(audio), (audio_frames - np.arange(MELS)) / 2, atol=1e-4
    )
    assert converter.get_config()["mean"] == list(range(MELS))


@pytest.mark.parametrize("name", ["mean", "std"])
def test_a_setting_of_other_bins_is_refused(name):
    with pytest.raises(ValueError, match=f"`{name}` must be a number, or 16"):
        MirasolAudioConverter(MELS, sampling_rate=RATE, **{name: [1.0, 2.0]})
