"""
Title: Multiple choice, on a benchmark in Daily-Omni's layout
Author: The keras_mirasol developers
Date created: 2026/11/28
Last modified: 2026/11/28
Description: The likeliest of a question's choices, with and without sound, picture and both.
Accelerator: None
"""  # noqa: E501

"""
Daily-Omni, WorldSense and NExT-QA give choices with each question, and ask
which is right. Mirasol scores each choice as the answer that it would write:
the clip is encoded once, and the choice with the highest mean log-likelihood of
a token wins. Nothing is cut out of what a model writes, and letters play no
part.

This guide takes a benchmark from its official file to a report with the four
columns that the authors of Daily-Omni ask for, all inputs and picture, sound
and text alone, first as the model comes and then fine-tuned.

With a true benchmark on disk, skip the cell that writes a small one. You need
`pip install -e '.[jax,guides]' -c constraints.txt`.
"""

import json
import os
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")  # or "tensorflow" or "torch"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import matplotlib.pyplot as plt
import numpy as np

import keras_mirasol
from keras_mirasol.data import sounding_shapes

FAST = os.environ.get("FAST_GUIDES") == "1"  # a quick look
build = Path("build/multiple_choice")
build.mkdir(parents=True, exist_ok=True)
keras.utils.set_random_seed(0)
report = {"backend": keras.backend.backend(), "fast": FAST}

"""
## A benchmark on disk

Daily-Omni is one file, `qa.json`, and a folder for each clip. Choices come with
their letters, and the answer is one.

The small one here is about *sounding shapes*, clips of two seconds with four
shapes and four sounds, which `mirasol_tiny` was trained on. Three types are as
it knows them, though never with choices:

- *Context understanding*: what is seen, or heard, in a clip;
- *AV Event Alignment*: what is seen while something is heard, or the reverse;
- *Event Sequence*: what is heard, or seen, right after something.

It has not met *Inference*: what is seen or heard right after or before
something of the other modality.

**Wrong choices make the benchmark.** If they are in no clip, one who only knows
what is in the clip is right. Here they are of the same clip where the question
is about one of several moments, so that one has to know *when*.
"""

TYPES = {
    "seen": "Context understanding",
    "heard": "Context understanding",
    "fused": "AV Event Alignment",
    "order": "Event Sequence",
    "relay": "Inference",
}
WORDS = (
    sounding_shapes.COLOURS,
    sounding_shapes.SHAPES,
    sounding_shapes.SOUNDS,
)


def choices_of(line, rng):
    """Four words, the response among them, by what is hard to tell apart."""
    words, in_clip = next(
        (known, of_clip)
        for known, of_clip in zip(
            WORDS, zip(*line["events"], strict=True), strict=True
        )
        if line["response"] in known
    )
    if line["kind"] in ("fused", "relay"):
        others = [word for word in in_clip if word != line["response"]]
    else:
        others = [
            word
            for word in words
            if word != line["response"] and word not in line["prompt"]
        ]
    choices = [line["response"], *rng.permutation(others)[:3]]
    return [str(choice) for choice in rng.permutation(choices)]


def write_benchmark(folder, num_clips):
    rng = np.random.default_rng(0)
    manifest = sounding_shapes.write_corpus(
        build / "corpus",
        num_clips,
        seed=31,
        kinds=list(TYPES),
        questions_per_kind=3,
    )
    items = []
    for line in keras_mirasol.data.read_manifest(manifest):
        name = Path(line["media"]).stem
        clip = folder / "Videos" / name / f"{name}_video.mp4"
        if not clip.exists():
            clip.parent.mkdir(parents=True)
            Path(line["media"]).rename(clip)
        choices = choices_of(line, rng)
        items.append(
            {
                "Question": line["prompt"],
                "Choice": [
                    f"{letter}. {choice}"
                    for letter, choice in zip("ABCD", choices, strict=True)
                ],
                "Answer": "ABCD"[choices.index(line["response"])],
                "video_id": name,
                "Type": TYPES[line["kind"]],
                "video_category": "Shapes",
                "video_duration": "2s",
            }
        )
    (folder / "qa.json").write_text(json.dumps(items, indent=1))


write_benchmark(build / "daily_omni", 6 if FAST else 80)
benchmark = keras_mirasol.evaluation.DailyOmni(
    build / "daily_omni", media=build / "daily_omni" / "Videos"
)
lines = benchmark.lines("test")
print(f"{len(lines)} questions, missing clips: {benchmark.missing('test')}")
for line in lines[:15:3]:
    print(f"{line['type']:<24}{line['prompt']}")
    print(f"{'':<24}{' | '.join(line['choices'])} -> {line['response']}")

"""
## Scores of choices

One question by hand: a clip, a prompt and its choices.
"""

task = keras_mirasol.models.MirasolCausalLM.from_preset("mirasol_tiny")
line = next(line for line in lines if line["type"] == "AV Event Alignment")
clip = keras_mirasol.data.load_clip(
    line["media"], **task.preprocessor.clip_settings
)
(scores,) = task.score_choices(
    {key: value[None] for key, value in clip.items()},
    [line["prompt"]],
    [line["choices"]],
)
print(line["prompt"])
for choice, score in zip(line["choices"], scores, strict=True):
    right = "right" if choice == line["response"] else ""
    print(f"{choice:<10}{score:8.3f}  {right}")

