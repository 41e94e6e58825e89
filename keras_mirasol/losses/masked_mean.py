from keras import ops


def masked_mean(values, mask):
    """Mean of `values` where `mask` (of the same shape) is set; 0 if nowhere.

    Args:
        values: float tensor.
        mask: bool or float tensor of weights, of the shape of `values`.

    Returns:
        A scalar float32 tensor.
    """
    values = ops.cast(values, "float32")
    weights = ops.cast(mask, "float32")
    total = ops.sum(weights)
    return ops.sum(values * weights) / ops.where(total > 0, total, 1.0)
