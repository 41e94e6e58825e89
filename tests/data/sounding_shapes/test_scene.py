from itertools import product

import numpy as np
import pytest

from keras_mirasol.data import sounding_shapes

pytestmark = pytest.mark.any_backend


def test_events_are_distinct_and_seeded():
    scenes = [
        sounding_shapes.sample_scene(np.random.default_rng(7)) for _ in range(2)
    ]
    assert scenes[0] == scenes[1]
    other = sounding_shapes.sample_scene(np.random.default_rng(8))
    assert other != scenes[0]
    for name in ("colour", "shape", "sound"):
        assert len({getattr(event, name) for event in other.events}) == 4


@pytest.fixture(scope="module", params=["day", "night"])
def many_events(request):
    """For each of the four slots, its event in 6000 scenes of a style."""
    rng = np.random.default_rng(0)
    scenes = [
        sounding_shapes.sample_scene(rng, request.param) for _ in range(6000)
    ]
    return list(zip(*(scene.events for scene in scenes), strict=True))


def chi_square(first, first_values, second, second_values):
    """Pearson's statistic against a uniform distribution over all pairs."""
    count = np.zeros((len(first_values), len(second_values)))
    for a, b in zip(first, second, strict=True):
        count[first_values.index(a), second_values.index(b)] += 1
    expected = len(first) / count.size
    return ((count - expected) ** 2).sum() / expected


# Beyond the 99.999th percentile of chi-square with 35 (or 29) degrees of
# freedom, so that sampling noise passes and any tie between the two fails.
LIMIT = {36: 91.0, 30: 82.0}


@pytest.mark.parametrize("seen", ["colour", "shape"])
def test_what_is_seen_says_nothing_about_what_is_heard(many_events, seen):
    values = getattr(sounding_shapes, f"{seen.upper()}S")
    sounds = sounding_shapes.SOUNDS
    for i, j in product(range(4), repeat=2):
        statistic = chi_square(
            [getattr(event, seen) for event in many_events[i]],
            values,
            [event.sound for event in many_events[j]],
            sounds,
        )
        assert statistic < LIMIT[len(values) * len(sounds)], (i, j)


def test_colours_and_shapes_are_independent(many_events):
    for i, j in product(range(4), repeat=2):
        statistic = chi_square(
            [event.colour for event in many_events[i]],
            sounding_shapes.COLOURS,
            [event.shape for event in many_events[j]],
            sounding_shapes.SHAPES,
        )
        assert statistic < LIMIT[30], (i, j)


def test_how_an_event_looks_says_nothing_about_how_it_sounds(many_events):
    for slot in many_events:
        looks = np.array(
            [
                (
                    *(e.diameter, *e.centre, *e.drift, e.brightness),
                    *(e.colour == colour for colour in sounding_shapes.COLOURS),
                    *(e.shape == shape for shape in sounding_shapes.SHAPES),
                )
                for e in slot
            ],
            dtype="float64",
        )
        sounds = np.array(
            [
                (
                    *(e.gain, e.pitch, e.sounding, e.seconds),
                    *(e.sound == sound for sound in sounding_shapes.SOUNDS),
                )
                for e in slot
            ],
            dtype="float64",
        )
        # The day's slots are all alike.
        sounds = sounds[:, sounds.std(axis=0) > 0]
        correlation = np.corrcoef(looks.T, sounds.T)
        across = correlation[: looks.shape[1], looks.shape[1] :]
        # Five standard deviations of a correlation by chance.
        assert np.abs(across).max() < 5 / np.sqrt(len(slot))


RED, BLUE, WHITE, GREEN = (
    sounding_shapes.Event("red", "circle", "bell"),
    sounding_shapes.Event("blue", "ring", "drum"),
    sounding_shapes.Event("white", "cross", "tone"),
    sounding_shapes.Event("green", "square", "buzz"),
)


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="`colour` .* red, green.*'pink'"):
        sounding_shapes.Event("pink", "circle", "bell")
    with pytest.raises(ValueError, match="`shape` .*circle.*'star'"):
        sounding_shapes.Event("red", "star", "bell")
    with pytest.raises(ValueError, match="`sound` .*tone.*'horn'"):
        sounding_shapes.Event("red", "circle", "horn")


def test_ambiguous_scenes_are_refused():
    with pytest.raises(ValueError, match="4 events.*Received 3"):
        sounding_shapes.Scene((RED, BLUE, WHITE))
    twice = sounding_shapes.Event("yellow", "triangle", "bell")
    with pytest.raises(ValueError, match="sounds .* distinct"):
        sounding_shapes.Scene((RED, BLUE, WHITE, twice))
