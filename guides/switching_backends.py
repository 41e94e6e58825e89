"""
Title: Switching backends
Author: The keras_mirasol developers
Date created: 2026/11/26
Last modified: 2026/11/26
Description: One model on JAX, TensorFlow and PyTorch, and what each costs.
Accelerator: None
"""

"""
All of Mirasol is written in `keras.ops`, so that a model that was saved on one
backend is loaded by any other. This guide runs one short script on each backend
that you have installed and compares

- what comes out: logits, answers, and the losses of a training that moves from
  backend to backend in its midst;
- what it costs: seconds until the first result, seconds for each further one,
  and memory;
- which operations the time goes to, as each backend's own profiler sees it.

At the end stands what to choose. Look at the proportions rather than at the
seconds: these are of the machine that ran the guide, without a GPU.

## One backend per process

Keras reads `KERAS_BACKEND` once, when it is first imported. To change it in a
notebook, restart its kernel; to compare backends, use processes, as we do here.
PyTorch, TensorFlow and JAX may be installed side by side.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")  # or "tensorflow" or "torch"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import matplotlib.pyplot as plt
import numpy as np

import keras_mirasol

FAST = os.environ.get("FAST_GUIDES") == "1"  # a quick look
build = Path("build/switching_backends")
shutil.rmtree(build, ignore_errors=True)
build.mkdir(parents=True)

backends = []
for backend in ("jax", "tensorflow", "torch"):
    if importlib.util.find_spec(backend) is None:
        print(f"{backend} is not installed and left out")
    else:
        backends.append(backend)
print("backends:", *backends)

"""
## What each of them does

First some clips, with *relay* questions, which `mirasol_tiny` was not trained
on: it has something to learn.
"""

CLIPS, TEXTS = (8, 2) if FAST else (48, 8)
STEPS = 2 if FAST else 8  # of training, on each backend
manifest = keras_mirasol.data.sounding_shapes.write_corpus(
    build / "corpus", CLIPS, seed=7, kinds=["relay"], questions_per_kind=TEXTS
)
lines = keras_mirasol.data.read_manifest(manifest)
print(f"{CLIPS} clips, {len(lines)} questions, such as {lines[0]['prompt']!r}")

"""
This is the script. Nothing in it says which backend it is for, save for the
profiler at its end. It notes how long each thing takes the first time, and how
long when it is done again.
"""

script = '''"""What a preset does on the backend that KERAS_BACKEND names."""

import json
import re
import resource
import statistics
import sys
import time
from pathlib import Path

begun = time.perf_counter()
import keras
import keras_hub
import numpy as np

import keras_mirasol

seconds = {"import": time.perf_counter() - begun}
settings = json.loads(sys.argv[1])
folder = Path(settings["folder"])
backend = keras.backend.backend()
keras.utils.set_random_seed(0)


def timed(name, function, repetitions=3):
    """Times a first call, and the median of some more."""
    times = []
    for _ in range(1 + repetitions):
        begun = time.perf_counter()
        result = function()
        times.append(time.perf_counter() - begun)
    seconds[f"first {name}"] = times[0]
    seconds[name] = statistics.median(times[1:])
    return result


def batches(num_snippets):
    dataset = keras_mirasol.data.clip_dataset(
        settings["manifest"],
        task.preprocessor,
        batch_size=settings["batch_size"],
        texts_per_clip=settings["texts"],
        num_snippets=num_snippets,
        repeat=True,
    )
    return dataset.as_numpy_iterator()


# === Load ===
begun = time.perf_counter()
task = keras_mirasol.models.MirasolCausalLM.from_preset(settings["preset"])
seconds["load"] = time.perf_counter() - begun

# === Logits, then logits of longer clips ===
inputs, _, _ = next(batches(8))
longer, _, _ = next(batches(16))
outputs = timed("forward", lambda: task.predict_on_batch(inputs))
np.savez(folder / f"{backend}.npz", logits=outputs["logits"])
timed("forward, longer clips", lambda: task.predict_on_batch(longer))

# === Answers ===
lines = keras_mirasol.data.read_manifest(settings["manifest"])
lines = lines[:: settings["texts"]][:8]
clips = [
    keras_mirasol.data.load_clip(
        line["media"], **task.preprocessor.clip_settings
    )
    for line in lines
]
prompts = [line["prompt"] for line in lines]
one = {**clips[0], "prompts": prompts[0]}
eight = {
    "videos": [clip["videos"] for clip in clips],
    "audio": [clip["audio"] for clip in clips],
    "prompts": prompts,
}
timed("answer", lambda: task.generate(one))
answers = timed("8 answers", lambda: task.generate(eight))

# === Profile ===
def profile_jax(function):
    import jax

    with jax.profiler.trace(str(folder / "jax")):
        function()
    return xplane_operations(folder / "jax")


def profile_tensorflow(function):
    import tensorflow as tf

    with tf.profiler.experimental.Profile(str(folder / "tensorflow")):
        function()
    return xplane_operations(folder / "tensorflow")


def profile_torch(function):
    import torch

    with torch.profiler.profile() as profiler:
        function()
    return {
        event.key: event.self_cpu_time_total / 1e3
        for event in profiler.key_averages()
        if event.key.startswith("aten::")
    }


def xplane_operations(folder):
    """Milliseconds by kind of operation, of a trace for TensorBoard."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    space = xplane_pb2.XSpace()
    (path,) = folder.rglob("*.xplane.pb")
    space.ParseFromString(path.read_bytes())
    found = {}
    for plane in space.planes:
        names = {
            number: metadata.name
            for number, metadata in plane.event_metadata.items()
        }
        stats = {
            number: metadata.name
            for number, metadata in plane.stat_metadata.items()
        }
        for line in plane.lines:
            for event in line.events:
                about = {stats[stat.metadata_id] for stat in event.stats}
                name = names[event.metadata_id]
                if "hlo_op" in about:  # XLA numbers them: dot.12
                    name = name.split(".")[0]
                elif line.name.startswith("tf_Compute") and (
                    scoped := re.fullmatch("[^:]+:([^: ]+)", name)
                ):
                    name = scoped[1]  # scope:Type
                else:
                    continue
                milliseconds = event.duration_ps / 1e9
                found[name] = found.get(name, 0) + milliseconds
    return found


