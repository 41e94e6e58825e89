"""
Title: Training at scale and on TPUs
Author: The keras_mirasol developers
Date created: 2026/11/26
Last modified: 2026/11/28
Description: One script from a laptop to a pod, its losses compared on the way.
Accelerator: None
"""

"""
A model outgrows a machine in two ways: training takes too long, or the weights
and what is computed with them do not fit. This guide writes one script, of
some 150 lines, that you can copy, and runs it as it is

- on one device,
- on eight devices of one host, each with all weights (*data parallel*),
- on eight devices, with the weights cut as well (*model parallel*),
- in two processes that know only their own part of the clips,
- on TensorFlow, mirrored on two devices,
- on PyTorch, in two processes,

and compares the losses, which should not depend on any of this. Then it goes on
with a training on fewer devices, kills one and goes on with it, measures what
saves memory, and works out how many devices `mirasol_3b` needs without
allocating a single weight.

You need no accelerator: JAX and TensorFlow can make several devices of one
CPU. They share its cores, so nothing here gets faster. What is shown is that it
is right, which is worth knowing before you pay for a pod.
"""

import os

# `keras.distribution` works on JAX alone. What is shown of TensorFlow and
# PyTorch runs in processes of its own.
os.environ["KERAS_BACKEND"] = "jax"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import csv
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np

import keras_mirasol
from keras_mirasol.data import sounding_shapes

FAST = os.environ.get("FAST_GUIDES") == "1"  # a quick look
build = Path("build/training_at_scale")
shutil.rmtree(build, ignore_errors=True)
build.mkdir(parents=True)
keras.utils.set_random_seed(0)

"""
## Records and a model

Where many devices train, decoding must not be what they wait for. So clips are
decoded once, into records. Any process can read its part of these.

The model is a Mirasol a few units wide, saved as a preset: the script takes any
preset, and a small one compiles soon.
"""

NUM_CLIPS, BATCH, STEPS = 16, 8, 6 if FAST else 20
manifest = sounding_shapes.write_corpus(build / "corpus", NUM_CLIPS, seed=0)
lines = keras_mirasol.data.read_manifest(manifest)

models = keras_mirasol.models
preprocessor = models.MirasolCausalLMPreprocessor(
    video_converter=models.MirasolVideoConverter(32),
    audio_converter=models.MirasolAudioConverter(32, sampling_rate=16000),
    tokenizer=models.MirasolTokenizer.train(lines, vocabulary_size=320),
    frames_per_snippet=2,
    audio_frames_per_snippet=5,
    sequence_length=32,
)
preprocessor.adapt(lines)


def small_task(**settings):
    backbone = models.MirasolBackbone(
        vocabulary_size=320,
        frames_per_snippet=2,
        audio_frames_per_snippet=5,
        snippet_seconds=preprocessor.snippet_seconds,
        image_size=32,
        num_mels=32,
        num_joint_tokens=2,
        tubes=[{"kernel": (2, 8, 8)}],
        video_hidden_dim=32,
        video_num_layers=1,
        video_num_heads=2,
        audio_patch_size=(5, 8),
        audio_hidden_dim=32,
        audio_num_layers=1,
        audio_num_heads=2,
        hidden_dim=32,
        num_heads=2,
        combiner_num_layers=1,
        latent_num_layers=1,
        text_hidden_dim=32,
        text_num_layers=1,
        text_num_heads=2,
        **settings,
    )
    # Fewer objectives compile sooner.
    return models.MirasolCausalLM(
        backbone, preprocessor, frame_weight=0.0, spectrogram_weight=0.0
    )


task = small_task()
task.save_to_preset(str(build / "start"))
records = build / "records"
summary = keras_mirasol.data.write_records(
    lines, records, preprocessor, clips_per_shard=4, verbose=False
)
lines_of_clips = keras_mirasol.data.group_lines(lines)
assert all(len(group) == 8 for group in lines_of_clips)
print(f"{task.count_params():,} parameters")
print(f"{NUM_CLIPS} clips with 8 questions each")
print(summary)

