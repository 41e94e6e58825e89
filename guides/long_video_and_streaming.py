"""
Title: Long video and streaming
Author: The keras_mirasol developers
Date created: 2026/11/26
Last modified: 2026/11/26
Description: Clips of any length, and streams that answer while they play.
Accelerator: None
"""

"""
## What this guide is about

You have minutes or hours of video, and a model that was trained on clips of
seconds. This guide shows

- what a longer clip costs, and how to keep its memory small;
- how to watch a video as it comes, ask at any moment, stop and go on;
- how well answers hold up on clips longer than those of training, and what to
  do about it: here, a few minutes of training on longer ones.

`mirasol_tiny`, a model of about a million parameters that ships with the
package, watches a film of a minute that we make first. Nothing is downloaded.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")  # or "tensorflow" or "torch"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import json
import subprocess
import sys
import time
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import ops

import keras_mirasol
from keras_mirasol.data import sounding_shapes

FAST = os.environ.get("FAST_GUIDES") == "1"  # a quick look
build = Path("build/long_video_and_streaming")
build.mkdir(parents=True, exist_ok=True)
report = {"backend": keras.backend.backend(), "fast": FAST}
keras.utils.set_random_seed(0)

task = keras_mirasol.models.MirasolCausalLM.from_preset("mirasol_tiny")
preprocessor = task.preprocessor
print(f"{keras.backend.backend()}, {task.backbone.count_params():,} parameters")
print(f"a snippet lasts {preprocessor.snippet_seconds} s")

"""
## A film

*Sounding shapes* are generated scenes of 2 seconds, in four slots of half a
second; each slot shows a coloured shape and plays a sound. `mirasol_tiny` was
trained on such clips, of 2 seconds and no longer. Joined one after the other,
they make a film of any length, and we know what happens in it.
"""


def write_film(path, num_scenes, seed):
    """Writes a film of so many scenes; returns its events, one per slot."""
    scenes = [
        sounding_shapes.corpus_scene(index, seed=seed)
        for index in range(num_scenes)
    ]
    keras_mirasol.data.write_clip(
        path,
        np.concatenate([sounding_shapes.render_frames(s) for s in scenes]),
        np.concatenate([sounding_shapes.render_audio(s) for s in scenes]),
        frame_rate=16,
        sampling_rate=16000,
    )
    return [event for scene in scenes for event in scene.events]


film_path = build / "film.mp4"
events = write_film(film_path, num_scenes=8 if FAST else 30, seed=2024)
slot_seconds = 0.5
print(f"{len(events) * slot_seconds:.0f} s, {len(events)} slots:")
for event in events[:4]:
    print(f"  a {event.colour} {event.shape} and a {event.sound}")
print("  ...")

"""
`load_clip` reads a whole file into memory. `iter_clip` goes through it span by
span and keeps no more than one, so a film of hours takes the memory of a span.
`preprocessor.clip_settings` are the rates and the image size that the model
wants. Spans must hold whole snippets, or streams have to wait for the rest;
that costs nothing, as we shall see.
"""

spans = list(
    keras_mirasol.data.iter_clip(
        film_path, seconds=slot_seconds, **preprocessor.clip_settings
    )
)
film = keras_mirasol.data.load_clip(film_path, **preprocessor.clip_settings)
joined = np.concatenate([span["videos"] for span in spans])
print(f"{len(spans)} spans; one: {spans[0]['videos'].shape}")
print(f"the film: {film['videos'].shape}")
print("joined, the spans are the film:", np.array_equal(joined, film["videos"]))

"""
The first 4 seconds, two scenes: frames above the spectrogram, a line at each
snippet's border.
"""


def seconds_of(clip, start, end):
    """A cut of a clip in memory."""
    frames, samples = preprocessor.frame_rate, preprocessor.sampling_rate
    return {
        "videos": clip["videos"][round(start * frames) : round(end * frames)],
        "audio": clip["audio"][round(start * samples) : round(end * samples)],
    }


figure = keras_mirasol.visualization.plot_clip(
    seconds_of(film, 0, 4),
    preprocessor,
    title="The film's first two scenes, in snippets of a quarter second",
)
figure.savefig(build / "film.png")
figure

"""
## Any length, the same weights

