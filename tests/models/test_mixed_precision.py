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


def half_task(optimizer="auto", **settings):
    """A small task under a global policy of float16, as `compile()` looks."""
    keras.config.set_dtype_policy("mixed_float16")
    task = small_models.build_task(preprocessor=None)
    task.compile(optimizer, **settings, **small_models.QUICKLY)
    return task


@pytest.fixture
def policy():
    """Restores the global policy."""
    before = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(before)


def step(task):
    x = small_models.random_inputs(length=8)
    y = np.roll(x["token_ids"], -1, axis=1)
    return task.train_on_batch(x, y, return_dict=True)


def scale_of(task):
    return float(keras.ops.convert_to_numpy(task.optimizer.dynamic_scale))


def test_under_float16_the_loss_is_scaled_and_the_default_optimizer_kept(
    policy,
):
    task = half_task(learning_rate=1e-2, steps=50)
    assert isinstance(task.optimizer, keras.optimizers.LossScaleOptimizer)
    inner = task.optimizer.inner_optimizer
    assert isinstance(inner, keras.optimizers.AdamW)
    assert inner.clipnorm == 1.0
    before = task.get_weights()
    logs = step(task)
    assert all(np.isfinite(float(value)) for value in logs.values())
    assert int(inner.iterations) == 1
    assert any(
        (b != a).any() for b, a in zip(before, task.get_weights(), strict=True)
    )


def test_gradients_that_overflow_float16_change_no_weight(policy):
    # A scale beyond the largest number of float16, 65504.
    task = half_task(
        keras.optimizers.LossScaleOptimizer(
            keras.optimizers.SGD(0.1), initial_scale=2.0**40
        )
    )
    before = task.get_weights()
    step(task)
    for a, b in zip(task.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)
    # Half the scale, again and again, until gradients fit.
    assert scale_of(task) == 2.0**39
    for _ in range(40):
        step(task)
        if int(task.optimizer.inner_optimizer.iterations):
            break
    else:
        pytest.fail("the scale was never low enough")
    assert scale_of(task) < 2.0**39
    after = task.get_weights()
    assert all(np.isfinite(weight).all() for weight in after)
    assert any((a != b).any() for a, b in zip(after, before, strict=True))
