"""What holds for every layer of `keras_mirasol.layers`."""

import inspect
import json

import keras
import numpy as np
import pytest
import small_kerashub
from compiled import traced
from docstrings import check_example

from keras_mirasol import layers


def _serialized(backbone):
    """As it is read from a preset."""
    source = keras.saving.serialize_keras_object(backbone)
    for key in ("build_config", "compile_config"):
        source.pop(key, None)
    return json.loads(json.dumps(source))


# A value that is not the default for every argument of every layer.
ARGUMENTS = {
    "Attention": dict(
        num_heads=2,
        dim=8,
        memory_dim=8,
        rotary_wavelength=100.0,
        dropout=0.1,
        output_initializer=keras.initializers.serialize(
            keras.initializers.Zeros()
        ),
    ),
    "AudioEncoder": dict(
        audio_frames_per_snippet=4,
        patch_size=(2, 4),
        dim=8,
        num_layers=1,
        num_heads=2,
        dropout=0.1,
        rematerialize=True,
    ),
    "ClipEmbedding": dict(embedding_dim=5, dim=8, num_heads=2),
    "ConvolutionalStem": dict(filters=5),
    "FrameReconstruction": dict(
        dim=8, target_size=(2, 4, 4, 3), patch_size=(1, 2, 2), num_heads=2
    ),
    "GatedAttention": dict(dim=8, num_heads=2, memory_dim=8),
    "JointTokenMasking": dict(rate=0.3, seed=1),
    "MatchingHead": dict(),
    "NextLatentPredictor": dict(dim=8, mlp_dim=5),
    "PastLatentPredictor": dict(dim=8, mlp_dim=5),
    "PretrainedAudioEncoder": dict(
        backbone=_serialized(small_kerashub.whisper()),
        audio_frames_per_snippet=8,
        pooling="attention",
        num_tokens=3,
        num_heads=2,
        frozen=False,
        rematerialize=True,
    ),
    "PretrainedTextDecoder": dict(
        backbone=_serialized(small_kerashub.gpt2()),
        memory_dim=8,
        gate_every=2,
        num_heads=4,
        frozen=False,
        rematerialize=True,
    ),
    "PretrainedVideoEncoder": dict(
        backbone=_serialized(small_kerashub.vit()),
        frames_per_snippet=2,
        pooling="attention",
        num_tokens=3,
        num_heads=2,
        frozen=False,
        rematerialize=True,
    ),
    "ScaledSimilarity": dict(temperature=0.5, min_temperature=0.02),
    "SinusoidalPositions": dict(dim=8, wavelengths=(2.0, 50.0), gain=0.7),
    "SnippetTransformer": dict(
        num_layers=1,
        dim=8,
        num_heads=2,
        snippet_seconds=0.5,
        wavelengths=(2.0, 50.0),
        position_gain=0.7,
        dropout=0.1,
        rematerialize=True,
    ),
    "SpectrogramEmbedding": dict(
        dim=8, patch_size=(2, 4), wavelengths=(2.0, 50.0)
    ),
    "SpectrogramReconstruction": dict(
        dim=8, target_size=(4, 8), patch_size=(2, 4), num_heads=2
    ),
    "TextDecoder": dict(
        num_layers=1,
        dim=8,
        num_heads=2,
        memory_dim=8,
        dropout=0.1,
        rematerialize=True,
    ),
    "TextEmbedding": dict(embedding_dim=5),
    "TokenTuringCombiner": dict(
        num_joint_tokens=2,
        dim=8,
        num_layers=1,
        num_heads=2,
        memory_size=3,
        read="weighted_sum",
        write="weighted_sum",
        read_write_positions=False,
        time_stamps=False,
        snippet_seconds=0.5,
        wavelengths=(2.0, 50.0),
        dropout=0.1,
        rematerialize=True,
    ),
    "Transformer": dict(
        num_layers=1,
        dim=8,
        num_heads=2,
        mlp_dim=12,
        memory_dim=6,
        rotary_wavelength=100.0,
        dropout=0.1,
        rematerialize=True,
    ),
    "TransformerBlock": dict(
        dim=8,
        num_heads=2,
        mlp_dim=12,
        memory_dim=6,
        rotary_wavelength=100.0,
        dropout=0.1,
    ),
    "TransformerCombiner": dict(
        num_joint_tokens=2,
        dim=8,
        num_layers=1,
        num_heads=2,
        dropout=0.1,
        rematerialize=True,
    ),
    "TubeEmbedding": dict(
        dim=8,
        tubes=[{"kernel": (1, 2, 2), "stride": (1, 4, 4), "offset": (0, 1, 1)}],
        wavelengths=(2.0, 50.0),
    ),
    "VideoEncoder": dict(
        frames_per_snippet=2,
        tubes=[{"kernel": (2, 2, 2), "stride": (2, 2, 2), "offset": (0, 0, 0)}],
        dim=8,
        num_layers=1,
        num_heads=2,
        stem_filters=(4,),
        dropout=0.1,
        rematerialize=True,
    ),
}