Encoders and Combiner see one snippet at a time, and the snippet Transformer
computes a snippet's place from its time in seconds. No weight belongs to a
length, so any clip goes through any weights. Let us encode longer and longer
cuts of the film to their snippet latents, and time it.
"""


def clip_inputs(clip):
    """What the backbone reads of a clip, as a batch of one."""
    inputs = preprocessor.generate_preprocess({**clip, "prompts": ""})
    return {key: np.asarray(value) for key, value in inputs.items()}


def milliseconds(function, argument, repeats=5):
    """The median over some runs, without the first, which may compile."""
    function(argument)
    taken = []
    for _ in range(repeats):
        begun = time.perf_counter()
        function(argument)
        taken.append(1000 * (time.perf_counter() - begun))
    return float(np.median(taken))


report["lengths"] = []
names = ("seconds", "snippets", "parameters", "ms", "ms a snippet")
print("".join(f"{name:>14}" for name in names))
for seconds in (2, 8) if FAST else (2, 8, 32):
    inputs = clip_inputs(seconds_of(film, 0, seconds))
    ms = milliseconds(task.backbone.predict_on_batch, inputs)
    snippets = inputs["video_mask"].shape[1]
    parameters = task.backbone.count_params()
    report["lengths"].append(
        {
            "seconds": seconds,
            "snippets": snippets,
            "parameters": parameters,
            "ms": round(ms, 2),
        }
    )
    print(
        f"{seconds:>14}{snippets:>14}{parameters:>14,}{ms:>14.1f}"
        f"{ms / snippets:>14.2f}"
    )

"""
Parameters stay as they are, and time grows with the number of snippets, not
with its square: what attends from snippet to snippet is a small part, of one
joint token each. (`benchmarks/scaling.py` measures it up to 2,048 frames.)

## Which lengths compile anew

On JAX, and on TensorFlow where it compiles, each new shape is a new program,
which takes seconds to make. So that this is rare, clips are filled up to few
lengths, four an octave, and what is filled is masked. How many programs do
clips of all lengths up to an hour need?
"""

to_an_hour = np.arange(1, round(3600 / preprocessor.snippet_seconds) + 1)
filled = np.asarray(keras_mirasol.preprocessing.snippet_bucket(to_an_hour))
filling = 1 - to_an_hour.sum() / filled.sum()
print(f"{len(to_an_hour):,} lengths, {len(set(filled.tolist()))} programs")
print(f"of what is computed, {filling:.0%} is filling")
for snippets in (5, 9, 33, 100, 1000):
    print(f"a clip of {snippets:>5} snippets: {filled[snippets - 1]}")
report["lengths_to_an_hour"] = len(to_an_hour)
report["programs_to_an_hour"] = len(set(filled.tolist()))

"""
A batch is as long as its longest clip needs, so the number of programs of a
training is that of the lengths that its batches come to.
`clip_dataset(..., num_snippets=64)` fills every clip up to one length: one
program, at the price of more filling. Take it when clips are about equally
long, and when several hosts train together, who must all have one shape.

Lines of a manifest may be parts of a long file: `start` and `end` cut it. Here
are two cuts of the film, one of 2 seconds and one of 3.
"""

cuts = [
    {
        "media": str(film_path),
        "start": 0.0,
        "end": end,
        "prompt": "what is heard last?",
        "response": events[round(end / slot_seconds) - 1].sound,
    }
    for end in (2.0, 3.0)
]
for num_snippets in (None, 16):
    dataset = keras_mirasol.data.clip_dataset(
        cuts, preprocessor, batch_size=1, num_snippets=num_snippets
    )
    shapes = [x["video_mask"].shape[1] for x, _, _ in dataset]
    print(f"num_snippets={num_snippets}: batches of {shapes} snippets")

"""
## Memory: slices, and computing again

Training keeps what every layer computed until the backward pass has used it,
for all snippets at once. Two settings of the backbone trade time for memory:

- `snippets_per_slice=16`: encoders and Combiner go through the clip in slices
  of 16 snippets, and through each once more in the backward pass. Their memory
  does not grow with the clip.
- `rematerialize=True`: blocks keep their inputs alone and are computed again
  in the backward pass. A list such as `["snippet_transformer"]` names parts.

