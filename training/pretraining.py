"""What pretraining is worth to a model of the size of `mirasol_tiny`.

    KERAS_BACKEND=jax python training/pretraining.py

1. *Pretrains* random weights by all objectives on captions alone: of moments,
   half a second each, then of whole clips of sounding shapes.
2. *Searches* 200 held-out clips by their captions, and captions by clips.
3. *Fine-tunes* on questions about whole clips of another corpus, and beside it
   the same model from random weights, by the same steps. Both answer held-out
   questions as they learn.

The state is saved to `--out` after every epoch; started again, the script goes
on from there. It leaves a report of settings, curves and scores in `--out`;
`--record` writes it to `training/results/pretraining.json`, and draws both
curves of fine-tuning to `docs/pretraining.png`.
"""

import argparse
import json
from pathlib import Path

import keras
import numpy as np
from matplotlib.figure import Figure
from mirasol_tiny import RESULTS
from mirasol_tiny import TEST_SEED
from mirasol_tiny import VALIDATION_SEED
from mirasol_tiny import Curve
from mirasol_tiny import build_backbone
from mirasol_tiny import build_preprocessor
from mirasol_tiny import corpus
from mirasol_tiny import how_it_was_made

from keras_mirasol import evaluation
from keras_mirasol import models
from keras_mirasol.data import clip_dataset
from keras_mirasol.data import load_clip

PICTURE = Path(__file__).parents[1] / "docs" / "pretraining.png"
CAPTION = "what happens?"
PRETRAINING_SEED, TUNING_SEED = 2, 3
SEARCHED = 200
# Those that `MirasolCausalLM` has by default; the pretrainer's others are 1.
WEIGHTS = dict(latent_weight=0.05, frame_weight=0.5, spectrogram_weight=0.3)


def build_pretrainer(preprocessor, seed):
    return models.MirasolPretrainer(
        build_backbone(preprocessor),
        preprocessor,
        embedding_dim=64,
        seed=seed,
        **WEIGHTS,
    )


