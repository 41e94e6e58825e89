"""A task's answers to all prompts of a manifest."""

from keras_mirasol.data import group_lines
from keras_mirasol.data import load_clip
from keras_mirasol.data import read_manifest

MODALITIES = ("video", "audio")
_KEYS = {"video": "videos", "audio": "audio"}


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
    groups = [list(group.values()) for group in group_lines(lines)]
    most = max(map(len, groups), default=0)
    for first in range(0, len(groups), batch_size):
        batch = groups[first : first + batch_size]
        # Copies of the last clip keep the batch full; no one reads them.
        full = batch + batch[-1:] * (batch_size - len(batch))
        answers = task.generate(
            {
                **_load(full, task.preprocessor, without),
                "prompts": [
                    [line["prompt"] for line in group]
                    + [""] * (most - len(group))
                    for group in full
                ],
            }
        )
        for group, row in zip(batch, answers, strict=False):
            for line, answer in zip(group, row, strict=False):
                line["answer"] = answer
    return lines


def _load(groups, preprocessor, without):
    """Clips of a batch, as lists; `None` where one lacks a modality."""
    settings = preprocessor.clip_settings
    clips = [load_clip(group[0], **settings) for group in groups]
    batch = {
        key: [clip.get(key) for clip in clips]
        for modality, key in _KEYS.items()
        if modality != without
    }
    # Lists that hold nothing but `None` say that no clip has the modality.
    return batch