profilers = {
    "jax": profile_jax,
    "tensorflow": profile_tensorflow,
    "torch": profile_torch,
}
operations = profilers[backend](lambda: task.predict_on_batch(inputs))

# === Training, from where the backend before left it ===
before, after = settings["before"], settings["after"]
if before is None:
    optimizer = keras.optimizers.AdamW(settings["learning_rate"], clipnorm=1.0)
    task.compile(optimizer)
else:
    task = keras.saving.load_model(before)
first_step = int(task.optimizer.iterations)
last_step = settings["last_step"]
data = batches(8)
losses, times = [], []
for step in range(last_step):
    x, y, sample_weight = next(data)
    if step < first_step:
        continue
    if step == settings["save_step"]:
        task.save(after)
    task.reset_metrics()
    begun = time.perf_counter()
    logs = task.train_on_batch(x, y, sample_weight, return_dict=True)
    times.append(time.perf_counter() - begun)
    losses.append(float(logs["text_loss"]))
if settings["save_step"] == last_step:
    task.save(after)
seconds["first training step"] = times[0]
seconds["training step"] = statistics.median(times[1:])


def peak_mib():
    """Most memory that was in use at once."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        (line,) = [line for line in lines if line.startswith("VmHWM")]
        return int(line.split()[1]) / 1024
    except OSError:  # not Linux; macOS counts in bytes
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


memory = peak_mib()


report = {
    "seconds": seconds,
    "peak_mib": memory,
    "answers": answers,
    "losses": losses,
    "first_step": first_step,
    "operations": operations,
}
(folder / f"{backend}.json").write_text(json.dumps(report))
'''
script_path = build / "measure.py"
script_path.write_text(script)
print(f"{script_path}: {len(script.splitlines())} lines")

"""
A few lines run it on one backend after the other. The first starts from the
preset and trains without a break, as something to compare with; each of the
others goes on where the one before it stopped.
"""

preset = "mirasol_tiny"
learning_rate = 1e-3
if FAST:  # a model a few units wide, untrained, compiles sooner
    models = keras_mirasol.models
    preprocessor = models.MirasolCausalLMPreprocessor(
        video_converter=models.MirasolVideoConverter(16),
        audio_converter=models.MirasolAudioConverter(16, sampling_rate=16000),
        tokenizer=models.MirasolTokenizer(),
        frames_per_snippet=2,
        audio_frames_per_snippet=5,
        sequence_length=64,
    )
    backbone = models.MirasolBackbone(
        vocabulary_size=258,
        frames_per_snippet=2,
        audio_frames_per_snippet=5,
        snippet_seconds=preprocessor.snippet_seconds,
        image_size=16,
        num_mels=16,
        num_joint_tokens=1,
        tubes=[{"kernel": (2, 8, 8)}],
        video_hidden_dim=16,
        video_num_layers=1,
        video_num_heads=2,
        audio_patch_size=(5, 8),
        audio_hidden_dim=16,
        audio_num_layers=1,
        audio_num_heads=2,
        hidden_dim=16,
        num_heads=2,
        combiner_num_layers=1,
        latent_num_layers=1,
        text_hidden_dim=16,
        text_num_layers=1,
        text_num_heads=2,
    )
    preset = str(build / "preset")
    models.MirasolCausalLM(
        backbone, preprocessor, frame_weight=0.0, spectrogram_weight=0.0
    ).save_to_preset(preset)

# A quick look waits for compilers, not for what they make.
quick = (
    "--xla_backend_optimization_level=0"
    " --xla_llvm_disable_expensive_passes=true"
)
results, before = {}, None
last_step = STEPS * len(backends)
for turn, backend in enumerate(backends, start=1):
    after = build / f"after_{backend}.keras"
    settings = {
        "folder": str(build),
        "preset": preset,
        "manifest": str(manifest),
        "batch_size": 4 if FAST else 8,
        "texts": TEXTS,
        "learning_rate": learning_rate,
        "before": before and str(before),
        "after": str(after),
        "save_step": turn * STEPS,
        "last_step": last_step if turn == 1 else turn * STEPS,
    }
    environment = {**os.environ, "KERAS_BACKEND": backend}
    if FAST:
        environment["XLA_FLAGS"] = quick
    with open(build / f"{backend}.log", "w") as log:
        process = subprocess.run(
            [sys.executable, script_path, json.dumps(settings)],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    if process.returncode:
        raise RuntimeError((build / f"{backend}.log").read_text()[-3000:])
    results[backend] = json.loads((build / f"{backend}.json").read_text())
    before = after
    print(f"{backend}: {sum(results[backend]['seconds'].values()):.0f} s")

"""
## The same numbers