def stage(name, build, lines, steps, settings, callbacks=(), **batch):
    """What a stage makes of a task, or has made of it before.

    Args:
        name: str.
        build: a function that makes the task.
        lines: lines of a manifest to learn from.
        steps: int.
        settings: the command line's.
        callbacks: sequence of further callbacks.
        **batch: arguments of `clip_dataset()`.
    """
    folder = settings.out / name
    task = build()
    if not (folder / "task.json").exists():
        dataset = clip_dataset(
            lines,
            task.preprocessor,
            shuffle=True,
            seed=settings.seed,
            cache=True,
            drop_remainder=True,
            **batch,
        )
        epochs = max(1, steps // settings.steps_per_epoch)
        task.compile(learning_rate=settings.learning_rate, steps=steps)
        task.fit(
            dataset.repeat(),
            epochs=epochs,
            steps_per_epoch=min(steps, settings.steps_per_epoch),
            callbacks=[
                *callbacks,
                Curve(settings.out / "curve.json", name, epochs),
                keras.callbacks.BackupAndRestore(
                    settings.out / f"{name}_state"
                ),
            ],
            verbose=2,
        )
        task.save_to_preset(str(folder))
    # Made anew: Keras lets a model that was restored in the middle of one
    # `fit()` begin the next one in the middle as well.
    return type(task).from_preset(str(folder))


def search(pretrainer, lines):
    """Recall of clips by their captions, and of captions by their clips."""
    embedder = models.MirasolEmbedder.from_pretrainer(
        pretrainer, prompt=CAPTION
    )
    settings = pretrainer.preprocessor.clip_settings
    clips = [load_clip(line, **settings) for line in lines]
    clip_embeddings = embedder.embed_clips(
        {key: [clip[key] for clip in clips] for key in ("videos", "audio")}
    )
    texts = embedder.embed_texts([line["response"] for line in lines])
    scores = texts @ clip_embeddings.T
    return {
        "clips by caption": recalls(scores),
        "captions by clip": recalls(scores.T),
    }


def recalls(scores):
    """Of a matrix whose right pairs are on its diagonal, row by row."""
    right = np.arange(len(scores))
    return {
        f"recall@{count}": round(
            float(
                keras.ops.mean(
                    keras.metrics.sparse_top_k_categorical_accuracy(
                        right, scores, k=count
                    )
                )
            ),
            4,
        )
        for count in (1, 5)
    }


def steps_to(curve, accuracy, steps_per_epoch):
    """How many steps a curve takes to an accuracy; `None` if more."""
    for row in curve:
        if row["exact_match"] >= accuracy:
            return row["epoch"] * steps_per_epoch
    return None


def draw(curves, steps_per_epoch):
    """Exact match of held-out answers as steps of fine-tuning go on."""
    figure = Figure((6, 3.5), layout="constrained")
    axes = figure.subplots()
    for name, label in (
        ("pretrained", "pretrained by all objectives"),
        ("random", "from random weights"),
    ):
        axes.plot(
            [row["epoch"] * steps_per_epoch for row in curves[name]],
            [row["exact_match"] for row in curves[name]],
            marker="o",
            markersize=3,
            label=label,
        )
    axes.set(
        xlabel="steps of fine-tuning",
        ylabel="exact match, held-out clips",
        ylim=(0, 1.02),
    )
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--out", type=Path, default="build/pretraining")
    parser.add_argument("--clips", type=int, default=2000)
    parser.add_argument("--moment_steps", type=int, default=600)
    parser.add_argument("--story_steps", type=int, default=800)
    parser.add_argument("--tuning_clips", type=int, default=1000)
    parser.add_argument("--tuning_steps", type=int, default=1000)
    parser.add_argument("--steps_per_epoch", type=int, default=100)
    parser.add_argument("--learning_rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", action="store_true")
    settings = parser.parse_args()
    settings.out.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(settings.seed)

    captioned, asked, valid, test = (
        corpus(settings.out / name, count, seed, "day", **questions)
        for name, count, seed, questions in (
            (
                "captioned",
                settings.clips,
                PRETRAINING_SEED,
                dict(kinds=["moment", "story"], questions_per_kind=None),
            ),
            (
                "asked",
                settings.tuning_clips,
                TUNING_SEED,
                dict(questions_per_kind=None),
            ),
            ("valid", 64, VALIDATION_SEED, {}),
            ("test", SEARCHED, TEST_SEED, dict(kinds=["story"])),
        )
    )
    captions = [line for line in captioned if line["prompt"] == CAPTION]
    moments, stories = (
        [line for line in captions if line["kind"] == kind]
        for kind in ("moment", "story")
    )
    # With room for the captions of whole clips.
    preprocessor = build_preprocessor([*captions, *asked], sequence_length=48)

    pretrainer = stage(
        "moments",
        lambda: build_pretrainer(preprocessor, settings.seed),
        moments,
        settings.moment_steps,
        settings,
        batch_size=64,
    )
    pretrainer = stage(
        "stories",
        lambda: pretrainer,
        stories,
        settings.story_steps,
        settings,
        batch_size=32,
    )
    found = search(pretrainer, test)
    print(found, flush=True)

    def tune(name, backbone):
        return stage(
            name,
            lambda: models.MirasolCausalLM(backbone, preprocessor),
            asked,
            settings.tuning_steps,
            settings,
            callbacks=[evaluation.AnswerCallback(valid, batch_size=64)],
            batch_size=16,
            texts_per_clip=12,
        )

    tune("pretrained", pretrainer.backbone)
    keras.utils.set_random_seed(settings.seed)
    tune("random", build_backbone(preprocessor))

    curve = json.loads((settings.out / "curve.json").read_text())
    curves = {
        name: [row for row in curve if row["stage"] == name]
        for name in ("pretrained", "random")
    }
    last = curves["random"][-1]["exact_match"]
    report = {
        **how_it_was_made(settings),
        "parameters": pretrainer.backbone.count_params(),
        "retrieval_of_200": found,
        "exact_match_without_pretraining": last,
        "steps_without_pretraining": settings.tuning_steps,
        "steps_with_pretraining": steps_to(
            curves["pretrained"], last, settings.steps_per_epoch
        ),
        "curve": curve,
    }
    (settings.out / "report.json").write_text(json.dumps(report, indent=1))
    if settings.record:
        path = RESULTS / "pretraining.json"
        path.write_text(json.dumps(report, indent=1) + "\n")
        draw(curves, settings.steps_per_epoch).savefig(PICTURE, dpi=100)
    print(json.dumps({k: report[k] for k in report if "steps" in k}))


if __name__ == "__main__":
    main()
