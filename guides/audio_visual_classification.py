"""
Title: Audio-visual classification, on a benchmark in VGG-Sound's layout
Author: The keras_mirasol developers
Date created: 2026/11/28
Last modified: 2026/11/28
Description: Zero-shot, fine-tuned, and what sound and picture are each worth.
Accelerator: None
"""

"""
VGG-Sound, EPIC-SOUNDS and Kinetics-Sound are lists of clips with a label each.
Mirasol classifies by *writing the name of the class*, as it would any answer;
where a score for each class is wanted, it scores all their names. This guide
takes a benchmark from its official file to a report:

1. read the list, and see which clips are missing;
2. evaluate `mirasol_tiny` as it is;
3. fine-tune it on the training split;
4. evaluate again, with sound and picture, with one of them, and with neither.

With the true benchmark on disk, skip the cell that writes a small one. You
need `pip install -e '.[jax,guides,evaluation]' -c constraints.txt`.
"""

import itertools
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
build = Path("build/audio_visual_classification")
build.mkdir(parents=True, exist_ok=True)
keras.utils.set_random_seed(0)

"""
## A benchmark on disk

VGG-Sound is a file without a header, `vggsound.csv`: the id of a video, the
second at which a clip of it starts, its label, its split. Clips are files that
are named by the first two.

The small one here has nine classes, each of a shape *and* a sound. Colour,
size, place, loudness and pitch differ from clip to clip and say nothing. Each
shape is in three classes, and so is each sound: **who only sees, or only hears,
is right in one of three clips at best.**
"""

SHAPES, SOUNDS = ("circle", "square", "cross"), ("bell", "drum", "buzz")
FRAME_RATE, SAMPLING_RATE = 16, 16000
NUM_FRAMES, NUM_SAMPLES = 8, 8000  # of a clip, half a second
CLIPS = {"train": 4, "test": 2} if FAST else {"train": 40, "test": 20}


def scene_of(shape, sound, rng):
    """A scene that begins with a shape and a sound."""
    while True:
        scene = sounding_shapes.sample_scene(rng)
        if (scene.events[0].shape, scene.events[0].sound) == (shape, sound):
            return scene


def write_benchmark(folder, seed=0):
    rng = np.random.default_rng(seed)
    (folder / "clips").mkdir(parents=True, exist_ok=True)
    rows = []
    for split, number in CLIPS.items():
        for shape, sound in number * list(itertools.product(SHAPES, SOUNDS)):
            name, start = f"id{len(rows):09d}", int(rng.integers(300))
            scene = scene_of(shape, sound, rng)
            keras_mirasol.data.write_clip(
                folder / "clips" / f"{name}_{start:06d}.mp4",
                sounding_shapes.render_frames(scene)[:NUM_FRAMES],
                sounding_shapes.render_audio(scene)[:NUM_SAMPLES],
                frame_rate=FRAME_RATE,
                sampling_rate=SAMPLING_RATE,
            )
            rows.append(f"{name},{start},{shape} and {sound},{split}")
    # Videos go offline: of every list, some clips can no longer be had.
    rows.append("gone0000000,30,cross and bell,test")
    (folder / "vggsound.csv").write_text("\n".join(rows) + "\n")


write_benchmark(build / "vggsound")
print((build / "vggsound" / "vggsound.csv").read_text()[:120], "...")

"""
The class of a benchmark reads its official files. `lines()` is a manifest of
the clips that are there; `missing()` names the others. Scores are only about
the former, so a report says how many are missing: compare it with others only
if those are few.
"""

benchmark = keras_mirasol.evaluation.VGGSound(
    build / "vggsound", media=build / "vggsound" / "clips"
)
train, test = benchmark.lines("train"), benchmark.lines("test")
print(f"{len(train)} clips to train on, {len(test)} to test on")
print("missing:", benchmark.missing("test"))
print({**test[0], "media": "..."})
print("classes:", ", ".join(benchmark.labels))

task = keras_mirasol.models.MirasolCausalLM.from_preset("mirasol_tiny")
clip = keras_mirasol.data.load_clip(
    test[0]["media"], **task.preprocessor.clip_settings
)
figure = keras_mirasol.visualization.plot_clip(
    clip, task.preprocessor, title=test[0]["response"]
)
figure.savefig(build / "clip.png")
figure

"""
## Zero-shot

`evaluate()` asks about every clip of a split. In the mode `"open"` the task
writes the name of a class, as in the paper, and the score is exact match. In
`"labels"` the names of all classes are scored, which gives the authors' metrics
of ranks, too.

`mirasol_tiny` has learned to say what happens in such moments, in other words:
"a red circle and a bell". Asked as it was in its training, it never writes a
name of a class as this benchmark has it, and among the names it prefers the
right one little more often than a guess, one of nine. A benchmark of names is
also one of wording.
"""

benchmark.prompt = "what happens?"


