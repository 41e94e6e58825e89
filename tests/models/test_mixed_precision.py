"""What bfloat16 costs in accuracy, and how float16 is kept from overflow."""

import keras
import numpy as np
import pytest
import small_models

from keras_mirasol import models
from keras_mirasol.data import sounding_shapes

CLIPS = 12


def test_the_shipped_model_answers_as_well():
    task = models.MirasolCausalLM.from_preset(
        "mirasol_tiny", dtype="mixed_bfloat16"
    )
    assert task.backbone.text_decoder.compute_dtype == "bfloat16"
    every = 16 // int(task.preprocessor.frame_rate)
    videos, audio, prompts, expected = [], [], [], []
    for index in range(CLIPS):
        scene = sounding_shapes.corpus_scene(index, seed=2024)
        videos.append(sounding_shapes.render_frames(scene)[every // 2 :: every])
        audio.append(sounding_shapes.render_audio(scene))
        lines = [
            sounding_shapes.questions(scene, kind)[0]
            for kind in sounding_shapes.KINDS
        ]
        prompts.append([line["prompt"] for line in lines])
        expected.append([line["response"] for line in lines])
    answers = task.generate(
        {"videos": videos, "audio": audio, "prompts": prompts}
    )
    # In single precision all are right.
    assert np.mean(np.array(answers) == np.array(expected)) >= 0.97


def test_gradients_point_where_those_of_single_precision_do():
    x = small_models.random_inputs(length=8)
    y = np.roll(x["token_ids"], -1, axis=1)

    def gradients(dtype):
        keras.utils.set_random_seed(0)
        task = small_models.build_task(
            preprocessor=None, backbone=small_models.build_backbone(dtype=dtype)
        )
        before = task.get_weights()
        # A step of the gradient itself.
        task.compile(keras.optimizers.SGD(1.0), **small_models.QUICKLY)
        logs = task.train_on_batch(x, y, return_dict=True)
        after = task.get_weights()
        steps = [b - a for b, a in zip(before, after, strict=True)]
        return logs, np.concatenate([step.ravel() for step in steps])

    logs, half = gradients("mixed_bfloat16")
    expected_logs, single = gradients("float32")
    for name in ("text_loss", "latent_loss", "frame_loss", "spectrogram_loss"):
        assert logs[name] == pytest.approx(expected_logs[name], rel=0.02)
    cosine = half @ single / np.linalg.norm(half) / np.linalg.norm(single)
    assert cosine > 0.99


# What takes a compiler long, and is no matter of scales.
TEXT_ALONE = dict(latent_weight=0.0, frame_weight=0.0, spectrogram_weight=0.0)


def float16_task(optimizer):
    """A small task in float16, on JAX in float32.

    For attention, XLA multiplies no float16 on a CPU.
    """
    on_jax = keras.backend.backend() == "jax"
    backbone = small_models.build_backbone(
        dtype="float32" if on_jax else "mixed_float16"
    )
    task = models.MirasolCausalLM(backbone, **TEXT_ALONE)
    task.compile(optimizer, **small_models.QUICKLY)
    return task


def step(task):
    x = small_models.random_inputs(length=8)
    y = np.roll(x["token_ids"], -1, axis=1)
    return task.train_on_batch(x, y, return_dict=True)


def test_under_float16_the_loss_is_scaled():
    backbone = small_models.build_backbone(dtype="mixed_float16")
    task = models.MirasolCausalLM(backbone)
    task.compile(learning_rate=1e-2, steps=50)
    assert isinstance(task.optimizer, keras.optimizers.LossScaleOptimizer)
    inner = task.optimizer.inner_optimizer
    assert isinstance(inner, keras.optimizers.AdamW)
    assert inner.clipnorm == 1.0


@pytest.mark.any_backend
def test_under_float16_kernels_alone_decay_after_loading(tmp_path):
    backbone = small_models.build_backbone(dtype="mixed_float16")
    task = models.MirasolCausalLM(backbone)
    task.compile(learning_rate=0.1)
    task.save(tmp_path / "task.keras")
    loaded = keras.saving.load_model(tmp_path / "task.keras")
    inner = loaded.optimizer.inner_optimizer
    names = {
        weight.name
        for weight in loaded.trainable_weights
        if inner._use_weight_decay(weight)
    }
    assert names == {"kernel"}


def test_a_step_whose_gradients_overflow_changes_no_weight():
    # With float32 at hand, the scaled loss itself is too large.
    task = float16_task(
        keras.optimizers.LossScaleOptimizer(
            keras.optimizers.SGD(0.1), initial_scale=2.0**127
        )
    )
    before = task.get_weights()
    logs = step(task)
    assert np.isfinite(float(logs["loss"]))
    for after, weight in zip(task.get_weights(), before, strict=True):
        np.testing.assert_array_equal(after, weight)
    scale = task.optimizer.dynamic_scale
    assert float(scale) == 2.0**126
    # As it is after some more of these.
    scale.assign(2.0**8)
    step(task)
    assert float(scale) == 2.0**8
    after = task.get_weights()
    assert all(np.isfinite(weight).all() for weight in after)
    assert any((a != b).any() for a, b in zip(after, before, strict=True))
