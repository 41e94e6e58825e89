"""
Title: Quickstart: ask about clips, then teach a new kind of question
Author: The keras_mirasol developers
Date created: 2026/11/22
Last modified: 2026/11/26
Description: Load a trained model, ask it, evaluate it, fine-tune it and save it.
Accelerator: None
"""  # noqa: E501

"""
Mirasol watches and listens to a clip in snippets of a fraction of a second,
and answers questions about it. This guide loads `mirasol_tiny`, a model of
about a million parameters that ships with the package, asks it about media
files that it has never seen, takes its eyes and ears away in turn, and
fine-tunes it on a kind of question that is new to it. It takes a few minutes
on two CPU cores.

Run it as a script, or cell by cell as a notebook. The backend is chosen by
`KERAS_BACKEND`, which must be set before Keras is imported. You need
`pip install -e '.[jax,guides]' -c constraints.txt` in a clone of the
repository; `make demo` does that, too.
"""

import json
import os
import time
from pathlib import Path

build = Path("build/quickstart")
build.mkdir(parents=True, exist_ok=True)
started = time.time()
FAST = os.environ.get("FAST_GUIDES") == "1"  # a quick look: less of all

# TensorFlow prepares the data on every backend. The notes on your machine that
# it prints while it is imported, before it can be told not to, go to a file.
os.environ.setdefault("KERAS_BACKEND", "jax")  # or "tensorflow" or "torch"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
screen = os.dup(2)
with open(build / "tensorflow.log", "w") as notes:
    os.dup2(notes.fileno(), 2)
    try:
        import tensorflow  # noqa: F401
    finally:
        os.dup2(screen, 2)

import keras

import keras_mirasol
from keras_mirasol import visualization
from keras_mirasol.data import sounding_shapes

keras.utils.set_random_seed(0)

"""
## A trained model and a held-out corpus

The corpus is generated: real mp4 files in which coloured shapes appear while
sounds are heard. Questions are about what is *seen*, what is *heard*, both at
the same moment (*fused*), and what comes before and after (*order*).
"""

task = keras_mirasol.models.MirasolCausalLM.from_preset("mirasol_tiny")
held_out = sounding_shapes.write_corpus(
    build / "held_out", 16 if FAST else 64, seed=2024
)
lines = keras_mirasol.data.read_manifest(held_out)
print(f"{task.count_params():,} parameters, {len(lines)} questions")

"""
A single clip, a single question:
"""

clip = keras_mirasol.data.load_clip(lines[0]["media"])
print({key: (value.shape, str(value.dtype)) for key, value in clip.items()})
print(lines[0]["prompt"], "->", end=" ")
print(task.generate({**clip, "prompts": lines[0]["prompt"]}))

"""
## How good are the answers?

Every question of the corpus, with both modalities, without audio and without
video. Nothing in a clip gives the answer to a *fused* question away without
the other modality: the best possible guess is right in about one of five.
"""


def evaluate(manifest, without=None):
    answered = keras_mirasol.evaluation.answer_manifest(
        task, manifest, without=without
    )
    return (
        answered,
        keras_mirasol.evaluation.share_by(answered),
        keras_mirasol.evaluation.share_by(answered, "kind"),
    )


def order_share(lines, of_sounds):
    """Share of right answers on the order of sounds, or of what is seen."""
    return keras_mirasol.evaluation.share_by(
        [
            line
            for line in lines
            if line["kind"] == "order"
            and ("heard" in line["prompt"]) == of_sounds
        ]
    )


answered, overall, by_kind = evaluate(held_out)
deaf, _, by_kind_without_audio = evaluate(held_out, without="audio")
blind, _, by_kind_without_video = evaluate(held_out, without="video")
order_without = {
    "sounds, without audio": order_share(deaf, of_sounds=True),
    "colours and shapes, without video": order_share(blind, of_sounds=False),
}

print(f"\n{'question':<55}{'answer':<10}truth")
for line in answered[:8]:
    print(f"{line['prompt']:<55}{line['answer']:<10}{line['response']}")


