"""What can be asked about a scene, and the answers."""

from itertools import accumulate

# The kinds `write_corpus` asks by default: `seen` needs the video, `heard` the
# audio, `order` one of the two, `fused` both at the same moment.
KINDS = ("seen", "heard", "fused", "order")
# Asked on request alone: `caption` says in full what happens in a slot,
# `relay` needs the two modalities at neighbouring moments, `story` says in
# full what happens in the clip, and `moment` is about one slot cut from it.
# Choices of questions are seeded by these places: add kinds at the end.
EXTRA_KINDS = ("caption", "relay", "story", "moment")

# The best accuracy a model can reach when a modality is taken from it, over
# uniformly drawn questions of a kind, asked one at a time. The package's
# docstring derives these.
BEST_WITHOUT_AUDIO = {
    "seen": 1.0,
    "heard": 1 / 6,
    "fused": 5 / 24,
    "order": 11 / 15,
    "caption": 1 / 6,
    "relay": 1 / 4,
    "story": 1 / 360,
    "moment": 7 / 12,
}
BEST_WITHOUT_VIDEO = {
    "seen": 11 / 60,
    "heard": 1.0,
    "fused": 13 / 60,
    "order": 29 / 60,
    "caption": 1 / 30,
    "relay": 31 / 120,
    "story": 1 / 43200,
    "moment": 7 / 20,
}

_ORDINALS = ("first", "second", "third", "last")


def _seen(events):
    for event in events:
        yield f"what colour is the {event.shape}?", event.colour
    for event in events:
        yield f"what shape is {event.colour}?", event.shape


def _heard(events):
    for ordinal, event in zip(_ORDINALS, events, strict=True):
        yield f"what is heard {ordinal}?", event.sound


def _across(events, when, cues):
    """Asks for one modality of an event from a cue in the other.

    `cues` are the events that the prompts name, one for each of `events`,
    and `when` is how the two lie in time.
    """
    pairs = list(zip(events, cues, strict=True))
    for event, cue in pairs:
        heard = f"{when} the {cue.sound} is heard?"
        yield f"what colour is on screen {heard}", event.colour
    for event, cue in pairs:
        heard = f"{when} the {cue.sound} is heard?"
        yield f"what shape is on screen {heard}", event.shape
    for event, cue in pairs:
        yield f"what is heard {when} the {cue.shape} is on screen?", event.sound
    for event, cue in pairs:
        yield f"what is heard {when} {cue.colour} is on screen?", event.sound


def _fused(events):
    yield from _across(events, "while", events)


def _relay(events):
    yield from _across(events[1:], "right after", events[:-1])
    yield from _across(events[:-1], "right before", events[1:])


def _order(events):
    after = list(zip(events[1:], events[:-1], strict=True))
    before = list(zip(events[:-1], events[1:], strict=True))
    for when, pairs in (("after", after), ("before", before)):
        for event, cue in pairs:
            yield f"what colour comes {when} {cue.colour}?", event.colour
        for event, cue in pairs:
            yield f"what shape comes {when} the {cue.shape}?", event.shape
        for event, cue in pairs:
            yield f"what is heard {when} the {cue.sound}?", event.sound


def _told(event):
    return f"a {event.colour} {event.shape} and a {event.sound}"


def _caption(events):
    for ordinal, event in zip(_ORDINALS, events, strict=True):
        yield f"what happens {ordinal}?", _told(event)


def _story(events):
    yield "what happens?", ", then ".join(_told(event) for event in events)


def _moment(events):
    ends = list(accumulate(event.seconds for event in events))
    starts = [0.0, *ends[:-1]]
    for prompt, answer in (
        ("what happens?", _told),
        ("what colour is seen?", lambda event: event.colour),
        ("what shape is seen?", lambda event: event.shape),
        ("what is heard?", lambda event: event.sound),
    ):
        for event, *span in zip(events, starts, ends, strict=True):
            yield prompt, answer(event), *span


_ASK = {
    "seen": _seen,
    "heard": _heard,
    "fused": _fused,
    "order": _order,
    "caption": _caption,
    "relay": _relay,
    "story": _story,
    "moment": _moment,
}
_KEYS = ("prompt", "response", "start", "end")


def check_kind(kind):
    """Raises a `ValueError` unless `kind` is a kind of question."""
    if kind not in _ASK:
        raise ValueError(
            f"A kind of question must be one of {', '.join(_ASK)}. "
            f"Received: {kind!r}"
        )


def questions(scene, kind):
    """Lists every question of a kind that a scene answers.

    Args:
        scene: a `Scene`.
        kind: one of `KINDS` or `EXTRA_KINDS`.

    Returns:
        A list of dicts with the keys `"prompt"`, `"response"` and `"kind"`,
        in a fixed order. Those of `"moment"` also have `"start"` and
        `"end"`: the span they are about, in seconds.

    Raises:
        ValueError: if `kind` is not a known one.

    Example:

    ```python
    import numpy as np

    from keras_mirasol.data import sounding_shapes

    scene = sounding_shapes.sample_scene(np.random.default_rng(0))
    for question in sounding_shapes.questions(scene, "fused"):
        print(question["prompt"], question["response"])
    ```
    """
    check_kind(kind)
    return [
        {**dict(zip(_KEYS, asked, strict=False)), "kind": kind}
        for asked in _ASK[kind](scene.events)
    ]
