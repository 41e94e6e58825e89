"""Does training in mixed_bfloat16 follow training in float32?

    python benchmarks/mixed_precision.py

Trains the model *both* of the ablation on moments of its corpus, as the
ablation does, on each backend, from the same weights and on the same batches:
in float32, in mixed_bfloat16, and in float32 from weights that were disturbed
by a thousandth of themselves. The last tells how far apart two trainings grow
by themselves. Encoders begin with what a flat model learned, in float32, so
that losses fall below what can be said without looking and listening.

Losses of the text are averaged over windows of `WINDOW` steps; mixed precision
follows if none of these means, and not the loss on held-out moments, is more
than `TOLERANCE` off that of float32, as a share of the latter. Prints a table
and writes `benchmarks/results/mixed_precision.json`. What is there is not made
again, so that the script may be stopped and started; encoders and batches are
kept in `build/mixed_precision`.
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
# Those of the ablation.
SIZES = {
    "steps": ablation.MOMENT_STEPS,
    "encoder_steps": ablation.ENCODER_STEPS,
    "clips": ablation.TRAIN_CLIPS,
    "batch_size": ablation.MOMENTS,
}
ROW, SEED, DISTURBANCE = "both", 0, 1e-3
LEARNING_RATE = 1e-3
HELD_OUT = 8  # batches
ADAPTED_CLIPS = 100
RUNS = {
    "float32": ("float32", 0.0),
    "mixed_bfloat16": ("mixed_bfloat16", 0.0),
    "disturbed": ("float32", DISTURBANCE),
}


def beginning(steps, encoder_steps, clips, batch_size):
    """What all runs begin with; made by the first that asks for it.

    Returns:
        A dict of the size of the vocabulary, the trained weights of the
        encoders, and lists of batches to train and to be examined on.
    """
    sizes = steps, encoder_steps, clips, batch_size
    path = BUILD / f"{'_'.join(map(str, sizes))}.pickle"
    if not path.exists():
        preprocessor = build_preprocessor(
            ablation.TRAIN_SEED, num_clips=min(clips, ADAPTED_CLIPS)
        )
        vocabulary_size = preprocessor.tokenizer.vocabulary_size()

        corpus = Corpus(preprocessor, clips, ablation.TRAIN_SEED)
        num_held_out = HELD_OUT * batch_size
        held_out = Corpus(preprocessor, num_held_out, ablation.TEST_SEED)

        def batches(corpus, count):
            return ablation.batches(corpus.moments, count, batch_size, 1, SEED)

        made = {
            "vocabulary_size": vocabulary_size,
            "encoders": ablation.train_encoders(
                *(SEED, corpus, vocabulary_size, encoder_steps),
                clips=clips,
                batch_size=batch_size,
            ),
            "train": list(itertools.islice(batches(corpus, clips), steps)),
            "held_out": list(
                itertools.islice(batches(held_out, num_held_out), HELD_OUT)
            ),
        }
        BUILD.mkdir(parents=True, exist_ok=True)
        # Whole or not at all, should it be stopped.
        part = path.with_suffix(".part")
        part.write_bytes(pickle.dumps(made))
        part.replace(path)
    return pickle.loads(path.read_bytes())


def run(policy, disturbance, *sizes):
    """Losses of a training, step by step, and of held-out moments after it."""
    begun = beginning(*sizes)
    keras.config.set_dtype_policy(policy)
    keras.utils.set_random_seed(SEED)
    backbone = ablation.build_backbone(ROW, begun["vocabulary_size"])
    ablation.begin_with(backbone, begun["encoders"])
    task = ablation.build_task(ROW, backbone)
    rng = np.random.default_rng(SEED)
    for weight in task.trainable_weights:
        noise = rng.standard_normal(weight.shape)
        weight.assign(weight * (1 + disturbance * noise))
    task.compile(learning_rate=LEARNING_RATE, steps=len(begun["train"]))

    def losses(batches, on_batch):
        for x, y, sample_weight in batches:
            task.reset_metrics()
            log = on_batch(x, y, sample_weight=sample_weight, return_dict=True)
            yield round(float(log["text_loss"]), 5)

    trained = list(losses(begun["train"], task.train_on_batch))
    examined = list(losses(begun["held_out"], task.test_on_batch))
    return {
        "losses": trained,
        "held_out": round(float(np.mean(examined)), 5),
    }


def windows(losses):
    """Means of each `WINDOW` losses, without a rest that fills none."""
    whole = len(losses) // WINDOW * WINDOW
    return np.reshape(losses[:whole], (-1, WINDOW)).mean(1)


def apart(run, reference):
    """How far the losses of a run are from another's, as shares of these.

    Returns:
        A dict of the largest and the mean difference of windows of the
        losses, and that of the losses on held-out moments.
    """
    one, other = (windows(of["losses"]) for of in (run, reference))
    differences = np.abs(one / other - 1)
    held_out = abs(run["held_out"] / reference["held_out"] - 1)
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
        # Nor does it with a loss that is NaN.
        "follows": all(
            mixed[name] <= TOLERANCE for name in ("largest", "held_out")
        ),
        # Of the first window, of the last, and of held-out moments.
        "loss": {
            name: [
                round(float(loss), 4)
                for loss in (*windows(of["losses"])[[0, -1]], of["held_out"])
            ]
            for name, of in runs.items()
        },
    }


def table(rows):
    """Losses, and how far they are from those of float32."""
    lines = [
        f"{'backend':12}{'run':16}{'first':>8}{'last':>8}{'held out':>10}"
        f"{'largest':>12}{'mean':>8}{'held out':>10}{'follows':>9}"
    ]
    for backend, found in rows.items():
        for name in RUNS:
            first, last, held_out = found["loss"][name]
            line = (
                f"{backend:12}{name:16}{first:>8.3f}{last:>8.3f}"
                f"{held_out:>10.3f}"
            )
            if name in found:
                line += (
                    f"{found[name]['largest']:>12.2%}{found[name]['mean']:>8.2%}"
                    f"{found[name]['held_out']:>10.2%}"
                )
            if name == "mixed_bfloat16":
                line += f"{'yes' if found['follows'] else 'no':>9}"
            lines.append(line)
    return "\n".join(lines)


def in_a_process(backend, name, sizes):
    """A run in a process of its own, on a backend."""
    process = subprocess.run(
        [
            *(sys.executable, __file__, "--child", name),
            *(f"--{size}={count}" for size, count in sizes.items()),
        ],
        env={**os.environ, "KERAS_BACKEND": backend},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return json.loads(process.stdout.splitlines()[-1])


def report(settings, runs):
    """What is written: a row of each backend whose runs are all there."""
    return {
        "command": "python benchmarks/mixed_precision.py",
        "settings": settings,
        "rows": {
            backend: row(of)
            for backend, of in runs.items()
            if of.keys() == RUNS.keys()
        },
        "runs": runs,
        "versions": versions(*BACKENDS),
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    for size, count in SIZES.items():
        parser.add_argument(f"--{size}", type=int, default=count)
    parser.add_argument("--backends", nargs="+", default=list(BACKENDS))
    parser.add_argument("--quick", action="store_true", help="write nothing")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    settings = parser.parse_args()
    sizes = {size: getattr(settings, size) for size in SIZES}
    if settings.child:
        made = run(*RUNS[settings.child], *sizes.values())
        print(json.dumps(made))
        return

    learned = {
        "row": ROW,
        **sizes,
        "held_out_clips": HELD_OUT * settings.batch_size,
        "learning_rate": LEARNING_RATE,
        "window": WINDOW,
        "tolerance": TOLERANCE,
        "disturbance": DISTURBANCE,
        "seed": SEED,
    }
    result = {"settings": learned, "runs": {}}
    if not settings.quick:
        result = read_result("mixed_precision", **result)
    if result["settings"] != learned:
        sys.exit(f"There are results of other settings: {result['settings']}")
    beginning(*sizes.values())
    runs = result["runs"]
    for backend in settings.backends:
        of_backend = runs.setdefault(backend, {})
        for name in RUNS:
            if name in of_backend:
                continue
            print(backend, name, flush=True)
            of_backend[name] = in_a_process(backend, name, sizes)
            if not settings.quick:
                write_result("mixed_precision", report(learned, runs))
    print(table(report(learned, runs)["rows"]))


if __name__ == "__main__":
    main()
