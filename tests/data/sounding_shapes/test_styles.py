from collections import Counter

import numpy as np
import pytest

from keras_mirasol.data import sounding_shapes

pytestmark = pytest.mark.any_backend

NIGHTS = [sounding_shapes.corpus_scene(i, style="night") for i in range(40)]


def quarters(scene):
    return tuple(event.seconds * 4 for event in scene.events)


def slots(scene, rate):
    """For each slot, its first frame or sample and the one after its last."""
    edges = np.cumsum([0, *(rate * e.seconds for e in scene.events)])
    return list(zip(edges[:-1].astype(int), edges[1:].astype(int), strict=True))


def test_a_scene_of_the_day_takes_as_much_from_its_generator_as_ever():
    # Values drawn before there were styles.
    rng = np.random.default_rng(3)
    scenes = [sounding_shapes.sample_scene(rng) for _ in range(3)]
    assert [(s.background, s.seed) for s in scenes] == [
        (15, 3564336984),
        (16, 2116761656),
        (5, 3492511666),
    ]
    assert rng.integers(2**32) == 4125582192
    for event in scenes[0].events:
        assert (event.seconds, event.sounding) == (0.5, 1.0)


def test_slots_of_a_night_are_uneven_quarter_seconds():
    rng = np.random.default_rng(0)
    drawn = Counter(
        quarters(sounding_shapes.sample_scene(rng, "night"))
        for _ in range(3000)
    )
    # Eight quarters in four parts of one to four: 35 ways to cut, less the
    # four with a part of five, less the even one.
    assert len(drawn) == 30
    assert (2, 2, 2, 2) not in drawn
    for parts in drawn:
        assert sum(parts) == 8
        assert set(parts) <= {1, 2, 3, 4}
    # Five standard deviations about 3000 / 30.
    assert 50 < min(drawn.values()) <= max(drawn.values()) < 150


def test_a_night_is_black_but_for_a_small_bright_shape():
    for scene in NIGHTS:
        frames = sounding_shapes.render_frames(scene)
        assert frames.shape == (32, 64, 64, 3)
        lit = frames.max(axis=-1)
        # The largest circle: 0.4 of 64 pixels across, and a rim of half a
        # pixel where it is antialiased.
        lit_pixels = (lit > 0).sum(axis=(1, 2))
        assert lit_pixels.max() < np.pi * (0.2 * 64 + 1) ** 2
        # Green is the darkest colour, its brightest value 190.
        assert lit.max(axis=(1, 2)).min() >= round(0.9 * 190)


def test_frames_of_a_night_change_at_the_edges_of_its_slots():
    for scene in NIGHTS:
        frames = sounding_shapes.render_frames(scene).astype(int)
        change = np.abs(np.diff(frames, axis=0)).sum(axis=(1, 2, 3))
        edges = [first for first, _ in slots(scene, 16)][1:]
        assert sorted(np.argsort(change)[-3:] + 1) == edges


