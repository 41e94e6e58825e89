"""Slices of snippets and rematerialisation change memory, and nothing else."""

import keras
import numpy as np
import pytest
import small_models
from arrays import assert_close
from gradients import gradients
from keras import ops

from keras_mirasol.models import MirasolBackbone
from keras_mirasol.models import MirasolCausalLM
from keras_mirasol.models import MirasolPretrainer

SNIPPETS = 5
THRIFTY = dict(rematerialize=True, snippets_per_slice=2)


@pytest.fixture(params=["transformer", "token_turing"], scope="module")
def pair(request):
    """A backbone, and one of the same weights that is thrifty."""
    settings = dict(combiner=request.param)
    whole = small_models.build_backbone(**settings)
    thrifty = small_models.build_backbone(**settings, **THRIFTY)
    thrifty.set_weights(whole.get_weights())
    return whole, thrifty


@pytest.fixture
def inputs():
    inputs = small_models.random_inputs(snippets=SNIPPETS)
    inputs["video_mask"][0, 3:] = False
    inputs["audio_mask"][0, 4:] = False
    return inputs


def test_outputs_stay(pair, inputs):
    whole, thrifty = (backbone.predict_on_batch(inputs) for backbone in pair)
    for key, value in whole.items():
        assert_close(thrifty[key], value)


def test_gradients_stay(pair, inputs):
    def gradients_of(backbone):
        tensors = {k: ops.convert_to_tensor(v) for k, v in inputs.items()}

        def loss():
            outputs = backbone(tensors, training=True)
            return sum(ops.mean(x**2) for x in outputs.values())

        return gradients(loss, backbone.trainable_weights)

    whole, thrifty = map(gradients_of, pair)
    for mine, its in zip(thrifty, whole, strict=True):
        assert_close(mine, its, 1e-5 * (1 + np.abs(its).max()))
    assert sum(np.abs(gradient).max() > 0 for gradient in whole) > 40


@pytest.mark.parametrize("jit_compile", [True, False])
def test_training_with_dropout_in_slices(jit_compile):
    if keras.backend.backend() == "torch" and jit_compile:
        pytest.skip("compiling takes minutes")
    backbone = small_models.build_backbone(
        combiner="token_turing", dropout=0.3, **THRIFTY
    )
    task = MirasolCausalLM(backbone, frame_weight=0, spectrogram_weight=0)
    task.compile(keras.optimizers.Adam(3e-3), jit_compile=jit_compile)
    x = small_models.random_inputs(snippets=SNIPPETS)
    losses = [
        task.train_on_batch(x, x["token_ids"], return_dict=True)["loss"]
        for _ in range(12)
    ]
    assert np.isfinite(losses).all()
    # A running mean.
    assert losses[-1] < losses[0]


def test_dropout_differs_from_slice_to_slice():
    backbone = small_models.build_backbone(dropout=0.5, snippets_per_slice=1)
    # Snippets that are all alike.
    x = small_models.random_inputs(batch=1, snippets=1)
    x = {key: np.concatenate([value] * 3, axis=1) for key, value in x.items()}
    x = {key: ops.convert_to_tensor(value) for key, value in x.items()}
    with keras.StatelessScope():
        first, second, third = ops.convert_to_numpy(
            backbone(x, training=True)["joint_tokens"]
        )[0]
    assert np.abs(first - second).max() > 1e-3
    assert np.abs(second - third).max() > 1e-3


@pytest.mark.any_backend
def test_what_was_saved_without_slices_loads_with_them(tmp_path, inputs):
    whole = small_models.build_backbone(combiner="token_turing")
    whole.save_to_preset(str(tmp_path))
    thrifty = MirasolBackbone.from_preset(str(tmp_path), **THRIFTY)
    assert thrifty.snippets_per_slice == 2
    assert thrifty.text_decoder.rematerialize
    assert [w.path for w in thrifty.weights] == [w.path for w in whole.weights]
    for mine, its in zip(
        thrifty.get_weights(), whole.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(mine, its)

    thrifty.save_to_preset(str(tmp_path / "thrifty"))
    again = MirasolBackbone.from_preset(
        str(tmp_path / "thrifty"), snippets_per_slice=None
    )
    outputs = again.predict_on_batch(inputs)
    for key, value in whole.predict_on_batch(inputs).items():
        assert_close(outputs[key], value)


@pytest.mark.any_backend
def test_a_masked_pretrainer_goes_in_slices_too(inputs):
    def build(**changes):
        keras.utils.set_random_seed(0)
        backbone = small_models.build_backbone(**changes)
        return MirasolPretrainer(backbone, mask_rate=0.1, seed=0)

    whole, thrifty = build(), build(snippets_per_slice=2)
    weights = {w.path: ops.convert_to_numpy(w) for w in whole.weights}
    assert {weight.path for weight in thrifty.weights} == set(weights)
    for weight in thrifty.weights:
        weight.assign(weights[weight.path])
    outputs = thrifty.predict_on_batch(inputs)
    for key, value in whole.predict_on_batch(inputs).items():
        assert_close(outputs[key], value)


def test_names_of_parts():
    backbone = small_models.build_backbone(
        rematerialize=["text_decoder", "video_encoder"]
    )
    assert backbone.rematerialize == ("video_encoder", "text_decoder")
    assert backbone.video_encoder.transformer.rematerialize
    assert backbone.text_decoder.transformer.rematerialize
    assert not backbone.audio_encoder.transformer.rematerialize
    assert not backbone.snippet_transformer.transformer.rematerialize
    assert not backbone.combiner.rematerialize


def test_unknown_parts_and_odd_slices_are_refused():
    with pytest.raises(ValueError, match="text_decoder.*Received: \\['eyes'"):
        small_models.build_backbone(rematerialize=["eyes"])
    with pytest.raises(ValueError, match="positive int.*Received: 0"):
        small_models.build_backbone(snippets_per_slice=0)