def evaluate(folder, mode, inputs="all"):
    return keras_mirasol.evaluation.evaluate(
        task,
        benchmark,
        inputs=inputs,
        mode=mode,
        folder=build / folder,
        batch_size=30,
        verbose=0,
    )["scores"]


report = {
    "backend": keras.backend.backend(),
    "fast": FAST,
    "zero_shot": {
        "exact_match": evaluate("zero_shot", "open")["exact_match"],
        "top_1": evaluate("zero_shot", "labels")["top_1"],
    },
}
print({name: round(of, 3) for name, of in report["zero_shot"].items()})

"""
Each evaluation leaves a folder: answers as they came, the submission as the
authors want it, and a report with all that a number hangs on. One that was
killed goes on where it stopped when it is started again; one that is complete
is read from there, and a task with other weights is refused, so give each its
own folder.
"""

folder = build / "zero_shot" / "VGG-Sound-test-all-open"
print(sorted(path.name for path in folder.iterdir()))
written = json.loads((folder / "report.json").read_text())
for name in ("questions", "missing_clips", "parameters", "versions"):
    print(f"{name}: {written[name]}")

"""
## Fine-tuning

The lines of the training split are a manifest as any other.
`modality_dropout` takes the sound of some clips away and the picture of
others, so that the task also learns what to make of one modality alone.
"""

dataset = keras_mirasol.data.clip_dataset(
    benchmark.lines("train"),
    task.preprocessor,
    batch_size=18,
    shuffle=True,
    seed=0,
    cache=True,
    drop_remainder=True,
    modality_dropout={"audio": 0.2, "video": 0.2},
)
epochs = 1 if FAST else 10
task.compile(learning_rate=1e-3, steps=epochs * len(dataset))
history = task.fit(dataset, epochs=epochs, verbose=0)
report["text_loss"] = history.history["text_loss"]
print("text loss:", [round(loss, 2) for loss in report["text_loss"]])

"""
## What sound and picture are worth

The same evaluation with all inputs, with the picture alone, the sound alone,
and neither. What a modality is worth is the distance between two columns; how
large it can be is a matter of how the clips were made, as the last line says;
more than that is luck in guessing.
A benchmark that is answered as well without sound measures eyes alone.
"""

INPUTS = ("all", "video", "audio", "text")
BEST = {"all": 1, "video": 1 / 3, "audio": 1 / 3, "text": 1 / 9}
report["open"] = {
    inputs: evaluate("fine_tuned", "open", inputs)["exact_match"]
    for inputs in INPUTS
}
labels = {i: evaluate("fine_tuned", "labels", i) for i in INPUTS}
metrics = ("top_1", "top_5", "mean_average_precision", "mean_auc")
for name in metrics:
    report[name] = {inputs: labels[inputs][name] for inputs in INPUTS}


def row(name, shares):
    print(f"{name:<24}" + "".join(f"{shares[i]:>8.3f}" for i in INPUTS))


print(f"{'':<24}" + "".join(f"{inputs:>8}" for inputs in INPUTS))
row("exact match, open", report["open"])
for name in metrics:
    row(name, report[name])
row("best possible top_1", BEST)

"""
Which classes are taken for which? With the picture alone, those that share a
shape; with the sound alone, those that share a sound.
"""

figure, axes = plt.subplots(
    1, 3, figsize=(12, 4.8), sharey=True, layout="constrained"
)
names = benchmark.labels
for panel, inputs in zip(axes, INPUTS, strict=False):
    folder = build / "fine_tuned" / f"VGG-Sound-test-{inputs}-labels"
    answers = (folder / "predictions.jsonl").read_text().splitlines()[1:]
    answers = {a["id"]: a["answer"] for a in map(json.loads, answers)}
    counts = np.zeros((len(names), len(names)))
    for line in benchmark.lines("test"):
        truth, answer = line["response"], answers[line["id"]]
        counts[names.index(truth), names.index(answer)] += 1
    panel.imshow(counts, cmap="Blues", aspect="auto")
    panel.set(title=f"inputs: {inputs}", xlabel="answer")
    panel.set_xticks(range(len(names)), names, rotation=90)
    panel.set_yticks(range(len(names)), names)
axes[0].set_ylabel("truth")
figure.savefig(build / "classes.png")
figure

"""
## With the true benchmarks

- **VGG-Sound**: clips of ten seconds, 309 classes. Labels take a batch of one
  or two clips at a time, as all names are scored for each; `"open"` is faster.
- **EPIC-SOUNDS** and **Kinetics-Sound**: `EPICSounds` and `KineticsSound`, with
  lines of `start` and `end` in long videos, which are not decoded as a whole.
- A pretrained video encoder and a pretrained audio encoder
  ([guide](pretrained_parts.py)) see and hear more than what is trained from
  nothing on a few thousand clips.
"""

Path("build/audio_visual_classification.json").write_text(
    json.dumps(report, indent=1)
)
print("wrote build/audio_visual_classification.json")
