"""Synthesises the sounds of a scene: six timbres, each with its pitches."""

import numpy as np

from keras_mirasol.data.sounding_shapes.scene import SAMPLING_RATE

_FADE_SECONDS = 0.008
_FADE_SAMPLES = round(SAMPLING_RATE * _FADE_SECONDS)
_RISE = np.sin(np.linspace(0, np.pi / 2, _FADE_SAMPLES)) ** 2


def _fade(waveform):
    """Fades a waveform in and out, in place."""
    waveform[:_FADE_SAMPLES] *= _RISE
    waveform[-_FADE_SAMPLES:] *= _RISE[::-1]
    return waveform


def _between(low, high, pitch):
    """The frequency in Hz at `pitch` in [0, 1], evenly spaced to the ear."""
    return low * (high / low) ** pitch


def _seconds(time):
    return len(time) / SAMPLING_RATE


# Waveforms at the given times in seconds from the sound's beginning. Each is
# whole however long it lasts: in a shorter sound, chirps rise and bells and
# drums die away in less time.


def _tone(time, pitch, rng):
    return np.sin(2 * np.pi * _between(400, 1000, pitch) * time)


def _chirp(time, pitch, rng):
    # Two octaves and a half upwards, evenly to the ear.
    start = _between(400, 800, pitch)
    rate = 2.5 * np.log(2) / _seconds(time)
    return np.sin(2 * np.pi * start * np.expm1(rate * time) / rate)


def _noise(time, pitch, rng):
    # Uniform samples are as white as Gaussian ones and never clip.
    return rng.uniform(-1, 1, len(time))


# The partials of a struck bar: ratio to the lowest, amplitude, and how many
# times the wave falls by a factor of e in the length of the sound.
_BELL_PARTIALS = (
    (1.0, 0.40, 2.5),
    (2.76, 0.30, 3.5),
    (5.40, 0.20, 5.0),
    (8.93, 0.10, 7.5),
)


def _bell(time, pitch, rng):
    lowest = _between(500, 850, pitch)
    return sum(
        amplitude
        * np.exp(-decay / _seconds(time) * time)
        * np.sin(2 * np.pi * ratio * lowest * time)
        for ratio, amplitude, decay in _BELL_PARTIALS
    )


def _drum(time, pitch, rng):
    # Two strokes; in each the pitch falls from four times its final value.
    decay, fall = 6 / _seconds(time), 20 / _seconds(time)
    time = time[: len(time) // 2]
    final = _between(80, 140, pitch)
    cycles = final * (time - 3 * np.expm1(-fall * time) / fall)
    stroke = _fade(np.exp(-decay * time) * np.sin(2 * np.pi * cycles))
    return np.concatenate([stroke, stroke])


def _buzz(time, pitch, rng):
    # A square wave with its corners rounded off, which keeps it from aliasing.
    fundamental = np.sin(2 * np.pi * _between(90, 160, pitch) * time)
    return np.tanh(8 * fundamental)


_WAVEFORM = {
    "tone": _tone,
    "chirp": _chirp,
    "noise": _noise,
    "bell": _bell,
    "drum": _drum,
    "buzz": _buzz,
}


def render_audio(scene):
    """Renders the sound of a scene.

    Each event's slot begins with its sound, at its own gain and pitch, with
    fades of 8 ms at the sound's ends; the rest of the slot is silent.

    Args:
        scene: a `Scene`.

    Returns:
        float32 array of shape `(samples,)`, mono, within `[-1, 1]`: 16000
        samples per second, so 32000 in a clip of 2 seconds.

    Example:

    ```python
    import numpy as np

    from keras_mirasol.data import sounding_shapes

    scene = sounding_shapes.sample_scene(np.random.default_rng(0))
    sounding_shapes.render_audio(scene).shape  # (32000,)
    ```
    """
    rng = np.random.default_rng(scene.seed)
    return np.concatenate([_render_event(event, rng) for event in scene.events])


def _render_event(event, rng):
    slot = np.zeros(round(SAMPLING_RATE * event.seconds), dtype="float32")
    time = np.arange(round(len(slot) * event.sounding)) / SAMPLING_RATE
    waveform = _WAVEFORM[event.sound](time, event.pitch, rng)
    slot[: len(waveform)] = event.gain * _fade(waveform)
    return slot
