"""How good are the answers of `mirasol_tiny` without sound, or without picture?

    python benchmarks/without_modality.py

Asks it about held-out clips of sounding shapes with both modalities, without
audio and without video, beside the best share that can be right by guessing
what is missing. Prints exact match by kind of question and writes
`benchmarks/results/without_modality.json`.
"""

import argparse
import os
import tempfile

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
from measuring import versions
from measuring import write_result

from keras_mirasol.data import sounding_shapes
from keras_mirasol.evaluation import answer_manifest
from keras_mirasol.evaluation import share_by
from keras_mirasol.models import MirasolCausalLM

# What is left out, by the name of the column.
COLUMNS = {"both": None, "without audio": "audio", "without video": "video"}


def measure(task, num_clips, seed):
    """Exact match of all questions and by kind, by what is left out."""
    with tempfile.TemporaryDirectory() as folder:
        manifest = sounding_shapes.write_corpus(folder, num_clips, seed=seed)
        answered = {
            name: answer_manifest(task, manifest, without=without)
            for name, without in COLUMNS.items()
        }
    return {
        "questions": len(answered["both"]),
        "exact_match": {
            name: round(share_by(lines), 4) for name, lines in answered.items()
        },
        "by_kind": {
            name: {
                kind: round(share, 4)
                for kind, share in share_by(lines, "kind").items()
            }
            for name, lines in answered.items()
        },
        "best_possible": {
            name: {kind: round(best[kind], 4) for kind in sounding_shapes.KINDS}
            for name, best in {
                "without audio": sounding_shapes.BEST_WITHOUT_AUDIO,
                "without video": sounding_shapes.BEST_WITHOUT_VIDEO,
            }.items()
        },
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--clips", type=int, default=64)
    parser.add_argument("--seed", type=int, default=2024)
    settings = parser.parse_args()
    task = MirasolCausalLM.from_preset("mirasol_tiny")
    measured = measure(task, settings.clips, settings.seed)
    for name, by_kind in measured["by_kind"].items():
        print(name, measured["exact_match"][name], by_kind)
    write_result(
        "without_modality",
        {
            "command": "python benchmarks/without_modality.py",
            "preset": "mirasol_tiny",
            "clips": settings.clips,
            "seed": settings.seed,
            **measured,
            "backend": keras.backend.backend(),
            "versions": versions(keras.backend.backend()),
        },
    )


if __name__ == "__main__":
    main()
