"""Models small enough for tests: 16 wide, a quarter of a second a snippet."""

import functools
import zlib

import keras
import numpy as np

from keras_mirasol import models

FRAMES = 2  # a snippet, at 8 per second
AUDIO_FRAMES = 5  # a snippet, at 20 per second
SAMPLES = 2000  # a snippet, at 8000 per second
SIZE = 16
MELS = 16
VOCABULARY = 258

BACKBONE = dict(
    vocabulary_size=VOCABULARY,
    frames_per_snippet=FRAMES,
    audio_frames_per_snippet=AUDIO_FRAMES,
    image_size=SIZE,
    num_mels=MELS,
    num_joint_tokens=2,
    tubes=[{"kernel": (2, 8, 8)}],
    audio_patch_size=(5, 8),
    video_hidden_dim=16,
    video_num_layers=1,
    video_num_heads=2,
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
    snippet_seconds=0.25,
)

# How to compile for a few steps: on TensorFlow, XLA takes longer to compile
# them than they take. Where a test compiles by itself, XLA is in use.
QUICKLY = {} if keras.backend.backend() == "jax" else {"jit_compile": False}


def build_backbone(**changes):
    return models.MirasolBackbone(**{**BACKBONE, **changes})


def build_preprocessor(**changes):
    settings = dict(
        video_converter=models.MirasolVideoConverter(SIZE),
        audio_converter=models.MirasolAudioConverter(MELS, sampling_rate=8000),
        tokenizer=models.MirasolTokenizer(),
        frames_per_snippet=FRAMES,
        audio_frames_per_snippet=AUDIO_FRAMES,
        sequence_length=24,
    )
    return models.MirasolCausalLMPreprocessor(**{**settings, **changes})


def build_task(preprocessor="small", backbone=None, **settings):
    if preprocessor == "small":
        preprocessor = build_preprocessor()
    task = models.MirasolCausalLM(
        backbone or build_backbone(), preprocessor, **settings
    )
    if task.compiled:
        task.compile(**QUICKLY)
    return task


@functools.cache
def shared_task():
    """One task for all tests that do not change it."""
    return build_task()


def sharpen(model):
    """Draws large kernels and biases, and gains not far from the initial ones.

    Freshly built, a model makes little of what it sees, hears and reads: a
    change of it could go unnoticed, and the best of two tokens be chosen by
    rounding.
    """
    for weight in model.weights:
        # By its name: what another layer has is of no matter to it.
        seed = zlib.crc32(weight.path.encode())
        noise = np.random.default_rng([3, seed]).normal(size=weight.shape)
        if len(weight.shape) > 1 or weight.name == "bias":
            weight.assign(0.5 * noise)
        else:
            weight.assign(weight + 0.1 * noise)
    return model


def random_clip(snippets=3, seed=0):
    """Noise of whole snippets, as `load_clip` returns clips."""
    rng = np.random.default_rng(seed)
    return {
        "videos": rng.integers(
            0, 256, (snippets * FRAMES, 20, 24, 3), dtype="uint8"
        ),
        "audio": rng.uniform(-0.5, 0.5, snippets * SAMPLES).astype("float32"),
    }


def random_inputs(batch=2, snippets=3, length=6, texts=1, seed=0):
    """Inputs of the small backbone, all of them present."""
    rng = np.random.default_rng(seed)
    return {
        "pixel_values": rng.uniform(
            -1, 1, (batch, snippets * FRAMES, SIZE, SIZE, 3)
        ).astype("float32"),
        "audio_features": rng.normal(
            size=(batch, snippets * AUDIO_FRAMES, MELS)
        ).astype("float32"),
        "video_mask": np.ones((batch, snippets), bool),
        "audio_mask": np.ones((batch, snippets), bool),
        "token_ids": rng.integers(
            0, VOCABULARY, (batch * texts, length), dtype="int32"
        ),
        "padding_mask": np.ones((batch * texts, length), bool),
    }
