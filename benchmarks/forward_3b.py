"""Does a forward pass of `mirasol_3b` fit into 24 GiB of memory?

    KERAS_BACKEND=torch python benchmarks/forward_3b.py

Builds the task in bfloat16 with random weights, and takes a random clip of 128
frames, 16 seconds with sound, with a prompt and its answer, all the way from
bytes to logits. Prints the most memory that the process held, imports and all,
and how long it took: by the clock, and in seconds of a core, which stay the
same on a machine with other work. Writes `benchmarks/results/forward_3b.json`.
"""

import argparse
import json
import platform
import resource
import sys
import time
from pathlib import Path

import keras
import numpy as np
from measuring import machine

from keras_mirasol.models import MirasolCausalLM
from keras_mirasol.version import __version__

RESULT = Path(__file__).parent / "results" / "forward_3b.json"
LIMIT = 24.0


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--preset", default="mirasol_3b")
    parser.add_argument("--frames", type=int, default=128)
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULT)
    settings = parser.parse_args()
    keras.utils.set_random_seed(settings.seed)

    started = Moment()
    task = MirasolCausalLM.from_preset(
        settings.preset, load_weights=False, dtype=settings.dtype
    )
    built = Moment()
    x, y, _ = task.preprocessor(random_clip(task.preprocessor, settings))
    preprocessed = Moment()
    outputs = task.predict_on_batch(x)
    done = Moment()

    peak = peak_memory()
    report = {
        "command": "python benchmarks/forward_3b.py",
        "preset": settings.preset,
        "dtype": settings.dtype,
        "weight_dtypes": sorted({w.dtype for w in task.weights}),
        "parameters": task.count_params(),
        "pixel_values": list(x["pixel_values"].shape),
        "audio_features": list(x["audio_features"].shape),
        "token_ids": list(x["token_ids"].shape),
        "outputs": {
            key: {
                "shape": list(value.shape),
                "all_finite": bool(np.isfinite(value).all()),
                "standard_deviation": round(float(np.std(value)), 4),
            }
            for key, value in (
                (key, np.asarray(value, "float32"))
                for key, value in outputs.items()
            )
        },
        "seconds_to_build": built - started,
        "seconds_to_preprocess": preprocessed - built,
        "seconds_of_the_pass": done - preprocessed,
        "peak_memory_gib": round(peak, 2),
        "limit_gib": LIMIT,
        "seed": settings.seed,
        "backend": keras.backend.backend(),
        "versions": {
            "keras_mirasol": __version__,
            "keras": keras.__version__,
            "python": platform.python_version(),
        },
        "machine": machine(),
    }
    print(json.dumps(report, indent=1))
    settings.out.parent.mkdir(exist_ok=True)
    settings.out.write_text(json.dumps(report, indent=1) + "\n")
    if peak > LIMIT or not all(
        output["all_finite"] for output in report["outputs"].values()
    ):
        sys.exit(f"More than {LIMIT} GiB, or values that are not finite.")


class Moment:
    def __init__(self):
        self.clock = time.perf_counter()
        self.cores = time.process_time()

    def __sub__(self, other):
        return {
            "by_the_clock": round(self.clock - other.clock, 1),
            "of_a_core": round(self.cores - other.cores, 1),
        }


def random_clip(preprocessor, settings):
    """A batch of one clip of noise, of the size of a small video."""
    rng = np.random.default_rng(settings.seed)
    seconds = settings.frames / preprocessor.frame_rate
    samples = round(seconds * preprocessor.sampling_rate)
    return {
        "videos": rng.integers(
            0, 256, (1, settings.frames, 240, 320, 3), dtype="uint8"
        ),
        "audio": rng.normal(scale=0.1, size=(1, samples)).astype("float32"),
        "prompts": ["what is seen and heard?"],
        "responses": ["noise"],
    }


def peak_memory():
    """The most that this process has held, in GiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts in KiB, macOS in bytes.
    return peak / 2 ** (30 if sys.platform == "darwin" else 20)


if __name__ == "__main__":
    main()
