"""What do longer clips and longer streams cost?

    python benchmarks/scaling.py

Clips of 32 to 2,048 frames go through a model of the sizes of `mirasol_small`,
with frames of 64x64, on JAX: operations, time and memory of encoding a clip to
what its texts attend to, of a text of 64 tokens that attends to it, and of a
training step of both. Beside it the same model in slices of 16 snippets whose
parts are computed again in the backward pass, and a flat one: the same
encoders and text decoder, but no Combiner and no snippet Transformer, so that
text attends to all tokens of video and audio. The three take turns, and learn
from text alone.

Then a stream with a window is watched to its 10,000th snippet, by turns with
one that is at its 16th; `mirasol_tiny` watches on one core, in a process of its
own; and its first training step, which compiles, and one of another length of
the same bucket are timed in fresh processes on JAX and TensorFlow.

Operations and memory are those that XLA tells of what it compiled. It counts
what a loop repeats once, so that there are none of slices. Prints tables and
writes `benchmarks/results/scaling.json`; `--quick` runs a little of everything
and writes nothing.
"""

import argparse
import functools
import gc
import json
import os
import subprocess
import sys
import time

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
from keras import ops
from measuring import Program
from measuring import medians_in_turns
from measuring import on_one_core
from measuring import random_clips
from measuring import random_texts
from measuring import resident
from measuring import training_state
from measuring import versions
from measuring import weights_of
from measuring import with_weights
from measuring import write_result

from keras_mirasol.models import MirasolBackbone
from keras_mirasol.models import MirasolCausalLM
from keras_mirasol.models import MirasolCausalLMPreprocessor
from keras_mirasol.models import MirasolVideoConverter
from keras_mirasol.models.stream_state import empty_state
from keras_mirasol.models.stream_state import observe_snippet

PRESET = "mirasol_small"
IMAGE_SIZE = 64
FRAMES = (32, 128, 512, 2048)
TEXT_LENGTH = 64
SLICES = {"snippets_per_slice": 16, "rematerialize": True}
WINDOW, NUM_SINKS = 64, 4
# Snippets of a stream at which it is measured; the first is the measure.
MOMENTS = (16, 64, 128, 256, 512, 1024, 2048, 4096, 10_000)
# A program that takes more of the machine's memory is compiled, not run.
LARGEST_SHARE_OF_MEMORY = 0.5
LIMITS = {
    "encode_operations_512_over_32_frames": 16.5,
    "stream_seconds_last_over_first": 1.05,
    "stream_resident_last_over_first": 1.05,
    "stream_arrays_last_over_first": 1.05,
    "first_step_seconds_jax": 10.0,
    "first_step_seconds_tensorflow": 10.0,
    "programs_of_another_length_jax": 0,
    "programs_of_another_length_tensorflow": 0,
    # Of time over time watched.
    "seconds_a_second_on_one_core": 1.0,
}


class AllTokens(keras.layers.Layer):
    """In the place of a Combiner: hands on all tokens of a snippet."""

    def __init__(self, dim, **kwargs):
        super().__init__(**kwargs)
        self.video_projection = keras.layers.Dense(dim)
        self.audio_projection = keras.layers.Dense(dim)

    def call(self, video_tokens, audio_tokens, video_mask, audio_mask):
        return ops.concatenate(
            [
                self.video_projection(video_tokens),
                self.audio_projection(audio_tokens),
            ],
            axis=2,
        )


def build_backbone(preset=PRESET, image_size=IMAGE_SIZE, **changes):
    return MirasolBackbone.from_preset(
        preset, load_weights=False, image_size=image_size, **changes
    )


def flat_settings(backbone):
    """Changes that make a backbone flat: text attends to all tokens."""
    num_tokens = sum(
        encoder.compute_output_shape((None, *backbone.input[key].shape[1:]))[2]
        for encoder, key in (
            (backbone.video_encoder, "pixel_values"),
            (backbone.audio_encoder, "audio_features"),
        )
    )
    return {
        "combiner": AllTokens(backbone.hidden_dim, name="combiner"),
        "num_joint_tokens": num_tokens,
        # Only norm and positions in time are left of it.
        "latent_num_layers": 0,
    }


