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
RESPONSES = ["day hum", "day whee", "night hum", "night whee"]
SNIPPETS = 3


def _level(level):
    """A clip of one grey, with noise so that snippets differ."""
    shape = (SNIPPETS * FRAMES, SIZE, SIZE, 3)
    noise = np.random.default_rng(level).integers(-20, 20, shape)
    return (level + noise).astype("uint8")


def _tone(hertz):
    time = np.arange(SNIPPETS * SAMPLES) / 8000
    loudness = np.repeat([0.3, 0.5, 0.4], SAMPLES)
    return (loudness * np.sin(2 * np.pi * hertz * time)).astype("float32")


CLIPS = {
    "videos": np.stack([_level(level) for level in (230, 230, 25, 25)]),
    "audio": np.stack([_tone(hertz) for hertz in (200, 3000) * 2]),
}
TEXTS = {"prompts": [PROMPT] * 4, "responses": RESPONSES}


def build_pretrainer(preprocessor=None, backbone=None, **settings):
    return MirasolPretrainer(
        backbone or build_backbone(),
        preprocessor,
        **{"embedding_dim": 8, "seed": 0, **settings},
    )


class Pretrained:
    """The pretrainer, its one batch, and what was tracked on the way."""

    def __init__(self):
        keras.utils.set_random_seed(0)
        self.pretrainer = build_pretrainer(build_preprocessor(), mask_rate=0.1)
        self.batch = self.pretrainer.preprocessor({**CLIPS, **TEXTS})
        self.pretrainer.compile(keras.optimizers.Adam(5e-3))
        x, y, sample_weight = self.batch
        self.history = self.pretrainer.fit(
            x, y, sample_weight=sample_weight, epochs=200, verbose=0
        ).history


@functools.cache
def pretrained():
    return Pretrained()
