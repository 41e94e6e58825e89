"""What binds to private parts of Keras still finds them."""

import gc
import inspect
import types
import warnings

import keras
import keras_hub
import numpy as np
import pytest
import small_models
import tensorflow as tf

from keras_mirasol import keras_compat
from keras_mirasol import models


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("presets") / "mine"
    small_models.build_task().save_to_preset(str(folder))
    return folder


def test_the_class_that_saved_a_preset(preset, tmp_path):
    assert keras_compat.saved_class(str(preset)) is models.MirasolCausalLM
    small_models.build_backbone().save_to_preset(str(tmp_path / "backbone"))
    saved = keras_compat.saved_class(str(tmp_path / "backbone"))
    assert saved is models.MirasolBackbone
    assert keras_compat.saved_class(str(tmp_path / "nowhere")) is None


def test_the_class_that_saved_a_preset_elsewhere(preset, tmp_path, monkeypatch):
    # What is fetched is kept there.
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    # A file system of TensorFlow's, which KerasHub copies from as from gs://.
    elsewhere = "ram://presets/mine"
    for path in preset.iterdir():
        if path.suffix == ".json":
            tf.io.gfile.makedirs(elsewhere)
            tf.io.gfile.copy(str(path), f"{elsewhere}/{path.name}", True)
    assert keras_compat.saved_class(elsewhere) is models.MirasolCausalLM


def test_layers_within_a_layer_at_any_depth():
    inner = keras.layers.Dense(2)
    outer = keras.Sequential([keras.Sequential([inner])])
    assert inner in keras_compat.layers_within(outer)
    assert outer not in keras_compat.layers_within(outer)


def test_a_dropped_layer_is_gone_and_others_are_tracked_as_before():
    converter = keras_hub.layers.VideoConverter(image_size=(4, 4))
    dropped = converter.image_converter
    keras_compat.drop_layer(converter, "image_converter")
    converter.added = keras.layers.Dense(2)
    assert not hasattr(converter, "image_converter")
    layers = list(keras_compat.layers_within(converter))
    assert layers == [converter.added] and dropped not in layers


def test_quantizing_looks_through_nothing_that_was_there_before():
    gc.unfreeze()
    with keras_compat.quantizing():
        assert gc.get_freeze_count() > 0
    assert gc.get_freeze_count() == 0
    # What one has put out of sight oneself stays there.
    gc.freeze()
    with keras_compat.quantizing():
        pass
    assert gc.get_freeze_count() > 0


def test_quantizing_tells_nothing_of_layers_without_a_matrix():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dropout(0.5)])
    with pytest.warns(UserWarning, match="does not have a `quantize`"):
        model.quantize("int8")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with keras_compat.quantizing():
            model.quantize("int8")
            warnings.warn("another", stacklevel=1)
    assert [str(warning.message) for warning in caught] == ["another"]


def test_cloning_by_layers_is_refused_with_what_to_do():
    task = small_models.build_task()
    with pytest.raises(ValueError, match=r"task\.from_config\(task\.get_c"):
        keras.models.clone_model(task)
    copy = task.from_config(task.get_config())
    assert type(copy) is type(task)
    # Seen from without, the constructor is as it was written.
    parameters = inspect.signature(models.MirasolCausalLM).parameters
    assert list(parameters)[:3] == ["backbone", "preprocessor", "text_weight"]


@pytest.mark.skipif(
    keras.backend.backend() != "torch", reason="others fuse by compiling"
)
@pytest.mark.parametrize("kind", ["Adam", "AdamW"])
def test_a_fused_adam_does_what_that_of_keras_does(kind):
    rng = np.random.default_rng(0)
    gradients = rng.normal(size=(4, 2, 3)).astype("float32")

    def train(fused):
        optimizer = getattr(keras.optimizers, kind)(
            keras.optimizers.schedules.CosineDecay(0.1, 8),
            weight_decay=0.3,
            beta_2=0.98,
            epsilon=0.01,
            clipnorm=1.0,
        )
        if fused:
            keras_compat.fuse_adam(optimizer)
        weights = [keras.Variable(np.ones(3)), keras.Variable(np.zeros(3))]
        for step in gradients:
            step = [keras.ops.convert_to_tensor(g) for g in step]
            optimizer.apply(step, weights)
        return [keras.ops.convert_to_numpy(weight) for weight in weights]

    np.testing.assert_allclose(train(True), train(False), rtol=1e-5)


@pytest.mark.skipif(
    keras.backend.backend() != "torch", reason="others fuse by compiling"
)
def test_only_adam_is_fused():
    for optimizer in (
        keras.optimizers.SGD(),
        keras.optimizers.Nadam(),
        keras.optimizers.Adam(amsgrad=True),
    ):
        before = vars(optimizer).copy()
        keras_compat.fuse_adam(optimizer)
        assert vars(optimizer) == before


@pytest.mark.any_backend
def test_only_whole_executions_are_passed_over():
    model = types.SimpleNamespace(steps_per_execution=2, train_function=None)
    with pytest.raises(ValueError, match="after step 3.*steps_per_execution=2"):
        keras_compat.pass_over(model, 3)
