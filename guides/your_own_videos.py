"""
Title: Your own videos
Author: The keras_mirasol developers
Date created: 2026/11/26
Last modified: 2026/11/26
Description: From a folder of files to a model that answers about them.
Accelerator: None
"""

"""
You have a folder of videos, and questions about them with answers. This guide
makes a model of them: a manifest, a tokenizer and converters adapted to the
data, snippets that fit what happens in the clips, a training that is watched,
and an evaluation by kind of question. At its end is a list of what to do when
a model does not learn.

The videos here are of digits, written by hand and spoken. Pictures are the
1,797 scans of handwriting that ship with scikit-learn, sounds are the spoken
digits that ship with `captcha`. Both come with `pip install -e
'.[jax,guides]'`.
"""

import collections
import json
import os
import textwrap
import time
import warnings
import wave
from importlib.util import find_spec
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")  # or "tensorflow" or "torch"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import matplotlib.pyplot as plt
import numpy as np
import scipy
import sklearn.datasets

import keras_mirasol

FAST = os.environ.get("FAST_GUIDES") == "1"  # a quick look
build = Path("build/your_own_videos")
build.mkdir(parents=True, exist_ok=True)
keras.utils.set_random_seed(0)
report = {"backend": keras.backend.backend(), "fast": FAST}
print(f"keras_mirasol {keras_mirasol.__version__} on {report['backend']}")

"""
## A folder of files

Skip the next two cells if you have a folder of your own. They write videos as
a user would have them: in each, four scans drift over paper, one after the
other, while four digits are spoken. The voice is a single one, at another
pace, loudness and moment each time.
"""

WORDS = "zero one two three four five six seven eight nine".split()
PLACES = ("first", "second", "third", "last")
FRAME_RATE, SAMPLING_RATE, SIZE = 16, 16000, 64
MOMENT = 0.75  # seconds that a digit is seen or heard in

scans, labels = sklearn.datasets.load_digits(return_X_y=True)
scans = scans.reshape(-1, 8, 8) / 16  # 1 is ink
captcha = Path(find_spec("captcha").origin).parent
voice = []
for digit in range(10):
    path = captcha / "data" / str(digit) / "default.wav"
    with wave.open(str(path)) as file:
        samples = file.readframes(file.getnframes())
    voice.append(np.frombuffer(samples, "uint8") / 128.0 - 1.0)  # at 8 kHz


def picture(scan, rng):
    """Frames of a moment: a scan drifts over paper."""
    paper = rng.uniform(0.8, 0.95) + rng.normal(0, 0.02, (SIZE, SIZE, 1))
    paper = paper * (1.0, 0.98, 0.92)
    ink = scipy.ndimage.zoom(scan, rng.uniform(6.0, 7.0)).clip(0, 1)
    colour = rng.uniform(0.0, 0.3, 3)
    num_frames = round(MOMENT * FRAME_RATE)
    corners = rng.uniform(0, SIZE - len(ink), (2, 2))
    frames = []
    for y, x in np.linspace(*corners, num_frames).astype(int):
        cover = np.zeros((SIZE, SIZE, 1))
        cover[y : y + len(ink), x : x + len(ink), 0] = ink
        frames.append(paper * (1 - cover) + colour * cover)
    frames[0] = frames[-1] = paper  # The scan comes, and goes.
    return (255 * np.stack(frames).clip(0, 1)).astype("uint8")


def sound(word, rng):
    """Samples of a moment: a word, somewhere in a quiet room."""
    pace = rng.uniform(0.8, 1.25) * SAMPLING_RATE / 8000
    said = scipy.ndimage.zoom(word, pace, order=1)
    num_samples = round(MOMENT * SAMPLING_RATE)
    samples = rng.normal(0, rng.uniform(0.001, 0.004), num_samples)
    at = rng.integers(num_samples - len(said))
    samples[at : at + len(said)] += said * rng.uniform(0.5, 1.5)
    return samples.clip(-1, 1)