class Measured:
    """A model, and what is measured of it for a number of snippets."""

    def __init__(self, backbone, counts_operations=True):
        self.backbone = backbone
        self.counts_operations = counts_operations
        self.task = MirasolCausalLM(
            backbone, latent_weight=0, frame_weight=0, spectrogram_weight=0
        )
        self.task.compile()
        self.weights = weights_of(backbone)
        self.state = training_state(self.task)

    def program(self, measure, snippets):
        """A compiled measure, and a function that runs it."""
        return getattr(self, f"_{measure}")(snippets)

    def _encode(self, snippets):
        clips = random_clips(self.backbone, 1, snippets)
        program = self._forward(
            lambda clips: self.backbone.snippet_transformer(
                self.backbone.encode_snippets(clips)
            ),
            clips,
        )
        return program, lambda: program(self.weights, clips)

    def _text(self, snippets):
        latents = np.zeros(
            (
                1,
                snippets,
                self.backbone.num_joint_tokens,
                self.backbone.hidden_dim,
            ),
            "float32",
        )
        x, _, _ = random_texts(self.backbone, 1, TEXT_LENGTH)
        args = x["token_ids"], x["padding_mask"], latents
        args = (*args, np.ones((1, snippets), bool))
        program = self._forward(self.backbone.decode_text, *args)
        return program, lambda: program(self.weights, *args)

    def _train(self, snippets):
        x, y, sample_weight = random_texts(self.backbone, 1, TEXT_LENGTH)
        x.update(random_clips(self.backbone, 1, snippets))
        data = x, y, sample_weight
        program = Program(self.task.train_step, self.state, data, donate=True)

        def step():
            _, self.state = program(self.state, data)

        return program, step

    def _forward(self, function, *args):
        return Program(
            with_weights(self.backbone, function), self.weights, *args
        )


MEASURES = ("encode", "text", "train")


def measure_clips(models, frames, rounds):
    """Operations, memory and time of each measure, by model."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**20
    row = {"frames": frames}
    for measure in MEASURES:
        figures, functions = {}, {}
        for name, model in models.items():
            snippets = frames // model.backbone.frames_per_snippet
            program, function = model.program(measure, snippets)
            figures[name] = {
                "gflops": round(program.flops / 1e9, 6)
                if model.counts_operations
                else None,
                "mib": round(program.mib, 3),
                "seconds": None,
            }
            if program.mib < LARGEST_SHARE_OF_MEMORY * memory:
                functions[name] = function
        for name, seconds in medians_in_turns(functions, rounds).items():
            figures[name]["seconds"] = round(seconds, 4)
        row[measure] = figures
        print(json.dumps({"frames": frames, measure: figures}), flush=True)
    return row


def clip_table(rows):
    """The rows of clips as lines of text, with ratios to the first row."""
    lines = [
        f"{'':8}{'model':10}{'frames':>7}{'GFLOP':>10}{'ratio':>8}"
        f"{'MiB':>10}{'ratio':>8}{'seconds':>9}{'ratio':>8}{'of flat':>9}"
    ]
    for measure in MEASURES:
        for name in rows[0][measure]:
            first = rows[0][measure][name]
            for row in rows:
                figures, flat = row[measure][name], row[measure]["flat"]
                lines.append(
                    f"{measure:8}{name:10}{row['frames']:>7}"
                    + "".join(
                        f"{_number(figures[key], places):>{width}}"
                        f"{_ratio(figures[key], first[key]):>8}"
                        for key, places, width in (
                            ("gflops", 2, 10),
                            ("mib", 0, 10),
                            ("seconds", 3, 9),
                        )
                    )
                    + f"{_ratio(figures['seconds'], flat['seconds']):>9}"
                )
    return "\n".join(lines)


def _number(value, places):
    return "-" if value is None else format(value, f".{places}f")


def _ratio(value, of):
    return "-" if None in (value, of) or not of else format(value / of, ".2f")


def build_streamed_task(backbone):
    """A task for streams, with a preprocessor of the backbone's frames."""
    preset = MirasolCausalLMPreprocessor.from_preset(PRESET)
    preprocessor = MirasolCausalLMPreprocessor(
        MirasolVideoConverter(backbone.image_size),
        preset.audio_converter,
        preset.tokenizer,
        preset.frames_per_snippet,
        preset.audio_frames_per_snippet,
    )
    return MirasolCausalLM(backbone, preprocessor)


def random_snippet(preprocessor, seed=0):
    """Frames and samples of one snippet, as a camera gives them."""
    rng = np.random.default_rng(seed)
    size = preprocessor.video_converter.image_size
    frames = (preprocessor.frames_per_snippet, *size, 3)
    samples = rng.uniform(-0.1, 0.1, preprocessor.samples_per_snippet)
    return (
        rng.integers(0, 256, frames, dtype="uint8"),
        samples.astype("float32"),
    )


def observe(stream, snippet):
    """Watches a snippet, and waits for its latents."""
    return np.asarray(stream.observe(*snippet))