def show(title, *columns):
    print(f"\n{title:<10}" + "".join(f"{name:>16}" for name, _ in columns))
    for kind in columns[0][1]:
        shares = "".join(f"{share[kind]:>16.3f}" for _, share in columns)
        print(f"{kind:<10}{shares}")


show(
    "kind",
    ("both", by_kind),
    ("without audio", by_kind_without_audio),
    ("without video", by_kind_without_video),
)
for what, share in order_without.items():
    print(f"order of {what}: {share:.3f}")
print(f"exact match over all {len(answered)} questions: {overall:.3f}")

"""
## What an answer rests on

Below, a clip as the model gets it: frames over spectrogram, with the borders of
its snippets. `answer_evidence` finds where the text decoder looked when it
answered, and how much likelier the picture and the sound of each snippet made
the answer. Of a *fused* question, both should count, at the moment that is
asked for.
"""

example = next(line for line in answered if line["kind"] == "fused")
clip = keras_mirasol.data.load_clip(
    example["media"], **task.preprocessor.clip_settings
)
evidence = keras_mirasol.evaluation.answer_evidence(
    task, clip, example["prompt"]
)
figure = visualization.plot_evidence(
    evidence,
    clip,
    task.preprocessor,
    title=f"{example['prompt']}   {evidence['answer']}"
    f"   (truth: {example['response']})",
)
figure.savefig(build / "clip.png")
figure

"""
## A new kind of question

*Relay* questions lead from one modality to the other and to the moment before
or after: "what colour is on screen right after the bell is heard?". The model
has never met one. Questions of the known kinds are mixed in, so that it does
not forget them. `clip_dataset` gives a `tf.data.Dataset` on any backend;
with `texts_per_clip` a clip is decoded and encoded once for all of them.
`modality_dropout` keeps it used to clips without sound or picture.

After each epoch, `AnswerCallback` answers held-out questions. That is what to
watch: most tokens of a response are right even if it is guessed.
"""

relay_test = sounding_shapes.write_corpus(
    build / "relay_test",
    8 if FAST else 32,
    seed=2025,
    kinds=["relay"],
    questions_per_kind=8,
)
train = sounding_shapes.write_corpus(
    build / "train",
    16 if FAST else 256,
    seed=2026,
    kinds=["relay", *sounding_shapes.KINDS],
    questions_per_kind=12,
)
_, relay_before, _ = evaluate(relay_test)

train_data = keras_mirasol.data.clip_dataset(
    train,
    task.preprocessor,
    batch_size=16,
    texts_per_clip=12,
    shuffle=True,
    seed=0,
    cache=True,
    drop_remainder=True,
    modality_dropout={"audio": 0.2, "video": 0.05},
)
epochs = 1 if FAST else 3
task.compile(learning_rate=1e-3, steps=epochs * len(train_data))
history = task.fit(
    train_data,
    epochs=epochs,
    callbacks=[keras_mirasol.evaluation.AnswerCallback(relay_test)],
)

relay_after = history.history["exact_match"][-1]
_, overall_after, by_kind_after = evaluate(held_out)
show("kind", ("before", by_kind), ("after", by_kind_after))
print(f"relay{relay_before:>21.3f}{relay_after:>16.3f}")

figure = visualization.plot_history(history)
figure.savefig(build / "curve.png")
figure

"""
## Keep it

A preset is a folder; any backend loads it.
"""

task.save_to_preset(str(build / "preset"))
again = keras_mirasol.models.MirasolCausalLM.from_preset(build / "preset")
question = {**clip, "prompts": example["prompt"]}
assert again.generate(question) == task.generate(question)

report = {
    "exact_match": overall,
    "questions": len(answered),
    "by_kind": by_kind,
    "by_kind_without_audio": by_kind_without_audio,
    "by_kind_without_video": by_kind_without_video,
    "order_without": order_without,
    "relay_before": relay_before,
    "relay_after": relay_after,
    "exact_match_after": overall_after,
    "by_kind_after": by_kind_after,
    "backend": keras.backend.backend(),
    "fast": FAST,
    "seconds": round(time.time() - started),
}
Path("build/quickstart.json").write_text(json.dumps(report, indent=1))
print(f"\nwrote build/quickstart.json and the pictures in {build}/")
