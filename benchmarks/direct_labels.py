"""Does each stage of the model learn what it is shown as soon as it could?

    KERAS_BACKEND=jax python benchmarks/direct_labels.py

Trains the parts of `mirasol_tiny` on direct labels, one for what is seen and
one for what is heard in each snippet, stage by stage: the encoders with their
tokens averaged, the joint tokens of the Combiner, and the latents of the
snippet Transformer. Three corpora: many clips of sounding shapes; few clips,
of a snippet each, of one small bright digit that moves over black; and these
shifted and scaled anew at each step. In the same run plain strided convolutions
with global mean pooling, of about as many parameters as the video encoder,
learn what is seen from the same batches. Prints a table and, when all of it was
run, writes `benchmarks/results/direct_labels.json`. To judge a change in about
a minute:

    KERAS_BACKEND=jax python benchmarks/direct_labels.py \\
        --corpora digits --stages encoder
"""

import argparse
import functools
import json
import platform
import runpy
import time
from pathlib import Path

import keras
import numpy as np
from keras import ops
from measuring import machine

from keras_mirasol.data import sounding_shapes
from keras_mirasol.layers import AudioEncoder
from keras_mirasol.layers import SnippetTransformer
from keras_mirasol.layers import TransformerCombiner
from keras_mirasol.layers import VideoEncoder
from keras_mirasol.models import MirasolAudioConverter
from keras_mirasol.models import MirasolVideoConverter
from keras_mirasol.version import __version__

RESULT = Path(__file__).parent / "results" / "direct_labels.json"
TRAINING = Path(__file__).parents[1] / "training" / "mirasol_tiny.py"
CORPORA = ("shapes", "digits", "digits, shifted and scaled")
PEER = "strided convolutions"
STAGES = (PEER, "encoder", "joint tokens", "latents")
PEER_FILTERS = (48, 96, 160)
SNIPPETS_PER_STEP = 128
LEARNING_RATE = 2e-3
# Ten digits, five pixels wide and seven high.
DIGITS = (
    "01110 10001 10011 10101 11001 10001 01110",
    "00100 01100 00100 00100 00100 00100 01110",
    "01110 10001 00001 00010 00100 01000 11111",
    "11111 00010 00100 00010 00001 10001 01110",
    "00010 00110 01010 10010 11111 00010 00010",
    "11111 10000 11110 00001 00001 10001 01110",
    "00110 01000 10000 11110 10001 10001 01110",
    "11111 00001 00010 00100 01000 01000 01000",
    "01110 10001 10001 01110 10001 10001 01110",
    "01110 10001 10001 01111 00001 00010 01100",
)
# The arguments of `mirasol_tiny`, from the script that trains it.
BACKBONE = runpy.run_path(str(TRAINING))["BACKBONE"]