"""
## The script

Three places differ from a script for a laptop:

1. `distribute()` says where weights and batches go, before the model is built.
   On JAX that is `keras.distribution`; Keras then compiles one program for all
   devices. On TensorFlow it is a strategy of `tf.distribute`. On PyTorch each
   device has a process, and these form a group of `torch.distributed`.
2. The dataset has `shard=`, so that each process reads its own clips;
   `num_snippets=`, so that every batch of every process has one shape; and
   `repeat=True` with `steps_per_epoch=`, so that no process runs out of batches
   while others wait for it.
3. `TrainingCheckpoint` saves all that the next step depends on, the place in
   the data included, and `fit()` goes on from there when the same command is
   given again.
"""

script = '''"""Trains a preset on records: one device, many, or many hosts."""

import argparse
import contextlib
import json
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

parser = argparse.ArgumentParser()
parser.add_argument("preset", help="a preset with weights, to start from")
parser.add_argument("records", help="what write_records() wrote")
parser.add_argument("folder", type=Path, help="where to put what comes of it")
parser.add_argument("--batch-size", type=int, default=16, help="of all devices")
parser.add_argument("--texts-per-clip", type=int, default=1)
parser.add_argument("--num-snippets", type=int, help="of the longest clip")
parser.add_argument("--epochs", type=int, default=1)
parser.add_argument("--steps-per-epoch", type=int, required=True)
parser.add_argument("--save-every", type=int, default=1000, help="steps")
parser.add_argument("--steps-per-execution", type=int, default=1)
parser.add_argument("--learning-rate", type=float, default=1e-3)
parser.add_argument("--accumulate", type=int, help="batches to an update")
parser.add_argument("--precision", default="float32")
parser.add_argument("--shuffle", action="store_true")
parser.add_argument("--many-processes", action="store_true")
parser.add_argument("--model-parallel", type=int, default=1)
parser.add_argument("--cpus", type=int, help="to rehearse on TensorFlow")


def distribute(settings):
    """Returns this process's shard, and a scope to build the model in."""
    backend = keras.backend.backend()
    if backend == "jax":
        if settings.many_processes:
            # On a TPU pod it finds the others by itself; elsewhere by
            # KERAS_DISTRIBUTION_JOB_ADDRESSES and the like.
            keras.distribution.initialize()
        devices = keras.distribution.list_devices()
        if len(devices) == 1:
            return (0, 1), contextlib.nullcontext()
        if settings.model_parallel == 1:
            distribution = keras.distribution.DataParallel(
                devices=devices, auto_shard_dataset=False
            )
        else:
            from keras_mirasol.models import MirasolBackbone

            model = settings.model_parallel
            mesh = keras.distribution.DeviceMesh(
                (len(devices) // model, model), ("batch", "model"), devices
            )
            distribution = keras.distribution.ModelParallel(
                layout_map=MirasolBackbone.get_layout_map(mesh),
                auto_shard_dataset=False,
            )
        keras.distribution.set_distribution(distribution)
        count = min(distribution.num_processes, distribution.num_model_replicas)
        shard = (distribution.data_shard_id, count)
        return shard, contextlib.nullcontext()
    if settings.model_parallel > 1:
        raise ValueError("Weights are cut on JAX alone.")
    if settings.many_processes and backend == "tensorflow":
        raise ValueError("On TensorFlow one process has all devices.")
    if settings.many_processes:
        import torch

        # By what torchrun told this process.
        torch.distributed.init_process_group()
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        group = torch.distributed.group.WORLD
        return (group.rank(), group.size()), contextlib.nullcontext()
    if backend == "tensorflow":
        import tensorflow as tf

        if settings.cpus:
            tf.config.set_logical_device_configuration(
                tf.config.list_physical_devices("CPU")[0],
                [tf.config.LogicalDeviceConfiguration()] * settings.cpus,
            )
        devices = tf.config.list_logical_devices("GPU")
        devices = devices or tf.config.list_logical_devices("CPU")
        strategy = tf.distribute.MirroredStrategy([d.name for d in devices])
        return (0, 1), strategy.scope()
    return (0, 1), contextlib.nullcontext()


def mib_of_a_device(model):
    """MiB of weights and optimizer state that the first device holds."""
    variables = [*model.variables, *model.optimizer.variables]
    if keras.backend.backend() == "jax":
        arrays = [v.value.addressable_shards[0].data for v in variables]
        return sum(array.nbytes for array in arrays) / 2**20
    return sum(keras.ops.convert_to_numpy(v).nbytes for v in variables) / 2**20


def main():
    settings = parser.parse_args()
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(settings.precision)
    shard, scope = distribute(settings)

    import keras_mirasol

    with scope:
        task = keras_mirasol.models.MirasolCausalLM.from_preset(settings.preset)
        # AdamW with a warm-up, a rate that falls along a cosine, decay of
        # kernels alone, and clipped gradients.
        task.compile(
            learning_rate=settings.learning_rate,
            steps=settings.epochs * settings.steps_per_epoch,
            gradient_accumulation_steps=settings.accumulate,
            steps_per_execution=settings.steps_per_execution,
        )
    index, count = shard
    train = keras_mirasol.data.records_dataset(
        settings.records,
        task.preprocessor,
        batch_size=settings.batch_size // count,
        texts_per_clip=settings.texts_per_clip,
        shuffle=settings.shuffle,
        seed=0,
        repeat=True,
        drop_remainder=True,
        shard=shard,
        num_snippets=settings.num_snippets,
        clip_index=True,  # for the clips to be named if a loss is NaN
    )
    folder = settings.folder
    folder.mkdir(parents=True, exist_ok=True)
    task.fit(
        train,
        epochs=settings.epochs,
        steps_per_epoch=settings.steps_per_epoch,
        verbose=2,
        callbacks=[
            keras_mirasol.models.TrainingCheckpoint(
                folder / "checkpoints", save_every=settings.save_every
            ),
            keras_mirasol.models.ThroughputLogger(),
            keras.callbacks.CSVLogger(folder / f"log-{index}.csv", append=True),
        ],
    )
    if index == 0:
        task.save_to_preset(str(folder / "trained"))
    print(json.dumps({"mib_of_a_device": mib_of_a_device(task)}))


if __name__ == "__main__":
    main()
'''
train_py = build / "train.py"
train_py.write_text(script)
print(f"{train_py}: {len(script.splitlines())} lines")