def test_sounds_of_a_night_are_quiet_with_silence_after_them():
    for scene in NIGHTS:
        audio = sounding_shapes.render_audio(scene)
        assert audio.shape == (32000,)
        for event, (first, last) in zip(
            scene.events, slots(scene, 16000), strict=True
        ):
            assert 0.03 <= event.gain <= 0.15
            length = last - first
            sound = audio[first : first + round(0.6 * length)]
            assert event.gain / 3 < np.abs(sound).max() <= event.gain + 1e-6
            # Sounds fill six to eight tenths of a slot.
            assert not audio[last - length // 5 : last].any()
            end = first + round(event.sounding * length)
            assert not audio[end:last].any()
            assert audio[end - 400 : end].any()


def test_a_slot_shows_its_shape_in_its_colour_for_its_length():
    scene = sounding_shapes.Scene(
        events=(
            sounding_shapes.Event("red", "circle", "bell", seconds=0.25),
            sounding_shapes.Event("blue", "square", "drum", seconds=1.0),
            sounding_shapes.Event("white", "triangle", "tone", seconds=0.0625),
            sounding_shapes.Event("green", "cross", "buzz", seconds=0.6875),
        ),
        background=0,
    )
    middle = sounding_shapes.render_frames(scene)[:, 32, 32].tolist()
    assert middle == (
        4 * [[235, 35, 35]]
        + 16 * [[40, 80, 250]]
        + 1 * [[245, 245, 245]]
        + 11 * [[30, 190, 50]]
    )


def test_sounds_are_whole_however_short():
    others = (
        sounding_shapes.Event("blue", "ring", "noise"),
        sounding_shapes.Event("white", "cross", "tone"),
        sounding_shapes.Event("green", "square", "buzz"),
    )

    def render(sound, seconds, sounding):
        event = sounding_shapes.Event(
            *("red", "circle", sound),
            pitch=0.0,
            seconds=seconds,
            sounding=sounding,
        )
        audio = sounding_shapes.render_audio(
            sounding_shapes.Scene((event, *others))
        )
        return audio[: round(seconds * sounding * 16000)]

    for timing in (
        {"seconds": 0.25, "sounding": 0.6},
        {"seconds": 0.5, "sounding": 1.0},
        {"seconds": 1.0, "sounding": 0.8},
    ):
        # A drum's two strokes are alike, and the first dies away.
        drum = render("drum", **timing)
        half = len(drum) // 2
        np.testing.assert_allclose(
            drum[128 : half - 128], drum[half + 128 : -128], atol=1e-6
        )
        tenth = len(drum) // 10
        loud = np.abs(drum[:tenth]).max()
        assert np.abs(drum[4 * tenth : 5 * tenth]).max() < 0.25 * loud
        # A bell falls by a factor of e**2.5 at least, 12, over its length.
        bell = render("bell", **timing)
        loud = np.abs(bell[:tenth]).max()
        assert np.abs(bell[-tenth:]).max() < 0.2 * loud
        # A chirp rises two octaves and a half from 400 Hz. Here from 8/10 to
        # 9/10 of its length; a wave crosses zero twice a cycle.
        chirp = render("chirp", **timing)[-2 * tenth : -tenth]
        crossings = np.count_nonzero(np.diff(np.sign(chirp)))
        frequency = crossings / 2 / (tenth / 16000)
        assert frequency == pytest.approx(400 * 2 ** (2.5 * 0.85), rel=0.06)


@pytest.mark.parametrize("seconds", [0, -0.5, 0.3, float("nan")])
def test_slots_of_broken_frames_are_refused(seconds):
    with pytest.raises(ValueError, match="`seconds` must be .* multiple"):
        sounding_shapes.Event("red", "circle", "bell", seconds=seconds)


@pytest.mark.parametrize("sounding", [0, 0.19, 1.1, float("nan")])
def test_sounds_beyond_their_slot_or_too_short_are_refused(sounding):
    with pytest.raises(ValueError, match="`sounding` .* 0.20 and 1 .* 0.25"):
        sounding_shapes.Event(
            "red", "circle", "bell", seconds=0.25, sounding=sounding
        )


def test_a_style_changes_looks_and_not_what_happens():
    for index in range(5):
        day, night = (
            sounding_shapes.corpus_scene(index, seed=4, style=style)
            for style in ("day", "night")
        )
        assert day != night
        for kind in (*sounding_shapes.KINDS, "caption", "relay", "story"):
            assert sounding_shapes.questions(
                day, kind
            ) == sounding_shapes.questions(night, kind)


def test_unknown_styles_are_refused_before_anything_is_written(tmp_path):
    message = "`style` must be one of day, night.*'dusk'"
    with pytest.raises(ValueError, match=message):
        sounding_shapes.sample_scene(np.random.default_rng(0), "dusk")
    with pytest.raises(ValueError, match=message):
        sounding_shapes.corpus_scene(0, style="dusk")
    with pytest.raises(ValueError, match=message):
        sounding_shapes.write_corpus(tmp_path / "corpus", 1, style="dusk")
    assert not (tmp_path / "corpus").exists()
