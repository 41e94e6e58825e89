"""Does a conversion to records survive being killed?

    python benchmarks/kill_conversion.py

A corpus is converted by `write_records` in a process that is killed (SIGKILL)
at a random moment and started again, until it has been killed 20 times; then
it may finish. Files, their checksums and each clip must be those of a
conversion that nothing disturbed. Prints a table and writes
`benchmarks/results/kill_conversion.json`.
"""

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from measuring import machine

os.environ.setdefault("KERAS_BACKEND", "jax")

RESULT = Path(__file__).parent / "results" / "kill_conversion.json"
CLIPS_PER_SHARD = 8


def convert(manifest, folder):
    """Runs in a process of its own, and says when it begins."""
    from keras_mirasol import data

    print("ready", flush=True)
    data.write_records(
        manifest, folder, clips_per_shard=CLIPS_PER_SHARD, verbose=False
    )
    print("done", flush=True)


def start(manifest, folder):
    """Starts a conversion and waits until it begins."""
    process = subprocess.Popen(
        [sys.executable, __file__, "--convert", str(manifest), str(folder)],
        stdout=subprocess.PIPE,
        text=True,
    )
    if process.stdout.readline() != "ready\n":
        raise SystemExit("A conversion ended before it began.")
    return process


def finish(process):
    """Waits for a conversion to end; seconds since then."""
    begun = time.perf_counter()
    if process.communicate()[0] != "done\n" or process.returncode:
        raise SystemExit("A conversion failed.")
    return time.perf_counter() - begun


def checksums(folder):
    """Checksums of all files by their names."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
    }


def indices(folder):
    """How often each clip is in the records, by its index."""
    import tensorflow as tf

    counts = Counter()
    for path in folder.glob("*.tfrecord"):
        for record in tf.data.TFRecordDataset(str(path)):
            example = tf.train.SequenceExample.FromString(record.numpy())
            feature = example.context.feature["clip/index"]
            counts.update(feature.int64_list.value)
    return counts


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--clips", type=int, default=600)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--convert", nargs=2, help="manifest and folder")
    settings = parser.parse_args()
    if settings.convert:
        convert(*settings.convert)
        return

    from keras_mirasol import data

    draws = random.Random(settings.seed)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        manifest = data.sounding_shapes.write_corpus(
            folder / "corpus", settings.clips, seed=settings.seed
        )
        undisturbed, killed = folder / "undisturbed", folder / "killed"
        seconds = finish(start(manifest, undisturbed))
        # All together about half of what one conversion takes, so that each
        # kill meets one that is at work.
        longest = 0.9 * seconds / settings.kills
        num_shards = -(-settings.clips // CLIPS_PER_SHARD)
        moments, left = [], []
        while len(moments) < settings.kills:
            process = start(manifest, killed)
            moment = draws.uniform(0, longest)
            time.sleep(moment)
            process.send_signal(signal.SIGKILL)
            process.wait()
            moments.append(round(moment, 3))
            names = [path.name for path in killed.glob("*")]
            shards = sum(name.endswith(".tfrecord") for name in names)
            partial = sum(".partial-" in name for name in names)
            if shards == num_shards:
                raise SystemExit("It was complete too soon: take more clips.")
            left.append({"shards": shards, "unfinished_files": partial})
            print(
                f"killed after {moment:.3f} s: {shards} shards complete, "
                f"{partial} unfinished files"
            )
        finish(start(manifest, killed))
        same_files = checksums(killed) == checksums(undisturbed)
        counts = indices(killed)
    once = counts == Counter(range(settings.clips))
    print(f"all files as undisturbed: {same_files}; each clip once: {once}")
    result = {
        "command": " ".join(["python", *sys.argv]),
        "clips": settings.clips,
        "clips_per_shard": CLIPS_PER_SHARD,
        "seconds_undisturbed": round(seconds, 2),
        "killed_after_seconds": moments,
        "left_behind": left,
        "files_as_undisturbed": same_files,
        "each_clip_once": once,
        "machine": machine(),
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    if not (same_files and once):
        sys.exit(1)


if __name__ == "__main__":
    main()
