"""What happens in a clip: four events, and how each looks and sounds."""

from dataclasses import dataclass

import numpy as np

from keras_mirasol.data.sounding_shapes.styles import STYLES
from keras_mirasol.data.sounding_shapes.styles import check_style

COLOURS = ("red", "green", "blue", "yellow", "purple", "white")
SHAPES = ("circle", "square", "triangle", "cross", "ring")
SOUNDS = ("tone", "chirp", "noise", "bell", "drum", "buzz")

NUM_SLOTS = 4
IMAGE_SIZE = 64
FRAME_RATE = 16
SAMPLING_RATE = 16000

# In fractions of the frame: how far a shape keeps from the border, and how
# far it may drift along each axis within its slot.
_MARGIN = 1 / 64
_MAX_DRIFT = 4 / 64
# Sounds need this long to be told apart.
_LEAST_SECONDS = 0.05


@dataclass(frozen=True)
class Event:
    """One slot of a scene: a coloured shape on screen and a sound.

    Args:
        colour: one of `COLOURS`.
        shape: one of `SHAPES`.
        sound: one of `SOUNDS`.
        diameter: float. The shape's extent, as a fraction of the frame.
        centre: pair of floats. Where the shape's centre is in the middle of
            the slot, `(x, y)` from the top left, as fractions of the frame.
        drift: pair of floats. How far the centre moves in the slot.
        brightness: float. Multiplies the colour's RGB values.
        gain: float. The sound's peak amplitude.
        pitch: float in `[0, 1]`. Where the sound lies in its own range of
            pitches. Noise has no pitch.
        seconds: float. How long the slot lasts: a whole number of frames of
            1/16 second. Defaults to `0.5`.
        sounding: float in `(0, 1]`. How much of the slot the sound fills,
            from its start; silence follows. Defaults to `1.0`.

    Raises:
        ValueError: if the colour, shape or sound is not a known one, `seconds`
            is not a positive number of frames, or `sounding` is not in
            `(0, 1]` or leaves the sound less than 0.05 seconds.

    Example:

    ```python
    from keras_mirasol.data import sounding_shapes

    event = sounding_shapes.Event("red", "circle", "bell", diameter=0.5)
    ```
    """

    colour: str
    shape: str
    sound: str
    diameter: float = 0.6
    centre: tuple[float, float] = (0.5, 0.5)
    drift: tuple[float, float] = (0.0, 0.0)
    brightness: float = 1.0
    gain: float = 0.6
    pitch: float = 0.5
    seconds: float = 0.5
    sounding: float = 1.0

    def __post_init__(self):
        for name, known in (
            ("colour", COLOURS),
            ("shape", SHAPES),
            ("sound", SOUNDS),
        ):
            value = getattr(self, name)
            if value not in known:
                raise ValueError(
                    f"`{name}` must be one of {', '.join(known)}. "
                    f"Received: {value!r}"
                )
        frames = self.seconds * FRAME_RATE
        if not (frames > 0 and frames == int(frames)):
            raise ValueError(
                "`seconds` must be a positive multiple of a frame's "
                f"1/{FRAME_RATE} second. Received: {self.seconds!r}"
            )
        least = _LEAST_SECONDS / self.seconds
        if not least <= self.sounding <= 1:
            raise ValueError(
                f"`sounding` must be between {least:.2f} and 1 in a slot of "
                f"{self.seconds} seconds: a sound needs {_LEAST_SECONDS} "
                f"seconds to be told from others. Received: {self.sounding!r}"
            )