Neither changes weights or results, so they can be set when a preset is loaded.
"""

sliced = keras_mirasol.models.MirasolBackbone.from_preset(
    "mirasol_tiny", snippets_per_slice=16, rematerialize=True
)
inputs = clip_inputs(seconds_of(film, 0, 8))
whole_latents, sliced_latents = (
    ops.convert_to_numpy(model.predict_on_batch(inputs)["snippet_latents"])
    for model in (task.backbone, sliced)
)
difference = float(np.abs(whole_latents - sliced_latents).max())
report["sliced_largest_difference"] = difference
print(f"largest difference of the latents: {difference:.1e}")

"""
What it saves: the memory that a forward and a backward pass take beside the
weights, from one clip to its snippet latents. XLA, which compiles for JAX,
tells it of a program without running it, so this cell measures on JAX alone.
"""


def training_mib(backbone, seconds):
    """MiB that the gradients of one clip take at their peak, by XLA."""
    import jax

    inputs = clip_inputs(seconds_of(film, 0, seconds))

    def loss(trainable, non_trainable):
        outputs, _ = backbone.stateless_call(
            trainable, non_trainable, inputs, training=True
        )
        return ops.mean(outputs["snippet_latents"] ** 2)

    weights = [
        [variable.value for variable in variables]
        for variables in (
            backbone.trainable_variables,
            backbone.non_trainable_variables,
        )
    ]
    program = jax.jit(jax.grad(loss)).lower(*weights).compile()
    return program.memory_analysis().temp_size_in_bytes / 2**20


report["training_mib"] = {}
if keras.backend.backend() == "jax":
    print(f"{'seconds':>8}{'as it is, MiB':>16}{'in slices, MiB':>16}")
    for seconds in (16,) if FAST else (4, 16, 60):
        mib = [training_mib(m, seconds) for m in (task.backbone, sliced)]
        report["training_mib"][seconds] = [round(value, 1) for value in mib]
        print(f"{seconds:>8}{mib[0]:>16.0f}{mib[1]:>16.0f}")
else:
    print("measured on JAX alone")

"""
When memory is short: slices first, as encoders of pictures take the most;
then `rematerialize` for the parts that are left; then a smaller batch. The
price is one more forward pass: a fifth more time, as `benchmarks/scaling.py`
measures it.

## A stream

A stream watches a video as it comes. Frames and samples are kept until they
fill a snippet, which is encoded once and for all; a question then costs its
text alone. `observe()` takes any number of frames and samples, of either
modality, and returns the latents of the snippets that became complete. Here
the film's first 8 seconds come in pieces that fit no snippet, and sound runs
ahead of the picture.
"""

start_of_film = seconds_of(film, 0, 8)
stream = task.stream(max_snippets=64)
latents = []
for piece in range(22):
    latents.append(
        stream.observe(
            start_of_film["videos"][3 * piece :][:3],
            start_of_film["audio"][6500 * piece :][:6500],
        )
    )
print("complete after each call:", [len(piece) for piece in latents])
latents.append(stream.finish())

streamed = np.concatenate([ops.convert_to_numpy(piece) for piece in latents])
difference = float(np.abs(streamed - whole_latents[0]).max())
report["stream_largest_difference"] = difference
print(f"{stream.num_snippets} snippets; whole clip: {len(whole_latents[0])}")
print(f"largest difference of the latents: {difference:.1e}")

"""
`finish()` says that no more will come: what is left over is cut or filled to a
whole snippet, as at the end of a clip. The latents are those of the whole clip
at once, so a stream answers what `generate()` would.

Without a window everything is remembered. Answers come at once, several of
them together, or token by token, as they are made:
"""

print(stream.ask("what is heard first?"))
print(stream.ask(["what is heard first?", "what is heard second?"]))
for piece in stream.ask("what happens first?", token_by_token=True):
    print(piece, end="|", flush=True)
print()
print("in truth:", events[0].colour, events[0].shape, events[0].sound)

"""
## A window: hours in the memory of minutes

With `window=32` a snippet attends to the last 32 snippets, here 8 seconds, and
to the first 4, the *sinks*, on which attention rests (`num_sinks=`). Questions
attend to the same. What a stream knows then has one size for ever. Without a
window there is room for `max_snippets`, which is doubled when it is full: that
compiles anew, and memory grows.

