"""Does a training that is killed again and again end with the same weights?

    KERAS_BACKEND=jax python benchmarks/kill_training.py

Trains a small model on shuffled records, with dropout, modality dropout and a
moving average of the weights, once undisturbed and once killed (`SIGKILL`) at
random steps: `--kills` times, and started again each time by the same command.
`TrainingCheckpoint` saves every `--save_every` steps meanwhile, in the
background, so that a kill may well come while it writes. Compares all weights,
moving averages and moments at the end, bit by bit, and writes
`benchmarks/results/kill_training.json`.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
from measuring import read_result
from measuring import versions
from measuring import write_result

from keras_mirasol import models
from keras_mirasol.data import records_dataset
from keras_mirasol.data import sounding_shapes
from keras_mirasol.data import write_records

BUILD = Path("build/kill_training")
CLIPS, BATCH, VOCABULARY_SIZE = 12, 4, 320
FRAMES, AUDIO_FRAMES = 2, 5


def build_preprocessor():
    return models.MirasolCausalLMPreprocessor(
        video_converter=models.MirasolVideoConverter(16),
        audio_converter=models.MirasolAudioConverter(16, sampling_rate=16000),
        tokenizer=models.MirasolTokenizer(),
        frames_per_snippet=FRAMES,
        audio_frames_per_snippet=AUDIO_FRAMES,
        sequence_length=64,
    )


def build_task(preprocessor):
    backbone = models.MirasolBackbone(
        vocabulary_size=VOCABULARY_SIZE,
        frames_per_snippet=FRAMES,
        audio_frames_per_snippet=AUDIO_FRAMES,
        snippet_seconds=preprocessor.snippet_seconds,
        image_size=16,
        num_mels=16,
        num_joint_tokens=2,
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
        dropout=0.1,
    )
    return models.MirasolCausalLM(
        backbone, preprocessor, frame_weight=0.0, spectrogram_weight=0.0
    )


class StepsFile(keras.callbacks.Callback):
    """Tells the other process by a file's size how many steps were made."""

    def __init__(self, path):
        super().__init__()
        self._file = path.open("ab", buffering=0)

    def on_train_batch_end(self, batch, logs=None):
        self._file.write(b".")


def train(folder, epochs, save_every):
    """Trains, or goes on with it, and saves what comes of it."""
    keras.utils.set_random_seed(0)
    preprocessor = build_preprocessor()
    task = build_task(preprocessor)
    task.compile(learning_rate=1e-3, ema_momentum=0.9)
    dataset = records_dataset(
        BUILD / "records",
        preprocessor,
        batch_size=BATCH,
        texts_per_clip=2,
        shuffle=True,
        seed=1,
        modality_dropout=0.2,
        num_snippets=8,
    )
    task.fit(
        dataset,
        epochs=epochs,
        verbose=0,
        callbacks=[
            models.TrainingCheckpoint(folder / "kept", save_every=save_every),
            StepsFile(folder / "steps"),
        ],
    )
    np.savez(
        folder / "end.npz",
        *(keras.ops.convert_to_numpy(v) for v in task.weights),
        *(keras.ops.convert_to_numpy(v) for v in task.optimizer.variables),
    )


def start(folder, settings):
    """The process of a training."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "steps").write_bytes(b"")
    return subprocess.Popen(
        [
            *(sys.executable, __file__, "--child", str(folder)),
            *("--epochs", str(settings.epochs)),
            *("--save_every", str(settings.save_every)),
        ],
        env={
            **os.environ,
            # Else it would be compiled anew after each kill.
            "JAX_COMPILATION_CACHE_DIR": str((BUILD / "compiled").resolve()),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        },
    )


def kill_at(process, folder, steps):
    """Kills a process as soon as it has made so many steps."""
    while process.poll() is None:
        if (folder / "steps").stat().st_size >= steps:
            process.kill()
            process.wait()
            return
        time.sleep(0.001)
    raise RuntimeError(f"The training ended by itself: {process.returncode}")


def newest(folder):
    """The step of the newest checkpoint, 0 if there is none."""
    steps = (folder / "kept").glob("[0-9]*")
    return max((int(s.name) for s in steps if s.name.isdigit()), default=0)


def arrays_of(folder):
    with np.load(folder / "end.npz") as arrays:
        return list(arrays.values())


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--save_every", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="write nothing")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    settings = parser.parse_args()
    if settings.child:
        train(settings.child, settings.epochs, settings.save_every)
        return

    shutil.rmtree(BUILD, ignore_errors=True)
    manifest = sounding_shapes.write_corpus(BUILD / "corpus", CLIPS, seed=0)
    write_records(
        manifest, BUILD / "records", build_preprocessor(), verbose=False
    )
    undisturbed, killed = BUILD / "undisturbed", BUILD / "killed"
    if start(undisturbed, settings).wait():
        raise RuntimeError("The undisturbed training failed.")
    total = (undisturbed / "steps").stat().st_size

    rng = np.random.default_rng(settings.seed)
    kills = []
    for target in sorted(rng.integers(1, total, settings.kills).tolist()):
        begun = newest(killed)
        process = start(killed, settings)
        # Steps of the epoch that are passed over are in the file as well.
        passed = begun % (total // settings.epochs)
        kill_at(process, killed, max(target - begun, 1) + passed)
        kills.append({"went_on_from": begun, "killed_after": target})
        print(kills[-1], flush=True)
    if start(killed, settings).wait():
        raise RuntimeError("The training did not go on.")

    pairs = list(zip(arrays_of(undisturbed), arrays_of(killed), strict=True))
    apart = max(float(np.abs(a - b).max(initial=0)) for a, b in pairs)
    same = all(a.tobytes() == b.tobytes() for a, b in pairs)
    backend = keras.backend.backend()
    print(
        f"{backend}: killed {len(kills)} times in {total} steps; "
        f"{len(pairs)} arrays at the end, at most {apart} apart, "
        f"{'the same' if same else 'not the same'} to the bit"
    )
    if not settings.quick:
        report = read_result("kill_training", backends={})
        report["command"] = "python benchmarks/kill_training.py"
        report["backends"][backend] = {
            "steps": total,
            "save_every": settings.save_every,
            "kills": kills,
            "arrays": len(pairs),
            "same_to_the_bit": same,
            "at_most_apart": apart,
            "versions": versions(backend, "orbax-checkpoint"),
        }
        write_result("kill_training", report)
    if not same:
        sys.exit("The weights differ.")


if __name__ == "__main__":
    main()