@dataclass(frozen=True)
class Scene:
    """The four events of a clip, in order, and what they share.

    Args:
        events: four `Event`s, with distinct colours, distinct shapes and
            distinct sounds, so that each names its moment.
        background: int. The grey level behind the shapes, 0 to 255.
        seed: int. Seeds the samples of the noise sound.

    Raises:
        ValueError: if there are not four events, or two share a colour, a
            shape or a sound.

    Example:

    ```python
    from keras_mirasol.data import sounding_shapes

    scene = sounding_shapes.Scene(
        events=(
            sounding_shapes.Event("red", "circle", "bell"),
            sounding_shapes.Event("blue", "ring", "drum"),
            sounding_shapes.Event("white", "cross", "tone"),
            sounding_shapes.Event("green", "square", "buzz"),
        )
    )
    frames = sounding_shapes.render_frames(scene)  # (32, 64, 64, 3)
    audio = sounding_shapes.render_audio(scene)  # (32000,)
    ```
    """

    events: tuple[Event, ...]
    background: int = 20
    seed: int = 0

    def __post_init__(self):
        if len(self.events) != NUM_SLOTS:
            raise ValueError(
                f"`events` must hold {NUM_SLOTS} events, one a slot. "
                f"Received {len(self.events)}."
            )
        for name in ("colour", "shape", "sound"):
            values = [getattr(event, name) for event in self.events]
            if len(set(values)) != NUM_SLOTS:
                raise ValueError(
                    f"The {name}s of a scene's events must be distinct, so "
                    f"that each names one moment. Received: {values}"
                )


def sample_scene(rng, style="day"):
    """Draws a scene: colours, shapes and sounds independently of each other.

    Each is drawn uniformly without replacement, and nothing about how an
    event looks depends on how it sounds, or the other way round.

    Args:
        rng: a `numpy.random.Generator`.
        style: `"day"`: slots of half a second, large shapes on dark grey and
            loud sounds; or `"night"`: slots of uneven length, small shapes on
            black and quiet sounds with silence between. Defaults to `"day"`.

    Returns:
        A `Scene` of 2 seconds.

    Raises:
        ValueError: if `style` is not one of those above.

    Example:

    ```python
    import numpy as np

    from keras_mirasol.data import sounding_shapes

    scene = sounding_shapes.sample_scene(np.random.default_rng(0))
    scene.events[0].colour, scene.events[0].sound
    ```
    """
    check_style(style)
    style = STYLES[style]
    colours = rng.permutation(len(COLOURS))[:NUM_SLOTS]
    shapes = rng.permutation(len(SHAPES))[:NUM_SLOTS]
    sounds = rng.permutation(len(SOUNDS))[:NUM_SLOTS]
    diameters = rng.uniform(*style.diameters, NUM_SLOTS)
    drifts = rng.uniform(-_MAX_DRIFT, _MAX_DRIFT, (NUM_SLOTS, 2))
    # How far from the middle a centre may lie for the shape to stay whole in
    # the frame all along its drift.
    room = 0.5 - _MARGIN - diameters[:, None] / 2 - np.abs(drifts) / 2
    centres = 0.5 + room * rng.uniform(-1, 1, (NUM_SLOTS, 2))
    brightnesses = rng.uniform(*style.brightnesses, NUM_SLOTS)
    gains = rng.uniform(*style.gains, NUM_SLOTS)
    pitches = rng.uniform(0, 1, NUM_SLOTS)
    background = rng.integers(*style.backgrounds)
    seed = rng.integers(2**32)
    # A choice of one draws nothing: generators go on as if there were none.
    quarters = style.quarters[rng.integers(len(style.quarters))]
    soundings = rng.integers(len(style.soundings), size=NUM_SLOTS)
    return Scene(
        events=tuple(
            Event(
                colour=COLOURS[colours[slot]],
                shape=SHAPES[shapes[slot]],
                sound=SOUNDS[sounds[slot]],
                diameter=float(diameters[slot]),
                centre=tuple(centres[slot].tolist()),
                drift=tuple(drifts[slot].tolist()),
                brightness=float(brightnesses[slot]),
                gain=float(gains[slot]),
                pitch=float(pitches[slot]),
                seconds=quarters[slot] / 4,
                sounding=style.soundings[soundings[slot]],
            )
            for slot in range(NUM_SLOTS)
        ),
        background=int(background),
        seed=int(seed),
    )