def measure_stream(task, moments, rounds):
    """Time and memory of a snippet at moments of a stream with a window.

    Each is timed by turns with a stream that has seen no more snippets than
    the first moment.
    """
    first, *_ = moments
    snippet = random_snippet(task.preprocessor)
    settings = {"window": WINDOW, "num_sinks": NUM_SINKS}
    stream, young = task.stream(**settings), task.stream(**settings)
    rows = []
    for moment in moments:
        while stream.num_snippets < moment:
            observe(stream, snippet)
        young.reset()
        while young.num_snippets < first:
            observe(young, snippet)
        seconds = medians_in_turns(
            {
                "young": functools.partial(observe, young, snippet),
                "old": functools.partial(observe, stream, snippet),
            },
            rounds,
        )
        gc.collect()
        rows.append(
            {
                "snippets": moment,
                "seconds": round(seconds["old"], 5),
                "seconds_over_first": round(
                    seconds["old"] / seconds["young"], 3
                ),
                "resident_mib": round(resident(), 1),
                "arrays_mib": round(arrays(), 3),
            }
        )
        for name in ("resident", "arrays"):
            ratio = rows[-1][f"{name}_mib"] / rows[0][f"{name}_mib"]
            rows[-1][f"{name}_over_first"] = round(ratio, 3)
        print(json.dumps(rows[-1]), flush=True)
    return rows


def arrays():
    """MiB of all arrays that JAX holds: weights, and what streams know."""
    import jax

    return sum(array.nbytes for array in jax.live_arrays()) / 2**20


def stream_program(backbone):
    """Operations and memory of a snippet of a stream, at any moment."""
    settings = {"window": WINDOW, "num_sinks": NUM_SINKS}
    step = functools.partial(observe_snippet, backbone, **settings)
    snippets = random_clips(backbone, 1, 1)
    state = empty_state(backbone, 1, WINDOW + NUM_SINKS)
    program = Program(
        with_weights(backbone, step), weights_of(backbone), state, snippets
    )
    return {
        "gflops": round(program.flops / 1e9, 6),
        "mib": round(program.mib, 3),
    }


def stream_table(rows):
    lines = [
        f"{'snippets':>9}{'seconds':>10}{'of first':>10}{'MiB':>9}"
        f"{'of first':>10}{'arrays':>9}{'of first':>10}"
    ]
    for row in rows:
        lines.append(
            f"{row['snippets']:>9}{row['seconds']:>10.4f}"
            f"{row['seconds_over_first']:>10.3f}{row['resident_mib']:>9.0f}"
            f"{row['resident_over_first']:>10.3f}{row['arrays_mib']:>9.1f}"
            f"{row['arrays_over_first']:>10.3f}"
        )
    return "\n".join(lines)


def watch_on_one_core(seconds):
    """How much faster than it plays `mirasol_tiny` watches, in this process.

    By itself, and with a question after each second.
    """
    task = MirasolCausalLM.from_preset("mirasol_tiny")
    stream = task.stream(window=WINDOW)
    snippet = random_snippet(task.preprocessor)
    a_second = round(1 / task.preprocessor.snippet_seconds)

    def watch():
        for _ in range(a_second):
            observe(stream, snippet)

    def watch_and_ask():
        watch()
        stream.ask("what is heard first?")

    taken = medians_in_turns(
        {"watching": watch, "watching and answering": watch_and_ask}, seconds
    )
    return {
        "cores": len(os.sched_getaffinity(0)),
        "seconds_of_video": seconds,
        "seconds_of_video_a_second": {
            name: round(1 / value, 2) for name, value in taken.items()
        },
    }


def train_two_lengths(snippets=(9, 10), batch=8):
    """The first training step of `mirasol_tiny`, which compiles, and others.

    A program is traced when, and only when, its loss is computed in Python.
    """
    task = MirasolCausalLM.from_preset("mirasol_tiny")
    task.compile()
    traced = []
    compute_loss = task.compute_loss

    def counted(*args, **kwargs):
        traced.append(1)
        return compute_loss(*args, **kwargs)

    task.compute_loss = counted
    frames, audio = random_snippet(task.preprocessor)
    seconds, programs = [], []
    # The second time that the first length comes shows what a step takes.
    for count in (snippets[0], *snippets):
        x, y, sample_weight = task.preprocessor(
            {
                "videos": [np.concatenate([frames] * count)] * batch,
                "audio": [np.concatenate([audio] * count)] * batch,
                "prompts": ["what is heard first?"] * batch,
                "responses": ["bell"] * batch,
            }
        )
        before, begun = len(traced), time.perf_counter()
        task.fit(x, y, sample_weight=sample_weight, verbose=0)
        seconds.append(round(time.perf_counter() - begun, 3))
        programs.append(len(traced) - before)
    return {
        "snippets": [snippets[0], *snippets],
        "filled_up_to": int(x["video_mask"].shape[1]),
        "seconds": seconds,
        "programs": programs,
    }


