from dataclasses import replace

import numpy as np
import pytest

from keras_mirasol.data import sounding_shapes

pytestmark = pytest.mark.any_backend

SLOT = 8000  # samples


def render_event(sound, pitch=0.5, gain=0.6, seed=0, **timing):
    """The samples of a sound in the first slot of a clip."""
    others = [other for other in sounding_shapes.SOUNDS if other != sound]
    events = tuple(
        sounding_shapes.Event(
            colour, shape, name, pitch=pitch, gain=gain, **timing
        )
        for colour, shape, name in zip(
            sounding_shapes.COLOURS[:4],
            sounding_shapes.SHAPES[:4],
            (sound, *others[:3]),
            strict=True,
        )
    )
    scene = sounding_shapes.Scene(events, seed=seed)
    return sounding_shapes.render_audio(scene)[:SLOT].astype("float64")


def strongest(samples):
    """The frequency in Hz at which the spectrum peaks."""
    size = 1 << 16
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), size))
    return np.argmax(power) * 16000 / size


@pytest.mark.parametrize("pitch, frequency", [(0, 400), (1, 1000)])
def test_tones_are_steady(pitch, frequency):
    tone = render_event("tone", pitch)
    assert strongest(tone[:4000]) == pytest.approx(frequency, rel=0.005)
    assert strongest(tone[4000:]) == pytest.approx(frequency, rel=0.005)


@pytest.mark.parametrize("pitch, start", [(0, 400), (1, 800)])
def test_chirps_rise_two_octaves_and_a_half(pitch, start):
    chirp = render_event("chirp", pitch)
    # Instantaneous frequency from the first and last tenth of the sweep.
    for part, middle in ((chirp[:800], 0.05), (chirp[-800:], 0.95)):
        expected = start * 2 ** (2.5 * middle)
        assert strongest(part) == pytest.approx(expected, rel=0.05)


def test_noise_is_white_and_seeded():
    noise = render_event("noise")
    power = np.abs(np.fft.rfft(noise)) ** 2
    bands = power[:4000].reshape(8, 500).mean(axis=1)
    assert bands.max() / bands.min() < 1.3
    np.testing.assert_array_equal(noise, render_event("noise"))
    assert np.abs(noise - render_event("noise", seed=1)).max() > 0.5


def test_bells_ring_out_in_inharmonic_partials():
    bell = render_event("bell", pitch=0)
    assert strongest(bell) == pytest.approx(500, rel=0.01)
    power = np.abs(np.fft.rfft(bell))  # bins 2 Hz apart
    for ratio in (2.76, 5.40, 8.93):
        peak = round(500 * ratio / 2)
        between = power[peak - 200 : peak - 100].max()
        assert power[peak - 2 : peak + 3].max() > 5 * between
    assert np.abs(bell[-1000:]).max() < 0.3 * np.abs(bell[:1000]).max()


def test_drums_strike_twice_and_low():
    drum = render_event("drum")
    np.testing.assert_allclose(drum[200:3800], drum[4200:7800], atol=1e-6)
    assert np.abs(drum[3000:4000]).max() < 0.2 * np.abs(drum[:1000]).max()
    power = np.abs(np.fft.rfft(drum)) ** 2
    assert power[:300].sum() > 0.99 * power.sum()  # below 600 Hz


@pytest.mark.parametrize("pitch, frequency", [(0, 90), (1, 160)])
def test_buzzes_are_low_with_many_odd_harmonics(pitch, frequency):
    buzz = render_event("buzz", pitch)
    assert strongest(buzz) == pytest.approx(frequency, rel=0.01)
    power = np.abs(np.fft.rfft(buzz * np.hanning(SLOT)))
    for harmonic in (3, 5, 7):
        odd = power[round(harmonic * frequency / 2)]
        even = power[round((harmonic + 1) * frequency / 2)]
        assert odd > 20 * even


@pytest.mark.parametrize("sound", sounding_shapes.SOUNDS)
def test_gain_scales_a_sound_that_fades_at_its_ends(sound):
    samples = render_event(sound, gain=0.6)
    assert np.abs(samples).max() < 0.6 + 1e-6
    assert np.abs(samples).max() > 0.3
    np.testing.assert_allclose(
        render_event(sound, gain=0.3), samples / 2, atol=1e-6
    )
    assert np.abs(samples[[0, -1]]).max() < 1e-6
    # Half way through a fade of 8 ms, at most half the peak.
    assert np.abs(samples[[63, -64]]).max() < 0.31


def test_clips_last_two_seconds():
    audio = sounding_shapes.render_audio(sounding_shapes.corpus_scene(0))
    assert audio.shape == (32000,)
    assert audio.dtype == "float32"


def test_looks_leave_no_trace_in_the_audio():
    scene = sounding_shapes.corpus_scene(0)
    other = replace(
        scene,
        background=0,
        events=tuple(
            replace(event, colour=last.colour, shape=last.shape, diameter=0.5)
            for event, last in zip(
                scene.events, scene.events[::-1], strict=True
            )
        ),
    )
    np.testing.assert_array_equal(
        sounding_shapes.render_audio(scene),
        sounding_shapes.render_audio(other),
    )


def log_mel(samples):
    """Bands of 32 mels: 20 bands a second."""
    windows = samples.reshape(-1, 800) * np.hanning(800)
    power = np.abs(np.fft.rfft(windows)) ** 2
    mels = np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 34)
    edges = 700 * (10 ** (mels / 2595) - 1)
    frequency = np.fft.rfftfreq(800, 1 / 16000)[:, None]
    rising = (frequency - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - frequency) / (edges[2:] - edges[1:-1])
    bank = np.clip(np.minimum(rising, falling), 0, None)
    return np.log(power @ bank + 1e-2)


def test_sounds_are_recognised_in_a_coarse_spectrogram():
    templates = {
        (sound, pitch): log_mel(render_event(sound, pitch))
        for sound in sounding_shapes.SOUNDS
        for pitch in np.linspace(0, 1, 9)
    }
    for index in range(40):
        scene = sounding_shapes.corpus_scene(index, seed=3)
        audio = sounding_shapes.render_audio(scene).astype("float64")
        for event, samples in zip(
            scene.events, audio.reshape(4, SLOT), strict=True
        ):
            heard = log_mel(samples)
            nearest = min(
                templates, key=lambda key: np.abs(heard - templates[key]).sum()
            )
            assert nearest[0] == event.sound


def test_short_quiet_sounds_are_recognised_in_a_coarse_spectrogram():
    timing = dict(seconds=0.25, sounding=0.6)
    templates = {
        (sound, pitch): log_mel(render_event(sound, pitch, **timing)[:4000])
        for sound in sounding_shapes.SOUNDS
        for pitch in np.linspace(0, 1, 9)
    }
    rng = np.random.default_rng(3)
    for sound in 10 * sounding_shapes.SOUNDS:
        event = dict(pitch=rng.uniform(), gain=0.03, **timing)
        quiet = render_event(sound, seed=rng.integers(100), **event)[:4000]
        # Templates have a gain of 0.6.
        heard = log_mel(20 * quiet)
        nearest = min(
            templates, key=lambda key: np.abs(heard - templates[key]).sum()
        )
        assert nearest[0] == sound
