"""A task's answers to all prompts of a manifest."""

from keras_mirasol.data import group_lines
from keras_mirasol.data import load_clip
from keras_mirasol.data import read_manifest

MODALITIES = ("video", "audio")
KEYS = {"video": "videos", "audio": "audio"}


def answer_manifest(task, manifest, *, batch_size=16, without=None):
    """Generates an answer to each line of a manifest.

    Lines about the same clip are answered together, so that it is loaded and
    encoded once. All batches have the same shape where the clips do, so that
    generation is compiled once.

    Args:
        task: a `MirasolCausalLM` with a preprocessor.
        manifest: path of a manifest, or a list of its lines as
            `keras_mirasol.data.read_manifest` returns it.
        batch_size: int. Clips in a batch. Defaults to `16`.
        without: `"video"`, `"audio"` or `None`. A modality to take away.
            Defaults to `None`.

    Returns:
        A list of copies of the lines, in their order, each with its
        `"answer"`.

    Raises:
        ValueError: if `without` is not a modality, or a clip cannot be
            loaded.

    Example:
    ```python
    task = keras_mirasol.models.MirasolCausalLM.from_preset("mirasol_tiny")
    manifest = keras_mirasol.data.sounding_shapes.write_corpus("held_out", 8)
    lines = keras_mirasol.evaluation.answer_manifest(task, manifest)
    keras_mirasol.evaluation.share_by(lines, "kind")
    ```
    """
    if without not in (None, *MODALITIES):
        raise ValueError(
            f"`without` must be None or one of {MODALITIES}. "
            f"Received: {without!r}"
        )
    lines = manifest if isinstance(manifest, list) else read_manifest(manifest)
    lines = [dict(line) for line in lines]
    without = () if without is None else (without,)
    for batch, answers in generated(task, lines, batch_size, without):
        for line, answer in zip(batch, answers, strict=True):
            line["answer"] = answer
    return lines


def generated(task, lines, batch_size, without):
    """Answers that a task writes, batch by batch.

    Args:
        task: a `MirasolCausalLM` with a preprocessor.
        lines: list of lines of a manifest.
        batch_size: int. Clips in a batch.
        without: sequence of modalities to take away.

    Yields:
        A list of lines about the same clips, and a list of their answers.
    """
    groups = [list(group.values()) for group in group_lines(lines)]
    most = max(map(len, groups), default=0)
    for batch, full in _batches(groups, batch_size):
        answers = task.generate(
            {
                **load_clips(
                    [group[0] for group in full], task.preprocessor, without
                ),
                "prompts": [
                    [line["prompt"] for line in group]
                    + [""] * (most - len(group))
                    for group in full
                ],
            }
        )
        yield (
            [line for group in batch for line in group],
            [
                answer
                for group, row in zip(batch, answers, strict=False)
                for answer in row[: len(group)]
            ],
        )


def scored(task, lines, batch_size, without):
    """Scores of the choices of each line, batch by batch.

    Args:
        task: a `MirasolCausalLM` with a preprocessor.
        lines: list of lines of a manifest, with `"choices"`.
        batch_size: int. Lines in a batch.
        without: sequence of modalities to take away.

    Yields:
        A list of lines, and for each a list of floats, one a choice.
    """
    for batch, full in _batches(lines, batch_size):
        scores = task.score_choices(
            load_clips(full, task.preprocessor, without),
            [line["prompt"] for line in full],
            [line["choices"] for line in full],
        )
        yield (
            batch,
            [
                row[: len(line["choices"])].tolist()
                for row, line in zip(scores, batch, strict=False)
            ],
        )


def _batches(items, batch_size):
    """Items of a batch, and these filled up to a full batch."""
    for first in range(0, len(items), batch_size):
        batch = items[first : first + batch_size]
        # Copies of the last keep the batch full; no one reads them.
        yield batch, batch + batch[-1:] * (batch_size - len(batch))


def load_clips(lines, preprocessor, without):
    """Clips of lines, as a batch; `None` where one lacks a modality."""
    if set(MODALITIES) <= set(without):
        return dict.fromkeys(KEYS.values())
    settings = preprocessor.clip_settings
    clips = [None] * len(lines)
    for group in group_lines(lines):
        clip = load_clip(next(iter(group.values())), **settings)
        for number in group:
            clips[number] = clip
    batch = {
        key: [clip.get(key) for clip in clips]
        for modality, key in KEYS.items()
        if modality not in without
    }
    # Lists that hold nothing but `None` say that no clip has the modality.
    return batch
