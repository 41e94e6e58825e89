"""A small Mirasol whose parts are of KerasHub's true classes.

It reads what `small_models` make.
"""

import keras_hub
import small_kerashub
import small_models

from keras_mirasol.models import MirasolCausalLM
from keras_mirasol.preprocessing.byte_pairs import byte_symbols

SETTINGS = dict(
    snippet_seconds=0.25,
    frames_per_snippet=small_models.FRAMES,
    num_joint_tokens=2,
    hidden_dim=16,
    num_heads=2,
    combiner_num_layers=1,
    latent_num_layers=1,
)
# Presets that would be downloaded, and which part stands in for each.
STAND_INS = {
    "dinov2_small": "video",
    "whisper_tiny_en": "audio",
    "gpt2_base_en": "text",
}
# Of parts, to be trained themselves.
ALL_TRAINED = dict(
    video_settings={"pooling": None, "frozen": False},
    audio_settings={"frozen": False},
    text_settings={"frozen": False},
)


def gpt2_tokenizer():
    """Bytes, `"at"`, and an end that is also the start."""
    tokens = [*byte_symbols(), "at", "<|endoftext|>"]
    return keras_hub.models.GPT2Tokenizer(
        vocabulary={token: id for id, token in enumerate(tokens)},
        merges=["a t"],
    )


def image_converter():
    return keras_hub.layers.ImageConverter(
        (small_models.SIZE, small_models.SIZE),
        scale=[1 / 50, 1 / 60, 1 / 70],
        offset=[-2.0, -1.9, -1.8],
        interpolation="bicubic",
        crop_to_aspect_ratio=False,
    )


def audio_converter():
    """As Whisper's, at the rates of the small models."""
    return keras_hub.layers.WhisperAudioConverter(
        num_mels=small_models.MELS,
        num_fft_bins=400,
        stride=400,
        sampling_rate=8000,
    )


def parts():
    """Pairs of models with what belongs to them."""
    return dict(
        video=(small_kerashub.vit(), image_converter()),
        audio=(
            small_kerashub.whisper(num_mels=small_models.MELS),
            audio_converter(),
        ),
        text=(
            small_kerashub.gpt2(
                vocabulary_size=small_models.VOCABULARY, dropout=0.0
            ),
            gpt2_tokenizer(),
        ),
    )


def save_presets(folder, given=None):
    """Saves each of `parts()` as a preset of KerasHub; their folders."""
    given = given or parts()
    for name, (backbone, companion) in given.items():
        backbone.save_to_preset(str(folder / name))
        companion.save_to_preset(str(folder / name))
    return {name: str(folder / name) for name in given}


def build_task(**settings):
    task = MirasolCausalLM.from_pretrained_parts(
        **{**parts(), "sequence_length": 24, **SETTINGS, **settings}
    )
    task.compile(**small_models.QUICKLY)
    return task
