"""What does a training step of `mirasol_3b` take, on devices not yet rented?

    python benchmarks/plan_3b.py

Plans steps of clips of 128 and 512 frames, with a text of 64 tokens each, one
clip a device, for 16 and 256 devices: in bfloat16 with weights in float32,
AdamW, all parts rematerialized, and every large weight cut among all devices
by `MirasolBackbone.get_layout_map`. No weight is ever allocated.

- *state*: weights and moments of a device, and *gradients*, by their layouts.
- *kept*: what the forward pass of the whole step leaves for the backward pass,
  as JAX tells.
- *between*: what XLA needs beside in the step of a model that has one block of
  each stack, at full width, compiled for so many virtual devices of a CPU. It
  holds some of the others again, and CPUs compute bfloat16 in float32: the sum
  errs on the side of too much.
- *FLOPs* are those of the whole step, lowered, with what is computed twice.
- *collectives*: bytes that collective operations give to a device in the
  program that XLA has cut up, in float32 where a TPU may send bfloat16, from
  steps with one and with two blocks of a stack; each block adds the same. The
  latter are of 16 frames: what blocks send of activations is not in it.

Then the time that peak operations, memory and connections of some devices
allow a step at best; the longest of the three bounds it. `--whole` compiles
all 97 blocks for 16 devices, which takes the better part of an hour. What is in
`benchmarks/results/plan_3b.json` is not made again.
"""

import argparse
import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

os.environ["KERAS_BACKEND"] = "jax"

from measuring import read_result
from measuring import versions
from measuring import write_result

PRESET, TEXT_LENGTH = "mirasol_3b", 64
FRAMES, DEVICES = (128, 512), (16, 256)
# Blocks of each stack of the preset.
STACKS = {
    "video_num_layers": 32,
    "audio_num_layers": 24,
    "combiner_num_layers": 6,
    "latent_num_layers": 12,
    "text_num_layers": 23,
}
ONE_BLOCK = dict.fromkeys(STACKS, 1)
GIB = 2**30
# Operations a second in bfloat16, GiB, and bytes a second of memory and of
# connections: between chips, and of H100 between hosts.
CHIPS = {
    "v5e": (197e12, 16, 819e9, 200e9),
    "v5p": (459e12, 95, 2765e9, 600e9),
    "H100": (989e12, 80, 3350e9, 50e9),
}
BYTES = {"pred": 1, "s8": 1, "u8": 1, "bf16": 2, "f16": 2, "s16": 2, "u16": 2}
BYTES |= {"f32": 4, "s32": 4, "u32": 4, "f64": 8, "s64": 8, "u64": 8}
# Long tuples have comments in them, with signs of equality.
COLLECTIVE = re.compile(
    r" = (\S+|\(.*?\)) (all-gather|all-reduce|reduce-scatter|all-to-all"
    r"|collective-permute)(-start)?\("
)
ARRAY = re.compile(r"(\w+)\[([\d,]*)\]")


