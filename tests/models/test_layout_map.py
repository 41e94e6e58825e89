import keras
import numpy as np
import pytest
import small_models
import small_parts

from keras_mirasol.models import MirasolBackbone
from keras_mirasol.models import MirasolCausalLM
from keras_mirasol.models import MirasolPretrainer

pytestmark = pytest.mark.any_backend


def imagined_mesh(*shape):
    """A mesh of devices that need not be there."""
    names = [f"tpu:{i}" for i in range(int(np.prod(shape)))]
    return keras.distribution.DeviceMesh(shape, ("batch", "model"), names)


def share_of_a_device(weights, mesh):
    """What a device holds of the numbers of weights, from 0 to 1."""
    layouts = MirasolBackbone.get_layout_map(mesh)
    sizes = dict(zip(mesh.axis_names, mesh.shape, strict=True))
    held = 0
    for weight in weights:
        shape = list(weight.shape)
        layout = layouts[weight.path]
        for axis, name in enumerate(layout.axes if layout else ()):
            if name is not None:
                assert shape[axis] % sizes[name] == 0, (weight.path, shape)
                shape[axis] //= sizes[name]
        held += np.prod(shape)
    return held / sum(np.prod(weight.shape) for weight in weights)


def imagined(build):
    """A model without values."""
    try:
        with keras.StatelessScope(initialize_variables=False):
            return build()
    finally:
        # Else the next model to be built would bring them.
        keras.utils.clear_session()


def preset_3b(task=MirasolCausalLM, **settings):
    backbone = MirasolBackbone.from_preset("mirasol_3b", load_weights=False)
    return task(backbone, compile=False, **settings)


@pytest.mark.parametrize(
    "shape", [(16, 1), (4, 4), (1, 16), (16, 16), (256, 1)]
)
def test_a_device_holds_its_part_of_3b(shape):
    weights = imagined(preset_3b).weights
    share = share_of_a_device(weights, imagined_mesh(*shape))
    # What is not cut, or by one axis alone, is less than two thousandths.
    assert share < 1 / np.prod(shape) + 0.002


@pytest.mark.parametrize(
    "build",
    [
        lambda: imagined(lambda: preset_3b(MirasolPretrainer, past_weight=1.0)),
        lambda: small_models.build_backbone(
            combiner="token_turing", hidden_dim=128, text_hidden_dim=64
        ),
    ],
)
def test_no_large_weight_stays_whole(build):
    weights = build().weights
    layouts = MirasolBackbone.get_layout_map(imagined_mesh(2, 2))
    whole = [w for w in weights if layouts[w.path] is None]
    # Queries and positions, which are few beside kernels.
    largest = max(np.prod(weight.shape) for weight in weights)
    assert max(np.prod(weight.shape) for weight in whole) <= largest / 4
    # A kernel with one output is a vector.
    assert not any(w.name == "kernel" and min(w.shape) > 1 for w in whole)


def test_pretrained_parts_are_cut_by_their_own_names():
    task = small_parts.build_task()
    layouts = MirasolBackbone.get_layout_map(imagined_mesh(2, 2))
    whole = [
        weight.path
        for weight in task.weights
        if layouts[weight.path] is None and weight.name == "kernel"
    ]
    # Convolutions read few channels.
    assert all("conv" in path or "patch_embedding" in path for path in whole)
    share_of_a_device(task.weights, imagined_mesh(2, 2))


def test_axes_may_have_other_names():
    mesh = keras.distribution.DeviceMesh((1, 2), ("data", "tensor"), ["a", "b"])
    layouts = MirasolBackbone.get_layout_map(mesh, "tensor", "data")
    path = "text_decoder/transformer/block_0/self_attention/query/kernel"
    assert layouts[path].axes == ("data", "tensor")
    path = "text_decoder/transformer/block_0/self_attention/output/kernel"
    assert layouts[path].axes == ("tensor", "data")
    assert layouts["text_decoder/transformer/norm/gamma"] is None


def test_what_is_no_mesh_or_has_other_axes_is_refused():
    with pytest.raises(ValueError, match="must be a `keras.distribution.Dev"):
        MirasolBackbone.get_layout_map("tpu")
    mesh = keras.distribution.DeviceMesh((1, 1), ("batch", "tensor"), ["a"])
    with pytest.raises(ValueError, match="no axis 'model', only"):
        MirasolBackbone.get_layout_map(mesh)
