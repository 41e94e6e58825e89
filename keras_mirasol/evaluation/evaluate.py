"""A task's score on a benchmark, by its official rules."""

import hashlib
import importlib.metadata
import json
import platform
from pathlib import Path

import keras
import numpy as np

import keras_mirasol
from keras_mirasol.evaluation.answers import generated
from keras_mirasol.evaluation.answers import scored
from keras_mirasol.evaluation.predictions import Predictions

# Modalities that are taken away.
INPUTS = {
    "all": (),
    "video": ("audio",),
    "audio": ("video",),
    "text": ("video", "audio"),
}
# Choices that a batch has at most in all: their logits are in memory at once.
MOST_CHOICES = 512


def evaluate(
    task,
    benchmark,
    split="test",
    inputs="all",
    mode=None,
    folder="results",
    batch_size=16,
    seed=0,
    verbose=1,
):
    """Answers the questions of a benchmark, and scores the answers.

    Answers are written to a file as they come. A run that was killed goes on
    where it stopped when it is started again, and loses a batch at most.

    ```
    folder/MSRVTT-QA-test-all-open/
        predictions.jsonl    an answer a line, with all scores of choices
        report.json          scores, versions, what was missing
        submission.json      as the benchmark's authors want it
    ```

    Args:
        task: a `MirasolCausalLM` with a preprocessor.
        benchmark: a `Benchmark`.
        split: str, one of `benchmark.splits`. Defaults to `"test"`.
        inputs: `"all"`, `"video"`, `"audio"` or `"text"`. What the task is
            given beside the prompt. A benchmark of sound and picture should
            be hard to answer with less than all. Defaults to `"all"`.
        mode: one of `benchmark.modes`. Defaults to `None`, the first of them.
        folder: str or path. Where a folder of this run is made, or gone on
            with. Defaults to `"results"`.
        batch_size: int. Clips in a batch. Defaults to `16`.
        seed: int. Seeds a sampler that draws at random. Defaults to `0`.
        verbose: `0` or `1`, a progress bar. Defaults to `1`.

    Returns:
        The report, a dict: `"scores"` by metric, and the rest of what
        `report.json` has.

    Raises:
        ValueError: if an argument is none of those, all clips are missing, or
            the folder has predictions of another task or of other questions.

    Example:
    ```python
    task = keras_mirasol.models.MirasolCausalLM.from_preset("mirasol_tiny")
    benchmark = keras_mirasol.evaluation.MSRVTTQA("msrvtt_qa", media="videos")
    keras_mirasol.evaluation.evaluate(task, benchmark, inputs="video")
    ```
    """
    mode = mode or benchmark.modes[0]
    _check_one_of("inputs", inputs, INPUTS)
    _check_one_of("mode", mode, benchmark.modes)
    lines, missing = benchmark.found(split)
    if not lines:
        raise ValueError(
            f"{benchmark.media.folder} has none of the {len(missing)} clips "
            f"of {benchmark.name}. Expected names such as {missing[0]!r}."
        )
    labels = benchmark.labels if mode == "labels" else None
    run = {
        "benchmark": benchmark.name,
        "split": split,
        "inputs": inputs,
        "mode": mode,
        "seed": seed,
        "questions": len(lines),
        "digest_of_questions": _digest_of_questions(lines, labels),
        "digest_of_weights": _digest_of_weights(task),
    }
    if labels is not None:
        lines = [{**line, "choices": labels} for line in lines]
    name = "-".join((benchmark.name, split, inputs, mode))
    folder = Path(folder) / name
    predictions = Predictions(folder / "predictions.jsonl", run)
    keras.utils.set_random_seed(seed)
    left = [line for line in lines if line["id"] not in predictions.by_id]
    progress = keras.utils.Progbar(len(lines), verbose=verbose)
    progress.update(len(lines) - len(left), finalize=not left)
    for batch in _answered(task, left, mode, INPUTS[inputs], batch_size):
        predictions.append(batch)
        progress.add(len(batch))
    answered = [{**line, **predictions.by_id[line["id"]]} for line in lines]
    report = {
        **run,
        "scores": (
            benchmark.score(answered, mode) if "response" in lines[0] else {}
        ),
        "clips": len({line["media"] for line in lines}),
        "missing_clips": missing,
        "task": type(task).__name__,
        "parameters": task.count_params(),
        "versions": _versions(),
    }
    path = folder / "report.json"
    path.write_text(json.dumps(report, indent=1) + "\n")
    benchmark.write_submission(answered, folder)
    return report


def _answered(task, lines, mode, without, batch_size):
    """Predictions of a batch after another."""
    if mode == "open":
        for batch, answers in generated(task, lines, batch_size, without):
            yield [
                {"id": line["id"], "answer": answer}
                for line, answer in zip(batch, answers, strict=True)
            ]
        return
    most = max((len(line["choices"]) for line in lines), default=1)
    batch_size = max(1, min(batch_size, MOST_CHOICES // most))
    for batch, scores in scored(task, lines, batch_size, without):
        yield [
            {
                "id": line["id"],
                "answer": line["choices"][int(np.argmax(of_line))],
                "scores": of_line,
            }
            for line, of_line in zip(batch, scores, strict=True)
        ]


def _check_one_of(name, value, known):
    if value not in known:
        raise ValueError(
            f"`{name}` must be one of {', '.join(known)}. Received: {value!r}"
        )


def _digest_of_questions(lines, labels):
    asked = [
        [line["id"], line["prompt"], line.get("choices")] for line in lines
    ]
    # Labels once, and not beside each question.
    text = json.dumps([asked, labels])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _digest_of_weights(task):
    """Another for another training, the same on each backend."""
    digest = hashlib.sha256()
    for weight in sorted(task.backbone.weights, key=lambda w: w.path):
        values = keras.ops.convert_to_numpy(weight)
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()[:16]


def _versions():
    backend = keras.backend.backend()
    return {
        "keras_mirasol": keras_mirasol.__version__,
        "keras": keras.__version__,
        backend: importlib.metadata.version(backend),
        "python": platform.python_version(),
    }
