"""Do the three backends give the same answers from the same weights?

    python benchmarks/same_answers.py

Every question of a held-out corpus is answered by `mirasol_tiny` on JAX,
TensorFlow and PyTorch, each in a process of its own. Prints exact match a
backend and the share of questions that all three answer with the same text,
and writes `benchmarks/results/same_answers.json`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from measuring import machine

BACKENDS = ("jax", "tensorflow", "torch")
RESULT = Path(__file__).parent / "results" / "same_answers.json"


def answer(folder, num_clips, seed):
    """Runs in a process of one backend; prints versions and lines as JSON."""
    import keras

    import keras_mirasol

    manifest = keras_mirasol.data.sounding_shapes.write_corpus(
        folder, num_clips, seed=seed
    )
    task = keras_mirasol.models.MirasolCausalLM.from_preset("mirasol_tiny")
    lines = keras_mirasol.evaluation.answer_manifest(task, manifest)
    print(json.dumps({"keras": keras.__version__, "lines": lines}))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--clips", type=int, default=64)
    parser.add_argument("--seed", type=int, default=2024)
    parser.add_argument("--folder", help="answer here, on one backend")
    settings = parser.parse_args()
    if settings.folder:
        answer(settings.folder, settings.clips, settings.seed)
        return

    outputs = {}
    for backend in BACKENDS:
        with tempfile.TemporaryDirectory() as folder:
            command = [
                *(sys.executable, __file__, "--folder", folder),
                *("--clips", str(settings.clips)),
                *("--seed", str(settings.seed)),
            ]
            process = subprocess.run(
                command,
                env={**os.environ, "KERAS_BACKEND": backend},
                stdout=subprocess.PIPE,
                check=True,
                text=True,
            )
        outputs[backend] = json.loads(process.stdout.splitlines()[-1])

    rows = list(
        zip(*(output["lines"] for output in outputs.values()), strict=True)
    )
    report = {
        "command": "python benchmarks/same_answers.py",
        "questions": len(rows),
        "same_answers": sum(
            len({line["answer"] for line in row}) == 1 for row in rows
        )
        / len(rows),
        "exact_match": {
            backend: sum(
                line["answer"] == line["response"] for line in output["lines"]
            )
            / len(rows)
            for backend, output in outputs.items()
        },
        "keras": outputs["jax"]["keras"],
        "machine": machine(),
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