Logits of the same clips and texts, from the same weights. They differ by
rounding alone: each backend adds up in its own order. The tests of the package
hold all three to 1e-4.
"""

logits = {name: np.load(build / f"{name}.npz")["logits"] for name in backends}
differences = {
    f"{one} and {other}": float(np.abs(logits[one] - logits[other]).max())
    for i, one in enumerate(backends)
    for other in backends[i + 1 :]
}
largest = np.abs(logits[backends[0]]).max()
print(f"logits {logits[backends[0]].shape}, up to {largest:.1f}")
for pair, difference in differences.items():
    print(f"{pair:<22}{difference:.1e} apart at most")
    assert difference <= 1e-4

"""
So the answers are the same too. Where two tokens are as likely as each other to
the last bit, rounding may choose; of 512 questions to `mirasol_tiny` it never
did (`benchmarks/same_answers.py`).
"""

prompts = [line["prompt"] for line in lines[::TEXTS]][:8]
width = 2 + max(map(len, prompts))
print("question".ljust(width) + "".join(name.ljust(14) for name in backends))
for number, prompt in enumerate(prompts):
    answers = [results[name]["answers"][number] for name in backends]
    print(f"{prompt:<{width}}" + "".join(f"{a[:11]!r:<14}" for a in answers))
same_answers = all(
    results[name]["answers"] == results[backends[0]]["answers"]
    for name in backends
)
print("same answers:", same_answers)

"""
## A training that moves