def write_videos(folder, scans, labels, num_clips, seed):
    """Writes clips, and returns the digits seen and heard in each file."""
    folder.mkdir(parents=True, exist_ok=True)
    contents = {}
    for index in range(num_clips):
        rng = np.random.default_rng((seed, index))
        seen, heard = rng.permutation(10)[:4], rng.permutation(10)[:4]
        chosen = [rng.choice(np.flatnonzero(labels == d)) for d in seen]
        path = folder / f"{index:05d}.mp4"
        keras_mirasol.data.write_clip(
            path,
            np.concatenate([picture(scans[i], rng) for i in chosen]),
            np.concatenate([sound(voice[d], rng) for d in heard]),
            frame_rate=FRAME_RATE,
            sampling_rate=SAMPLING_RATE,
        )
        contents[path] = [WORDS[d] for d in seen], [WORDS[d] for d in heard]
    return contents


print("seconds spoken:", [round(len(word) / 8000, 2) for word in voice])

"""
**What is held out matters.** A test tells how a model will do on what it has
never met, so no scan may be in clips of training and of test. Nor should the
writer: who wrote what is not recorded, but scans of one hand lie side by side,
so the table is cut in order and not at random. How much that matters, a
nearest neighbour shows, which finds a writer's other digits when it can.
"""


def nearest_neighbour(order):
    images, answers = scans.reshape(-1, 64)[order], labels[order]
    known, asked = images[:1500], images[1500:]
    distances = ((asked[:, None] - known[None]) ** 2).sum(-1)
    return float(np.mean(answers[distances.argmin(1)] == answers[1500:]))


in_order = np.arange(len(scans))
at_random = np.random.default_rng(0).permutation(in_order)
report["neighbour"] = {
    "split at random": nearest_neighbour(at_random),
    "split in order": nearest_neighbour(in_order),
}
parts = {
    # name: (scans, number of clips)
    "train": (slice(0, 1300), 32 if FAST else 600),
    "valid": (slice(1300, 1500), 8 if FAST else 32),
    "test": (slice(1500, None), 8 if FAST else 96),
}
videos = {
    name: write_videos(build / name, scans[part], labels[part], count, seed)
    for seed, (name, (part, count)) in enumerate(parts.items())
}
print(report["neighbour"])
print({name: len(contents) for name, contents in videos.items()}, "clips")
print(sorted(path.name for path in (build / "train").iterdir())[:4], "...")

"""
## Look at a clip

`load_clip` decodes any file that FFmpeg reads, at the rates and the image size
that a model wants: here 8 frames a second of 32x32 pixels, as `mirasol_tiny`
does. Look at what the model will see before anything else. What you cannot
tell apart at this size and rate, it cannot either; then `image_size` or
`frame_rate` must be higher.
"""

task = keras_mirasol.models.MirasolCausalLM.from_preset("mirasol_tiny")
path, (seen, heard) = next(iter(videos["train"].items()))
clip = keras_mirasol.data.load_clip(path, **task.preprocessor.clip_settings)
print({key: (value.shape, str(value.dtype)) for key, value in clip.items()})
figure = keras_mirasol.visualization.plot_clip(
    clip,
    task.preprocessor,
    title=f"Seen: {', '.join(seen)}. Heard: {', '.join(heard)}.",
)
figure.savefig(build / "clip.png")
figure

"""
## The manifest

One line for each question: the file, a prompt and a response, and whatever
else you want to know later. Here `kind` says what it takes to answer:

- *seen* and *heard*: one modality, and when;
- *order*: one modality, and what comes next to what;
- *fused*: both, at the same time. Neither modality alone can tell.
- *moment*: with `start` and `end` in seconds, a short clip of its own. There
  is nothing to search for in it, so encoders and Combiner learn from it first.

If you know when things happen in your videos, write such lines: they are worth
more than any setting.
"""


def questions(seen, heard):
    for what, digits in (("seen", seen), ("heard", heard)):
        for place, digit in zip(PLACES, digits, strict=True):
            yield what, f"which digit is {what} {place}?", digit
        for one, two in zip(digits, digits[1:], strict=False):
            yield "order", f"which digit is {what} right after {one}?", two
    for one, other in zip(seen, heard, strict=True):
        yield "fused", f"which digit is seen while {other} is heard?", one
        yield "fused", f"which digit is heard while {one} is seen?", other


def lines_of(path, seen, heard):
    for kind, prompt, response in questions(seen, heard):
        yield {
            "media": path.name,
            "kind": kind,
            "prompt": prompt,
            "response": response,
        }
    for index, (one, other) in enumerate(zip(seen, heard, strict=True)):
        for prompt, response in (
            ("which digit is seen?", one),
            ("which digit is heard?", other),
            ("what is seen and heard?", f"{one} and {other}"),
        ):
            yield {
                "media": path.name,
                "kind": "moment",
                "prompt": prompt,
                "response": response,
                "start": index * MOMENT,
                "end": (index + 1) * MOMENT,
            }


