"""A pretrainer that has learned four clips by heart, and their texts."""

import functools

import keras
import numpy as np
from small_models import FRAMES
from small_models import SAMPLES
from small_models import SIZE
from small_models import build_backbone
from small_models import build_preprocessor

from keras_mirasol.models import MirasolPretrainer

PROMPT = "what?"
RESPONSES = ["day hum", "day hiss", "night hum", "night hiss"]
SNIPPETS = 3


def _level(level):
    """A clip of one grey, with noise so that snippets differ."""
    shape = (SNIPPETS * FRAMES, SIZE, SIZE, 3)
    noise = np.random.default_rng(level).integers(-20, 20, shape)
    return (level + noise).astype("uint8")


# Loudness differs from snippet to snippet.
LOUDNESS = np.repeat([0.3, 0.5, 0.4], SAMPLES)


def _hum():
    time = np.arange(SNIPPETS * SAMPLES) / 8000
    return (LOUDNESS * np.sin(2 * np.pi * 200 * time)).astype("float32")


def _hiss():
    noise = np.random.default_rng(0).uniform(-1, 1, SNIPPETS * SAMPLES)
    return (LOUDNESS * noise).astype("float32")


CLIPS = {
    "videos": np.stack([_level(level) for level in (230, 230, 25, 25)]),
    "audio": np.stack([_hum(), _hiss(), _hum(), _hiss()]),
}
# The second text of a clip is that of another, too.
TEXTS = {
    "prompts": [[PROMPT, "seen?"]] * 4,
    "responses": [[r, r.split()[0]] for r in RESPONSES],
}
WEIGHTS = dict(
    text_weight=1.5,
    latent_weight=0.5,
    frame_weight=0.75,
    spectrogram_weight=1.0,
    contrastive_weight=2.0,
    matching_weight=1.25,
    past_weight=0.25,
)


def build_pretrainer(preprocessor=None, backbone=None, **settings):
    return MirasolPretrainer(
        backbone or build_backbone(),
        preprocessor,
        **{"embedding_dim": 8, "seed": 0, **settings},
    )


class Pretrained:
    """The pretrainer, its one batch, and what was tracked on the way.

    It is slow to compile: give it batches of the same shape.
    """

    def __init__(self):
        keras.utils.set_random_seed(0)
        self.pretrainer = build_pretrainer(
            build_preprocessor(sequence_length=17), mask_rate=0.2, **WEIGHTS
        )
        self.batch = self.pretrainer.preprocessor({**CLIPS, **TEXTS})
        self.pretrainer.compile(keras.optimizers.Adam(5e-3))
        x, y, sample_weight = self.batch
        self.history = self.pretrainer.fit(
            x, y, sample_weight=sample_weight, epochs=200, verbose=0
        ).history


@functools.cache
def pretrained():
    return Pretrained()