`task.save("there.keras")` keeps weights, optimizer and its place in the
schedule; `keras.saving.load_model()` goes on with them on any backend. (A
preset keeps the weights alone, and is what to publish.) Below, the line is one
backend's training without a break; the points are the same training handed
from backend to backend. They should lie on the line.
"""

unbroken = results[backends[0]]["losses"]
moved = [
    loss
    for turn, name in enumerate(backends)
    for loss in results[name]["losses"][: STEPS if turn == 0 else None]
]
apart = float(np.abs(np.array(moved) / unbroken - 1).max())
print(f"text loss from {moved[0]:.4f} to {moved[-1]:.4f}")
print(f"at most {apart:.1e} apart from the unbroken training, relatively")

COLOURS = {"jax": "#0072B2", "tensorflow": "#E69F00", "torch": "#009E73"}
MARKERS = {"jax": "o", "tensorflow": "s", "torch": "^"}
figure, axes = plt.subplots(figsize=(8, 3.6), layout="constrained", dpi=120)
axes.plot(
    range(1, last_step + 1),
    unbroken,
    color="0.6",
    label=f"{backends[0]}, without a break",
)
for turn, name in enumerate(backends):
    steps = range(turn * STEPS, (turn + 1) * STEPS)
    axes.plot(
        [step + 1 for step in steps],
        [moved[step] for step in steps],
        MARKERS[name],
        color=COLOURS[name],
        label=name,
    )
axes.set(
    title="One training, handed from backend to backend",
    xlabel="step",
    ylabel="text loss, nats per token",
)
axes.legend()
figure.savefig(build / "moved.png")
plt.close(figure)
figure

"""
## Where time goes

Read the table by rows.

- **first ...** JAX and TensorFlow trace a function and compile it when it first
  meets a shape; PyTorch runs layer by layer and has nothing to compile.
- **longer clips** are a new shape: JAX and TensorFlow compile again.
- **without "first"** is what you pay for each further step, and what counts in
  a training of thousands.
"""

rows = list(results[backends[0]]["seconds"])
print("seconds".ljust(30) + "".join(f"{name:>12}" for name in backends))
for row in rows:
    values = [results[name]["seconds"][row] for name in backends]
    print(f"{row:<30}" + "".join(f"{value:>12.3f}" for value in values))
memory = [results[name]["peak_mib"] for name in backends]
print(f"{'peak memory, MiB':<30}" + "".join(f"{m:>12.0f}" for m in memory))

FIRST = ("import", "load", "first forward", "first answer")
FIRST = (*FIRST, "first training step")
AGAIN = ("forward", "answer", "8 answers", "training step")
figure, panels = plt.subplots(
    1, 3, figsize=(12, 4), layout="constrained", dpi=120, width_ratios=(5, 4, 3)
)
height = 0.8 / len(backends)
for panel, names, title in (
    (panels[0], FIRST, "Once: seconds until it runs"),
    (panels[1], AGAIN, "Every time: seconds"),
):
    for turn, backend in enumerate(backends):
        values = [results[backend]["seconds"][name] for name in names]
        places = np.arange(len(names)) + (turn + 0.5) * height - 0.4
        bars = panel.barh(
            places, values, height, color=COLOURS[backend], label=backend
        )
        panel.bar_label(bars, fmt="%.2g", padding=2, fontsize=8)
    panel.set(title=title, xlabel="seconds", yticks=range(len(names)))
    panel.set_yticklabels(names)
    panel.invert_yaxis()
    panel.margins(x=0.15)
panels[0].legend()
bars = panels[2].bar(
    backends, np.array(memory) / 1024, color=[COLOURS[b] for b in backends]
)
panels[2].bar_label(bars, fmt="%.2f", fontsize=8)
panels[2].set(title="Peak memory", ylabel="GiB")
figure.savefig(build / "seconds.png")
plt.close(figure)
figure

"""
After how many training steps has the faster one made up for its compilation?
"""


def seconds_of_training(backend, steps):
    seconds = results[backend]["seconds"]
    return seconds["first training step"] + steps * seconds["training step"]


for steps in (10, 100, 1000, 10000):
    totals = {name: seconds_of_training(name, steps) for name in backends}
    quickest = min(totals, key=totals.get)
    shown = "".join(
        f"{name} {total:>8.0f} s   " for name, total in totals.items()
    )
    print(f"{steps:>6} steps: {shown}quickest: {quickest}")

"""
## New shapes, and why there are few