lines = {}
for name, contents in videos.items():
    manifest = keras_mirasol.data.write_manifest(
        build / name / "manifest.jsonl",
        [line for path, of in contents.items() for line in lines_of(path, *of)],
    )
    lines[name] = keras_mirasol.data.read_manifest(manifest)
print(manifest.read_text().split("\n")[0])
print({**lines["test"][0], "media": "..."}, "\n")
print(f"{'kind':<8}" + "".join(f"{name:>8}" for name in lines))
for kind in ("seen", "heard", "order", "fused", "moment"):
    counts = [sum(line["kind"] == kind for line in lines[n]) for n in lines]
    print(f"{kind:<8}" + "".join(f"{count:>8}" for count in counts))

"""
**How well does one guess?** A number means nothing without it. The commonest
response to each prompt is one guess, printed below. Who knows the four digits
of a clip but not when they come is right in one of four *fused* questions, and
in one of three of *order*.
"""

KINDS = ("seen", "heard", "order", "fused")
whole = {
    name: [line for line in of if line["kind"] != "moment"]
    for name, of in lines.items()
}
moments = {
    name: [line for line in of if line["kind"] == "moment"]
    for name, of in lines.items()
}


def guesses(known, asked):
    responses = collections.defaultdict(collections.Counter)
    for line in known:
        responses[line["prompt"]][line["response"]] += 1
    return [
        {**line, "answer": responses[line["prompt"]].most_common(1)[0][0]}
        for line in asked
        if line["prompt"] in responses
    ]


guessed = guesses(whole["train"], whole["test"])
report["guess"] = keras_mirasol.evaluation.share_by(guessed, "kind")
print({kind: round(share, 3) for kind, share in report["guess"].items()})

"""
## Snippets

A clip is cut into snippets of equal duration. Each is encoded by itself, and
becomes a few joint tokens; what happened when is told apart by snippet. So a
snippet should be shorter than the shortest event that an answer hangs on, and
events that follow one another should not share one. The shortest word here
takes 0.18 seconds at the quickest pace, a scan 0.6. Shorter snippets tell more
exactly when, and make more latents to attend to: their number is what the
memory of the latent model grows with, and the time of a long clip. Frame rate,
image size and spectrogram rate decide what the encoders cost.

The table times `mirasol_tiny` with other snippets and rates, untrained.
"""

SETTINGS = {
    # snippet seconds, frames a second, spectrogram frames a second, image size
    "0.25 s, as mirasol_tiny": (0.25, 8, 20, 32),
    "0.75 s": (0.75, 8, 20, 32),
    "0.25 s, 40 spectrogram frames a second": (0.25, 8, 40, 32),
    "0.25 s, 64x64 pixels": (0.25, 8, 20, 64),
}


def seconds_to_encode(snippet_seconds, frame_rate, audio_rate, image_size):
    """Tokens of a snippet, and seconds to encode 16 clips of 3 seconds."""
    sizes = task.backbone.get_config()
    sizes |= {
        "frames_per_snippet": round(snippet_seconds * frame_rate),
        "audio_frames_per_snippet": round(snippet_seconds * audio_rate),
        "image_size": image_size,
        "snippet_seconds": snippet_seconds,
    }
    backbone = keras_mirasol.models.MirasolBackbone.from_config(sizes)
    count = round(4 * MOMENT / snippet_seconds)
    batch = {
        "pixel_values": np.zeros(
            (16, count * sizes["frames_per_snippet"], image_size, image_size, 3)
        ),
        "audio_features": np.zeros(
            (16, count * sizes["audio_frames_per_snippet"], sizes["num_mels"])
        ),
        "video_mask": np.ones((16, count), bool),
        "audio_mask": np.ones((16, count), bool),
        "token_ids": np.zeros((16, 16), "int32"),
        "padding_mask": np.ones((16, 16), bool),
    }
    backbone.predict_on_batch(batch)  # Compiles.
    seconds = []
    for _ in range(5):
        begun = time.perf_counter()
        backbone.predict_on_batch(batch)
        seconds.append(time.perf_counter() - begun)
    video = sizes["frames_per_snippet"] // 2 * (image_size // 8) ** 2
    audio = sizes["audio_frames_per_snippet"] // 5 * sizes["num_mels"] // 8
    return count, video, audio, min(seconds)


