"""Does the data keep a training fed?

    python benchmarks/pipeline.py

Generated clips of 720p are read for `mirasol_small` by `clip_dataset`,
`records_dataset` and a Grain loader over `ClipSource`, with two workers each,
and decoded by PyAV alone on two threads. All in one process, in turns, as
processors change their pace; the ratios count. Then `mirasol_tiny` is trained
on small clips, and what it waits for its batches is compared with its steps;
and memory is watched over 2,000 clips. Prints tables and writes
`benchmarks/results/pipeline.json`.
"""

import argparse
import gc
import itertools
import json
import os
import statistics
import sys
import tempfile
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import av
import grain
import keras
import numpy as np
import tensorflow as tf
from measuring import machine
from measuring import resident

import keras_mirasol
from keras_mirasol import data

RESULT = Path(__file__).parent / "results" / "pipeline.json"
WORKERS = 2
BATCH = 4
SECONDS_A_TURN = 6
SECONDS, NATIVE_RATE, HEIGHT, WIDTH = 5, 25, 720, 1280
# What is read: as `mirasol_small` takes it.
FRAME_RATE, SAMPLING_RATE = 8, 16000
IMAGE_SIZE = 128


def write_clips(folder, count):
    """Clips of 720p with sound, and a manifest of them.

    Coarse noise that drifts, with a little grain: about 2.5 Mbit/s, as what
    people upload.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for index in range(count):
        path = folder / f"{index}.mp4"
        rng = np.random.default_rng(index)
        size = HEIGHT // 16 + 8, WIDTH // 16 + 8, 3
        coarse = rng.integers(0, 255, size).astype("uint8")
        picture = tf.image.resize(coarse, (HEIGHT + 128, WIDTH + 128))
        picture = picture.numpy().astype("int16")
        grain = rng.normal(0, 5, (4, HEIGHT, WIDTH, 1)).astype("int16")
        with av.open(str(path), "w") as container:
            video = container.add_stream("libx264", rate=NATIVE_RATE)
            video.height, video.width = HEIGHT, WIDTH
            video.pix_fmt = "yuv420p"
            sound = container.add_stream("aac", rate=44100, layout="stereo")
            for k in range(SECONDS * NATIVE_RATE):
                top, left = k % 128, 2 * k % 128
                pixels = picture[top : top + HEIGHT, left : left + WIDTH]
                pixels = np.clip(pixels + grain[k % 4], 0, 255)
                frame = av.VideoFrame.from_ndarray(
                    pixels.astype("uint8"), format="rgb24"
                )
                container.mux(video.encode(frame))
            samples = rng.normal(0, 0.1, (2, SECONDS * 44100))
            block = av.AudioFrame.from_ndarray(
                samples.astype("float32"), "fltp", "stereo"
            )
            block.sample_rate = 44100
            container.mux(sound.encode(block))
            container.mux(video.encode(None))
            container.mux(sound.encode(None))
        lines.append(
            {"media": str(path), "prompt": "what is seen?", "response": "noise"}
        )
    return data.write_manifest(folder / "manifest.jsonl", lines)


def decode_alone(path):
    """Decodes all frames and samples, and does nothing with them."""
    with av.open(path) as container:
        for stream in container.streams:
            stream.thread_count = 1
        for _ in container.decode():
            pass


def decode_to_arrays(path):
    """What one would write with PyAV alone: scaled frames, and samples."""
    resampler = av.AudioResampler("fltp", "mono", SAMPLING_RATE)
    scaler = av.video.reformatter.VideoReformatter()
    frames, samples, due = [], [], 0.5 / FRAME_RATE
    with av.open(path) as container:
        for stream in container.streams:
            stream.thread_count = 1
        for frame in container.decode():
            if isinstance(frame, av.AudioFrame):
                samples += [b.to_ndarray() for b in resampler.resample(frame)]
            elif frame.time + 1 / NATIVE_RATE > due:
                frames.append(
                    scaler.reformat(
                        frame, IMAGE_SIZE, IMAGE_SIZE, "rgb24", threads=1
                    ).to_ndarray()
                )
                due += 1 / FRAME_RATE
    return np.stack(frames), np.concatenate(samples, axis=1)[0]


def readers(manifest, records, preprocessor):
    """What is compared: functions that begin to read all clips, endlessly.

    Each returns an iterator of how many clips have come.
    """
    paths = [line["media"] for line in data.read_manifest(manifest)]
    options = {"batch_size": BATCH, "num_parallel": WORKERS, "repeat": True}
    # Made once, as for a training.
    files = data.clip_dataset(manifest, preprocessor, **options)
    recorded = data.records_dataset(records, preprocessor, **options)
    loader = grain.MapDataset.source(data.ClipSource(manifest, preprocessor))
    loader = loader.repeat().to_iter_dataset(
        grain.ReadOptions(num_threads=WORKERS, prefetch_buffer_size=8)
    )
    loader = loader.batch(BATCH, batch_fn=data.pad_batch)

    def threads(function):
        with ThreadPoolExecutor(WORKERS) as pool:
            ahead = deque()
            for path in itertools.cycle(paths):
                ahead.append(pool.submit(function, path))
                if len(ahead) > 2 * WORKERS:
                    ahead.popleft().result()
                    yield 1

    return {
        "PyAV, decoding alone": lambda: threads(decode_alone),
        "PyAV, to arrays": lambda: threads(decode_to_arrays),
        "clip_dataset": lambda: (BATCH for _ in files),
        "ClipSource, Grain": lambda: (BATCH for _ in loader),
        "records_dataset": lambda: (BATCH for _ in recorded),
    }


def clips_per_second(read, seconds):
    """The pace of a reader that has been at it for a while.

    What it has read ahead at the beginning, it has at the end.
    """
    counts = read()
    begun = time.perf_counter()
    while time.perf_counter() - begun < seconds / 3:
        next(counts)
    begun, clips = time.perf_counter(), 0
    while time.perf_counter() - begun < seconds:
        clips += next(counts)
    return clips / (time.perf_counter() - begun)


def compare(folder, preprocessor, num_clips, rounds):
    """Clips and frames a second of each reader, medians of rounds."""
    manifest = write_clips(folder / "clips", num_clips)
    records = folder / "records"
    begun = time.perf_counter()
    summary = data.write_records(
        manifest, records, preprocessor, clips_per_shard=8, verbose=False
    )
    conversion = num_clips / (time.perf_counter() - begun)
    todo = readers(manifest, records, preprocessor)
    rates = {name: [] for name in todo}
    for round_ in range(rounds + 1):
        for name, read in todo.items():
            rate = clips_per_second(read, SECONDS_A_TURN)
            # The first round traces graphs and fills caches.
            if round_:
                rates[name].append(rate)
    clips = {name: statistics.median(of) for name, of in rates.items()}
    frames = SECONDS * FRAME_RATE
    print(f"{'reader':22}{'clips/s':>9}{'frames/s':>10}{'of PyAV':>9}")
    table = {}
    for name, rate in clips.items():
        ratio = rate / clips["PyAV, to arrays"]
        table[name] = {
            "clips_per_second": round(rate, 2),
            "frames_per_second": round(frames * rate, 1),
            "of_pyav": round(ratio, 2),
            "of_pyav_decoding_alone": round(
                rate / clips["PyAV, decoding alone"], 2
            ),
        }
        print(f"{name:22}{rate:9.2f}{frames * rate:10.1f}{ratio:9.2f}")
    return {
        "clips": f"{num_clips} of {SECONDS} s, {WIDTH}x{HEIGHT}, "
        f"{NATIVE_RATE} frames/s, H.264 and AAC",
        "readers": table,
        "files_of_pyav": table["clip_dataset"]["of_pyav"],
        "records_of_files": round(
            clips["records_dataset"] / clips["clip_dataset"], 2
        ),
        "conversion_clips_per_second": round(conversion, 2),
        "megabytes_a_record": round(summary.num_bytes / num_clips / 1e6, 2),
    }


def watch_memory(manifest, records, preprocessor, num_clips):
    """MiB in memory on the way through so many clips."""
    result = {}
    for name, make in (
        ("clip_dataset", lambda **o: data.clip_dataset(manifest, **o)),
        ("records_dataset", lambda **o: data.records_dataset(records, **o)),
    ):
        dataset = make(
            preprocessor=preprocessor,
            batch_size=8,
            texts_per_clip=8,
            repeat=True,
            shuffle=True,
            num_parallel=WORKERS,
        )
        sizes = {}
        for batch, _ in enumerate(dataset.take(num_clips // 8), start=1):
            if 8 * batch % (num_clips // 10) < 8:
                gc.collect()
                sizes[8 * batch] = round(resident())
        result[name] = sizes
        print(f"{name}: MiB after clips {sizes}")
    return result


def measure_waiting(manifest, preprocessor, task, steps):
    """The share of a training's time that it waits for batches."""
    task.compile(optimizer=keras.optimizers.AdamW(1e-4))
    dataset = data.clip_dataset(
        manifest,
        preprocessor,
        batch_size=8,
        texts_per_clip=8,
        shuffle=True,
        repeat=True,
        num_parallel=WORKERS,
    )
    waited, stepped = [], []
    batches = iter(dataset)
    for _ in range(steps):
        begun = time.perf_counter()
        batch = next(batches)
        taken = time.perf_counter()
        task.train_on_batch(*batch)
        waited.append(taken - begun)
        stepped.append(time.perf_counter() - taken)
    # The first steps compile.
    waited, stepped = sum(waited[5:]), sum(stepped[5:])
    share = waited / (waited + stepped)
    print(
        f"mirasol_tiny: {1000 * stepped / (steps - 5):.0f} ms a step, "
        f"{100 * share:.1f} % of the time waiting for batches"
    )
    return {
        "milliseconds_a_step": round(1000 * stepped / (steps - 5), 1),
        "share_waiting": round(share, 4),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--clips", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--watched", type=int, default=2000)
    parser.add_argument("--steps", type=int, default=60)
    settings = parser.parse_args()
    task = keras_mirasol.models.MirasolCausalLM.from_preset("mirasol_tiny")
    preprocessor = task.preprocessor
    larger = keras_mirasol.models.MirasolCausalLMPreprocessor.from_preset(
        "mirasol_small"
    )
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        result = compare(folder, larger, settings.clips, settings.rounds)
        small = data.sounding_shapes.write_corpus(folder / "small", 256, seed=0)
        records = folder / "small_records"
        data.write_records(small, records, preprocessor, verbose=False)
        memory = watch_memory(small, records, preprocessor, settings.watched)
        training = measure_waiting(small, preprocessor, task, settings.steps)
    result = {
        "command": " ".join(["python", *sys.argv]),
        "workers": WORKERS,
        **result,
        "mebibytes_after_clips": memory,
        "training_mirasol_tiny": training,
        "av": av.__version__,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "backend": keras.backend.backend(),
        "machine": machine(),
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
