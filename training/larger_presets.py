"""Writes the presets that are larger than `mirasol_tiny`, without weights.

    python training/larger_presets.py

They have not been trained. What is here are their sizes; the script builds
each model without allocating its weights and saves its configuration, as
`save_to_preset()` would, to `keras_mirasol/presets`. `benchmarks/model_card.py`
counts what comes out.
"""

import argparse
import json
from pathlib import Path

import keras
import keras_hub

from keras_mirasol import models
from keras_mirasol.layers import sparse_tubes

PRESETS = Path(__file__).parents[1] / "keras_mirasol" / "presets"

BACKBONES = {
    # For a single GPU and modest data: half a second per snippet, small frames,
    # and a convolutional stem, which learns from fewer clips than patches do.
    "mirasol_small": dict(
        vocabulary_size=8192,
        frames_per_snippet=4,
        audio_frames_per_snippet=20,
        image_size=128,
        num_mels=64,
        num_joint_tokens=8,
        tubes=[{"kernel": (2, 2, 2)}],
        stem_filters=(32, 64, 128),
        audio_patch_size=(5, 16),
        video_hidden_dim=384,
        video_num_layers=6,
        video_num_heads=6,
        audio_hidden_dim=256,
        audio_num_layers=4,
        audio_num_heads=4,
        hidden_dim=384,
        num_heads=6,
        combiner_num_layers=2,
        latent_num_layers=3,
        text_hidden_dim=384,
        text_num_layers=2,
        text_num_heads=6,
        snippet_seconds=0.5,
    ),
    # The video encoder has the sizes of ViT-B.
    "mirasol_base": dict(
        vocabulary_size=32000,
        frames_per_snippet=8,
        audio_frames_per_snippet=80,
        image_size=224,
        num_mels=128,
        num_joint_tokens=16,
        tubes=sparse_tubes(8),
        audio_patch_size=(16, 16),
        video_hidden_dim=768,
        video_num_layers=12,
        video_num_heads=12,
        audio_hidden_dim=512,
        audio_num_layers=12,
        audio_num_heads=8,
        hidden_dim=768,
        num_heads=12,
        combiner_num_layers=4,
        latent_num_layers=6,
        text_hidden_dim=768,
        text_num_layers=4,
        text_num_heads=12,
        snippet_seconds=1.0,
    ),
    # Mirasol3B's 3B parameters, 8 frames per snippet at 224x224 and 32 joint
    # tokens. The paper does not say how the parameters are shared out: here
    # the encoders have the sizes of ViT-H and ViT-L, and text has half of all.
    "mirasol_3b": dict(
        vocabulary_size=32000,
        frames_per_snippet=8,
        audio_frames_per_snippet=80,
        image_size=224,
        num_mels=128,
        num_joint_tokens=32,
        tubes=sparse_tubes(8),
        audio_patch_size=(16, 16),
        video_hidden_dim=1280,
        video_num_layers=32,
        video_num_heads=16,
        audio_hidden_dim=1024,
        audio_num_layers=24,
        audio_num_heads=16,
        hidden_dim=1536,
        num_heads=24,
        combiner_num_layers=6,
        latent_num_layers=12,
        text_hidden_dim=2048,
        text_num_layers=23,
        text_num_heads=32,
        snippet_seconds=1.0,
    ),
}
SEQUENCE_LENGTHS = {
    "mirasol_small": 128,
    "mirasol_base": 256,
    "mirasol_3b": 256,
}


def build_task(name):
    """The task of a preset, with weights that are not allocated yet."""
    sizes = BACKBONES[name]
    preprocessor = models.MirasolCausalLMPreprocessor(
        models.MirasolVideoConverter(sizes["image_size"]),
        models.MirasolAudioConverter(
            sizes["num_mels"],
            audio_frame_rate=sizes["audio_frames_per_snippet"]
            / sizes["snippet_seconds"],
            # Fine enough for the lowest of 128 mel bins.
            fft_length=2048,
        ),
        # Bytes alone; one with the backbone's vocabulary is trained on the
        # texts that the model will learn.
        models.MirasolTokenizer(),
        frames_per_snippet=sizes["frames_per_snippet"],
        audio_frames_per_snippet=sizes["audio_frames_per_snippet"],
        sequence_length=SEQUENCE_LENGTHS[name],
    )
    with keras.StatelessScope(initialize_variables=False):
        backbone = models.MirasolBackbone(**sizes)
        task = models.MirasolCausalLM(backbone, preprocessor, compile=False)
    # An optimizer counts its steps: that is a value which is needed at once.
    task.compile()
    return task


def save_without_weights(task, folder):
    """What `task.save_to_preset(folder)` writes, without the weights."""
    task.preprocessor.save_to_preset(str(folder))
    _save_config(task, folder / "task.json")
    _save_config(task.backbone, folder / "config.json")
    metadata = {
        "keras_version": keras.__version__,
        "keras_hub_version": keras_hub.__version__,
        "parameter_count": task.backbone.count_params(),
        "tasks": [type(task).__name__],
    }
    (folder / "metadata.json").write_text(json.dumps(metadata, indent=4))


def _save_config(layer, path):
    config = keras.saving.serialize_keras_object(layer)
    path.write_text(json.dumps(_without_states(config), indent=4))


def _without_states(config):
    """Without what is not needed to build the layer anew."""
    if not isinstance(config, dict):
        return config
    return {
        key: _without_states(value)
        for key, value in config.items()
        if key not in ("build_config", "compile_config")
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--out", type=Path, default=PRESETS)
    settings = parser.parse_args()
    for name in BACKBONES:
        # Names of layers are counted on from model to model.
        keras.utils.clear_session()
        task = build_task(name)
        save_without_weights(task, settings.out / name)
        print(f"{name}: {task.backbone.count_params():,} parameters")


if __name__ == "__main__":
    main()