`save()` writes what a stream knows to a file, whose size shows it. The film
plays in a loop until the streams have seen some minutes.
"""

stage = 40  # snippets between two looks
num_snippets = 2 * stage if FAST else 60 * stage
settings = {
    "without window": {"max_snippets": 64},
    "window of 32": {"window": 32},
}
frames = film["videos"].reshape(-1, 2, *film["videos"].shape[1:])
samples = film["audio"][: len(frames) * preprocessor.samples_per_snippet]
samples = samples.reshape(len(frames), -1)

streams = {name: task.stream(**settings[name]) for name in settings}
taken = {name: [] for name in settings}
kib = {name: [] for name in settings}
for index in range(num_snippets):
    snippet = index % len(frames)
    # By turns, so that what else the machine does slows both.
    for name, stream in streams.items():
        begun = time.perf_counter()
        latents = stream.observe(frames[snippet], samples[snippet])
        ops.convert_to_numpy(latents)  # waits for them
        taken[name].append(1000 * (time.perf_counter() - begun))
        if (index + 1) % stage == 0:
            stream.save(build / "stream.npz")
            size = (build / "stream.npz").stat().st_size
            kib[name].append(size / 1024)

report["stream_cost"] = {}
print(f"{'median of 40 snippets':24}{'ms':>8}{'KiB saved':>12}")
for name in settings:
    medians = np.median(np.reshape(taken[name], (-1, stage)), axis=1)
    for when, at in (("first", 0), ("last", -1)):
        report["stream_cost"][f"{name}, {when}"] = {
            "ms": round(float(medians[at]), 2),
            "kib": round(kib[name][at]),
        }
        print(
            f"{name + ', ' + when:24}{medians[at]:>8.2f}{kib[name][at]:>12.0f}"
        )
longest = {name: max(taken[name][1:]) for name in settings}
report["stream_longest_ms"] = {k: round(v, 1) for k, v in longest.items()}
print("longest after the first, ms:", report["stream_longest_ms"])

"""
Look at the spikes on the left: each is a doubling of the room, a new program,
and the same steps are to be seen on the right. With a window there is none
after the first snippet, and both of its lines are flat.
"""

figure, (cost, memory) = plt.subplots(
    1, 2, figsize=(10, 3.4), layout="constrained"
)
for (name, ms), colour in zip(
    taken.items(), ("#0072B2", "#D55E00"), strict=True
):
    at = np.arange(stage, num_snippets + 1, stage)
    cost.plot(range(1, num_snippets), ms[1:], color=colour, lw=0.5, alpha=0.4)
    medians = np.median(np.reshape(ms, (-1, stage)), axis=1)
    cost.plot(at, medians, color=colour, lw=2, label=name)
    memory.plot(at, kib[name], color=colour, lw=2, label=name)
cost.set(
    title="Time of each snippet; bold, medians of 40",
    xlabel="snippet number",
    ylabel="ms",
    yscale="log",
)
memory.set(
    title="What the stream knows, as saved",
    xlabel="snippet number",
    ylabel="KiB",
    ylim=(0, None),
)
memory.legend()
figure.savefig(build / "cost.png")
figure

"""
Without a window, set `max_snippets` to what will come, if you know it, and
nothing is compiled on the way. (`benchmarks/scaling.py` follows a larger model
with a window to its 10,000th snippet: time and memory stay within 1 percent.)

## Stop and go on

`save()` keeps what was seen, with frames and samples that fill no snippet yet;
`restore()` goes on from there, in another process, or on another backend. The
stream must be made with the same model and settings.
"""

stream = task.stream(window=32)
stream.observe(frames[0], samples[0])
stream.observe(frames[1][:1], samples[1][:500])  # half a snippet
stream.save(build / "stream.npz")

other = task.stream(window=32)
other.restore(build / "stream.npz")
rest = [s.observe(frames[1][1:], samples[1][500:]) for s in (stream, other)]
rest = [ops.convert_to_numpy(latents) for latents in rest]
print(f"{other.num_snippets} snippets; equal: {np.array_equal(*rest)}")
print(stream.ask("what is heard first?"), other.ask("what is heard first?"))

"""
## Several streams side by side

`task.stream(batch_size=4)` watches four videos in one batch; frames, samples,
prompts and answers are then lists, with `None` where there is nothing new.
Streams need not keep step: each snippet that is complete anywhere is encoded,
and `reset(index)` begins one of them anew.

