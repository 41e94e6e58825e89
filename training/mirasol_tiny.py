"""Trains `mirasol_tiny`, the preset whose weights ship with the package.

    KERAS_BACKEND=jax python training/mirasol_tiny.py

The corpus is sounding shapes: mp4 files, read by `clip_dataset` as anyone's
would be. It is learned in two stages, each a `fit()` on lines of one manifest:

1. *Moments*: half a second each, with what is seen and heard in it. There is
   nothing to search for, so encoders and Combiner learn in minutes what takes
   hours by questions about whole clips.
2. *Whole clips*, with all that can be asked of them.

`--style night` trains on the second look of the corpus, and `--preset` starts
from a preset instead of random weights.

The state is saved to `--out` after every epoch; started again, the script goes
on from there. The preset and a report of settings, curve and scores are left
in `--out`; `--ship` puts the preset in the package as well, and `--record` adds
the report to a file of `training/results`.
"""

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path

import keras
import keras_hub

import keras_mirasol
from keras_mirasol import evaluation
from keras_mirasol import models
from keras_mirasol.data import clip_dataset
from keras_mirasol.data import read_manifest
from keras_mirasol.data import sounding_shapes
from keras_mirasol.version import __version__

SHIPPED = Path(keras_mirasol.__file__).parent / "presets" / "mirasol_tiny"
RESULTS = Path(__file__).parent / "results"
BACKBONE = dict(
    frames_per_snippet=2,
    audio_frames_per_snippet=5,
    image_size=32,
    num_mels=32,
    num_joint_tokens=1,
    # By benchmarks/direct_labels.py: small objects are learned from few clips
    # where each place has a token.
    tubes=[{"kernel": (2, 1, 1)}],
    stem_filters=(32, 64, 96),
    audio_patch_size=(5, 8),
    video_hidden_dim=96,
    video_num_layers=1,
    video_num_heads=4,
    audio_hidden_dim=96,
    audio_num_layers=1,
    audio_num_heads=4,
    hidden_dim=96,
    num_heads=4,
    combiner_num_layers=2,
    latent_num_layers=2,
    text_hidden_dim=64,
    text_num_layers=3,
    text_num_heads=4,
    snippet_seconds=0.25,
    # From three snippets to the longest clips it is meant for.
    time_wavelengths=(0.75, 30.0),
)
KINDS = (*sounding_shapes.KINDS, "caption", "moment")
VOCABULARY_SIZE = 512
# Seeds of the corpora that are answered while training and at its end. No
# guide or test has clips of these, or of the training seeds.
VALIDATION_SEED, TEST_SEED = 10_000, 10_001


def build_preprocessor(lines, sequence_length):
    """Tokenizer and converters, adapted to a corpus."""
    preprocessor = models.MirasolCausalLMPreprocessor(
        models.MirasolVideoConverter(image_size=BACKBONE["image_size"]),
        models.MirasolAudioConverter(num_mels=BACKBONE["num_mels"]),
        models.MirasolTokenizer.train(lines, VOCABULARY_SIZE),
        frames_per_snippet=BACKBONE["frames_per_snippet"],
        audio_frames_per_snippet=BACKBONE["audio_frames_per_snippet"],
        sequence_length=sequence_length,
    )
    preprocessor.adapt(lines)
    return preprocessor


def build_backbone(preprocessor):
    """Random weights."""
    return models.MirasolBackbone(
        preprocessor.tokenizer.vocabulary_size(), **BACKBONE
    )


def corpus(folder, num_clips, seed, style, **settings):
    """Lines of a corpus, which is written unless it is there."""
    manifest = folder / "manifest.jsonl"
    if not manifest.exists():  # It is written last.
        print(f"writing {num_clips} clips to {folder}", flush=True)
        sounding_shapes.write_corpus(
            folder, num_clips, seed=seed, style=style, **settings
        )
    return read_manifest(manifest)


class Curve(keras.callbacks.Callback):
    """Keeps the logs of all epochs in a file, and says how long is left."""

    def __init__(self, path, stage, epochs):
        super().__init__()
        self.path, self.stage, self.epochs = path, stage, epochs
        self.rows = json.loads(path.read_text()) if path.exists() else []

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch_started = time.time()

    def on_epoch_end(self, epoch, logs=None):
        now = time.time()
        self.rows.append(
            {
                "stage": self.stage,
                "epoch": epoch + 1,
                "seconds": round(now - self.epoch_started),
                **{key: round(float(value), 4) for key, value in logs.items()},
            }
        )
        self.path.write_text(json.dumps(self.rows, indent=1))
        left = (self.epochs - epoch - 1) * (now - self.epoch_started)
        print(f"{self.stage}: about {left / 60:.0f} minutes left", flush=True)