print(f"{'':<40}snippets  video  audio  seconds")
report["encode_seconds"] = {}
for name, setting in list(SETTINGS.items())[: 1 if FAST else None]:
    count, video, audio, seconds = seconds_to_encode(*setting)
    report["encode_seconds"][name] = seconds
    print(f"{name:<40}{count:>8}{video:>7}{audio:>7}{seconds:>9.3f}")

"""
## A tokenizer and converters adapted to the data

The words of your texts should be single tokens: a decoder of three layers
should not spend them on spelling. And frames and spectrograms should have a
mean of 0 and a deviation of 1 over *these* clips. What all clips share, such
as bright paper or a quiet room, otherwise drives the joint tokens of all
snippets together, and they may not come apart again.
"""

sentence = "which digit is heard right after seven?"


def show_inputs(preprocessor):
    tokens = preprocessor.tokenizer(sentence)
    print(f"{len(tokens)} tokens of {len(sentence.split())} words")
    inputs = preprocessor.preprocess_clip(clip["videos"], clip["audio"])
    for name in ("pixel_values", "audio_features"):
        mean, deviation = np.mean(inputs[name]), np.std(inputs[name])
        print(f"{name:<15} mean {mean:5.2f}, deviation {deviation:4.2f}")


preprocessor = task.preprocessor
show_inputs(preprocessor)

"""
`fit()` looks at the first batch, and warns of such inputs. The sizes of the
model have no part in that; a very small one compiles soon.
"""

small = task.backbone.get_config()
small |= {name: 1 for name in small if name.endswith("num_layers")}
small |= {name: 8 for name in small if name.endswith("hidden_dim")}
small |= {"stem_filters": (), "tubes": [{"kernel": (2, 8, 8)}]}
small = keras_mirasol.models.MirasolCausalLM(
    keras_mirasol.models.MirasolBackbone.from_config(small), preprocessor
)
small.compile()
first_lines = keras_mirasol.data.clip_dataset(
    moments["train"][:6], preprocessor, batch_size=2, texts_per_clip=3
)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    small.fit(first_lines, verbose=0)
(advice,) = [str(w.message) for w in caught if "adapt(" in str(w.message)]
print(textwrap.fill(advice, 79))

"""
So both are done, from the lines of training alone. `from_preset(name,
load_weights=False)` makes an untrained model of the sizes of a preset:
`mirasol_tiny` has a million parameters, which suits some thousand short
moments and fits two cores. Larger presets want more clips and a GPU.

Why not start from the weights of `mirasol_tiny`? They know coloured shapes and
three kinds of sound, and their text decoder knows other tokens. Tried on such
videos beside an untrained model, both were still guessing after 111 steps of
64 moments, with text losses of 1.19: there is no head start.
"""

keras.utils.set_random_seed(0)
task = keras_mirasol.models.MirasolCausalLM.from_preset(
    "mirasol_tiny", load_weights=False
)
preprocessor = task.preprocessor
preprocessor.tokenizer = keras_mirasol.models.MirasolTokenizer.train(
    lines["train"], vocabulary_size=task.backbone.vocabulary_size
)
preprocessor.adapt(lines["train"])

show_inputs(preprocessor)
print(f"{task.count_params():,} parameters")

"""
## `cache=True`, the largest lever on speed

With a cache, files are decoded in the first pass and never again.
`texts_per_clip` is the second lever: a clip is decoded, and encoded in each
step, once for so many of its questions.

`augment=True` moves, scales and brightens pictures and changes the loudness,
anew in each pass; with few clips, leave it on. The cache then holds frames as
they are decoded, and they are preprocessed in each pass. `modality_dropout`
takes the sound or the picture away now and then, so that the model learns to
answer by the other. Handwriting is harder than one voice, so it is the sound
that goes more often.

The table is of the data alone. What training makes of it is below: a pass that
takes longer than the steps of an epoch is what to mend first.
"""


def dataset_of(lines, **settings):
    settings = {
        "shuffle": True,
        "seed": 0,
        "cache": True,
        "augment": True,
        "modality_dropout": {"audio": 0.25, "video": 0.1},
        "drop_remainder": True,
    } | settings
    return keras_mirasol.data.clip_dataset(lines, preprocessor, **settings)


