"""
Title: Your own videos
Author: The keras_mirasol developers
Date created: 2026/11/26
Last modified: 2026/11/26
Description: From a folder of files to a model that answers questions about them.
Accelerator: None
"""

"""
You have a folder of videos, and questions about them with answers. This guide
makes a model of them: a manifest, a tokenizer and converters adapted to the
data, snippets that fit what happens in the clips, a training that is watched,
and an evaluation by kind of question. At its end is a list of what to do when a
model does not learn.

The videos here are of digits, written by hand and spoken. Pictures are the
1,797 scans of handwriting that ship with scikit-learn, sounds are the spoken
digits that ship with `captcha`. Both come with `pip install -e '.[jax,guides]'`.
"""

import collections
import json
import os
import time
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

Skip the next two cells if you have a folder of your own. They write videos as a
user would have them: in each, four scans drift over paper, one after the other,
while four digits are spoken. The voice is a single one, at another pace, loudness
and moment each time.
"""

WORDS = "zero one two three four five six seven eight nine".split()
PLACES = ("first", "second", "third", "last")
FRAME_RATE, SAMPLING_RATE, SIZE = 16, 16000, 64
MOMENT = 0.75  # seconds that a digit is seen or heard in

scans, labels = sklearn.datasets.load_digits(return_X_y=True)
scans = scans.reshape(-1, 8, 8) / 16  # 1 is ink
voice = []
for digit in range(10):
    path = Path(find_spec("captcha").origin).parent / f"data/{digit}/default.wav"
    with wave.open(str(path)) as file:
        samples = file.readframes(file.getnframes())
    voice.append(np.frombuffer(samples, "uint8") / 128.0 - 1.0)  # at 8 kHz


def picture(scan, rng):
    """Frames of a moment: a scan drifts over paper."""
    paper = rng.uniform(0.75, 0.95) + rng.normal(0, 0.02, (SIZE, SIZE, 1))
    paper = paper * (1.0, 0.98, 0.92)
    ink = scipy.ndimage.zoom(scan, rng.uniform(4.75, 6.25)).clip(0, 1)
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
so the table is cut in order and not at random. How much that matters, a nearest
neighbour shows, which finds a writer's other digits when it can.
"""


def nearest_neighbour(order):
    images, answers = scans.reshape(-1, 64)[order], labels[order]
    known, asked = images[:1500], images[1500:]
    distances = ((asked[:, None] - known[None]) ** 2).sum(-1)
    return np.mean(answers[distances.argmin(1)] == answers[1500:])


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
does. Look at what the model will see before anything else. What you cannot tell
apart at this size and rate, it cannot either; then `image_size` or `frame_rate`
must be higher.
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

One line for each question: the file, a prompt and a response, and whatever else
you want to know later. Here `kind` says what it takes to answer:

- *seen* and *heard*: one modality, and when;
- *order*: one modality, and what comes next to what;
- *fused*: both, at the same time. Neither modality alone can tell.
- *moment*: with `start` and `end` in seconds, a short clip of its own. There is
  nothing to search for in it, so encoders and Combiner learn from it first.

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
response to each prompt is one guess; half of *fused* and *order* is known to who
knows which four digits are in a clip but not when, one of four.
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
events that follow one another should not share one. The shortest word here takes
0.18 seconds at the quickest pace, a scan 0.6. Shorter snippets tell more exactly
when, and make more latents to attend to: their number is what the memory of the
latent model grows with, and the time of a long clip. Frame rate, image size and
spectrogram rate decide what the encoders cost.

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
should not spend them on spelling. And frames and spectrograms should have a mean
of 0 and a deviation of 1 over *these* clips. What all clips share, such as bright
paper or a quiet room, otherwise drives the joint tokens of all snippets together,
and they may not come apart again.
"""

preprocessor = task.preprocessor
sentence = "which digit is heard right after seven?"
before = preprocessor.tokenizer(sentence)
pixels = preprocessor.video_converter(clip["videos"])
mels = preprocessor.audio_converter(clip["audio"])
print(f"before: {len(before)} tokens, pixels of mean {np.mean(pixels):.2f} and")
print(f"deviation {np.std(pixels):.2f}, mels {np.mean(mels):.2f}")