We use it to see how answers hold up: several films that the model has never
seen are watched at once, and after every second each stream is asked what was
heard first, second, third and last. All four are questions of training, but
of clips of 2 seconds. A model that guesses is right in about one of six.
"""

num_films, num_scenes = (2, 8) if FAST else (8, 30)
films = []
for index in range(num_films):
    path = build / f"film_{index}.mp4"
    film_events = write_film(path, num_scenes, seed=3000 + index)
    clip = keras_mirasol.data.load_clip(path, **preprocessor.clip_settings)
    films.append({**clip, "events": film_events})
questions = {
    f"what is heard {name}?": name
    for name in ("first", "second", "third", "last")
}
seconds_asked = range(2, 2 * num_scenes + 1)


def truth(film, question, seconds):
    """The sound that a question is about, when so much has been seen."""
    last = round(seconds / slot_seconds) - 1
    place = {"first": 0, "second": 1, "third": 2, "last": last}
    return film["events"][place[questions[question]]].sound


def watch(task, reset_every=None, **settings):
    """Answers of all streams: question, second, film."""
    stream = task.stream(batch_size=num_films, **settings)
    answers = {question: [] for question in questions}
    for seconds in range(1, 2 * num_scenes + 1):
        parts = [seconds_of(film, seconds - 1, seconds) for film in films]
        stream.observe(
            [part["videos"] for part in parts],
            [part["audio"] for part in parts],
        )
        if seconds in seconds_asked:
            for question in questions:
                answers[question].append(stream.ask([question] * num_films))
        if reset_every is not None and seconds % reset_every == 0:
            stream.reset()
    return answers


def shares_right(answers):
    """Share of films with a right answer: `(questions, seconds)`."""
    return np.array(
        [
            [
                np.mean(
                    [
                        answer == truth(film, question, seconds)
                        for answer, film in zip(row, films, strict=True)
                    ]
                )
                for seconds, row in zip(seconds_asked, rows, strict=True)
            ]
            for question, rows in answers.items()
        ]
    )


memories = {
    "everything": {},
    "window of 32, 4 sinks": {"window": 32},
    "window of 32, no sinks": {"window": 32, "num_sinks": 0},
    "anew, every 2 s": {"window": 32, "reset_every": 2},
}
if FAST:  # fewer programs to compile
    memories = {name: memories[name] for name in list(memories)[1::2]}
before = {name: watch(task, **memories[name]) for name in memories}


def table(answers):
    print(f"{'remembered':24}" + "".join(f"{q:>9}" for q in questions.values()))
    for name, answered in answers.items():
        shares = shares_right(answered).mean(axis=1)
        print(f"{name:24}" + "".join(f"{share:>9.2f}" for share in shares))
    return {
        name: dict(
            zip(
                questions.values(),
                shares_right(answered).mean(axis=1).round(3).tolist(),
                strict=True,
            )
        )
        for name, answered in answers.items()
    }


report["right_before"] = table(before)

"""
The same as a picture: time runs to the right, below the scenes of the first
film, and each field is the share of the films whose answer was right then.
"""


def plot_answers(answers, title):
    figure, axes = plt.subplots(
        len(answers) + 1,
        1,
        figsize=(11, 1.1 + 1.5 * len(answers)),
        height_ratios=(1, *[3] * len(answers)),
        sharex=True,
        layout="constrained",
    )
    end = 2 * num_scenes
    # One frame of each scene.
    strip = films[0]["videos"][2 :: 2 * round(preprocessor.frame_rate)]
    strip = strip.transpose(1, 0, 2, 3).reshape(strip.shape[1], -1, 3)
    axes[0].imshow(strip, extent=(0, end, 0, 1), aspect="auto")
    axes[0].set(yticks=[], title=title)
    for row, (name, answered) in zip(axes[1:], answers.items(), strict=True):
        image = row.imshow(
            shares_right(answered),
            extent=(1, end, len(questions) - 0.5, -0.5),
            aspect="auto",
            cmap="cividis",
            vmin=0,
            vmax=1,
        )
        row.set(yticks=range(len(questions)), yticklabels=questions.values())
        row.set_ylabel(name.replace(", ", ",\n"))
    axes[-1].set(xlabel="seconds; asked at the end of each", xlim=(0, end))
    figure.colorbar(image, ax=axes[1:], label="share of right answers")
    return figure


figure = plot_answers(
    before, "What is heard first, second, third, last? As it ships"
)
figure.savefig(build / "answers_before.png")
figure

"""
What to see:

- **At 2 seconds,** the length of training, all is right, and the first three
  sounds are for some seconds more.
- **The last sound** is lost first: a model that was trained on clips of 2
  seconds has never had to find the latest of many, at times that it never met.
- **With everything remembered, the beginning drowns,** one sound after the
  other, in what came later.
- **Sinks keep it.** With a window, the first 4 snippets, one second with the
  first two sounds, are attended to for ever, beside no more than 32 others:
  *first* and *second* last longer. *Third* lies behind them, and is forgotten
  once the window has passed it. Without sinks, so are all three.
- **A stream that begins anew** every 2 seconds has never seen more than clips
  of training had, and knows the last sound. It knows nothing else.

`benchmarks/long_answers.py` finds the same of clips of 16 seconds: of
questions that the model answers all right in 2 seconds, a quarter to three
quarters are right.