def seconds_of_pass(dataset):
    begun = time.perf_counter()
    for _ in dataset:
        pass
    return time.perf_counter() - begun


moment_batches = {"batch_size": 16 if FAST else 32, "texts_per_clip": 3}
moment_data = dataset_of(moments["train"], **moment_batches)
plain = dataset_of(moments["train"], augment=None, **moment_batches)
seconds_of_pass(plain)  # Fills the cache.
report["seconds_of_pass"] = {
    "decoded": seconds_of_pass(moment_data),
    "from the cache": seconds_of_pass(moment_data),
    "from the cache, not augmented": seconds_of_pass(plain),
}
print(f"{len(moment_data)} batches of moments, seconds of a pass")
for name, seconds in report["seconds_of_pass"].items():
    print(f"{name:<30}{seconds:6.2f}")

"""
## Train on moments, and watch

`compile()` without an optimizer takes AdamW; `steps` is how many there will
be, over which the learning rate warms up and falls. `1e-3` is right for a
model of this size; larger ones want less. If the loss jumps up or turns into
nan, take a half of it.

`AnswerCallback` answers held-out questions after each epoch. Look at what it
prints: the share of right *tokens* is high for a model that guesses.
"""


class Watch(keras.callbacks.Callback):
    """Prints the losses by name, and how long an epoch takes."""

    def on_train_begin(self, logs=None):
        self.seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        self.begun = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self.begun)
        losses = ", ".join(
            f"{name.removesuffix('_loss')} {logs[name]:.2f}"
            for name in ("text_loss", "frame_loss", "spectrogram_loss")
        )
        print(
            f"\nepoch {epoch + 1}, {self.seconds[-1]:.0f} s: {losses}, spread "
            f"{logs['joint_token_spread']:.2f}",
            end="",
        )


def train(dataset, valid, epochs):
    task.compile(learning_rate=1e-3, steps=epochs * len(dataset))
    watch = Watch()
    answers = keras_mirasol.evaluation.AnswerCallback(valid, num_samples=2)
    history = task.fit(
        dataset, epochs=epochs, verbose=0, callbacks=[watch, answers]
    )
    return {**history.history, "seconds": watch.seconds}


def draw(history, name):
    curves = {key: of for key, of in history.items() if key != "seconds"}
    figure = keras_mirasol.visualization.plot_history(curves)
    figure.savefig(build / f"{name}.png")
    return figure


report["moments"] = train(moment_data, moments["valid"], 1 if FAST else 14)

"""
**What to look at.** The text loss falls in the first steps to what guessing
costs, the dotted line, and stays there, here for some 300 steps (75 are an
epoch), in harder data for thousands. That is a plateau, and how it is with
answers of a word: what is read from the clip counts for nothing until it is
nearly right. It ends by itself. Wait, and change no settings meanwhile.

`joint_token_spread` says whether the model tells snippets apart at all: near 1
they differ, near 0 all look alike, and nothing will come of waiting. The
losses of frames and spectrogram fall from the first step on; if they do not,
what is wrong is in the data or the learning rate.
"""

# Of eight tokens of the three responses about a moment, four are one of ten.
report["guess_loss"] = 4 / 8 * np.log(10)
figure = draw(report["moments"], "moments")
for panel in figure.axes:
    if panel.get_title() == "text loss":
        panel.axhline(report["guess_loss"], color="black", linestyle=":")
figure.savefig(build / "moments.png")
figure

"""
Moments tell best what eyes and ears have learned, as there is nothing to
search for. Of scans that were never trained on, which digits are taken for
which?
"""

in_moments = keras_mirasol.evaluation.answer_manifest(task, moments["test"])
figure, axes = plt.subplots(1, 2, figsize=(9, 4.4), layout="constrained")
report["in_moments"] = {}
for panel, what in zip(axes, ("seen", "heard"), strict=True):
    asked = [
        line
        for line in in_moments
        if line["prompt"] == f"which digit is {what}?"
    ]
    share = keras_mirasol.evaluation.share_by(asked)
    report["in_moments"][what] = share
    counts = np.zeros((10, 10))
    for line in asked:
        if line["answer"] in WORDS:
            row, column = line["response"], line["answer"]
            counts[WORDS.index(row), WORDS.index(column)] += 1
    panel.imshow(counts / counts.sum(1, keepdims=True).clip(1), cmap="Blues")
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour = "white" if count > counts[row].sum() / 2 else "black"
            panel.text(
                column, row, int(count), ha="center", va="center", color=colour
            )
    panel.set(
        title=f"{what}, in moments: {share:.2f} right",
        xlabel="answer",
        ylabel="truth",
        xticks=range(10),
        yticks=range(10),
    )
