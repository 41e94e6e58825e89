from collections import Counter
from itertools import permutations
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest

from keras_mirasol.data import sounding_shapes

pytestmark = pytest.mark.any_backend

ALL_KINDS = (*sounding_shapes.KINDS, *sounding_shapes.EXTRA_KINDS)

SCENE = sounding_shapes.Scene(
    events=(
        sounding_shapes.Event("red", "circle", "bell"),
        sounding_shapes.Event("blue", "ring", "drum"),
        sounding_shapes.Event("white", "cross", "tone"),
        sounding_shapes.Event("green", "square", "buzz"),
    )
)

EXPECTED = {
    "seen": """
        what colour is the circle? red
        what colour is the ring? blue
        what colour is the cross? white
        what colour is the square? green
        what shape is red? circle
        what shape is blue? ring
        what shape is white? cross
        what shape is green? square
    """,
    "heard": """
        what is heard first? bell
        what is heard second? drum
        what is heard third? tone
        what is heard last? buzz
    """,
    "fused": """
        what colour is on screen while the bell is heard? red
        what colour is on screen while the drum is heard? blue
        what colour is on screen while the tone is heard? white
        what colour is on screen while the buzz is heard? green
        what shape is on screen while the bell is heard? circle
        what shape is on screen while the drum is heard? ring
        what shape is on screen while the tone is heard? cross
        what shape is on screen while the buzz is heard? square
        what is heard while the circle is on screen? bell
        what is heard while the ring is on screen? drum
        what is heard while the cross is on screen? tone
        what is heard while the square is on screen? buzz
        what is heard while red is on screen? bell
        what is heard while blue is on screen? drum
        what is heard while white is on screen? tone
        what is heard while green is on screen? buzz
    """,
    "order": """
        what colour comes after red? blue
        what colour comes after blue? white
        what colour comes after white? green
        what shape comes after the circle? ring
        what shape comes after the ring? cross
        what shape comes after the cross? square
        what is heard after the bell? drum
        what is heard after the drum? tone
        what is heard after the tone? buzz
        what colour comes before blue? red
        what colour comes before white? blue
        what colour comes before green? white
        what shape comes before the ring? circle
        what shape comes before the cross? ring
        what shape comes before the square? cross
        what is heard before the drum? bell
        what is heard before the tone? drum
        what is heard before the buzz? tone
    """,
    "caption": """
        what happens first? a red circle and a bell
        what happens second? a blue ring and a drum
        what happens third? a white cross and a tone
        what happens last? a green square and a buzz
    """,
    "relay": """
        what colour is on screen right after the bell is heard? blue
        what colour is on screen right after the drum is heard? white
        what colour is on screen right after the tone is heard? green
        what shape is on screen right after the bell is heard? ring
        what shape is on screen right after the drum is heard? cross
        what shape is on screen right after the tone is heard? square
        what is heard right after the circle is on screen? drum
        what is heard right after the ring is on screen? tone
        what is heard right after the cross is on screen? buzz
        what is heard right after red is on screen? drum
        what is heard right after blue is on screen? tone
        what is heard right after white is on screen? buzz
        what colour is on screen right before the drum is heard? red
        what colour is on screen right before the tone is heard? blue
        what colour is on screen right before the buzz is heard? white
        what shape is on screen right before the drum is heard? circle
        what shape is on screen right before the tone is heard? ring
        what shape is on screen right before the buzz is heard? cross
        what is heard right before the ring is on screen? bell
        what is heard right before the cross is on screen? drum
        what is heard right before the square is on screen? tone
        what is heard right before blue is on screen? bell
        what is heard right before white is on screen? drum
        what is heard right before green is on screen? tone
    """,
    "story": (
        "what happens? a red circle and a bell, then a blue ring and a drum, "
        "then a white cross and a tone, then a green square and a buzz"
    ),
    "moment": """
        what happens? a red circle and a bell
        what happens? a blue ring and a drum
        what happens? a white cross and a tone
        what happens? a green square and a buzz
        what colour is seen? red
        what colour is seen? blue
        what colour is seen? white
        what colour is seen? green
        what shape is seen? circle
        what shape is seen? ring
        what shape is seen? cross
        what shape is seen? square
        what is heard? bell
        what is heard? drum
        what is heard? tone
        what is heard? buzz
    """,
}


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_every_question_of_a_scene_is_asked(kind):
    asked = sounding_shapes.questions(SCENE, kind)
    lines = [line.strip() for line in EXPECTED[kind].strip().splitlines()]
    assert [f"{q['prompt']} {q['response']}" for q in asked] == lines
    assert {q["kind"] for q in asked} == {kind}


