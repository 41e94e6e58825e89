"""What benchmarks measure with."""

import os
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
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
def test_each_call_is_timed_by_itself():
    waits = iter((0.0, 0.05))
    first, second = measuring.seconds_of_calls(
        lambda: time.sleep(next(waits)), calls=2
    )
    assert 0 < first < 0.05 <= second


@pytest.mark.any_backend
@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells it in KiB")
def test_the_peak_of_memory_stays_when_memory_is_given_back():
    before = measuring.resident()
    held = b"1" * (64 * 2**20)
    del held
    # Linux counts to a MiB or so.
    assert measuring.peak_resident() > before + 60


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
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(0.5), "mean_squared_error")
        model.set_weights([np.array([[3.0]]), np.array([0.0])])
        x, y = np.ones((1, 1), "float32"), np.ones((1, 1), "float32")
        state = measuring.training_state(model)
        step = measuring.Program(model.train_step, state, (x, y), donate=True)
        _, state = step(state, (x, y))
        # Both weights fall by half of 2 * (3 - 1), the gradient.
        assert [x.item() for x in state[0]] == [1.0, -2.0]
        # What it returns is what the next step takes; the model is as it was.
        _, (weights, *_) = step(state, (x, y))
        assert [x.item() for x in weights] == [3.0, 0.0]
        assert [x.item() for x in model.get_weights()] == [3.0, 0.0]
