"""
Title: Open-ended questions, on a benchmark in ActivityNet-QA's layout
Author: The keras_mirasol developers
Date created: 2026/11/28
Last modified: 2026/11/28
Description: From official files to scores by type, before and after fine-tuning.
Accelerator: None
"""  # noqa: E501

"""
MSRVTT-QA, ActivityNet-QA, MUSIC-AVQA and the open-ended form of NExT-QA ask
questions whose answers are written freely. This guide takes a benchmark from
its official files to a report, evaluates `mirasol_tiny` on it as it is, sees
by type what it cannot do, and teaches it that.

With a true benchmark on disk, skip the cell that writes a small one. You need
`pip install -e '.[jax,guides]' -c constraints.txt`.
"""

import json
import os
import time
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")  # or "tensorflow" or "torch"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import matplotlib.pyplot as plt
import numpy as np

import keras_mirasol
from keras_mirasol.data import sounding_shapes

FAST = os.environ.get("FAST_GUIDES") == "1"  # a quick look
build = Path("build/open_ended_qa")
build.mkdir(parents=True, exist_ok=True)
keras.utils.set_random_seed(0)
report = {"backend": keras.backend.backend(), "fast": FAST}

"""
## A benchmark on disk

ActivityNet-QA has two files a split: questions, and answers with a type, which
is a number. Clips are `v_` and the name of a video.

The small one here is about *sounding shapes*, the clips of two seconds that
`mirasol_tiny` was trained on. It asks some questions as it knows them (for
colours, objects and what comes after what) and three kinds that it has never
met: with yes or no for an answer, about one modality or both, and how many
sounds there were before another.
"""

TYPES = {"temporal": 2, "yes/no": 3, "color": 4, "object": 5, "number": 7}
CLIPS = {"train": 8, "test": 4} if FAST else {"train": 256, "test": 64}


def new_questions(events, rng):
    """Questions whose right answers are as often yes as no, and 0 to 3."""
    colours, shapes, sounds = zip(*events, strict=True)
    for truth in ("yes", "no", "yes", "no"):
        here = rng.integers(4)
        there = here if truth == "yes" else (here + rng.integers(1, 4)) % 4
        yield "yes/no", f"is the {shapes[here]} {colours[there]}?", truth
        while_ = f"while the {shapes[here]} is on screen"
        yield "yes/no", f"is the {sounds[there]} heard {while_}?", truth
    for number in range(4):
        before = f"before the {sounds[number]}"
        yield "number", f"how many sounds are heard {before}?", str(number)


def known_questions(lines):
    for line in lines:
        kind, prompt = line["kind"], line["prompt"]
        if kind == "order":
            yield "temporal", prompt, line["response"]
        elif "what colour" in prompt:
            yield "color", prompt, line["response"]
        else:
            yield "object", prompt, line["response"]


def write_benchmark(folder):
    media = folder / "videos"
    media.mkdir(parents=True, exist_ok=True)
    for seed, (split, number) in enumerate(CLIPS.items()):
        rng = np.random.default_rng(seed)
        manifest = sounding_shapes.write_corpus(
            build / "corpus", number, seed=100 + seed, questions_per_kind=2
        )
        clips = {}
        for line in keras_mirasol.data.read_manifest(manifest):
            clips.setdefault(line["media"], []).append(line)
        asked, answers = [], []
        for path, lines in clips.items():
            name = f"{split}_{Path(path).stem}"
            Path(path).rename(media / f"v_{name}.mp4")
            for kind, question, answer in (
                *known_questions(lines),
                *new_questions(lines[0]["events"], rng),
            ):
                key = {"question_id": f"{name}_{len(asked)}"}
                question = {"question": question, "video_name": name}
                asked.append({**key, **question})
                answers.append({**key, "answer": answer, "type": TYPES[kind]})
        (folder / f"{split}_q.json").write_text(json.dumps(asked))
        (folder / f"{split}_a.json").write_text(json.dumps(answers))


write_benchmark(build / "activitynet_qa")

"""
The class of a benchmark reads its official files; `lines()` is a manifest.
"""

benchmark = keras_mirasol.evaluation.ActivityNetQA(
    build / "activitynet_qa", media=build / "activitynet_qa" / "videos"
)
train, test = benchmark.lines("train"), benchmark.lines("test")
print(f"{len(train)} questions to train on, {len(test)} to test on")
print("missing clips:", benchmark.missing("test"))
for line in test[:20]:
    print(f"{line['type']:<24}{line['prompt']:<52}{line['response']}")

"""
## Zero-shot

`evaluate()` asks all questions and scores the answers by the benchmark's own
rule, here exact match, to the letter. What the task is not given is chosen by
`inputs`. Each evaluation has a folder, with the answers as they came, the
submission as the authors want it, and a report.
"""

task = keras_mirasol.models.MirasolCausalLM.from_preset("mirasol_tiny")
INPUTS = ("all", "video", "audio", "text")