A new length of clip or text is a new shape, and a new shape is a new program on
JAX and TensorFlow. So batches are filled up to few lengths, *buckets*: what is
filled in is masked and changes no result. Less than a quarter of a clip is
filling.
"""

bucket = keras_mirasol.preprocessing.snippet_bucket
lengths = np.arange(1, 257)
buckets = np.unique(bucket(lengths))
print(f"clips of 1 to 256 snippets: {len(buckets)} lengths")
print(*buckets)
assert (np.array(bucket(lengths)) >= lengths).all()

"""
`clip_dataset(..., num_snippets=64)` makes it one length, which several hosts
need, and which is worth it whenever clips are about as long as each other.

## What the time is spent on

Each backend has a profiler of its own, and on each it works as anywhere: Keras
adds nothing in between. The script traced one forward pass with it, and summed
the time by kind of operation. XLA's names are those of fused programs, the
others' those of single operations; times of parallel threads add up.
"""

for name in backends:
    operations = results[name]["operations"]
    total = sum(operations.values())
    print(f"{name}: {len(operations)} kinds of operation")
    for operation in sorted(operations, key=operations.get)[:-6:-1]:
        taken = operations[operation]
        print(f"  {operation[:44]:<46}{taken:>8.2f} ms {taken / total:.0%}")

"""
The traces of JAX and TensorFlow are in `build/switching_backends/jax` and
`.../tensorflow`, as TensorBoard's profiler reads them.

## What else differs

- **How `fit` runs**: JAX compiles a step with XLA. TensorFlow makes a graph of
  it, and has XLA compile that on a GPU, but not on a CPU, unless
  `compile(jit_compile=True)` says so. PyTorch goes from layer to layer.
- **`jit_compile=True` on PyTorch** compiles through Dynamo: it took minutes
  where running layer by layer took a second. Leave it off there.
- **`run_eagerly=True`** turns compilation off on all three, for a debugger or a
  `print` in a layer.
- **`steps_per_execution`** above 1 is refused by Keras on PyTorch.
- **Precision**: `keras.config.set_dtype_policy("mixed_bfloat16")` before the
  model is built does the same on all three.
- **Many devices**: `keras.distribution` on JAX, `tf.distribute` on TensorFlow,
  a training loop of your own on `torch.distributed`; see *Training at scale*.
- **`tf.data` stays.** Clips are decoded and preprocessed by TensorFlow under
  every backend, which is why every installation brings it. It needs no GPU, and
  Keras hands its batches over as NumPy arrays. To read without it, see
  `keras_mirasol.data.ClipSource`, which PyTorch's `DataLoader` and Grain take.
- **GPU memory**: TensorFlow claims a GPU's memory when it first uses it. Under
  JAX or PyTorch it needs none for the data; hide the GPU from it, first of all,
  by `tf.config.set_visible_devices([], "GPU")`.

## What to choose

| you want to | choose |
|---|---|
| train for hours; several devices or TPUs | JAX |
| ask a little, in a script that starts anew each time | PyTorch |
| serve answers from a process that stays | JAX |
| look into layers, change them, debug | PyTorch, or `run_eagerly=True` |
| export a SavedModel, by `task.export()` | TensorFlow or JAX |
| combine it with modules you have | the backend that they are written in |

And as nothing binds you: debug on one, train on another, serve on a third.
"""

report = {
    "backend": os.environ["KERAS_BACKEND"],
    "backends": backends,
    "fast": FAST,
    "preset": preset,
    "logits_apart": differences,
    "same_answers": same_answers,
    "moved_apart": apart,
    "moved_losses": moved,
    "unbroken_losses": unbroken,
    "cores": os.cpu_count(),
    "results": results,
}
Path("build/switching_backends.json").write_text(json.dumps(report, indent=1))
print("wrote build/switching_backends.json")
