"""Clips to begin with."""

from keras_mirasol.data import read_manifest
from keras_mirasol.data import sounding_shapes

# No other corpus has it: the shipped model has not met these clips.
SEED = 7860


def write_examples(folder):
    """Writes a clip of sounding shapes for each kind of question.

    Args:
        folder: str or path. Where to.

    Returns:
        A list of lists, each of a clip's path and a question about it.
    """
    kinds = sounding_shapes.KINDS
    manifest = sounding_shapes.write_corpus(
        folder, len(kinds), seed=SEED, questions_per_kind=1
    )
    lines = {
        (line["media"], line["kind"]): line["prompt"]
        for line in read_manifest(manifest)
    }
    clips = sorted({media for media, _ in lines})
    return [
        [clip, lines[clip, kind]]
        for clip, kind in zip(clips, kinds, strict=True)
    ]
