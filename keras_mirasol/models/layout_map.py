"""How weights are cut among devices, for `keras.distribution`."""

import keras

# Kernels `(inputs, outputs)`. Those that make what is computed with are cut by
# outputs along the model axis, those that go back to the width of the stream by
# inputs: devices then meet once per attention and once per MLP. The last of
# each line are KerasHub's names, of parts that came pretrained.
_BY_OUTPUTS = (
    "query|key|value|keys_values"
    "|(mlp_)?hidden|(.*_)?projection|patch"
    "|feedforward_(intermediate|gate)_dense|ffw_gating(_2)?|dense(_\\d+)?"
)
_BY_INPUTS = "(mlp_)?output|prediction|feedforward_output_dense|ffw_linear"


def layout_map_of(device_mesh, model_axis, data_axis):
    """A `LayoutMap` of every large weight of a backbone and of its tasks.

    Args:
        device_mesh: `keras.distribution.DeviceMesh`.
        model_axis: str. Axis of the mesh that layers are cut along.
        data_axis: str. Axis of the mesh that batches are cut along, and the
            other side of every kernel.

    Returns:
        A `keras.distribution.LayoutMap`.

    Raises:
        ValueError: if that is no mesh, or it has no such axes.
    """
    if not isinstance(device_mesh, keras.distribution.DeviceMesh):
        raise ValueError(
            "`device_mesh` must be a `keras.distribution.DeviceMesh`. "
            f"Received: {device_mesh!r}"
        )
    for name in (model_axis, data_axis):
        if name not in device_mesh.axis_names:
            raise ValueError(
                f"The device mesh has no axis {name!r}, only "
                f"{list(device_mesh.axis_names)}. Name its axes in "
                "`model_parallel_dim_name` and `data_parallel_dim_name`."
            )
    layouts = keras.distribution.LayoutMap(device_mesh)
    layouts[f"(.*/)?({_BY_OUTPUTS})/kernel"] = (data_axis, model_axis)
    # Tubes have few inputs, in numbers that not every mesh divides.
    layouts["(.*/)?tube_\\d+/kernel"] = (None, model_axis)
    layouts[f"(.*/)?({_BY_INPUTS})/kernel"] = (model_axis, data_axis)
    # Of KerasHub, `(heads, inputs of a head, outputs)`.
    layouts["(.*/)?attention_output/kernel"] = (model_axis, None, data_axis)
    layouts["(.*/)?token_embedding/embeddings"] = (model_axis, data_axis)
    return layouts
