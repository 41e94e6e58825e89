"""What can be asked about a scene, and the answers."""

# The kinds `write_corpus` asks by default. One modality answers `seen` and
# `heard`, and any one `order` question; `fused` needs both at one moment.
KINDS = ("seen", "heard", "fused", "order")
# Asked on request alone. `caption` says in full what happens in a slot;
# `relay` needs one modality at one moment and the other at the next or last.
EXTRA_KINDS = ("caption", "relay")

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


def _caption(events):
    for ordinal, event in zip(_ORDINALS, events, strict=True):
        response = f"a {event.colour} {event.shape} and a {event.sound}"
        yield f"what happens {ordinal}?", response


_ASK = {
    "seen": _seen,
    "heard": _heard,
    "fused": _fused,
    "order": _order,
    "caption": _caption,
    "relay": _relay,
}


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
        in a fixed order.

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
        {"prompt": prompt, "response": response, "kind": kind}
        for prompt, response in _ASK[kind](scene.events)
    ]
