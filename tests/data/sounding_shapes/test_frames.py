from dataclasses import replace

import av
import numpy as np
import pytest

from keras_mirasol.data import sounding_shapes
from keras_mirasol.data import write_clip
from keras_mirasol.data.sounding_shapes.frames import RGB

pytestmark = pytest.mark.any_backend

# White shapes, 40 pixels across, standing still in the middle of black.
STILL = {
    shape: sounding_shapes.Event("white", shape, "bell", diameter=0.625)
    for shape in sounding_shapes.SHAPES
}


def render_event(event):
    """The 8 frames of an event on black."""
    others = (
        sounding_shapes.Event(colour, shape, sound)
        for colour, shape, sound in zip(
            [c for c in sounding_shapes.COLOURS if c != event.colour],
            [s for s in sounding_shapes.SHAPES if s != event.shape],
            [s for s in sounding_shapes.SOUNDS if s != event.sound][:4],
            strict=False,
        )
    )
    events = (event, *list(others)[:3])
    scene = sounding_shapes.Scene(events, background=0)
    return sounding_shapes.render_frames(scene)[:8]


# With radius 20: pi r^2, (1.7 r)^2, sqrt(3) r^2, two bars of 2 r by 0.6 r less
# their overlap, and pi r^2 less a hole of 0.55 r.
@pytest.mark.parametrize(
    "shape, area",
    [
        ("circle", 1256.6),
        ("square", 1156.0),
        ("triangle", 692.8),
        ("cross", 816.0),
        ("ring", 876.5),
    ],
)
def test_shapes_have_their_area(shape, area):
    frame = render_event(STILL[shape])[0]
    assert frame.max() == RGB["white"][0]
    assert (frame / RGB["white"][0]).sum() / 3 == pytest.approx(area, rel=0.01)


def test_edges_are_antialiased():
    frame = render_event(STILL["circle"])[0, ..., 0]
    assert len(np.unique(frame)) > 10


def test_shapes_drift_through_their_slot():
    event = replace(
        STILL["circle"], centre=(0.5, 0.5), drift=(0.0625, -0.03125)
    )
    mass = render_event(event)[..., 0].astype("float64")
    total = mass.sum(axis=(1, 2))
    pixels = np.arange(64) + 0.5
    # Frame k is shown from k / 8 to (k + 1) / 8 of the slot. The drift of 4
    # pixels to the right and 2 upwards is centred on the slot.
    passed = (np.arange(8) + 0.5) / 8 - 0.5
    x = (mass.sum(axis=1) @ pixels) / total
    y = (mass.sum(axis=2) @ pixels) / total
    np.testing.assert_allclose(x, 32 + 4 * passed, atol=0.03)
    np.testing.assert_allclose(y, 32 - 2 * passed, atol=0.03)


def test_each_event_takes_half_a_second():
    scene = sounding_shapes.corpus_scene(0)
    frames = sounding_shapes.render_frames(scene)
    assert frames.shape == (32, 64, 64, 3)
    assert frames.dtype == "uint8"
    change = np.abs(np.diff(frames.astype(int), axis=0)).mean(axis=(1, 2, 3))
    assert sorted(np.argsort(change)[-3:] + 1) == [8, 16, 24]


def test_shapes_stay_whole_on_a_dark_background():
    for index in range(40):
        scene = sounding_shapes.corpus_scene(index)
        frames = sounding_shapes.render_frames(scene)
        assert 0 <= scene.background <= 40
        for border in (
            *(frames[:, 0], frames[:, -1]),
            *(frames[:, :, 0], frames[:, :, -1]),
        ):
            assert (border == scene.background).all()


def test_sound_leaves_no_trace_in_the_frames():
    scene = sounding_shapes.corpus_scene(0)
    sounds = [event.sound for event in scene.events]
    other = replace(
        scene,
        seed=scene.seed + 1,
        events=tuple(
            replace(event, sound=sound, gain=0.5, pitch=0.1)
            for event, sound in zip(scene.events, sounds[::-1], strict=True)
        ),
    )
    np.testing.assert_array_equal(
        sounding_shapes.render_frames(scene),
        sounding_shapes.render_frames(other),
    )


def silhouette(mask):
    """A mask cut to its bounding box and stretched to 16x16."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    row = np.linspace(rows[0], rows[-1], 16).round().astype(int)
    column = np.linspace(columns[0], columns[-1], 16).round().astype(int)
    return mask[np.ix_(row, column)]


def find_shape(frame, background):
    """The mask of the shape in a frame halved to 32x32, and its colour."""
    frame = frame.astype("float64").reshape(32, 2, 32, 2, 3).mean(axis=(1, 3))
    contrast = np.abs(frame - background).max(axis=-1)
    mask = contrast > contrast.max() / 2
    return mask, np.median(frame[mask], axis=0)


# How far behind the second best guess must be: small shapes are coarser.
LEADS = {"day": 2.0, "night": 1.5}
DIAMETERS = {"day": (0.45, 0.7), "night": (0.28, 0.4)}


@pytest.fixture(scope="module", params=["day", "night"])
def style(request):
    return request.param


@pytest.fixture(scope="module")
def templates(style):
    """For each shape, its silhouette at several sizes and pixel offsets."""
    found = {}
    for shape, event in STILL.items():
        for diameter in np.linspace(*DIAMETERS[style], 9):
            # Quarters of a pixel of the halved frame.
            for x, y in np.ndindex(4, 4):
                posed = replace(
                    event,
                    diameter=diameter,
                    centre=(0.5 + x / 128, 0.5 + y / 128),
                )
                mask, _ = find_shape(render_event(posed)[0], background=0)
                found.setdefault(shape, []).append(silhouette(mask))
    return {shape: np.stack(masks) for shape, masks in found.items()}


def recognise(frame, background, templates, lead):
    """The nearest colour and the nearest silhouette."""
    mask, colour = find_shape(frame, background)
    colours = {
        name: np.abs(colour / colour.max() - np.array(rgb) / max(rgb)).sum()
        for name, rgb in RGB.items()
    }
    shapes = {
        name: (silhouette(mask) != masks).mean(axis=(1, 2)).min()
        for name, masks in templates.items()
    }
    # Not by a hair: the second best is far behind.
    for distances in (colours, shapes):
        best, second = sorted(distances.values())[:2]
        assert second > lead * best
    return min(colours, key=colours.get), min(shapes, key=shapes.get)


@pytest.mark.parametrize("encoded", [False, True])
def test_colours_and_shapes_are_recognised_at_half_size(
    tmp_path, style, templates, encoded
):
    for index in range(20):
        scene = sounding_shapes.corpus_scene(index, seed=3, style=style)
        frames = sounding_shapes.render_frames(scene)
        if encoded:
            path = tmp_path / "clip.mp4"
            write_clip(
                path,
                frames,
                np.zeros(32000),
                frame_rate=16,
                sampling_rate=16000,
            )
            with av.open(str(path)) as container:
                frames = [
                    frame.to_ndarray(format="rgb24")
                    for frame in container.decode(video=0)
                ]
        end = 0
        for event in scene.events:
            end += round(16 * event.seconds)
            seen = recognise(
                frames[end - 3], scene.background, templates, LEADS[style]
            )
            assert seen == (event.colour, event.shape)
