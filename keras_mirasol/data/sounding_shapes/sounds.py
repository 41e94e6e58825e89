"""Synthesises the sounds of a scene: six timbres, each with its pitches."""

import numpy as np

from keras_mirasol.data.sounding_shapes.scene import NUM_SLOTS
from keras_mirasol.data.sounding_shapes.scene import SAMPLING_RATE
from keras_mirasol.data.sounding_shapes.scene import SLOT_SECONDS

_SAMPLES_PER_SLOT = round(SAMPLING_RATE * SLOT_SECONDS)
_TIME = np.arange(_SAMPLES_PER_SLOT) / SAMPLING_RATE

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


def _tone(pitch, rng):
    return np.sin(2 * np.pi * _between(400, 1000, pitch) * _TIME)


def _chirp(pitch, rng):
    # Two octaves and a half upwards, evenly to the ear, over the slot.
    start = _between(400, 800, pitch)
    rate = 2.5 * np.log(2) / SLOT_SECONDS
    return np.sin(2 * np.pi * start * np.expm1(rate * _TIME) / rate)


def _noise(pitch, rng):
    # Uniform samples are as white as Gaussian ones and never clip.
    return rng.uniform(-1, 1, _SAMPLES_PER_SLOT)


# The partials of a struck bar: ratio to the lowest, amplitude, decay in 1/s.
_BELL_PARTIALS = (
    (1.0, 0.40, 5.0),
    (2.76, 0.30, 7.0),
    (5.40, 0.20, 10.0),
    (8.93, 0.10, 15.0),
)


def _bell(pitch, rng):
    lowest = _between(500, 850, pitch)
    return sum(
        amplitude
        * np.exp(-decay * _TIME)
        * np.sin(2 * np.pi * ratio * lowest * _TIME)
        for ratio, amplitude, decay in _BELL_PARTIALS
    )


def _drum(pitch, rng):
    # Two strokes; in each the pitch falls from four times its final value.
    time = _TIME[: _SAMPLES_PER_SLOT // 2]
    final, fall = _between(80, 140, pitch), 40.0
    cycles = final * (time - 3 * np.expm1(-fall * time) / fall)
    stroke = _fade(np.exp(-12 * time) * np.sin(2 * np.pi * cycles))
    return np.concatenate([stroke, stroke])


def _buzz(pitch, rng):
    # A square wave with its corners rounded off, which keeps it from aliasing.
    fundamental = np.sin(2 * np.pi * _between(90, 160, pitch) * _TIME)
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

    Each event takes half a second: its sound, at its own gain and pitch,
    with fades of 8 ms at the slot's ends.

    Args:
        scene: a `Scene`.

    Returns:
        float32 array of shape `(32000,)`: 2 seconds at 16 kHz, mono, within
        `[-1, 1]`.

    Example:

    ```python
    import numpy as np

    from keras_mirasol.data import sounding_shapes

    scene = sounding_shapes.sample_scene(np.random.default_rng(0))
    sounding_shapes.render_audio(scene).shape  # (32000,)
    ```
    """
    rng = np.random.default_rng(scene.seed)
    audio = np.empty((NUM_SLOTS, _SAMPLES_PER_SLOT), dtype="float32")
    for slot, event in enumerate(scene.events):
        waveform = _WAVEFORM[event.sound](event.pitch, rng)
        audio[slot] = event.gain * _fade(waveform)
    return audio.reshape(-1)