## What to do: begin anew, or train on such lengths

If questions are about the last few seconds alone, nothing needs training:
`reset()` the stream as often as clips of training were long, or let two
streams in a batch take turns, so that one of them has always seen a while.

Otherwise train on clips as long as those that you will ask about. Cuts of
other films do, from half a second to 16: each begins with some scene, has any
number of slots, and has its first three and its last asked for, in one word
and as a caption. `texts_per_clip` encodes a cut once for all of them, and
`num_snippets` gives all batches one shape.
"""

most_slots = 8 if FAST else 32
cuts_per_film, num_train_films = (8, 2) if FAST else (16, 24)
rng = np.random.default_rng(0)


def cut_lines(path, film_events):
    """Lines of a manifest about one cut of a film, chosen at random."""
    count = int(rng.integers(1, most_slots + 1))
    first = 4 * int(rng.integers(0, (len(film_events) - count) // 4 + 1))
    cut = film_events[first : first + count]
    named = [*zip(("first", "second", "third"), cut, strict=False)]
    texts = []
    for name, event in (*named, ("last", cut[-1])):
        told = f"a {event.colour} {event.shape} and a {event.sound}"
        texts.append((f"what is heard {name}?", event.sound))
        texts.append((f"what happens {name}?", told))
    return [
        {
            "media": str(path),
            "start": first * slot_seconds,
            "end": (first + count) * slot_seconds,
            "prompt": prompt,
            "response": response,
        }
        for prompt, response in texts
    ]


train_lines = []
for index in range(num_train_films):
    path = build / f"train_{index}.mp4"
    film_events = write_film(path, num_scenes=32, seed=4000 + index)
    for _ in range(cuts_per_film):
        train_lines += cut_lines(path, film_events)
train = keras_mirasol.data.clip_dataset(
    train_lines,
    preprocessor,
    batch_size=4,
    texts_per_clip=8,
    shuffle=True,
    seed=0,
    cache=True,
    drop_remainder=True,
    num_snippets=2 * most_slots,
)
epochs = 1 if FAST else 3
task.compile(learning_rate=5e-4, steps=epochs * len(train))
history = task.fit(train, epochs=epochs, verbose=2)
report["fine_tuning"] = {
    "steps": epochs * len(train),
    "text_loss": [round(v, 4) for v in history.history["text_loss"]],
}

"""
The same films, the same questions:
"""

after = {name: watch(task, **memories[name]) for name in memories}
report["right_after"] = table(after)
figure = plot_answers(
    after, "What is heard first, second, third, last? After fine-tuning"
)
figure.savefig(build / "answers_after.png")
figure

"""
Compare it with the picture above, row by row:

- **The beginning no longer drowns.** With everything remembered, *first*,
  *second* and *third* are right to the end of the minute, which is nearly four
  times as long as the longest clip of this training.
- **What a window has forgotten stays forgotten.** No training helps where the
  snippet is out of sight: choose `window` and `num_sinks` by what will be
  asked.
- **The last sound is still guessed.** To find the latest of many is a search
  that clips of 2 seconds never asked for, and these few hundred steps are not
  enough to learn it. Until more are spent on it, begin anew.

When yours do not hold up: draw a picture like this one, of questions about
early and late moments; train on longer cuts, and on many lengths, not on one;
ask in training what will be asked; and mix in the texts of before, or they are
forgotten.

## At a file's own pace

`python -m keras_mirasol.stream FILE` plays a file and answers what you type
meanwhile, token by token. `--preset` takes a folder, `--window` and `--speed`
are as above. Here it plays a scene, and two questions are waiting for it; they
are answered as soon as there is something to answer about.
"""

task.save_to_preset(str(build / "tuned"))
scene_path = build / "scene.mp4"
scene = write_film(scene_path, num_scenes=1, seed=5000)
command = [
    *(sys.executable, "-m", "keras_mirasol.stream", str(scene_path)),
    *("--preset", str(build / "tuned"), "--window", "32"),
]
played = subprocess.run(
    command,
    input="what is heard first?\nwhat happens last?\n",
    capture_output=True,
    text=True,
    check=True,
)
print("python", *command[1:])
print(played.stdout)
print("in truth: a", scene[0].colour, scene[0].shape, "and a", scene[0].sound)

report_path = Path("build/long_video_and_streaming.json")
report_path.write_text(json.dumps(report, indent=1))
print(f"wrote {report_path} and the pictures in {build}/")