"""
A few lines start it here. Nothing that they set is needed on a real machine,
save one: `JAX_COMPILATION_CACHE_DIR` names a folder in which JAX keeps what it
compiled, so that the same training starts sooner the next time.
"""

VIRTUAL = "--xla_force_host_platform_device_count={}"
# Compiling is most of what is waited for here.
QUICK = (
    "--xla_backend_optimization_level=0"
    " --xla_llvm_disable_expensive_passes=true"
)


def start(name, *options, devices=1, backend="jax", log=None, **variables):
    """Starts the script; what it prints goes to a file."""
    flags = [VIRTUAL.format(devices), QUICK if FAST else ""]
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "XLA_FLAGS": " ".join(flags),
        "JAX_COMPILATION_CACHE_DIR": str((build / "compiled").resolve()),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "TF_ENABLE_ONEDNN_OPTS": "0",
        **variables,
    }
    settings = {
        "--batch-size": BATCH,
        "--texts-per-clip": 8,
        "--num-snippets": 8,
        # An epoch is a step here, so that the log has the loss of each.
        "--epochs": STEPS,
        "--steps-per-epoch": 1,
        "--save-every": 3,
    }
    fixed = [str(word) for pair in settings.items() for word in pair]
    return subprocess.Popen(
        [
            *(sys.executable, train_py, build / "start"),
            *(options[0], build / name, *fixed, *options[1:]),
        ],
        env=environment,
        stdout=open(build / f"{log or name}.log", "w"),
        stderr=subprocess.STDOUT,
    )


def losses_of(name, process="*"):
    """The loss of each step, the last if it was made twice.

    Of several processes, the mean of what they logged.
    """
    logged = []
    for path in (build / name).glob(f"log-{process}.csv"):
        with open(path) as file:
            lines = {
                line["epoch"]: line["loss"] for line in csv.DictReader(file)
            }
        logged.append([float(lines[step]) for step in sorted(lines, key=int)])
    return np.mean(logged, axis=0).tolist()