def test_moments_alone_are_about_a_part_of_the_clip():
    spans = [
        (question["start"], question["end"])
        for question in sounding_shapes.questions(SCENE, "moment")
    ]
    assert spans == 4 * [(0, 0.5), (0.5, 1), (1, 1.5), (1.5, 2)]
    for kind in set(ALL_KINDS) - {"moment"}:
        for question in sounding_shapes.questions(SCENE, kind):
            assert question.keys() == {"prompt", "response", "kind"}


def about(question):
    """What tells a question from others: its words and its span."""
    return question["prompt"], question.get("start"), question.get("end")


def test_prompts_are_short_and_unambiguous():
    rng = np.random.default_rng(0)
    for _ in range(100):
        scene = sounding_shapes.sample_scene(rng)
        asked = [
            q for k in ALL_KINDS for q in sounding_shapes.questions(scene, k)
        ]
        assert len({about(question) for question in asked}) == len(asked)
        assert max(len(q["prompt"].encode()) for q in asked) < 60


def test_unknown_kinds_are_refused():
    with pytest.raises(ValueError, match="seen, heard, .*story.*'smelt'"):
        sounding_shapes.questions(SCENE, "smelt")


def best_accuracy(scenes, kind):
    """The accuracy of always giving the likeliest response to a question.

    `scenes` are all the scenes, equally likely, that agree with what is seen
    or heard. Questions of a kind are drawn uniformly.
    """
    responses = {}
    for scene in scenes:
        for question in sounding_shapes.questions(scene, kind):
            tally = responses.setdefault(about(question), Counter())
            tally[question["response"]] += 1
    right = sum(max(tally.values()) for tally in responses.values())
    return right / sum(tally.total() for tally in responses.values())


def scenes_that_agree(colours, shapes, sounds):
    events = {
        names: sounding_shapes.Event(*names)
        for names in product(
            sounding_shapes.COLOURS,
            sounding_shapes.SHAPES,
            sounding_shapes.SOUNDS,
        )
    }
    return [
        SimpleNamespace(
            events=[events[names] for names in zip(*scene, strict=True)]
        )
        for scene in product(colours, shapes, sounds)
    ]


@pytest.fixture(scope="module")
def seen_alone():
    """Every scene that looks like `SCENE`."""
    return scenes_that_agree(
        [[event.colour for event in SCENE.events]],
        [[event.shape for event in SCENE.events]],
        permutations(sounding_shapes.SOUNDS, 4),
    )


@pytest.fixture(scope="module")
def heard_alone():
    """Every scene that sounds like `SCENE`."""
    return scenes_that_agree(
        permutations(sounding_shapes.COLOURS, 4),
        permutations(sounding_shapes.SHAPES, 4),
        [[event.sound for event in SCENE.events]],
    )


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_best_accuracy_without_audio(seen_alone, kind):
    assert len(seen_alone) == 360
    stated = sounding_shapes.BEST_WITHOUT_AUDIO[kind]
    assert best_accuracy(seen_alone, kind) == pytest.approx(stated)


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_best_accuracy_without_video(heard_alone, kind):
    assert len(heard_alone) == 360 * 120
    stated = sounding_shapes.BEST_WITHOUT_VIDEO[kind]
    assert best_accuracy(heard_alone, kind) == pytest.approx(stated)


def test_the_documentation_states_the_best_accuracies():
    rows = {}
    for line in sounding_shapes.__doc__.splitlines():
        cells = [cell.strip(" `") for cell in line.strip("|").split("|")]
        if len(cells) == 3 and cells[0] in ALL_KINDS:
            rows[cells[0]] = [eval(cell) for cell in cells[1:]]
    assert rows.keys() == set(ALL_KINDS)
    for kind, (without_audio, without_video) in rows.items():
        stated = sounding_shapes.BEST_WITHOUT_AUDIO[kind]
        assert without_audio == pytest.approx(stated)
        stated = sounding_shapes.BEST_WITHOUT_VIDEO[kind]
        assert without_video == pytest.approx(stated)