def train(task, stage, lines, valid, settings, **dataset_settings):
    """Fits a task to lines for some epochs, or goes on where it stopped."""
    epochs = getattr(settings, f"{stage}_epochs")
    dataset = clip_dataset(
        lines,
        task.preprocessor,
        shuffle=True,
        seed=settings.seed,
        cache=True,
        drop_remainder=True,
        modality_dropout={"audio": 0.2, "video": 0.05},
        **dataset_settings,
    )
    task.compile(
        learning_rate=settings.learning_rate,
        steps=epochs * len(dataset),
    )
    task.fit(
        dataset,
        epochs=epochs,
        callbacks=[
            evaluation.AnswerCallback(valid, batch_size=64),
            Curve(settings.out / "curve.json", stage, epochs),
            keras.callbacks.BackupAndRestore(settings.out / f"{stage}_state"),
        ],
        verbose=2,
    )


def how_it_was_made(settings):
    """What a report says of the command, the versions and the machine."""
    return {
        "command": " ".join(["python", *sys.argv]),
        "settings": {
            key: str(value) if isinstance(value, Path) else value
            for key, value in vars(settings).items()
        },
        "versions": {
            "keras_mirasol": __version__,
            "keras": keras.__version__,
            "keras_hub": keras_hub.__version__,
            "backend": keras.backend.backend(),
            "python": platform.python_version(),
        },
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--out", type=Path, default="build/mirasol_tiny")
    parser.add_argument("--style", choices=("day", "night"), default="day")
    parser.add_argument("--preset", help="where to start from, if not anew")
    parser.add_argument("--clips", type=int, default=4000)
    parser.add_argument("--moments_epochs", type=int, default=8)
    parser.add_argument("--clips_epochs", type=int, default=3)
    parser.add_argument("--learning_rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ship", action="store_true")
    parser.add_argument("--record", help="a file of training/results")
    settings = parser.parse_args()
    settings.out.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(settings.seed)
    started = time.time()

    lines, valid, test = (
        corpus(settings.out / name, count, seed, settings.style, **questions)
        for name, count, seed, questions in (
            (
                "train",
                settings.clips,
                settings.seed,
                dict(kinds=KINDS, questions_per_kind=None),
            ),
            ("valid", 64, VALIDATION_SEED, dict(kinds=KINDS)),
            ("test", 256, TEST_SEED, {}),
        )
    )
    moments = [line for line in lines if line["kind"] == "moment"]
    whole = [line for line in lines if line["kind"] != "moment"]

    after_moments = settings.out / "after_moments"
    if not (after_moments / "task.json").exists():
        if settings.preset:
            task = models.MirasolCausalLM.from_preset(settings.preset)
            task.preprocessor.adapt(lines)
        else:
            # What the longest of these texts takes; less padding is less work.
            preprocessor = build_preprocessor(lines, sequence_length=20)
            task = models.MirasolCausalLM(
                build_backbone(preprocessor), preprocessor
            )
        train(
            task,
            "moments",
            moments,
            [line for line in valid if line["kind"] == "moment"],
            settings,
            batch_size=64,
            texts_per_clip=4,
        )
        task.save_to_preset(str(after_moments))
    # Made anew: Keras lets a model that was restored in the middle of one
    # `fit()` begin the next one in the middle as well.
    task = models.MirasolCausalLM.from_preset(str(after_moments))
    train(
        task, "clips", whole, valid, settings, batch_size=16, texts_per_clip=12
    )

    # Room for texts of one's own; and no optimizer's state beside the weights.
    task.preprocessor.sequence_length = 40
    task.compile()
    task.save_to_preset(str(settings.out / "preset"))
    if settings.ship:
        task.save_to_preset(str(SHIPPED))
    answered = evaluation.answer_manifest(task, test, batch_size=64)
    report = {
        **how_it_was_made(settings),
        "parameters": task.count_params(),
        "seconds": round(time.time() - started),
        "exact_match_on_256_clips": evaluation.share_by(answered, "kind"),
        "curve": json.loads((settings.out / "curve.json").read_text()),
    }
    (settings.out / "report.json").write_text(json.dumps(report, indent=1))
    if settings.record:
        path = RESULTS / settings.record
        reports = json.loads(path.read_text()) if path.exists() else []
        path.write_text(json.dumps([*reports, report], indent=1) + "\n")
    print(json.dumps(report["exact_match_on_256_clips"]))


if __name__ == "__main__":
    main()
