"""What several benchmarks measure with, and say of where they ran."""

import contextlib
import importlib.metadata
import json
import os
import platform
import resource
import statistics
import time
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def machine():
    """The machine, in words."""
    return f"{os.cpu_count()} cores, {platform.machine()}"


def versions(*backends):
    """Versions of what was measured, with those of the backends used."""
    from keras_mirasol.version import __version__

    return {
        "keras_mirasol": __version__,
        **{
            name: importlib.metadata.version(name)
            for name in ("keras", *backends)
        },
        "python": platform.python_version(),
    }


def read_result(name, **empty):
    """What `write_result` wrote under a name, or what is given if nothing."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else empty


def write_result(name, report):
    """Writes `benchmarks/results/NAME.json`, and on which machine it was."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    report = {**report, "machine": machine()}
    path.write_text(json.dumps(report, indent=1) + "\n")


def resident():
    """MiB of this process in memory."""
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def peak_resident():
    """Most MiB of this process that were in memory at once, on Linux.

    Linux counts what the process that started this one had in memory then.
    """
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def seconds_of_calls(function, calls):
    """Seconds of each call of a function that waits for what it computes."""
    seconds = []
    for _ in range(calls):
        begun = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - begun)
    return seconds


def medians_in_turns(functions, rounds):
    """Median seconds of each function, all of them called in turns.

    Processors change their pace, so that only what ran side by side compares.

    Args:
        functions: dict of functions without arguments, each of which waits
            for what it computes. A first round is not counted: it compiles.
        rounds: int. How often each is timed.
    """
    seconds = {name: [] for name in functions}
    for round_ in range(rounds + 1):
        for name, function in functions.items():
            (of_call,) = seconds_of_calls(function, 1)
            if round_:
                seconds[name].append(of_call)
    return {name: statistics.median(of) for name, of in seconds.items()}


@contextlib.contextmanager
def on_one_core():
    """Has processes that are started meanwhile run on one core, on Linux."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


class Program:
    """What JAX compiles of a function, ready to run.

    Args:
        function: a function of nested arrays. Its first argument, such as
            weights, may give its memory to the outputs.
        *args: its arguments, as arrays or as `jax.ShapeDtypeStruct`s.
        donate: bool. Whether the outputs may take the memory of the first
            argument. Defaults to `False`.

    Attributes:
        flops: float. Operations that XLA counts; what a loop repeats counts
            once.
        mib: float. MiB of arguments, outputs and all that is there in
            between, at its peak.
        temporary_mib: float. MiB of what is there in between alone.
    """

    def __init__(self, function, *args, donate=False):
        import jax

        lowered = jax.jit(
            function, donate_argnums=(0,) if donate else ()
        ).lower(*args)
        # Of what is asked for, not of how a device does it: what libraries
        # compute on a GPU may not be counted.
        self.flops = lowered.cost_analysis()["flops"]
        self._compiled = lowered.compile()
        memory = self._compiled.memory_analysis()
        self.temporary_mib = memory.temp_size_in_bytes / 2**20
        self.mib = (
            memory.argument_size_in_bytes
            + memory.output_size_in_bytes
            - memory.alias_size_in_bytes
            + memory.temp_size_in_bytes
        ) / 2**20

    def __call__(self, *args):
        import jax

        return jax.block_until_ready(self._compiled(*args))


def with_weights(model, function):
    """`function`, with the values of the model's weights as first argument."""
    import keras

    def stateless(values, *args):
        mapping = list(zip(model.variables, values, strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            return function(*args)

    return stateless


def weights_of(model):
    """The values of a model's weights, for `with_weights()`."""
    return [variable.value for variable in model.variables]


def training_state(task):
    """What a step of a compiled task changes, as Keras has it on JAX.

    Copies: a step may take their memory.
    """
    import jax.numpy as jnp

    task.optimizer.build(task.trainable_variables)
    return tuple(
        [jnp.array(variable.value) for variable in variables]
        for variables in (
            task.trainable_variables,
            task.non_trainable_variables,
            task.optimizer.variables,
            task.metrics_variables,
        )
    )


def random_clips(backbone, batch, snippets, seed=0):
    """Inputs of a backbone that are about clips: noise, all of it present."""
    import numpy as np

    rng = np.random.default_rng(seed)
    frames = snippets * backbone.frames_per_snippet
    audio_frames = snippets * backbone.audio_frames_per_snippet
    return {
        "pixel_values": rng.standard_normal(
            (batch, frames, *backbone.image_size, 3), "float32"
        ),
        "audio_features": rng.standard_normal(
            (batch, audio_frames, backbone.num_mels), "float32"
        ),
        "video_mask": np.ones((batch, snippets), bool),
        "audio_mask": np.ones((batch, snippets), bool),
    }


def random_texts(backbone, batch, length, seed=0):
    """Inputs that are about texts, and the tokens to be told next."""
    import numpy as np

    rng = np.random.default_rng(seed)
    token_ids = rng.integers(
        0, backbone.vocabulary_size, (batch, length + 1), dtype="int32"
    )
    x = {
        "token_ids": token_ids[:, :-1],
        "padding_mask": np.ones((batch, length), bool),
    }
    return x, token_ids[:, 1:], np.ones((batch, length), "float32")