def evaluate(folder):
    """Shares of right answers by inputs, then by type and overall."""
    shares = {}
    for inputs in INPUTS:
        scores = keras_mirasol.evaluation.evaluate(
            task,
            benchmark,
            inputs=inputs,
            folder=build / folder,
            batch_size=4 if FAST else 32,
            verbose=0,
        )["scores"]
        by_type = {k: v["exact_match"] for k, v in scores["by_type"].items()}
        shares[inputs] = {**by_type, "overall": scores["exact_match"]}
    return shares


def show(shares):
    print(f"{'':<24}" + "".join(f"{inputs:>8}" for inputs in INPUTS))
    for kind in shares["all"]:
        row = "".join(f"{shares[inputs][kind]:>8.3f}" for inputs in INPUTS)
        print(f"{kind:<24}{row}")


report["zero_shot"] = evaluate("zero_shot")
show(report["zero_shot"])

"""
What it was trained on is right, if it may see and hear. The kinds that are new
are not only wrong: it has never written "yes", so it does not write it now.
Which answers does it give instead?
"""

folder = build / "zero_shot" / "ActivityNet-QA-test-all-open"
print(sorted(path.name for path in folder.iterdir()))
answers = (folder / "predictions.jsonl").read_text().splitlines()[1:]
answers = {a["id"]: a["answer"] for a in map(json.loads, answers)}
new = [line for line in test if line["type"] in ("yes/no", "number")]
for line in new[:4]:
    print(f"{line['prompt']:<52}{answers[line['id']]}")
print((folder / "submission.json").read_text()[:120], "...")

"""
An evaluation that was killed goes on where it stopped when it is started again,
and one that is complete is read from its folder:
"""

begun = time.perf_counter()
assert evaluate("zero_shot") == report["zero_shot"]
print(f"{time.perf_counter() - begun:.1f} seconds for all four")

"""
## Fine-tuning

All questions about a clip are asked in one step: it is decoded and encoded once
for them. `modality_dropout` keeps the task used to clips without sound or
picture.
"""

per_clip = len(train) // CLIPS["train"]
dataset = keras_mirasol.data.clip_dataset(
    train,
    task.preprocessor,
    batch_size=4 if FAST else 16,
    texts_per_clip=per_clip,
    shuffle=True,
    seed=0,
    cache=True,
    drop_remainder=True,
    modality_dropout={"audio": 0.1, "video": 0.1},
)
epochs = 1 if FAST else 24
task.compile(learning_rate=1e-3, steps=epochs * len(dataset))
history = task.fit(dataset, epochs=epochs, verbose=0)
report["text_loss"] = history.history["text_loss"]
figure = keras_mirasol.visualization.plot_history(history)
figure.savefig(build / "curve.png")
figure

"""
## Before and after, by type and by input

A guess at *yes/no* is right in one of two, at a *number* in one of four. Where
a bar of "video" or "audio" is as high as that of "all", the questions of that
type need no more. With text alone it does worse than to guess: training took
away one modality at a time, so this is new to it.
"""

report["fine_tuned"] = evaluate("fine_tuned")
show(report["fine_tuned"])

kinds = list(report["zero_shot"]["all"])
figure, axes = plt.subplots(2, 1, figsize=(9, 6), sharex=True, sharey=True)
for panel, name in zip(axes, ("zero_shot", "fine_tuned"), strict=True):
    for place, inputs in enumerate(INPUTS):
        heights = [report[name][inputs][kind] for kind in kinds]
        places = np.arange(len(kinds)) + 0.2 * (place - 1.5)
        panel.bar(places, heights, 0.18, label=inputs)
    panel.set(title=name.replace("_", " "), ylabel="exact match", ylim=(0, 1.3))
axes[1].set_xticks(range(len(kinds)), kinds)
axes[0].legend(title="inputs", ncols=4)
figure.tight_layout()
figure.savefig(build / "types.png")
figure

"""
## With the true benchmarks

- **MSRVTT-QA**, **ActivityNet-QA**: answers must match to the letter; many
  publications let a language model judge instead, which is another metric and
  not to be compared with this one.
- **MUSIC-AVQA**: `MUSICAVQA` fills the slots of its templates; scores are by
  modality and type. Mode `"labels"` takes the likeliest of its 42 answers.
- **Open-ended NExT-QA**: `NExTOE` scores WUPS, which gives something for an
  answer that means nearly the same. It needs the extra `evaluation` and
  WordNet: `python -m nltk.downloader wordnet averaged_perceptron_tagger_eng`.
- A tokenizer of its words, `task.preprocessor.tokenizer`, and a training such
  as [on your own videos](your_own_videos.py) come before all of this, or
  [pretrained parts](pretrained_parts.py).
"""

Path("build/open_ended_qa.json").write_text(json.dumps(report, indent=1))
print("wrote build/open_ended_qa.json")