CHILDREN = {"watch": watch_on_one_core, "train": train_two_lengths}


def in_a_process(child, *args, backend="jax"):
    """What a child measures in a fresh process of a backend."""
    process = subprocess.run(
        [sys.executable, __file__, "--child", json.dumps([child, *args])],
        env={**os.environ, "KERAS_BACKEND": backend},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return json.loads(process.stdout.splitlines()[-1])


def figures_asked(clips, stream, watched, trained):
    """What has a limit, by the names of `LIMITS`; what was run of it."""
    encode = {row["frames"]: row["encode"]["mirasol"] for row in clips}
    figures = {
        "stream_seconds_last_over_first": stream[-1]["seconds_over_first"],
        "stream_resident_last_over_first": stream[-1]["resident_over_first"],
        "stream_arrays_last_over_first": stream[-1]["arrays_over_first"],
        "seconds_a_second_on_one_core": round(
            1 / watched["seconds_of_video_a_second"]["watching"], 3
        ),
    }
    if {32, 512} <= set(encode):
        figures["encode_operations_512_over_32_frames"] = round(
            encode[512]["gflops"] / encode[32]["gflops"], 2
        )
    for backend, steps in trained.items():
        figures[f"first_step_seconds_{backend}"] = steps["seconds"][0]
        figures[f"programs_of_another_length_{backend}"] = steps["programs"][-1]
    return {
        name: {
            "value": figures[name],
            "limit": limit,
            "met": figures[name] <= limit,
        }
        for name, limit in LIMITS.items()
        if name in figures
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--image-size", type=int, default=IMAGE_SIZE)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--stream-rounds", type=int, default=40)
    parser.add_argument("--quick", action="store_true", help="write nothing")
    parser.add_argument("--child", type=json.loads, help=argparse.SUPPRESS)
    settings = parser.parse_args()
    if settings.child:
        child, *args = settings.child
        print(json.dumps(CHILDREN[child](*args)))
        return

    # First, while no memory is taken: nothing else runs meanwhile.
    with on_one_core():
        watched = in_a_process("watch", 4 if settings.quick else 60)
    print(json.dumps(watched), flush=True)
    trained = {}
    for backend in ("jax", "tensorflow"):
        trained[backend] = in_a_process("train", backend=backend)
        print(backend, json.dumps(trained[backend]), flush=True)

    keras.utils.set_random_seed(0)
    backbone = build_backbone(image_size=settings.image_size)
    moments, frames = MOMENTS, FRAMES
    rounds, stream_rounds = settings.rounds, settings.stream_rounds
    if settings.quick:
        moments, frames, rounds, stream_rounds = (16, 64), FRAMES[:2], 1, 5
    stream = measure_stream(
        build_streamed_task(backbone), moments, stream_rounds
    )
    models = {
        "mirasol": Measured(backbone),
        "sliced": Measured(
            build_backbone(image_size=settings.image_size, **SLICES),
            counts_operations=False,
        ),
        "flat": Measured(
            build_backbone(
                image_size=settings.image_size, **flat_settings(backbone)
            )
        ),
    }
    clips = [measure_clips(models, count, rounds) for count in frames]
    asked = figures_asked(clips, stream, watched, trained)
    print(clip_table(clips))
    print(stream_table(stream))
    for name, figure in asked.items():
        print(
            f"{name:40}{figure['value']:>8} of at most {figure['limit']:<6}"
            f"{'yes' if figure['met'] else 'NO':>4}"
        )
    if settings.quick:
        print("No result is written: this was not all of it.")
        return
    write_result(
        "scaling",
        {
            "command": "python benchmarks/scaling.py",
            "asked": asked,
            "model": {
                "preset": PRESET,
                "image_size": settings.image_size,
                "joint_tokens": backbone.num_joint_tokens,
                "flat_tokens": models["flat"].backbone.num_joint_tokens,
                "parameters": {
                    name: model.backbone.count_params()
                    for name, model in models.items()
                },
                "text_length": TEXT_LENGTH,
                "slices": SLICES,
            },
            "clips": clips,
            "stream": {
                "window": WINDOW,
                "num_sinks": NUM_SINKS,
                "snippet": stream_program(backbone),
                "moments": stream,
            },
            "mirasol_tiny_on_one_core": watched,
            "mirasol_tiny_first_steps": trained,
            "versions": versions("jax", "tensorflow"),
        },
    )
    if not all(figure["met"] for figure in asked.values()):
        sys.exit("A figure is beyond its limit.")


if __name__ == "__main__":
    main()
