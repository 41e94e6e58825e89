"""How much of what a processor can multiply does the model make use of?

    python benchmarks/utilisation.py

Operations a second of a forward pass and of a training step, over those of the
fastest of several square matrix products, on JAX and PyTorch. Model and
products take turns in one process a backend, and the processes take turns, as
processors change their pace: the ratios count. Operations are those that XLA
tells of the model on JAX; PyTorch computes the same.

On a CPU, `mirasol_small` in float32, and a model of short, wide layers: 512
everywhere, encoders of 2 layers, latent model and decoder of 6, 32 snippets of
2 frames of 128x128 in tubes of (2, 64, 64), audio of 32x64 in patches of
(16, 32), 3 joint tokens, a text of 256. Where JAX or PyTorch finds a GPU,
`mirasol_base` and `mirasol_3b` there, in bfloat16; of the latter only the
forward pass. Prints a table and writes `benchmarks/results/utilisation.json`,
or `utilisation_gpu.json`; `--quick` measures a small model and writes nothing.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
from keras import ops
from measuring import Program
from measuring import medians_in_turns
from measuring import random_clips
from measuring import random_texts
from measuring import training_state
from measuring import versions
from measuring import weights_of
from measuring import with_weights
from measuring import write_result

from keras_mirasol.models import MirasolBackbone
from keras_mirasol.models import MirasolCausalLM
from keras_mirasol.models.compiled_function import compiled_function

BACKENDS = ("jax", "torch")
WIDE = dict(
    vocabulary_size=8192,
    frames_per_snippet=2,
    audio_frames_per_snippet=32,
    image_size=128,
    num_mels=64,
    num_joint_tokens=3,
    tubes=[{"kernel": (2, 64, 64)}],
    audio_patch_size=(16, 32),
    video_hidden_dim=512,
    video_num_layers=2,
    video_num_heads=8,
    audio_hidden_dim=512,
    audio_num_layers=2,
    audio_num_heads=8,
    hidden_dim=512,
    num_heads=8,
    combiner_num_layers=2,
    latent_num_layers=6,
    text_hidden_dim=512,
    text_num_layers=6,
    text_num_heads=8,
)
# Backbone, clips of a batch, their snippets, tokens of a text of each, and
# whether it is trained.
CPU_MODELS = {
    "mirasol_small": ("mirasol_small", 1, 32, 64, True),
    "wide": (WIDE, 4, 32, 256, True),
}
GPU_MODELS = {
    "mirasol_base": ("mirasol_base", 8, 16, 64, True),
    "mirasol_base, batch of 32": ("mirasol_base", 32, 16, 64, True),
    "mirasol_3b": ("mirasol_3b", 8, 16, 64, False),
}
QUICK_MODELS = {"mirasol_tiny": ("mirasol_tiny", 1, 4, 16, True)}
CPU_PRODUCTS = (512, 1024, 2048, 4096)
GPU_PRODUCTS = (4096, 8192, 16384)
QUICK_PRODUCTS = (256, 512)


def build_task(backbone):
    """A task of a preset's name or of a backbone's arguments, not trained."""
    if isinstance(backbone, str):
        backbone = MirasolBackbone.from_preset(backbone, load_weights=False)
    else:
        backbone = MirasolBackbone(**backbone)
    task = MirasolCausalLM(backbone)
    task.compile()
    return task


def batch_of(backbone, clips, snippets, text_length):
    """Noise to compute with: clips, each with a text."""
    x, y, sample_weight = random_texts(backbone, clips, text_length)
    return {**random_clips(backbone, clips, snippets), **x}, y, sample_weight


def wait(outputs):
    """Has the device compute one of the outputs; the others came before."""
    value = keras.tree.flatten(outputs)[-1]
    np.asarray(ops.convert_to_numpy(ops.cast(value, "float32")).ravel()[:1])


def passes(task, batch, train):
    """Operations, and what runs them, of the passes of a model on JAX."""
    backbone = task.backbone
    x, y, sample_weight = keras.tree.map_structure(ops.convert_to_tensor, batch)
    weights = weights_of(backbone)
    forward = Program(with_weights(backbone, backbone), weights, x)
    yield "forward", forward.flops, lambda: forward(weights, x)
    if train:
        data = x, y, sample_weight
        state = training_state(task)
        step = Program(task.train_step, state, data, donate=True)

        def run():
            nonlocal state
            _, state = step(state, data)

        yield "train", step.flops, run


def torch_passes(task, batch, train):
    """What runs the passes of a model on PyTorch; JAX counts operations."""
    x, y, sample_weight = keras.tree.map_structure(ops.convert_to_tensor, batch)
    forward = compiled_function(task, task.backbone)
    yield "forward", None, lambda: wait(forward(x))
    if train:
        yield (
            "train",
            None,
            lambda: task.train_on_batch(x, y, sample_weight=sample_weight),
        )


PASSES = {"jax": passes, "torch": torch_passes}


def matrix_product(size, dtype):
    """A function that multiplies two square matrices on the device."""
    a = ops.convert_to_tensor(
        np.random.default_rng(0).standard_normal((size, size), "float32")
    )
    a = ops.cast(a, dtype)
    multiply = ops.matmul
    if keras.backend.backend() == "jax":
        import jax

        multiply = jax.jit(ops.matmul)

    def run():
        wait(multiply(a, a)[:1, :1])

    return run


def is_accelerated():
    if keras.backend.backend() == "jax":
        import jax

        return jax.default_backend() == "gpu"
    import torch

    return torch.cuda.is_available()


def measure(rounds, quick):
    """Seconds of passes and products of one backend, in this process."""
    accelerated = is_accelerated()
    dtype = "bfloat16" if accelerated else "float32"
    models = GPU_MODELS if accelerated else CPU_MODELS
    sizes = GPU_PRODUCTS if accelerated else CPU_PRODUCTS
    if quick:
        models, sizes = QUICK_MODELS, QUICK_PRODUCTS
    if accelerated:
        keras.config.set_dtype_policy("mixed_bfloat16")
    products = {f"{size}": matrix_product(size, dtype) for size in sizes}
    rows = []
    for name, (backbone, clips, snippets, text_length, train) in models.items():
        keras.utils.set_random_seed(0)
        task = build_task(backbone)
        batch = batch_of(task.backbone, clips, snippets, text_length)
        flops, functions = {}, {}
        for kind, count, run in PASSES[keras.backend.backend()](
            task, batch, train
        ):
            flops[kind], functions[kind] = count, run
        seconds = medians_in_turns({**functions, **products}, rounds)
        peak = max(2 * size**3 / seconds[f"{size}"] for size in sizes)
        rows += [
            {
                "model": name,
                "pass": kind,
                "clips": clips,
                "snippets": snippets,
                "text_length": text_length,
                "flops": flops[kind],
                "seconds": seconds[kind],
                "peak": peak,
            }
            for kind in functions
        ]
    return {"dtype": dtype, "device": device(), "rows": rows}


def device():
    """What the model was computed on, in words."""
    if not is_accelerated():
        return "CPU"
    if keras.backend.backend() == "jax":
        import jax

        return jax.devices()[0].device_kind
    import torch

    return torch.cuda.get_device_name()


def utilisations(measured):
    """Rows of all backends, over all times that each was measured.

    Args:
        measured: dict from backend to a list of what `measure()` returned.
    """
    rows = []
    (first, *_) = measured["jax"]
    dtypes = {times[0]["dtype"] for times in measured.values()}
    if len(dtypes) > 1:
        raise ValueError(
            "All backends must find a GPU, or none. Received: "
            f"{ {b: times[0]['device'] for b, times in measured.items()} }. "
            "Install one that does, or hide the GPU with "
            '`CUDA_VISIBLE_DEVICES=""`.'
        )
    for backend, times in measured.items():
        for index, counted in enumerate(first["rows"]):
            runs = [of["rows"][index] for of in times]
            # Operations of JAX stand for PyTorch's, whose are the same.
            shares = [
                counted["flops"] / run["seconds"] / run["peak"] for run in runs
            ]
            rows.append(
                {
                    "backend": backend,
                    **{
                        key: counted[key]
                        for key in (
                            "model",
                            "pass",
                            "clips",
                            "snippets",
                            "text_length",
                        )
                    },
                    "gflops": round(counted["flops"] / 1e9, 2),
                    "gflops_a_second": round(
                        statistics.median(
                            counted["flops"] / run["seconds"] for run in runs
                        )
                        / 1e9,
                        1,
                    ),
                    "peak_gflops_a_second": round(
                        statistics.median(run["peak"] for run in runs) / 1e9, 1
                    ),
                    "utilisation": round(statistics.median(shares), 3),
                }
            )
    return rows


def table(rows):
    lines = [
        f"{'model':28}{'pass':9}{'backend':9}{'GFLOP':>11}{'GFLOP/s':>10}"
        f"{'peak':>10}{'ratio':>7}"
    ]
    lines += [
        f"{row['model']:28}{row['pass']:9}{row['backend']:9}"
        f"{row['gflops']:>11.1f}{row['gflops_a_second']:>10.1f}"
        f"{row['peak_gflops_a_second']:>10.1f}{row['utilisation']:>7.3f}"
        for row in rows
    ]
    return "\n".join(lines)


def in_a_process(backend, rounds, quick):
    """What `measure()` returns in a fresh process of a backend."""
    process = subprocess.run(
        [
            *(sys.executable, __file__, "--child", "--rounds", str(rounds)),
            *(["--quick"] if quick else []),
        ],
        env={**os.environ, "KERAS_BACKEND": backend},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return json.loads(process.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=5, help="of a process")
    parser.add_argument("--turns", type=int, default=3, help="of processes")
    parser.add_argument("--quick", action="store_true", help="write nothing")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    settings = parser.parse_args()
    rounds, turns = settings.rounds, settings.turns
    if settings.child:
        print(json.dumps(measure(rounds, settings.quick)))
        return
    if settings.quick:
        rounds, turns = 1, 1

    measured = {backend: [] for backend in BACKENDS}
    for _ in range(turns):
        for backend, times in measured.items():
            times.append(in_a_process(backend, rounds, settings.quick))
    rows = utilisations(measured)
    print(table(rows))
    if settings.quick:
        print("No result is written: this was not all of it.")
        return
    firsts = {backend: times[0] for backend, times in measured.items()}
    devices = {backend: first["device"] for backend, first in firsts.items()}
    write_result(
        "utilisation" if devices["jax"] == "CPU" else "utilisation_gpu",
        {
            "command": "python benchmarks/utilisation.py",
            "rows": rows,
            "dtypes": {b: first["dtype"] for b, first in firsts.items()},
            "devices": devices,
            "wide": WIDE,
            "versions": versions(*BACKENDS),
        },
    )


if __name__ == "__main__":
    main()