figure.savefig(build / "digits.png")
figure

"""
## Then whole clips

What was learned of moments is there; now the latent model and the text decoder
learn when. All 22 questions about a clip are asked in one step: it is encoded
once for them, and prompts that differ by a word, with different answers, stand
side by side.

Here, too, kinds of question come one after the other: what is heard or seen at
a place, then *fused*, which has to find one thing by another, and last *order*,
which has to find what is next to it. One of four and one of three, where these
two wait, is what knowing the digits of the clip but not their moments is worth.
"""

clip_data = dataset_of(whole["train"], batch_size=8, texts_per_clip=22)
report["clips"] = train(clip_data, whole["valid"], 1 if FAST else 24)

"""
The curves of the whole clips, by loss and by kind of question:
"""

figure = draw(report["clips"], "clips")
figure

"""
## Evaluation by kind

On clips of scans that were never trained on, with both modalities and with one
of them taken away, beside the guess. Taking a modality away must bring *fused*
down to guessing, here to one of the four digits that are still perceived in
half of the questions and to one of ten in the other half, 0.175 in all. If it
does not, the questions give their answers away.

By kind says what to work on. If *seen* is low where moments were right, it is
the order that is not learned; if moments were low too, it is the eyes.
"""

answered = {
    name: keras_mirasol.evaluation.answer_manifest(
        task, whole["test"], without=without
    )
    for name, without in (
        ("both", None),
        ("without audio", "audio"),
        ("without video", "video"),
    )
}
report["by_kind"] = {
    name: keras_mirasol.evaluation.share_by(of, "kind")
    for name, of in answered.items()
}
columns = {"guess": report["guess"], **report["by_kind"]}
print(f"{'kind':<8}" + "".join(f"{name:>16}" for name in columns))
for kind in KINDS:
    shares = "".join(f"{column[kind]:>16.3f}" for column in columns.values())
    print(f"{kind:<8}{shares}")

"""
## Keep it

A preset is a folder with weights, tokenizer and adapted converters. Any
backend loads it.
"""

task.save_to_preset(str(build / "preset"))
again = keras_mirasol.models.MirasolCausalLM.from_preset(str(build / "preset"))
path, (seen, heard) = next(iter(videos["test"].items()))
clip = keras_mirasol.data.load_clip(path, **again.preprocessor.clip_settings)
prompts = [
    "which digit is seen first?",
    f"which digit is heard while {seen[1]} is seen?",
]
answers = again.generate({**clip, "prompts": prompts})
for prompt, answer in zip(prompts, answers, strict=True):
    print(prompt, "->", answer)
print("seen:", *seen, "  heard:", *heard)

"""
## When it does not learn

Go through this list from the top; each line costs less than the next.

1. **Look at the data.** Draw some clips as above, with their answers. Are
   sound and picture in step, is the event within `start` and `end`, can *you*
   answer at this size and rate?
2. **Warnings.** `fit()` says when inputs are not adapted. `joint_token_spread`
   near 0 after a hundred steps: begin anew, adapted, or with a lower learning
   rate.
3. **Wait.** A text loss at that of guessing is a plateau, and ends at once.
   Judge after some thousand steps, not after a hundred.
4. **Make the questions easier.** Moments of one event, then whole clips. More
   texts per clip. A prompt that names what it asks for.
5. **A few clips by heart.** Train on 16 clips without `augment` and
   `modality_dropout`. If it cannot learn these, something is broken: texts
   longer than `sequence_length`, answers that the clips do not show, the wrong
   manifest.
6. **By heart but no further** (text loss far below that of validation): more
   clips, `augment=True`, `ClipAugmentation(noise=0.01, ...)`, a smaller model.
7. **One kind of question stays low.** *fused* with *seen* and *heard* right:
   shorter snippets, or events that do not share one. *order* low: more
   questions of order per clip. *seen* low in moments: larger pictures,
   `image_size=64`.
8. **Only then** another learning rate (a half, a double) and another seed.
"""

Path("build/your_own_videos.json").write_text(json.dumps(report, indent=1))
print("wrote build/your_own_videos.json and the pictures in", build)