"""
## Zero-shot

`evaluate()` does so for all questions. A split is named as the authors name it;
Daily-Omni has only a `"test"`.
"""

INPUTS = ("all", "video", "audio", "text")


def evaluate(folder, inputs="all", mode="choices"):
    """Scores overall and by type."""
    return keras_mirasol.evaluation.evaluate(
        task,
        benchmark,
        inputs=inputs,
        mode=mode,
        folder=build / folder,
        batch_size=16,
        verbose=0,
    )["scores"]


def by_inputs(folder):
    shares = {}
    for inputs in INPUTS:
        scores = evaluate(folder, inputs)
        by_type = {k: v["accuracy"] for k, v in scores["by_type"].items()}
        shares[inputs] = {**by_type, "overall": scores["accuracy"]}
    return shares


def show(shares):
    print(f"{'':<24}" + "".join(f"{inputs:>8}" for inputs in INPUTS))
    for kind in shares["all"]:
        row = "".join(f"{shares[inputs][kind]:>8.3f}" for inputs in INPUTS)
        print(f"{kind:<24}{row}")


report["zero_shot"] = by_inputs("zero_shot")
show(report["zero_shot"])

"""
Text alone should be no better than a guess, one of four; if it is, the choices
give answers away. What *Event Sequence* has with one modality is what its
questions need: some are about sounds, others about what is seen. *Inference* is
worse than a guess: asked what is seen *right after* a sound, the model says
what is seen *while* it is heard, as it has learned of such prompts.

**Choices and open answers are two questions.** The mode `"open"` has the task
write its answer and asks that it is the right choice, to the letter. The two
have metrics of different names, `accuracy` and `exact_match`, and are never to
be compared with each other. Here they agree, as this model writes nothing but
such words; where choices are sentences, to write the right one is far harder
than to prefer it.
"""

report["open"] = evaluate("zero_shot", mode="open")["exact_match"]
print(f"exact match, open: {report['open']:.3f}")
print(f"accuracy, choices: {report['zero_shot']['all']['overall']:.3f}")

"""
## Fine-tuning

Daily-Omni has no training split, so the training set is one of your own: any
manifest of prompts and responses. It needs no choices, as a choice is scored as
the answer that the task would write. Here, it asks the kind of question that
was new, and some of the known kinds, so that these are not forgotten.
"""

train = sounding_shapes.write_corpus(
    build / "train",
    8 if FAST else 256,
    seed=32,
    kinds=list(TYPES),
    questions_per_kind=6,
)
dataset = keras_mirasol.data.clip_dataset(
    train,
    task.preprocessor,
    batch_size=4 if FAST else 16,
    texts_per_clip=30,
    shuffle=True,
    seed=0,
    cache=True,
    drop_remainder=True,
    modality_dropout={"audio": 0.1, "video": 0.1},
)
epochs = 1 if FAST else 8
task.compile(learning_rate=1e-3, steps=epochs * len(dataset))
history = task.fit(dataset, epochs=epochs, verbose=0)
report["text_loss"] = history.history["text_loss"]
print("text loss:", [round(loss, 2) for loss in report["text_loss"]])

report["fine_tuned"] = by_inputs("fine_tuned")
show(report["fine_tuned"])

"""
By type and by input, before and after. The dotted line is a guess.
"""

kinds = list(report["zero_shot"]["all"])
figure, axes = plt.subplots(2, 1, figsize=(10, 6), sharex=True, sharey=True)
for panel, name in zip(axes, ("zero_shot", "fine_tuned"), strict=True):
    for place, inputs in enumerate(INPUTS):
        heights = [report[name][inputs][kind] for kind in kinds]
        places = np.arange(len(kinds)) + 0.2 * (place - 1.5)
        panel.bar(places, heights, 0.18, label=inputs)
    panel.axhline(1 / 4, color="black", linestyle=":")
    panel.set(title=name.replace("_", " "), ylabel="accuracy", ylim=(0, 1.3))
axes[1].set_xticks(range(len(kinds)), kinds)
axes[0].legend(title="inputs", ncols=4, loc="upper right")
figure.tight_layout()
figure.savefig(build / "types.png")
figure

"""
## With the true benchmarks

- **Daily-Omni**, **WorldSense**: clips of half a minute to many. A clip is read
  at `task.preprocessor.clip_settings`; a long one takes
  [snippets a few at a time](long_video_and_streaming.py).
- **NExT-QA**: `NExTQA` has training and validation splits, five choices and
  scores by causal, temporal and descriptive questions.
- **Choices of a sentence** are best told apart by a task that was trained to
  write sentences; one that wrote words alone is no judge of long texts.
- **In lmms-eval**: with it installed, `--model mirasol` runs a preset on any of
  its tasks, by the same two methods, with sound passed on.
"""

Path("build/multiple_choice.json").write_text(json.dumps(report, indent=1))
print("wrote build/multiple_choice.json")