def collective_bytes(hlo):
    """Bytes that the collective operations of a program give, by kind.

    Args:
        hlo: str. The program of a device, as XLA prints it.
    """
    totals = {}
    for shapes, kind, is_start in COLLECTIVE.findall(hlo):
        sizes = [
            math.prod(int(n) for n in dims.split(",") if n) * BYTES[dtype]
            for dtype, dims in ARRAY.findall(shapes)
            if dtype in BYTES
        ]
        # Most that is started has its inputs before its outputs.
        if is_start and kind == "collective-permute":
            sizes = sizes[1:2]
        elif is_start and kind != "all-reduce":
            sizes = sizes[len(sizes) // 2 :]
        totals[kind] = totals.get(kind, 0) + sum(sizes)
    return totals


def bounds(flops, memory_bytes, connected_bytes, chip):
    """Seconds that a step takes at least, by what bounds it.

    Args:
        flops: float. Operations of a device.
        memory_bytes: float. What it reads and writes.
        connected_bytes: float. What others send it.
        chip: str. A key of `CHIPS`.
    """
    peak, _, memory, connection = CHIPS[chip]
    return {
        "compute": flops / peak,
        "memory": memory_bytes / memory,
        "connections": connected_bytes / connection,
    }


class Step:
    """The training step of a model whose weights are not there.

    Args:
        backbone: a `MirasolBackbone`, made in a `keras.StatelessScope`.
        mesh: `keras.distribution.DeviceMesh`. The devices need not be there.
        devices: array of JAX devices in the shape of the mesh, or `None`: all
            is on one device.
        clips: int. Clips of a batch.
        snippets: int. Snippets of a clip.
    """

    def __init__(self, backbone, mesh, devices, clips, snippets):
        import jax
        import keras

        from keras_mirasol.models import MirasolCausalLM

        with keras.StatelessScope(initialize_variables=False):
            self.task = MirasolCausalLM(backbone, compile=False)
        self.task.compile(keras.optimizers.AdamW(1e-4, global_clipnorm=1.0))
        with keras.StatelessScope(initialize_variables=False):
            self.task.optimizer.build(self.task.trainable_variables)
        # Else the next model to be built would bring all of them.
        keras.utils.clear_session()
        self.layouts = backbone.get_layout_map(mesh)
        self._jax_mesh = devices is not None and jax.sharding.Mesh(
            devices, mesh.axis_names
        )
        task = self.task
        # Moments are cut like their weights; see their names.
        of_weight = {
            weight.path.replace("/", "_"): self.axes_of(weight)
            for weight in task.trainable_variables
        }
        self.state = (
            [self._array(v, self.axes_of(v)) for v in task.trainable_variables],
            [self._array(v) for v in task.non_trainable_variables],
            [
                self._array(v, of_weight.get(_without_kind(v.name), ()))
                for v in task.optimizer.variables
            ],
            [self._array(v) for v in task.metrics_variables],
        )
        self.data = self._batch(backbone, clips, snippets)

    def axes_of(self, weight):
        """The axes of the mesh that a weight is cut along."""
        layout = self.layouts[weight.path]
        return layout.axes if layout else ()

    def bytes_of_a_device(self, arrays):
        """Bytes of arrays, by their layouts."""
        return sum(
            math.prod(
                array.sharding.shard_shape(array.shape)
                if array.sharding
                else array.shape
            )
            * array.dtype.itemsize
            for array in arrays
        )

    def lowered(self):
        """What JAX makes of the step."""
        import jax

        shardings = None
        if self._jax_mesh:
            shardings = jax.tree.map(lambda array: array.sharding, self.state)
            shardings = None, shardings
        step = jax.jit(
            self.task.train_step, donate_argnums=0, out_shardings=shardings
        )
        return step.lower(self.state, self.data)

    def kept_bytes(self):
        """What the forward pass keeps: of a clip, and copies of weights."""
        import jax

        def backward_pass(weights, others, optimizer, metrics, data):
            def loss(weights):
                return self.task.compute_loss_and_updates(
                    *(weights, others, metrics, *data),
                    training=True,
                    optimizer_variables=optimizer,
                )

            return jax.vjp(loss, weights, has_aux=True)[1]

        kept = jax.eval_shape(backward_pass, *self.state, self.data)
        # Weights as they are belong to the state; copies in bfloat16 do not.
        shapes = {array.shape for array in self.state[0] if array.ndim > 1}
        found = {"activations": 0, "weights": 0}
        for array in jax.tree.leaves(kept):
            kind = "weights" if array.shape in shapes else "activations"
            if kind == "activations" or array.dtype != "float32":
                found[kind] += array.size * array.dtype.itemsize
        return found

    def _array(self, variable, axes=()):
        return self._shaped(variable.shape, variable.dtype, axes)

    def _shaped(self, shape, dtype, axes):
        import jax

        sharding = None
        if self._jax_mesh:
            sharding = jax.sharding.NamedSharding(
                self._jax_mesh, jax.sharding.PartitionSpec(*axes)
            )
        return jax.ShapeDtypeStruct(shape, dtype, sharding=sharding)

    def _batch(self, backbone, clips, snippets):
        def array(*shape, dtype="float32"):
            return self._shaped((clips, *shape), dtype, ("batch",))

        frames = snippets * backbone.frames_per_snippet
        audio_frames = snippets * backbone.audio_frames_per_snippet
        x = {
            "pixel_values": array(frames, *backbone.image_size, 3),
            "audio_features": array(audio_frames, backbone.num_mels),
            "video_mask": array(snippets, dtype="bool"),
            "audio_mask": array(snippets, dtype="bool"),
            "token_ids": array(TEXT_LENGTH, dtype="int32"),
            "padding_mask": array(TEXT_LENGTH, dtype="bool"),
        }
        return x, array(TEXT_LENGTH, dtype="int32"), array(TEXT_LENGTH)


def _without_kind(name):
    return re.sub("_(momentum|velocity)$", "", name)


def preset_backbone(**changes):
    import keras

    from keras_mirasol.models import MirasolBackbone

    keras.config.set_dtype_policy("mixed_bfloat16")
    with keras.StatelessScope(initialize_variables=False):
        return MirasolBackbone.from_preset(
            PRESET, load_weights=False, rematerialize=True, **changes
        )


def imagined_mesh(devices):
    import keras

    return keras.distribution.DeviceMesh(
        (devices, 1),
        ("batch", "model"),
        [f"tpu:{index}" for index in range(devices)],
    )


def whole_step(frames):
    """What is known of the whole step without compiling it, for one clip."""
    backbone = preset_backbone()
    mesh = imagined_mesh(1)
    snippets = frames // backbone.frames_per_snippet
    step = Step(backbone, mesh, None, 1, snippets)
    return {
        "flops_of_a_clip": step.lowered().cost_analysis()["flops"],
        "kept_bytes": step.kept_bytes(),
    }


def cut_step(devices, frames, depths):
    """What a device takes of a step that is cut up and compiled."""
    import jax
    import numpy as np

    backbone = preset_backbone(**depths)
    mesh = imagined_mesh(devices)
    step = Step(
        backbone,
        mesh,
        np.array(jax.devices()).reshape(mesh.shape),
        devices,
        frames // backbone.frames_per_snippet,
    )
    compiled = step.lowered().compile()
    memory = compiled.memory_analysis()
    return {
        "argument_bytes": memory.argument_size_in_bytes,
        "temporary_bytes": memory.temp_size_in_bytes,
        "bytes_accessed": compiled.cost_analysis()["bytes accessed"],
        "collective_bytes": collective_bytes(compiled.as_text()),
    }


def state_of_a_device(devices):
    """Bytes of weights and moments, and of gradients, of the whole model."""
    import jax
    import numpy as np

    mesh = imagined_mesh(devices)
    step = Step(
        preset_backbone(),
        mesh,
        np.array(jax.devices()).reshape(mesh.shape),
        devices,
        1,
    )
    weights, _, optimizer, _ = step.state
    return {
        "state_bytes": step.bytes_of_a_device([*weights, *optimizer]),
        "gradient_bytes": step.bytes_of_a_device(weights),
    }


# What is measured, each in a process of its own: JAX must be told before it
# starts of how many devices it has.
PARTS = {"whole": whole_step, "cut": cut_step, "state": state_of_a_device}


def in_a_process(devices, part, *args):
    """What a part gives in a fresh process with so many devices."""
    flags = [
        f"--xla_force_host_platform_device_count={devices}",
        # Machine code is not what is wanted.
        "--xla_backend_optimization_level=0",
        "--xla_llvm_disable_expensive_passes=true",
    ]
    process = subprocess.run(
        [sys.executable, __file__, "--child", json.dumps([part, *args])],
        env={**os.environ, "XLA_FLAGS": " ".join(flags)},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return json.loads(process.stdout.splitlines()[-1])


def jobs():
    """Names of what is measured, and how: devices, part, arguments."""
    for frames in FRAMES:
        yield f"whole {frames}", (1, "whole", frames)
    for devices in DEVICES:
        yield f"state {devices}", (devices, "state", devices)
        for frames in FRAMES:
            yield (
                f"cut {devices} {frames}",
                (devices, "cut", devices, frames, ONE_BLOCK),
            )
    # Weights are gathered, whatever the clips: these need few frames.
    for name, depths in {
        "one": ONE_BLOCK,
        **{stack: {**ONE_BLOCK, stack: 2} for stack in STACKS},
    }.items():
        yield f"depth {name}", (16, "cut", 16, 16, depths)


def of_further_blocks(found, value):
    """What all blocks but the first of each stack add to a value of a step."""
    one = value(found["depth one"])
    return sum(
        (count - 1) * (value(found[f"depth {stack}"]) - one)
        for stack, count in STACKS.items()
    )


def plan(found):
    """Rows of the table, of all that was measured."""
    more = of_further_blocks(
        found, lambda step: sum(step["collective_bytes"].values())
    )
    more_accessed = of_further_blocks(
        found, lambda step: step["bytes_accessed"]
    )
    rows = []
    for devices in DEVICES:
        for frames in FRAMES:
            cut = found[f"cut {devices} {frames}"]
            whole = found[f"whole {frames}"]
            state = found[f"state {devices}"]
            parts = {
                "state": state["state_bytes"],
                "gradients": state["gradient_bytes"],
                # Copies of weights are cut as these are.
                "kept": whole["kept_bytes"]["activations"]
                + whole["kept_bytes"]["weights"] / devices,
                "between": cut["temporary_bytes"],
            }
            collectives = sum(cut["collective_bytes"].values()) + more
            # Each clip adds to what the weights take, which `depth` has.
            memory = more_accessed + cut["bytes_accessed"]
            flops = whole["flops_of_a_clip"]
            rows.append(
                {
                    "devices": devices,
                    "mesh": {"batch": devices, "model": 1},
                    "clips": devices,
                    "frames": frames,
                    "gib": {k: round(v / GIB, 2) for k, v in parts.items()},
                    "total_gib": round(sum(parts.values()) / GIB, 2),
                    "tflops_of_a_device": round(flops / 1e12, 1),
                    "tflops": round(flops * devices / 1e12, 1),
                    "collective_gib": round(collectives / GIB, 1),
                    "seconds": {
                        chip: {
                            k: round(v, 3)
                            for k, v in bounds(
                                flops, memory, collectives, chip
                            ).items()
                        }
                        for chip in CHIPS
                    },
                }
            )
    return rows


def table(rows):
    lines = [
        f"{'devices':>8}{'frames':>8}{'state':>8}{'grad.':>8}{'kept':>8}"
        f"{'between':>9}{'GiB':>8}{'TFLOP':>9}{'coll. GiB':>11}"
        + "".join(f"{chip + ' s':>10}" for chip in CHIPS)
    ]
    for row in rows:
        gib = row["gib"]
        seconds = [max(row["seconds"][chip].values()) for chip in CHIPS]
        lines.append(
            f"{row['devices']:>8}{row['frames']:>8}{gib['state']:>8.2f}"
            f"{gib['gradients']:>8.2f}{gib['kept']:>8.2f}"
            f"{gib['between']:>9.2f}{row['total_gib']:>8.2f}"
            f"{row['tflops_of_a_device']:>9.1f}{row['collective_gib']:>11.1f}"
            + "".join(f"{value:>10.2f}" for value in seconds)
        )
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--whole", action="store_true", help="compile all of it"
    )
    parser.add_argument("--only", default="", help="what names begin with")
    parser.add_argument("--child", type=json.loads, help=argparse.SUPPRESS)
    settings = parser.parse_args()
    if settings.child:
        part, *args = settings.child
        print(json.dumps(PARTS[part](*args)))
        return

    wanted = dict(jobs())
    if settings.whole:
        wanted["cut 16 128 whole"] = (16, "cut", 16, 128, {})
    build = Path("build/plan_3b")
    build.mkdir(parents=True, exist_ok=True)
    found = read_result("plan_3b", found={})["found"]
    for name, job in wanted.items():
        kept = build / f"{name}.json"
        if name in found or not name.startswith(settings.only):
            continue
        if not kept.exists():
            print(name, flush=True)
            kept.write_text(json.dumps(in_a_process(*job)))
        found[name] = json.loads(kept.read_text())
    missing = [name for name in wanted if name not in found]
    if missing:
        print("Still to be made:", *missing, sep="\n  ")
        return
    rows = plan(found)
    print(table(rows))
    write_result(
        "plan_3b",
        {
            "command": "python benchmarks/plan_3b.py",
            "preset": PRESET,
            "text_length": TEXT_LENGTH,
            "chips": {
                name: dict(
                    zip(
                        ("flops", "gib", "memory_bytes", "connection_bytes"),
                        values,
                        strict=True,
                    )
                )
                for name, values in CHIPS.items()
            },
            "rows": rows,
            "found": found,
            "versions": versions("jax"),
        },
    )


if __name__ == "__main__":
    main()