class Clips:
    """Clips in memory with labels of each snippet; the last are held out.

    Args:
        pixel_values: float array `(clips, frames, height, width, 3)`.
        audio_features: float array `(clips, frames, mels)`.
        labels: dict of int arrays `(clips, snippets)`: `"seen"` and, unless
            these are silent films, `"heard"`.
        held_out: int. How many clips are not trained on.
    """

    def __init__(self, pixel_values, audio_features, labels, held_out):
        self.pixel_values = pixel_values
        self.audio_features = audio_features
        self.labels = labels
        self.num_train = len(pixel_values) - held_out
        self.num_snippets = labels["seen"].shape[1]
        self.centres = [
            (values.mean(dtype="float32"), values.std(dtype="float32") + 1e-6)
            for values in (
                pixel_values[: self.num_train],
                audio_features[: self.num_train],
            )
        ]

    def batch(self, clips, model, change=None):
        """What the model takes and tells of the clips of these numbers."""
        pixels = self.pixel_values[clips].astype("float32")
        if change:
            pixels = change(pixels)
        x = {
            "pixel_values": pixels,
            "audio_features": self.audio_features[clips],
        }
        for key, (mean, deviation) in zip(x, self.centres, strict=True):
            x[key] = (x[key] - mean) / deviation
        return (
            {key: x[key] for key in model.input},
            {key: self.labels[key][clips] for key in model.output},
        )

    def batches(self, model, steps, seed, change=None):
        """Random batches; no clip comes again before all others have."""
        rng = np.random.default_rng(seed)
        change = change and functools.partial(change, rng)
        size = SNIPPETS_PER_STEP // self.num_snippets
        epochs = -(-steps * size // self.num_train)
        order = np.concatenate(
            [rng.permutation(self.num_train) for _ in range(epochs)]
        )
        for step in range(steps):
            yield self.batch(
                order[step * size : (step + 1) * size], model, change
            )


def shape_clips(num_clips, seed):
    """Many clips: four large shapes and sounds each, one in 16 held out."""
    video_converter = MirasolVideoConverter(image_size=BACKBONE["image_size"])
    audio_converter = MirasolAudioConverter(num_mels=BACKBONE["num_mels"])
    # The rate of the clips over that which the converter takes.
    every = int(16 / video_converter.frame_rate)
    pixel_values, audio_features, labels = [], [], {"seen": [], "heard": []}
    for index in range(num_clips):
        scene = sounding_shapes.corpus_scene(index, seed=seed)
        frames = sounding_shapes.render_frames(scene)[every // 2 :: every]
        # Half precision halves the memory and loses nothing that matters.
        pixel_values.append(video_converter(frames).astype("float16"))
        audio = sounding_shapes.render_audio(scene)
        audio_features.append(audio_converter(audio))
        for event in scene.events:
            labels["seen"].append(sounding_shapes.SHAPES.index(event.shape))
            labels["heard"].append(sounding_shapes.SOUNDS.index(event.sound))
    num_snippets = len(pixel_values[0]) // BACKBONE["frames_per_snippet"]
    repeats = num_clips * num_snippets // len(labels["seen"])
    return Clips(
        np.stack(pixel_values),
        np.stack(audio_features),
        {
            key: np.repeat(values, repeats).reshape(num_clips, num_snippets)
            for key, values in labels.items()
        },
        held_out=num_clips // 16,
    )


def digit_clips(num_clips, held_out, seed):
    """Few clips of a snippet each: a small digit, anywhere in each frame."""
    rng = np.random.default_rng(seed)
    size, frames = BACKBONE["image_size"], BACKBONE["frames_per_snippet"]
    glyphs = np.array(
        [[list(row) for row in digit.split()] for digit in DIGITS], "float32"
    )
    total = num_clips + held_out
    digits = rng.integers(len(DIGITS), size=total)
    # No digit is written twice with the same pressure, size and brightness.
    pressure = rng.uniform(0.3, 1.0, (total, *glyphs.shape[1:]))
    brightness = rng.uniform(0.6, 1.0, (total, 1, 1))
    written = brightness * pressure * glyphs[digits]
    scales = rng.uniform(1.0, 1.5, (total, 1, 2))
    # As far from the border as it takes to stay whole.
    room = scales * np.array(glyphs.shape[1:]) / 2
    centres = rng.uniform(room, size - room, (total, frames, 2))
    pixel_values = resample(written[:, None, ..., None], centres, scales, size)
    audio_frames = BACKBONE["audio_frames_per_snippet"]
    return Clips(
        np.repeat(pixel_values.astype("float16"), 3, axis=-1),
        np.zeros((total, audio_frames, BACKBONE["num_mels"]), "float32"),
        {"seen": digits[:, None]},
        held_out=held_out,
    )


def resample(images, centres, scales, size):
    """Draws images, scaled, on black squares, bilinearly.

    Args:
        images: array `(..., height, width, channels)`.
        centres: array `(..., 2)`. Where the images' middle comes to be,
            (row, column), in pixels from the top left corner.
        scales: array `(..., 2)`. How much they grow, in height and width.
        size: int. Height and width of the result.

    Returns:
        A float32 array `(..., size, size, channels)`.
    """

    def weights(axis):
        length = images.shape[axis - 3]
        centre, scale = centres[..., axis, None], scales[..., axis, None]
        source = (np.arange(size) + 0.5 - centre) / scale + length / 2 - 0.5
        distance = np.abs(source[..., None] - np.arange(length))
        return np.maximum(0, 1 - distance).astype("float32")

    images = np.einsum(
        "...ij,...jkc->...ikc", weights(0), images.astype("float32")
    )
    return np.einsum("...kj,...ijc->...ikc", weights(1), images)


def shift_and_scale(rng, pixels):
    """Moves and scales clips, all frames of one alike."""
    size = pixels.shape[2]
    shape = (len(pixels), 1, 2)
    centres = size / 2 + rng.uniform(-4, 4, shape)
    return resample(pixels, centres, rng.uniform(0.85, 1.15, shape), size)


class StridedConvolutions(keras.layers.Layer):
    """The peer: 3x3 convolutions with stride 2, averaged over a snippet."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.convolutions = keras.Sequential(
            [
                keras.layers.Conv2D(
                    filters, 3, strides=2, padding="same", activation="relu"
                )
                for filters in PEER_FILTERS
            ]
        )

    def build(self, x_shape):
        self.convolutions.build((None, *x_shape[2:]))

    def call(self, x):
        clips = ops.shape(x)[0]
        x = self.convolutions(ops.reshape(x, (-1, *x.shape[2:])))
        places = BACKBONE["frames_per_snippet"] * x.shape[1] * x.shape[2]
        x = ops.reshape(x, (clips, -1, places, x.shape[-1]))
        return ops.mean(x, axis=2)

    def compute_output_shape(self, x_shape):
        snippets = x_shape[1] // BACKBONE["frames_per_snippet"]
        return (x_shape[0], snippets, PEER_FILTERS[-1])


def build_model(stage, clips):
    """A model with logits of each snippet, of all that the stage can tell."""
    video = keras.Input(clips.pixel_values.shape[1:], name="pixel_values")
    audio = keras.Input(clips.audio_features.shape[1:], name="audio_features")
    if stage == PEER:
        features = {"seen": StridedConvolutions()(video)}
    elif stage == "encoder":
        features = {"seen": ops.mean(video_encoder()(video), axis=2)}
        if "heard" in clips.labels:
            features["heard"] = ops.mean(audio_encoder()(audio), axis=2)
    else:
        features = dict.fromkeys(
            clips.labels, fused(stage, video, audio, clips)
        )
    is_deaf = stage == PEER or (stage == "encoder" and len(features) == 1)
    inputs = [video] if is_deaf else [video, audio]
    return keras.Model(
        {x.name: x for x in inputs},
        {
            key: keras.layers.Dense(int(clips.labels[key].max()) + 1, name=key)(
                x
            )
            for key, x in features.items()
        },
    )


def video_encoder():
    return VideoEncoder(
        BACKBONE["frames_per_snippet"],
        BACKBONE["tubes"],
        BACKBONE["video_hidden_dim"],
        BACKBONE["video_num_layers"],
        BACKBONE["video_num_heads"],
        stem_filters=BACKBONE["stem_filters"],
        name="video_encoder",
    )


def audio_encoder():
    return AudioEncoder(
        BACKBONE["audio_frames_per_snippet"],
        BACKBONE["audio_patch_size"],
        BACKBONE["audio_hidden_dim"],
        BACKBONE["audio_num_layers"],
        BACKBONE["audio_num_heads"],
        name="audio_encoder",
    )


def fused(stage, video, audio, clips):
    """Joint tokens or latents of each snippet, flat."""
    video = video_encoder()(video)
    here = ops.ones_like(video[:, :, 0, 0], "bool")
    there = here if "heard" in clips.labels else ops.zeros_like(here)
    x = TransformerCombiner(
        BACKBONE["num_joint_tokens"],
        BACKBONE["hidden_dim"],
        BACKBONE["combiner_num_layers"],
        BACKBONE["num_heads"],
        name="combiner",
    )(video, audio_encoder()(audio), here, there)
    if stage == "latents":
        x = SnippetTransformer(
            BACKBONE["latent_num_layers"],
            BACKBONE["hidden_dim"],
            BACKBONE["num_heads"],
            snippet_seconds=BACKBONE["snippet_seconds"],
            wavelengths=BACKBONE["time_wavelengths"],
            name="snippet_transformer",
        )(x)
    return ops.reshape(x, (-1, clips.num_snippets, x.shape[2] * x.shape[3]))


def accuracy(model, clips, numbers):
    """Share of the snippets of these clips whose label is found."""
    x, y = clips.batch(numbers, model)
    logits = model.predict(x, batch_size=32, verbose=0)
    return {
        key: round(float(np.mean(np.argmax(logits[key], -1) == y[key])), 4)
        for key in y
    }


def measure(stage, clips, steps, seed, change=None):
    """Trains a stage; its row of the table."""
    keras.utils.set_random_seed(seed)
    model = build_model(stage, clips)
    model.compile(
        keras.optimizers.AdamW(
            keras.optimizers.schedules.CosineDecay(
                0.0, steps, warmup_target=LEARNING_RATE, warmup_steps=30
            ),
            weight_decay=0.01,
            beta_2=0.98,
            clipnorm=1.0,
        ),
        {
            key: keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            for key in model.output
        },
    )
    # Of a core, not by the clock: the same on a machine with other work.
    started = time.process_time()
    model.fit(
        clips.batches(model, steps, seed, change),
        steps_per_epoch=steps,
        shuffle=False,
        verbose=0,
    )
    seconds = time.process_time() - started
    held_out = np.arange(clips.num_train, len(clips.pixel_values))
    return {
        "stage": stage,
        "parameters": model.count_params(),
        "train": accuracy(model, clips, np.arange(min(256, clips.num_train))),
        "held_out": accuracy(model, clips, held_out),
        "seconds_of_a_core": round(seconds, 1),
    }


def with_ratios(rows):
    """Rows of a corpus with what is seen held out, over the peer's."""
    peer = next((r["held_out"]["seen"] for r in rows if r["stage"] == PEER), 0)
    return [
        {
            **row,
            "ratio_to_peer": round(row["held_out"]["seen"] / peer, 3)
            if peer
            else None,
        }
        for row in rows
    ]


def table(corpora):
    """The rows of all corpora as lines of text."""
    lines = [
        f"{'corpus':27}{'stage':21}{'parameters':>10}{'train':>7}"
        f"{'held out':>9}{'heard':>7}{'seconds':>8}{'ratio':>7}"
    ]
    for corpus, rows in corpora.items():
        for row in rows:
            heard, ratio = row["held_out"].get("heard"), row["ratio_to_peer"]
            lines.append(
                f"{corpus:27}{row['stage']:21}{row['parameters']:>10}"
                f"{row['train']['seen']:>7.3f}{row['held_out']['seen']:>9.3f}"
                f"{'-' if heard is None else format(heard, '.3f'):>7}"
                f"{row['seconds_of_a_core']:>8.1f}"
                f"{'-' if ratio is None else format(ratio, '.2f'):>7}"
            )
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES)
    parser.add_argument(
        "--corpora", nargs="+", choices=CORPORA, default=CORPORA
    )
    parser.add_argument("--many-clips", type=int, default=4000)
    parser.add_argument("--few-clips", type=int, default=1500)
    parser.add_argument("--held-out-digits", type=int, default=500)
    parser.add_argument("--steps", type=int, default=234)
    parser.add_argument("--seed", type=int, default=0)
    settings = parser.parse_args()

    corpora = {}
    for corpus in settings.corpora:
        if corpus == "shapes":
            clips = shape_clips(settings.many_clips, settings.seed)
        else:
            clips = digit_clips(
                settings.few_clips, settings.held_out_digits, settings.seed
            )
        change = None if corpus in ("shapes", "digits") else shift_and_scale
        rows = []
        for stage in settings.stages:
            rows.append(
                measure(stage, clips, settings.steps, settings.seed, change)
            )
            print(corpus, json.dumps(rows[-1]), flush=True)
        corpora[corpus] = with_ratios(rows)
    print(table(corpora))
    if vars(settings) != vars(parser.parse_args([])):
        print("No result is written: this was not all of it, by default.")
        return
    report = {
        "command": "python benchmarks/direct_labels.py",
        "settings": {
            "many_clips": settings.many_clips,
            "few_clips": settings.few_clips,
            "steps": settings.steps,
            "snippets_per_step": SNIPPETS_PER_STEP,
            "learning_rate": LEARNING_RATE,
            "peer_filters": PEER_FILTERS,
            "seed": settings.seed,
        },
        "corpora": corpora,
        "versions": {
            "keras_mirasol": __version__,
            "keras": keras.__version__,
            "backend": keras.backend.backend(),
            "python": platform.python_version(),
        },
        "machine": machine(),
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
