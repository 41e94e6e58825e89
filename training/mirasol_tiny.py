"""Trains `mirasol_tiny`, the preset whose weights ship with the package.

    KERAS_BACKEND=jax python training/mirasol_tiny.py

The clips are sounding shapes, rendered in memory with seeds that no guide or
test uses, and kept as features; each step reads a batch of clips with several
texts each. Captions and moments, which say all that happens in a slot, are
mixed into the questions: they teach much sooner than one-word answers alone.
A caption is asked for by time. A moment is any of the clip's, told with the
sound first or last, so that what comes second has to be found by what came
first: it teaches to join what is seen with what is heard. Both are frequent at
first and then make way for questions. After every epoch
the state is saved to `--out`; started again, the script goes on from there.
The preset, the curve and the settings are left in `--out`.
"""

import argparse
import itertools
import json
import os
import platform
import time
from pathlib import Path

import keras
import keras_hub
import numpy as np
import tensorflow as tf

from keras_mirasol import models
from keras_mirasol.data import sounding_shapes
from keras_mirasol.version import __version__

BACKBONE = dict(
    vocabulary_size=258,
    frames_per_snippet=2,
    bands_per_snippet=5,
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
# Enough for what is asked here; less padding is less work.
SEQUENCE_LENGTH = 64
# How often texts of a kind are read, from a step on.
PHASES = {
    0: dict(seen=1, heard=1, fused=2, order=3, caption=2, moment=4),
    1400: dict(seen=2, heard=1, fused=1, order=1, caption=5),
    2600: dict(seen=2, heard=1, fused=4, order=4, caption=1, moment=4),
    4000: dict(seen=3, heard=1, fused=3, order=7, caption=1, moment=3),
    5000: dict(seen=5, heard=1, fused=3, order=5, caption=2, moment=2),
}
KINDS = (*sounding_shapes.KINDS, "caption", "moment")
TEXT_PARTS = ("token_embedding", "text_decoder")
VALIDATION_SEED = 10_000
STEPS_PER_EPOCH = 200


def build_task():
    preprocessor = models.MirasolCausalLMPreprocessor(
        models.MirasolVideoConverter(image_size=32),
        models.MirasolAudioConverter(num_mels=32),
        models.MirasolTokenizer(),
        frames_per_snippet=2,
        bands_per_snippet=5,
        sequence_length=96,
    )
    backbone = models.MirasolBackbone(**BACKBONE)
    # Reconstruction keeps the encoders talking until questions hear them.
    return models.MirasolCausalLM(
        backbone,
        preprocessor,
        latent_weight=0.05,
        frame_weight=1.0,
        spectrogram_weight=0.3,
    )


def moments(scene):
    """Prompts and responses that tell of one slot, its halves in any order."""
    texts = []
    for event in scene.events:
        seen, heard = f"a {event.colour} {event.shape}", f"a {event.sound}"
        for halves in ((seen, heard), (heard, seen)):
            texts.append(
                {"prompt": "a moment?", "response": " and ".join(halves)}
            )
    return texts


# Any of several responses is right.
TELLING = {"moment": moments}


class AdamWByPart(keras.optimizers.AdamW):
    """AdamW with a slower pace for all but the text decoder.

    The decoder, narrow and shallow, learns to look things up in the latents
    several times sooner at a rate that would undo the encoders.
    """

    def __init__(self, *args, other_parts=1.0, **kwargs):
        super().__init__(*args, **kwargs)
        self.other_parts = other_parts

    def update_step(self, gradient, variable, learning_rate):
        if variable.path.split("/")[0] not in TEXT_PARTS:
            learning_rate = learning_rate * self.other_parts
        super().update_step(gradient, variable, learning_rate)


class Clips:
    """Features of clips and token ids of all that is asked about them."""

    def __init__(self, preprocessor, num_clips, seed):
        features = []
        self.texts = {}
        # The rate of the clips over that which the preprocessor takes.
        every = int(16 / preprocessor.frame_rate)
        scenes = []
        for index in range(num_clips):
            scene = sounding_shapes.corpus_scene(index, seed=seed)
            scenes.append(scene)
            clip = preprocessor.preprocess_clip(
                sounding_shapes.render_frames(scene)[every // 2 :: every],
                sounding_shapes.render_audio(scene),
            )
            # Half precision halves the memory and loses nothing that matters.
            clip["pixel_values"] = clip["pixel_values"].astype("float16")
            features.append(clip)
        self.features = {
            key: np.stack([clip[key] for clip in features])
            for key in features[0]
        }
        for kind in KINDS:
            ask = TELLING.get(
                kind, lambda s, kind=kind: sounding_shapes.questions(s, kind)
            )
            asked = [ask(scene) for scene in scenes]
            x, y, sample_weight = preprocessor.preprocess_texts(
                [[q["prompt"] for q in row] for row in asked],
                [[q["response"] for q in row] for row in asked],
                SEQUENCE_LENGTH,
            )
            self.texts[kind] = {
                "token_ids": x["token_ids"].astype("int16"),
                "padding_mask": x["padding_mask"],
                "y": y.astype("int16"),
                "sample_weight": sample_weight.astype(bool),
            }

    def batch(self, rng, step, batch_size, texts_per_clip):
        """A random batch `(x, y, sample_weight)`."""
        phase = PHASES[max(first for first in PHASES if first <= step)]
        shares = np.array([phase.get(kind, 0) for kind in KINDS])
        shares = shares / shares.sum()
        clips = rng.integers(len(self.features["video_mask"]), size=batch_size)
        texts = []
        for clip in clips:
            for kind in rng.choice(len(KINDS), texts_per_clip, p=shares):
                asked = self.texts[KINDS[kind]]
                question = rng.integers(asked["y"].shape[1])
                texts.append({key: asked[key][clip, question] for key in asked})
        shape = (batch_size, texts_per_clip, SEQUENCE_LENGTH)
        texts = {
            key: np.stack([text[key] for text in texts]).reshape(shape)
            for key in texts[0]
        }
        x = {key: self.features[key][clips] for key in self.features}
        x["pixel_values"] = x["pixel_values"].astype("float32")
        x["token_ids"] = texts["token_ids"].astype("int32")
        x["padding_mask"] = texts["padding_mask"]
        # Some clips are silent films and some are radio plays.
        missing = rng.random(batch_size)[:, None]
        x["audio_mask"] = x["audio_mask"] & (missing > 0.2)
        x["video_mask"] = x["video_mask"] & (missing < 0.95)
        return (
            x,
            texts["y"].astype("int32"),
            texts["sample_weight"].astype("float32"),
        )

    def dataset(self, first_step, seed, **settings):
        """Batches from `first_step` on; step i depends on (seed, i) alone."""

        def batches():
            for step in itertools.count(first_step):
                rng = np.random.default_rng([seed, step])
                yield self.batch(rng, step, **settings)

        signature = tf.nest.map_structure(
            lambda array: tf.TensorSpec(array.shape, array.dtype),
            self.batch(np.random.default_rng(0), 0, **settings),
        )
        return tf.data.Dataset.from_generator(
            batches, output_signature=signature
        ).prefetch(2)


def exact_match(task, clips, texts_per_clip=4, batch_size=32):
    """Share of responses whose every token is predicted, by kind.

    Tokens are predicted after the true ones before them. A response is right
    in this sense just when greedy generation writes it.
    """
    present = clips.features["video_mask"]
    absent = np.zeros_like(present)
    views = {
        "": (present, present),
        " without audio": (present, absent),
        " without video": (absent, present),
    }
    scores = {}
    for kind, texts in clips.texts.items():
        if kind in TELLING:
            continue
        rng = np.random.default_rng(0)
        rows = np.arange(len(present))[:, None]
        columns = rng.integers(
            texts["y"].shape[1], size=(len(present), texts_per_clip)
        )
        texts = {key: texts[key][rows, columns] for key in texts}
        for view, (video_mask, audio_mask) in views.items():
            if view and kind != "fused":
                continue
            x = {
                **clips.features,
                "pixel_values": clips.features["pixel_values"].astype(
                    "float32"
                ),
                "video_mask": video_mask,
                "audio_mask": audio_mask,
                "token_ids": texts["token_ids"].astype("int32"),
                "padding_mask": texts["padding_mask"],
            }
            logits = task.predict(x, batch_size=batch_size, verbose=0)["logits"]
            right = np.argmax(logits, axis=-1) == texts["y"]
            scores[kind + view] = round(
                float((right | ~texts["sample_weight"]).all(-1).mean()), 4
            )
    return scores


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--out", type=Path, default="build/mirasol_tiny")
    parser.add_argument("--clips", type=int, default=6000)
    parser.add_argument("--steps", type=int, default=6200)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--texts-per-clip", type=int, default=6)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--other-parts", type=float, default=1 / 3)
    parser.add_argument("--seed", type=int, default=1)
    settings = parser.parse_args()
    settings.out.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(settings.seed)

    task = build_task()
    preprocessor, task.preprocessor = task.preprocessor, None
    task.compile(
        AdamWByPart(
            keras.optimizers.schedules.CosineDecay(
                0.0,
                settings.steps,
                warmup_target=settings.learning_rate,
                warmup_steps=200,
                alpha=0.02,
            ),
            weight_decay=0.01,
            beta_2=0.98,
            clipnorm=1.0,
            other_parts=settings.other_parts,
        )
    )
    task.optimizer.build(task.trainable_variables)

    state = settings.out / "state.weights.h5"
    progress = settings.out / "progress.json"
    curve = []
    if progress.exists():
        curve = json.loads(progress.read_text())
        task.load_weights(state)
        print(f"going on after step {curve[-1]['step']}", flush=True)

    clips = Clips(preprocessor, settings.clips, settings.seed)
    validation = Clips(preprocessor, 64, VALIDATION_SEED)
    first_step = curve[-1]["step"] if curve else 0
    dataset = clips.dataset(
        first_step,
        settings.seed,
        batch_size=settings.batch_size,
        texts_per_clip=settings.texts_per_clip,
    )
    started = time.time()
    seconds_before = curve[-1]["seconds"] if curve else 0

    def save(epoch, logs):
        row = {
            "step": (epoch + 1) * STEPS_PER_EPOCH,
            "seconds": round(seconds_before + time.time() - started),
            **{key: round(float(value), 4) for key, value in logs.items()},
            "exact_match": exact_match(task, validation),
        }
        curve.append(row)
        print(json.dumps(row), flush=True)
        # The progress is written last: it vouches for the state beside it.
        fresh = settings.out / "fresh.weights.h5"
        task.save_weights(fresh)
        os.replace(fresh, state)
        fresh = settings.out / "fresh.json"
        fresh.write_text(json.dumps(curve))
        os.replace(fresh, progress)

    task.fit(
        dataset,
        initial_epoch=first_step // STEPS_PER_EPOCH,
        epochs=settings.steps // STEPS_PER_EPOCH,
        steps_per_epoch=STEPS_PER_EPOCH,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=save)],
        verbose=0,
    )

    task.preprocessor = preprocessor
    task.save_to_preset(str(settings.out / "preset"))
    final = Clips(preprocessor, 256, VALIDATION_SEED + 1)
    task.preprocessor = None
    report = {
        "command": "python training/mirasol_tiny.py",
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
        "parameters": task.count_params(),
        "exact_match_on_256_clips": exact_match(task, final),
        "curve": curve,
    }
    (settings.out / "report.json").write_text(json.dumps(report, indent=1))
    print(json.dumps(report["exact_match_on_256_clips"]))


if __name__ == "__main__":
    main()
