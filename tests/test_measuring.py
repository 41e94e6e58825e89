"""What benchmarks measure with."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import small_models
from scripts import load_script

measuring = load_script("benchmarks/measuring.py")


@pytest.mark.any_backend
def test_functions_take_turns_and_the_first_round_does_not_count():
    called = []
    seconds = measuring.medians_in_turns(
        {"a": lambda: called.append("a"), "b": lambda: called.append("b")},
        rounds=2,
    )
    assert called == ["a", "b"] * 3
    assert seconds.keys() == {"a", "b"}


@pytest.mark.any_backend
@pytest.mark.skipif(sys.platform != "linux", reason="Linux binds to cores")
def test_processes_run_on_one_core():
    before = os.sched_getaffinity(0)
    with measuring.on_one_core():
        told = subprocess.run(
            [
                *(sys.executable, "-c"),
                "import os; print(len(os.sched_getaffinity(0)))",
            ],
            capture_output=True,
            text=True,
        ).stdout
    assert told.strip() == "1"
    assert os.sched_getaffinity(0) == before


@pytest.mark.skipif(
    keras.backend.backend() != "jax", reason="JAX tells what it compiled"
)
class TestProgram:
    def test_operations_and_memory_of_a_matrix_product(self):
        a, b = np.ones((64, 32), "float32"), np.ones((32, 16), "float32")
        program = measuring.Program(lambda a, b: a @ b, a, b)
        assert program.flops == 2 * 64 * 32 * 16
        mib = 4 * (64 * 32 + 32 * 16 + 64 * 16) / 2**20
        np.testing.assert_allclose(program.mib, mib, rtol=0.2)
        np.testing.assert_array_equal(program(a, b), np.full((64, 16), 32.0))

    def test_a_model_computes_with_the_weights_that_are_given(self):
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        x = np.ones((1, 3), "float32")
        weights = [np.ones((3, 2), "float32"), np.array([1.0, 2.0], "float32")]
        program = measuring.Program(
            measuring.with_weights(model, model),
            measuring.weights_of(model),
            x,
        )
        np.testing.assert_allclose(program(weights, x), [[4.0, 5.0]])

    def test_a_training_step_takes_the_memory_of_the_state_alone(self):
        task = small_models.build_task(
            latent_weight=0, frame_weight=0, spectrogram_weight=0
        )
        task.compile(keras.optimizers.SGD(0.1))
        before = task.get_weights()
        x, y, sample_weight = measuring.random_texts(task.backbone, 1, 6)
        x.update(measuring.random_clips(task.backbone, 1, 2))
        data = x, y, sample_weight
        state = measuring.training_state(task)
        step = measuring.Program(task.train_step, state, data, donate=True)
        logs, first = step(state, data)
        assert np.isfinite(logs["loss"])
        # What it returns is what the next step takes.
        _, (weights, *_) = step(first, data)
        changed = [
            np.abs(weight - variable).max() > 0
            for weight, variable in zip(
                weights, task.trainable_variables, strict=True
            )
        ]
        assert np.mean(changed) > 0.8
        for value, expected in zip(task.get_weights(), before, strict=True):
            np.testing.assert_array_equal(value, expected)