# What is no class only helps to make a layer, and is tested by itself.
LAYERS = [n for n in layers.__all__ if inspect.isclass(getattr(layers, n))]

every_layer = pytest.mark.parametrize("name", LAYERS)


def inputs(name):
    """Inputs that suit `ARGUMENTS`."""
    rng = np.random.default_rng(0)
    here = np.ones((1, 2), bool)
    latents = rng.normal(size=(1, 2, 2, 8))
    return {
        "Attention": [rng.normal(size=(1, 3, 8))],
        "AudioEncoder": [rng.normal(size=(1, 8, 8))],
        "ClipEmbedding": [latents, here],
        "ConvolutionalStem": [rng.normal(size=(1, 4, 4, 3))],
        "FrameReconstruction": [latents],
        "JointTokenMasking": [latents],
        "MatchingHead": [latents[:, 0], here],
        "NextLatentPredictor": [latents],
        "PastLatentPredictor": [latents],
        "PretrainedAudioEncoder": [rng.normal(size=(1, 16, 80))],
        "PretrainedTextDecoder": [
            rng.normal(size=(1, 2, 8)),
            latents,
            here,
            here,
        ],
        "PretrainedVideoEncoder": [rng.normal(size=(1, 4, 16, 16, 3))],
        "SinusoidalPositions": [np.arange(3.0)[:, None]],
        "SnippetTransformer": [latents],
        "SpectrogramEmbedding": [rng.normal(size=(1, 4, 8))],
        "SpectrogramReconstruction": [latents],
        "TextDecoder": [rng.normal(size=(1, 2, 8)), latents, here, here],
        "TextEmbedding": [latents[:, 0], here],
        "TokenTuringCombiner": [latents, latents, here, here],
        "TransformerCombiner": [latents, latents, here, here],
        "TubeEmbedding": [rng.normal(size=(1, 2, 8, 8, 3))],
        "VideoEncoder": [rng.normal(size=(1, 4, 8, 8, 3))],
    }[name]


def arguments_of(layer_class):
    parameters = inspect.signature(layer_class.__init__).parameters
    return set(parameters) - {"self", "kwargs"}


@every_layer
def test_example_shapes(name):
    traced(lambda: check_example(getattr(layers, name)))


@every_layer
def test_config_holds_every_argument(name):
    layer_class = getattr(layers, name)
    assert set(ARGUMENTS[name]) == arguments_of(layer_class)
    config = layer_class(**ARGUMENTS[name]).get_config()
    assert {key: config[key] for key in ARGUMENTS[name]} == ARGUMENTS[name]


@every_layer
def test_config_rebuilds_the_layer_through_json(name):
    layer = getattr(layers, name)(
        **ARGUMENTS[name], name="given", dtype="mixed_bfloat16"
    )
    saved = json.dumps(keras.saving.serialize_keras_object(layer))
    rebuilt = keras.saving.deserialize_keras_object(json.loads(saved))
    assert type(rebuilt) is type(layer)
    assert rebuilt.get_config() == layer.get_config()
    assert rebuilt.name == "given"
    assert rebuilt.compute_dtype == "bfloat16"


# Layers that only work inside others are tested through these, and
# one that crosses two batches in a test of its own.
@pytest.mark.parametrize(
    "name",
    sorted(
        set(LAYERS)
        - {"Transformer", "TransformerBlock", "GatedAttention"}
        - {"ScaledSimilarity"}
    ),
)
def test_mixed_precision_and_symbolic_calls(name):
    arrays = inputs(name)

    def check():
        layer = getattr(layers, name)(**ARGUMENTS[name], dtype="mixed_bfloat16")
        outputs = layer(*arrays)
        assert keras.backend.standardize_dtype(outputs.dtype) == "bfloat16"
        assert {weight.dtype for weight in layer.weights} == {"float32"}
        symbolic = layer(
            *[keras.Input(x.shape[1:], dtype=str(x.dtype)) for x in arrays]
        )
        assert symbolic.dtype == "bfloat16"
        assert symbolic.shape[1:] == tuple(outputs.shape[1:])

    traced(check)
