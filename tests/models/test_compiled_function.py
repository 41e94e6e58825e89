import keras
import numpy as np
import pytest

from keras_mirasol.models.compiled_function import compiled_function


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
    if keras.backend.backend() == "torch":
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
