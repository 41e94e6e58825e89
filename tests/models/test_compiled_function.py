import keras
import numpy as np
import pytest

from keras_mirasol.models.compiled_function import compiled_function
from keras_mirasol.models.compiled_function import compiled_step

ON_TORCH = keras.backend.backend() == "torch"


@pytest.fixture
def model():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile()
    model.layers[0].set_weights([np.array([[1.0], [2.0]]), np.array([0.5])])
    return model


def test_weights_are_those_of_each_call(model):
    compiled = compiled_function(model, lambda x: {"y": model(x["x"])})
    x = {"x": np.array([[1.0, 1.0]], "float32")}
    assert keras.ops.convert_to_numpy(compiled(x)["y"]) == [[3.5]]
    model.layers[0].set_weights([np.zeros((2, 1)), np.array([7.0])])
    assert keras.ops.convert_to_numpy(compiled(x)["y"]) == [[7.0]]


def test_settings_are_static(model):
    compiled = compiled_function(model, lambda x, times: x * len(times))
    x = np.ones(1, "float32")
    for times in ((1, 2), (1, 2, 3)):
        result = compiled(x, times=times)
        assert keras.ops.convert_to_numpy(result) == [len(times)]


def test_variables_may_be_assigned(model):
    count = keras.Variable(0, dtype="int32", trainable=False)

    def step(x):
        count.assign(count + 1)
        return x + keras.ops.cast(count, "float32")

    compiled = compiled_function(model, step, variables=[count])
    results = [compiled(np.zeros(1, "float32")) for _ in range(3)]
    assert [float(keras.ops.convert_to_numpy(r)[0]) for r in results] == [
        1,
        2,
        3,
    ]
    assert int(keras.ops.convert_to_numpy(count)) == 3


def test_it_is_traced_once_for_arguments_of_one_shape(model):
    if ON_TORCH:
        pytest.skip("PyTorch runs functions as they are")
    traces = []

    def step(x):
        traces.append(1)
        return model(x)

    compiled = compiled_function(model, step)
    for value in range(3):
        compiled(keras.ops.full((1, 2), float(value)))
    assert len(traces) == 1


def test_eager_models_run_functions_as_they_are(model):
    model.compile(run_eagerly=True)

    def step(x):
        return model(x)

    assert compiled_function(model, step) is step
    assert compiled_step(model, step) is step


def test_a_step_has_the_weights_and_the_arguments_of_each_call(model):
    calls = []

    def step(x, index):
        calls.append(1)
        return {"y": model(x["x"]) + keras.ops.cast(index, "float32")}

    compiled = compiled_step(model, step)

    def y(index):
        x = {"x": keras.ops.ones((1, 2))}
        with_index = compiled(x, keras.ops.convert_to_tensor(index))
        return keras.ops.convert_to_numpy(with_index["y"])

    assert [y(index) for index in range(30)] == [[[3.5 + i]] for i in range(30)]
    # PyTorch records it once, the others compile it with what it is in.
    assert len(calls) == (17 if ON_TORCH else 30)
    model.layers[0].set_weights([np.zeros((2, 1)), np.array([7.0])])
    assert y(2) == [[9.0]]


@pytest.mark.skipif(not ON_TORCH, reason="only PyTorch records steps")
def test_a_step_is_recorded_for_shapes_that_come_often(model):
    calls = []

    def step(x):
        calls.append(tuple(x.shape))
        return model(x)

    compiled = compiled_step(model, step)
    for _ in range(20):
        compiled(keras.ops.ones((1, 2)))
    for _ in range(5):
        assert compiled(keras.ops.ones((3, 2))).shape == (3, 1)
    assert calls == [(1, 2)] * 17 + [(3, 2)] * 5


@pytest.mark.skipif(not ON_TORCH, reason="only PyTorch records steps")
def test_a_step_that_looks_at_values_runs_as_it_is(model):
    def step(x):
        return x if float(x[0, 0]) > 0 else model(x)

    compiled = compiled_step(model, step)
    positive = keras.ops.ones((1, 2))
    with pytest.warns(UserWarning, match="decides in Python by values"):
        for _ in range(20):
            assert compiled(positive) is positive
    assert keras.ops.convert_to_numpy(compiled(-positive)) == [[-2.5]]
