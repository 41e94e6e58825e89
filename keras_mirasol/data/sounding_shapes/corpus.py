"""Writes a corpus of scenes: media files and a manifest of questions."""

from pathlib import Path

import numpy as np

from keras_mirasol.data.manifest import write_manifest
from keras_mirasol.data.media.write_clip import write_clip
from keras_mirasol.data.sounding_shapes.frames import render_frames
from keras_mirasol.data.sounding_shapes.questions import EXTRA_KINDS
from keras_mirasol.data.sounding_shapes.questions import KINDS
from keras_mirasol.data.sounding_shapes.questions import check_kind
from keras_mirasol.data.sounding_shapes.questions import questions
from keras_mirasol.data.sounding_shapes.scene import FRAME_RATE
from keras_mirasol.data.sounding_shapes.scene import SAMPLING_RATE
from keras_mirasol.data.sounding_shapes.scene import sample_scene
from keras_mirasol.data.sounding_shapes.sounds import render_audio
from keras_mirasol.data.sounding_shapes.styles import check_style


def corpus_scene(index, *, seed=0, style="day"):
    """Draws the scene of one clip of a corpus.

    It depends on the arguments alone: rendered in memory, it is the clip that
    `write_corpus` writes under this number, before compression.

    Args:
        index: int. The clip's number, from 0.
        seed: int. The corpus's seed. Defaults to `0`.
        style: `"day"` or `"night"`, as in `sample_scene`. Defaults to
            `"day"`.

    Returns:
        A `Scene`.

    Raises:
        ValueError: if `index` or `seed` is not an integer of at least 0, or
            `style` is not one of those above.

    Example:

    ```python
    from keras_mirasol.data import sounding_shapes

    scene = sounding_shapes.corpus_scene(7, seed=1)
    clip = {
        "videos": sounding_shapes.render_frames(scene),
        "audio": sounding_shapes.render_audio(scene),
    }
    ```
    """
    _check_integer("index", index, 0)
    _check_integer("seed", seed, 0)
    return sample_scene(_generator(seed, index), style)


def write_corpus(
    folder,
    num_clips,
    *,
    seed=0,
    kinds=None,
    questions_per_kind=2,
    style="day",
):
    """Writes a corpus to disk.

    Clip `i` goes to `folder/media/{i:06d}.mp4` and depends on `seed`, `style`
    and `i` alone, and so do the questions of each kind: a longer corpus
    extends a shorter one, further kinds add lines and change none, and corpora
    of different seeds are drawn independently. Corpora of the same seed and
    different styles show the same events in other looks. Files of the same
    names are replaced.

    Each line of `folder/manifest.jsonl` is one question, with the keys
    `"media"`, `"prompt"`, `"response"`, `"id"`, `"kind"` and `"events"`: the
    clip's four `[colour, shape, sound]` in order. A question of the kind
    `"moment"` also has `"start"` and `"end"`, in seconds.

    Args:
        folder: str or path. Created if need be.
        num_clips: int. How many clips to write.
        seed: int. Seeds the scenes and the choice of questions. Defaults to
            `0`.
        kinds: sequence of str. The kinds of question to ask, of `KINDS` and
            `EXTRA_KINDS`. Defaults to `KINDS`.
        questions_per_kind: int. How many questions of each kind to ask about
            a clip, drawn uniformly without replacement; a kind with fewer
            asks all it has. `None` asks all. Defaults to `2`.
        style: `"day"` or `"night"`, as in `sample_scene`. Defaults to
            `"day"`.

    Returns:
        The manifest's path, a `pathlib.Path`.

    Raises:
        ValueError: if `num_clips` or `questions_per_kind` is not a positive
            integer, `seed` is not an integer of at least 0, `kinds` is empty,
            repeats a kind or names an unknown one, or `style` is not one of
            those above.

    Example:

    ```python
    from keras_mirasol.data import sounding_shapes

    train = sounding_shapes.write_corpus("train", 100, seed=0)
    test = sounding_shapes.write_corpus("test", 10, seed=1)
    ```
    """
    kinds = KINDS if kinds is None else tuple(kinds)
    _check(num_clips, seed, kinds, questions_per_kind)
    check_style(style)
    folder = Path(folder)
    manifest = folder / "manifest.jsonl"
    (folder / "media").mkdir(parents=True, exist_ok=True)
    # The manifest comes last: while it is absent the corpus is incomplete.
    manifest.unlink(missing_ok=True)
    lines = []
    for index in range(num_clips):
        scene = corpus_scene(index, seed=seed, style=style)
        media = f"media/{index:06d}.mp4"
        write_clip(
            folder / media,
            render_frames(scene),
            render_audio(scene),
            frame_rate=FRAME_RATE,
            sampling_rate=SAMPLING_RATE,
        )
        media_lines = _ask(scene, index, seed, kinds, questions_per_kind)
        lines += [{"media": media, **line} for line in media_lines]
    return write_manifest(manifest, lines)


def _ask(scene, index, seed, kinds, questions_per_kind):
    """The manifest lines of one clip, but for its media."""
    events = [[e.colour, e.shape, e.sound] for e in scene.events]
    for kind in kinds:
        asked = questions(scene, kind)
        # Each kind has a generator of its own, so that asking for another
        # kind leaves its choice alone.
        number = (*KINDS, *EXTRA_KINDS).index(kind)
        rng = _generator(seed, index, number)
        for choice in sorted(rng.permutation(len(asked))[:questions_per_kind]):
            name = f"{index:06d}-{kind}-{choice:02d}"
            yield {**asked[choice], "id": name, "events": events}


def _generator(seed, *key):
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def _check(num_clips, seed, kinds, questions_per_kind):
    _check_integer("num_clips", num_clips, 1)
    _check_integer("seed", seed, 0)
    if questions_per_kind is not None:
        _check_integer("questions_per_kind", questions_per_kind, 1)
    for kind in kinds:
        check_kind(kind)
    if not kinds or len(set(kinds)) < len(kinds):
        raise ValueError(
            "`kinds` must name at least one kind of question, each once. "
            f"Received: {kinds}"
        )


def _check_integer(name, value, least):
    if not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(
            f"`{name}` must be an integer of at least {least}. "
            f"Received: {value!r}"
        )
