"""Does training in mixed_bfloat16 follow training in float32?

    python benchmarks/mixed_precision.py

Trains the model *both* of the ablation on moments of its corpus, on each
backend, from the same weights and on the same batches: in float32, in
mixed_bfloat16, and in float32 from weights that were disturbed by a thousandth
of themselves. The last tells how far apart two trainings grow by themselves.

Losses of the text are averaged over windows of `WINDOW` steps; mixed precision
follows if none of these means, and not the loss on held-out moments, is more
than `TOLERANCE` off that of float32, relative to the first window's loss.
Prints a table and writes `benchmarks/results/mixed_precision.json`. What is
there is not made again.
"""

import argparse
import itertools
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import ablation
import keras
import numpy as np
from ablation_corpus import Corpus
from ablation_corpus import build_preprocessor
from measuring import read_result
from measuring import versions
from measuring import write_result

BUILD = Path("build/mixed_precision")
BACKENDS = ("jax", "tensorflow", "torch")
TOLERANCE, WINDOW = 0.05, 20
ROW, SEED, DISTURBANCE = "both", 0, 1e-3
HELD_OUT = 4  # batches
RUNS = {
    "float32": ("float32", 0.0),
    "mixed_bfloat16": ("mixed_bfloat16", 0.0),
    "disturbed": ("float32", DISTURBANCE),
}


def moments(steps, clips, batch_size):
    """Batches to train on, and to be examined on, the same for all runs.

    Returns:
        A tuple of the size of the vocabulary and the two lists of batches.
    """
    path = BUILD / f"{steps} {clips} {batch_size}.pickle"
    if not path.exists():
        preprocessor = build_preprocessor(ablation.TRAIN_SEED, num_clips=clips)
        train, held_out = (
            ablation.batches(
                Corpus(preprocessor, count, seed).moments,
                *(count, batch_size, 1, SEED),
            )
            for count, seed in (
                (clips, ablation.TRAIN_SEED),
                (HELD_OUT * batch_size, ablation.TEST_SEED),
            )
        )
        made = (
            preprocessor.tokenizer.vocabulary_size(),
            list(itertools.islice(train, steps)),
            list(itertools.islice(held_out, HELD_OUT)),
        )
        BUILD.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pickle.dumps(made))
    return pickle.loads(path.read_bytes())


def run(policy, disturbance, *sizes):
    """Losses of a training, step by step, and of held-out moments after it."""
    vocabulary_size, train, held_out = moments(*sizes)
    keras.config.set_dtype_policy(policy)
    keras.utils.set_random_seed(SEED)
    backbone = ablation.build_backbone(ROW, vocabulary_size)
    task = ablation.build_task(ROW, backbone)
    rng = np.random.default_rng(SEED)
    for weight in task.trainable_weights:
        noise = rng.standard_normal(weight.shape)
        weight.assign(weight * (1 + disturbance * noise))
    task.compile(learning_rate=1e-3, steps=len(train))

    def losses(batches, on_batch):
        for x, y, sample_weight in batches:
            task.reset_metrics()
            log = on_batch(x, y, sample_weight=sample_weight, return_dict=True)
            yield float(log["text_loss"])

    return {
        "losses": list(losses(train, task.train_on_batch)),
        "held_out": float(np.mean(list(losses(held_out, task.test_on_batch)))),
    }


def apart(run, reference):
    """How far a run is from another, relative to where that began.

    Returns:
        A dict of the largest and the mean difference of windows of the
        losses, and that of the losses on held-out moments.
    """
    one, other = (
        np.array(of["losses"]).reshape(-1, WINDOW).mean(1)
        for of in (run, reference)
    )
    differences = np.abs(one - other) / other[0]
    held_out = abs(run["held_out"] - reference["held_out"]) / other[0]
    return {
        "largest": round(float(differences.max()), 4),
        "mean": round(float(differences.mean()), 4),
        "held_out": round(float(held_out), 4),
    }


def row(runs):
    """What there is to say of a backend."""
    reference = runs["float32"]
    found = {
        name: apart(runs[name], reference)
        for name in ("mixed_bfloat16", "disturbed")
    }
    mixed = found["mixed_bfloat16"]
    return {
        **found,
        "follows": max(mixed["largest"], mixed["held_out"]) <= TOLERANCE,
        "loss": {
            name: [
                round(float(np.mean(of["losses"][part])), 4) for part in ENDS
            ]
            for name, of in runs.items()
        },
    }


# The first window and the last.
ENDS = (slice(None, WINDOW), slice(-WINDOW, None))


def table(rows):
    lines = [
        f"{'backend':12}{'run':16}{'first':>8}{'last':>8}{'largest':>9}"
        f"{'mean':>8}{'held out':>10}{'follows':>9}"
    ]
    for backend, found in rows.items():
        for name in RUNS:
            first, last = found["loss"][name]
            line = f"{backend:12}{name:16}{first:>8.3f}{last:>8.3f}"
            if name in found:
                line += (
                    f"{found[name]['largest']:>9.4f}{found[name]['mean']:>8.4f}"
                    f"{found[name]['held_out']:>10.4f}"
                )
            if name == "mixed_bfloat16":
                line += f"{'yes' if found['follows'] else 'no':>9}"
            lines.append(line)
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--steps", type=int, default=160)
    parser.add_argument("--clips", type=int, default=160)
    parser.add_argument("--batch_size", type=int, default=16)
    parser.add_argument("--backends", nargs="+", default=list(BACKENDS))
    parser.add_argument("--quick", action="store_true", help="write nothing")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    settings = parser.parse_args()
    sizes = settings.steps, settings.clips, settings.batch_size
    if settings.child:
        print(json.dumps(run(*RUNS[settings.child], *sizes)))
        return

    result = read_result("mixed_precision", runs={})
    if settings.quick:
        result = {"runs": {}}
    for backend in settings.backends:
        runs = result["runs"].setdefault(backend, {})
        for name in RUNS:
            if name in runs:
                continue
            print(backend, name, flush=True)
            process = subprocess.run(
                [sys.executable, __file__, "--child", name]
                + [f"--steps={sizes[0]}", f"--clips={sizes[1]}"]
                + [f"--batch_size={sizes[2]}"],
                env={**os.environ, "KERAS_BACKEND": backend},
                stdout=subprocess.PIPE,
                check=True,
                text=True,
            )
            runs[name] = json.loads(process.stdout.splitlines()[-1])
            complete = {
                key: row(of)
                for key, of in result["runs"].items()
                if len(of) == len(RUNS)
            }
            if not settings.quick:
                write_result(
                    "mixed_precision",
                    {
                        "command": "python benchmarks/mixed_precision.py",
                        "settings": {
                            "row": ROW,
                            "steps": sizes[0],
                            "clips": sizes[1],
                            "batch": sizes[2],
                            "window": WINDOW,
                            "tolerance": TOLERANCE,
                            "disturbance": DISTURBANCE,
                            "seed": SEED,
                        },
                        "rows": complete,
                        "runs": result["runs"],
                        "versions": versions(*BACKENDS),
                    },
                )
    print(table(complete))


if __name__ == "__main__":
    main()
