"""What bfloat16 costs in accuracy."""

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