def finish(*started):
    """Waits for processes, and shows what went wrong if one failed."""
    for process in started:
        if process.wait():
            for other in started:
                other.kill()
            logs = [file.read_text()[-2000:] for file in build.glob("*.log")]
            raise RuntimeError("\n".join(logs))


def mib_of(name):
    return json.loads((build / f"{name}.log").read_text().splitlines()[-1])[
        "mib_of_a_device"
    ]


report = {"backend": keras.backend.backend(), "fast": FAST, "losses": {}}


def compare(*names):
    """Losses of runs beside those on one device."""
    losses = {name: losses_of(name) for name in ("one_device", *names)}
    shown = range(0, STEPS, max(STEPS // 5, 1))
    print(f"{'loss of step':<18}" + "".join(f"{i + 1:>10}" for i in shown))
    for name, values in losses.items():
        print(f"{name:<18}" + "".join(f"{values[i]:>10.6f}" for i in shown))
    for name in names:
        apart = np.abs(np.array(losses[name]) / losses["one_device"] - 1).max()
        print(f"{name}: at most {apart:.1e} apart in {STEPS} steps, relatively")
        report["losses"][name] = {
            "of_steps": losses[name],
            "relative_difference": float(apart),
        }


"""
## One device, eight, and four times two

`DataParallel` gives each device all weights and an eighth of the batch.
`ModelParallel` arranges the eight as four groups of two: each group has a
fourth of the batch. Weights are cut along both sides of this mesh, by
`MirasolBackbone.get_layout_map()`: the two of a group compute half of each
layer, and of this half each group holds a fourth, and has the rest sent when
the layer's turn comes. A batch must divide by the number of parts that it is
cut into, here 8 clips by 8 and by 4.
"""

get_layout_map = models.MirasolBackbone.get_layout_map


def bytes_of_a_device(variables, mesh):
    """Bytes of weights that one of the devices of a mesh holds."""
    layouts = get_layout_map(mesh)
    sizes = dict(zip(mesh.axis_names, mesh.shape, strict=True))
    total = 0
    for variable in variables:
        layout = layouts[variable.path]
        shape = list(variable.shape)
        for axis, name in enumerate(layout.axes if layout else ()):
            shape[axis] //= sizes.get(name, 1)
        total += 4 * int(np.prod(shape))
    return total


def imagined_mesh(count):
    """A mesh of devices that are not there."""
    names = [f"tpu:{i}" for i in range(count)]
    return keras.distribution.DeviceMesh((count, 1), ("batch", "model"), names)


layouts = get_layout_map(imagined_mesh(2))
by_layout = {}
for weight in task.weights:
    layout = layouts[weight.path]
    axes = "whole" if layout is None else str(layout.axes)
    by_layout.setdefault(axes, []).append(weight)
for axes, weights in by_layout.items():
    count = sum(int(np.prod(weight.shape)) for weight in weights)
    largest = max(weights, key=lambda weight: np.prod(weight.shape))
    print(f"{axes:<26}{count:>8,} numbers, such as {largest.path}")

"""
All three runs, side by side:
"""

on_eight = {"data_parallel": [], "model_parallel": ["--model-parallel", "2"]}
if FAST:
    del on_eight["data_parallel"]
finish(
    start("one_device", records),
    *(
        start(name, records, *options, devices=8)
        for name, options in on_eight.items()
    ),
)
compare(*on_eight)
for name in ("one_device", *on_eight):
    report[f"mib_of_a_device_{name}"] = mib_of(name)
    print(f"{name:<18}{mib_of(name):.3f} MiB of weights and optimizer a device")

"""
The losses agree to rounding: sums are taken in another order. A device holds
an eighth of the large weights under `ModelParallel`, the optimizer's moments
included, which are cut like their weights.

**Which to choose.** `DataParallel` as long as weights and optimizer fit on one
device. Else `ModelParallel` with a model axis of 1, `(devices, 1)`: weights are
cut, and devices send each other nothing but these and gradients. A longer model
axis is for activations that do not fit even with one clip a device: devices
along it exchange activations in each block, and should be near each other.

## On other devices than before

A checkpoint has no devices in it. Here the training goes on from the one that
the eight devices wrote, for two more steps: on eight, on four, and on one.
"""

MORE = 2
counts = (4, 1) if FAST else (8, 4, 1)
for count in counts:
    shutil.copytree(build / "model_parallel", build / f"on_{count}")
finish(
    *(
        start(
            f"on_{count}",
            records,
            *(["--model-parallel", "2"] if count > 1 else []),
            *("--epochs", str(STEPS + MORE)),
            devices=count,
        )
        for count in counts
    )
)
went_on = {count: losses_of(f"on_{count}")[STEPS:] for count in counts}
for count, values in went_on.items():
    print(f"on {count}:", *(f"{value:.6f}" for value in values))
report["went_on"] = went_on

"""

## Two processes

On several hosts there is a process for each, and the same script runs in all
of them. Each reads its own part of the clips, and Keras joins these to one
batch. A process finds the others by three variables, or on a TPU pod by itself.

Two processes read other clips at a time than one does: the first half of the
records and the second. To compare losses step by step, these records have the
clips in such an order that both give their half of the same batches.
"""

dealt = np.arange(NUM_CLIPS).reshape(-1, 2, BATCH // 2).swapaxes(0, 1).ravel()
print("order of clips in the records of two processes:", *dealt)
dealt_lines = [line for clip in dealt for line in lines_of_clips[clip].values()]
keras_mirasol.data.write_records(
    dealt_lines,
    build / "dealt",
    preprocessor,
    clips_per_shard=4,
    verbose=False,
)


def start_two(name, backend, variables_of):
    """Starts two processes, which find each other by variables."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    return [
        start(
            *(name, build / "dealt", "--many-processes"),
            backend=backend,
            log=f"{name}-{index}",
            **variables_of(port, str(index)),
        )
        for index in range(2)
    ]


def of_jax(port, index):
    return {
        "KERAS_DISTRIBUTION_JOB_ADDRESSES": f"localhost:{port}",
        "KERAS_DISTRIBUTION_NUM_PROCESSES": "2",
        "KERAS_DISTRIBUTION_PROCESS_ID": index,
    }


finish(*start_two("two_processes", "jax", of_jax))
compare("two_processes")
assert losses_of("two_processes", 0) == losses_of("two_processes", 1)
print("both processes logged the same losses")

"""
That asks of every process the same number of batches, all of one shape, and a
batch that divides by the number of devices of all hosts together. A process
that is missing makes the others wait for it.

## TensorFlow and PyTorch

`keras.distribution` works on JAX alone, and so does cutting weights. On
TensorFlow the same script uses `MirroredStrategy`: each device computes the
loss of its own part of a batch. The mean of the parts' means is not to the last
digit the mean of the whole, since parts have more or fewer answer tokens; so
these losses are close, not equal.
"""

finish(start("tensorflow", records, "--cpus", "2", backend="tensorflow"))
compare("tensorflow")

"""
On PyTorch each device has a process, and `torchrun` starts them:

```sh
KERAS_BACKEND=torch torchrun --nproc-per-node=8 train.py ... --many-processes
```

Wherever `torch.distributed` has been initialized, `fit()` begins with the
weights of the first process, and all average their gradients. The first one
writes the checkpoints. Each logs the losses of its own clips; below is the mean
of both. `torchrun` sets these variables:
"""


def of_torchrun(port, index):
    return {
        "MASTER_ADDR": "localhost",
        "MASTER_PORT": port,
        "WORLD_SIZE": "2",
        "RANK": index,
        "LOCAL_RANK": index,
    }


finish(*start_two("pytorch", "torch", of_torchrun))
compare("pytorch")

"""
## Killed, and started again

A preempted machine gives no notice. Here a training is killed (`SIGKILL`, which
no program can catch) after its fifth step, and the same command is given
again. The clips are shuffled, so that it matters that the second run finds its
place in the data: since `seed=0`, every pass has an order of its own, and the
same order in every run.
"""

undisturbed = start("undisturbed", records, "--shuffle")
killed = start("killed", records, "--shuffle", log="killed")
log = build / "killed" / "log-0.csv"
while killed.poll() is None:
    if log.exists() and len(log.read_text().splitlines()) > 5:
        killed.kill()
    time.sleep(0.01)
assert killed.returncode == -signal.SIGKILL
done = len(log.read_text().splitlines()) - 1
print(f"killed after {done} of {STEPS} steps")
finish(undisturbed)
finish(start("killed", records, "--shuffle", log="resumed"))
apart = np.abs(np.subtract(losses_of("killed"), losses_of("undisturbed"))).max()
print(f"losses of all {STEPS} steps: at most {apart} apart")

trained = [
    models.MirasolCausalLM.from_preset(build / name / "trained").get_weights()
    for name in ("killed", "undisturbed")
]
apart = max(
    np.abs(one - other).max() for one, other in zip(*trained, strict=True)
)
report["killed_after_steps"] = done
report["resumed_weights_apart"] = float(apart)
print(f"weights at the end: at most {apart} apart")

"""
The weights are those of a training that nothing disturbed, to the bit on this
CPU, wherever it is killed
([measured](../../benchmarks/results/kill_training.json) on each backend).
What `TrainingCheckpoint` does:

- **It saves every `--save-every` steps**, in the background. Steps since the
  last are made again: as many as you are ready to lose.
- **A checkpoint is there as a whole or not at all.** Orbax writes it beside,
  and gives it its name when it is complete. The newest three are kept, and
  with `keep_every=10_000` one of every so many for good.
- **All hosts write to one folder**, each its own part of the weights.
- **A disk that is full** stops training with an error that says so, and leaves
  the last complete checkpoint.
- **A loss that is NaN** stops training, too, and is never saved. The error
  names the step, the losses and the clips.

`ModelCheckpoint` beside it keeps the best epochs by a validation metric. The
log also has `frames_per_second` and `input_wait`, the part of the time in which
training waited for its data; `keras.callbacks.TensorBoard("logs")` after
`ThroughputLogger` draws all of it.

## What saves memory

Nothing is allocated here. JAX is given shapes, and says what it keeps between
the forward and the backward pass. XLA compiles the step, and says what it needs
in between for all it does.
"""

import jax


def step_memory(task, batch, num_snippets):
    """MiB of a training step, with weights and optimizer and beside them."""
    task.compile(keras.optimizers.AdamW(1e-3))
    task.optimizer.build(task.trainable_variables)
    backbone = task.backbone
    length = preprocessor.sequence_length
    height, width = backbone.image_size

    def array(*shape, dtype="float32"):
        return jax.ShapeDtypeStruct((batch, *shape), dtype)

    frames = num_snippets * backbone.frames_per_snippet
    audio_frames = num_snippets * backbone.audio_frames_per_snippet
    x = {
        "pixel_values": array(frames, height, width, 3),
        "audio_features": array(audio_frames, backbone.num_mels),
        "video_mask": array(num_snippets, dtype="bool"),
        "audio_mask": array(num_snippets, dtype="bool"),
        "token_ids": array(length, dtype="int32"),
        "padding_mask": array(length, dtype="bool"),
    }
    data = x, array(length, dtype="int32"), array(length)
    state = tuple(
        [jax.ShapeDtypeStruct(v.shape, v.dtype) for v in variables]
        for variables in (
            task.trainable_variables,
            task.non_trainable_variables,
            task.optimizer.variables,
            task.metrics_variables,
        )
    )

    def backward_pass(state, data):
        weights, others, optimizer, metrics = state

        def loss(weights):
            return task.compute_loss_and_updates(
                *(weights, others, metrics, *data),
                training=True,
                optimizer_variables=optimizer,
            )

        return jax.vjp(loss, weights, has_aux=True)[1]

    kept = jax.tree.leaves(jax.eval_shape(backward_pass, state, data))
    step = jax.jit(task.train_step, donate_argnums=0)
    memory = step.lower(state, data).compile().memory_analysis()
    return {
        "weights": memory.argument_size_in_bytes / 2**20,
        "kept": sum(x.size * x.dtype.itemsize for x in kept) / 2**20,
        "in between": memory.temp_size_in_bytes / 2**20,
    }


BATCH_OF_TABLE, SNIPPETS = (4, 16) if FAST else (8, 64)
plain = {"as it is": (BATCH_OF_TABLE, {})}
half = {"half the batch": (BATCH_OF_TABLE // 2, {})}
remat = {"rematerialize": (BATCH_OF_TABLE, {"rematerialize": True})}
slices = {
    "and slices of 8": (
        BATCH_OF_TABLE,
        {"rematerialize": True, "snippets_per_slice": 8},
    )
}
levers = plain | slices if FAST else plain | half | remat | slices
memories = {}
print(f"{'MiB of a step':<18}{'weights':>10}{'kept':>10}{'in between':>12}")
for lever, (batch, settings) in levers.items():
    memory = step_memory(small_task(**settings), batch, SNIPPETS)
    memories[lever] = memory
    print(
        f"{lever:<18}{memory['weights']:>10.1f}{memory['kept']:>10.1f}"
        f"{memory['in between']:>12.1f}"
    )
report["memory"] = {"batch": BATCH_OF_TABLE, "snippets": SNIPPETS, **memories}

figure, axes = plt.subplots(figsize=(7.5, 3.2), layout="constrained", dpi=120)
for turn, (name, colour, label) in enumerate(
    (
        ("kept", "#0072B2", "kept for the backward pass"),
        ("in between", "#E69F00", "in between, as compiled for this CPU"),
    )
):
    bars = axes.barh(
        np.arange(len(memories)) + 0.4 * turn - 0.2,
        [memory[name] for memory in memories.values()],
        0.4,
        color=colour,
        label=label,
    )
    axes.bar_label(bars, fmt="%.1f", padding=3, fontsize=8)
axes.margins(x=0.12)
axes.invert_yaxis()
axes.set(
    title=f"Memory of a step: {BATCH_OF_TABLE} clips of {SNIPPETS} snippets",
    xlabel="MiB",
    yticks=range(len(memories)),
)
axes.set_yticklabels(memories)
axes.legend()
figure.savefig(build / "memory.png")
plt.close(figure)
figure

"""
- **`rematerialize`** computes blocks again in the backward pass instead of
  keeping what they made: the more blocks, the more it saves. XLA for CPUs
  undoes it, as the table shows: compile for the device that you will use.
- **`snippets_per_slice`** has encoders and Combiner go through clips in slices,
  so that their memory does not grow with the length. Both are arguments of the
  backbone, and kept in its preset.
- **`--accumulate 2`** with half the batch makes the updates of the whole batch
  in the memory of the half.
- **`--precision mixed_bfloat16`** keeps weights in float32 and computes in
  bfloat16, which TPUs and recent GPUs are built for. A CPU gains nothing.
- **`--steps-per-execution 10`** saves time, not memory: the program returns to
  Python once in ten steps. It pays where a step takes milliseconds.

Two of them, as the script takes them. The learning rate rises with every batch,
so that accumulated updates are half of one ahead in the warm-up, and their
losses lower at first. Those of bfloat16 have three digits to go by.
"""

variants = {
    "bfloat16": ["--precision", "mixed_bfloat16"],
    "accumulated": [
        *("--batch-size", str(BATCH // 2), "--accumulate", "2"),
        *("--steps-per-epoch", "2", "--save-every", "4"),
    ],
}
if FAST:
    variants = {}
finish(*(start(name, records, *variants[name]) for name in variants))
compare(*variants)

"""
## How many devices does `mirasol_3b` need?

Weights, two moments of AdamW and gradients, in float32, are 16 bytes a
parameter. `get_layout_map()` says how much of it each device holds. A
`StatelessScope` builds the model without values, so that the largest preset
takes seconds and no memory.
"""

BYTES = 4  # as often as a weight is there: itself, two moments, its gradient
devices = (1, 2, 4, 8, 16)
report["gib_of_a_device"] = {}
print("GiB a device".ljust(16) + "".join(f"{n:>9}" for n in devices))
for name in ("mirasol_small", "mirasol_base", "mirasol_3b"):
    with keras.StatelessScope(initialize_variables=False):
        planned = models.MirasolCausalLM.from_preset(
            name, load_weights=False, compile=False
        )
    gib = [
        BYTES * bytes_of_a_device(planned.weights, imagined_mesh(n)) / 2**30
        for n in devices
    ]
    report["gib_of_a_device"][name] = dict(zip(devices, gib, strict=True))
    print(name.ljust(16) + "".join(f"{value:>9.2f}" for value in gib))


"""
Each doubling halves it: what every device keeps whole is next to nothing. On
devices of 16 GiB, `mirasol_3b` leaves 4.5 GiB for all else if there are 4, and
10 if there are 8. Add to the numbers

- *activations*, by `step_memory()` above, for the clips and settings that you
  mean to use. Compile that before you rent anything.
- room for what the compiler moves about: plan with three quarters of a device.

For `mirasol_3b`, [`benchmarks/plan_3b.py`](../../benchmarks/plan_3b.py) has
done so, for 16 and 256 devices and clips of 128 and 512 frames
([results](../../benchmarks/results/plan_3b.json)). Weights in bfloat16 without
moments are an eighth of this, enough to answer questions with.

And how long? The README's table has the operations of a second of video up to
its latents; a backward pass takes twice those of the forward pass. A device
does its peak times a utilisation, 0.4 say. The two numbers below are
assumptions: put in your own.
"""

PEAK, UTILISATION = 200e12, 0.4  # operations a second, and what is used of it
HOURS = 1000  # of video
for name, operations in (("mirasol_base", 125e9), ("mirasol_3b", 882e9)):
    seconds = 3 * operations * HOURS * 3600 / (PEAK * UTILISATION)
    report.setdefault("device_hours", {})[name] = seconds / 3600
    print(f"{name:<14}{seconds / 3600:>6.1f} hours of a device per epoch")

"""
## On a TPU

*None of this was run for this guide, which had no TPU.* A TPU VM is a Linux
machine with the devices in it, and JAX finds them by itself; the script needs
no change. On one host:

```sh
pip install "jax[tpu]" && pip install -e ".[jax,checkpoints]" -c constraints.txt
OPTIONS="--batch-size 256 --num-snippets 16 --steps-per-epoch 500 --epochs 20"
OPTIONS="$OPTIONS --precision mixed_bfloat16 --shuffle"
python train.py start gs://bucket/records /mnt/shared/run $OPTIONS
```

On a pod slice, the same command with `--many-processes` runs on every host at
the same time; Google's `gcloud` does that by `--worker=all`:

```sh
COMMAND="cd keras_mirasol && python train.py ... --many-processes"
HOSTS="NAME --zone ZONE --worker=all"
gcloud compute tpus tpu-vm ssh $HOSTS --command "$COMMAND"
```

What to see to, in the order in which it goes wrong:

1. **One process per host**, each of them started.
   `keras.distribution.initialize()` waits until all are there. It comes before
   anything that touches a device: that is why the script imports
   `keras_mirasol` after it.
2. **The batch divides** by all devices (by all groups under `ModelParallel`),
   and by the number of hosts.
3. **One shape**: `--num-snippets`, and texts that are filled up to
   `sequence_length`, which `num_snippets=` sees to. Each further shape is
   compiled anew. `JAX_COMPILATION_CACHE_DIR` spares a training that is started
   again all of it.
4. **Input**: each host decodes JPEGs for all of its devices. Look at whether
   steps wait for data before you buy more devices: train on one batch again and
   again (`train.take(1).repeat()`), and see whether that is faster. Then write
   records at the model's image size, and use more cores per device.
5. **Precision**: `mixed_bfloat16`. Losses stay in float32.
6. **Records and checkpoints where all hosts reach them**: `gs://` for records,
   which TensorFlow reads; a mounted folder for what the script writes.
7. **Preemption**: the same command again.

Then: the loss of the first epochs should be that of a small run of yours with
the same `--batch-size`, whatever the number of devices, as it was above.
"""

Path("build/training_at_scale.json").write_text(json.dumps(report, indent=1))
print("wrote build/training_at_scale.json")
