from keras import ops


def masked_mean(values, mask, axis=None):
    """Mean of `values` where `mask` (of the same shape) is set; 0 if nowhere.

    Args:
        values: float tensor.
        mask: bool or float tensor of weights, of the shape of `values`.
        axis: int or tuple of ints to take the mean over. Defaults to `None`,
            all axes.

    Returns:
        A float32 tensor, a scalar unless `axis` leaves axes.
    """
    values = ops.cast(values, "float32")
    weights = ops.cast(mask, "float32")
    total = ops.sum(weights, axis)
    return ops.sum(values * weights, axis) / ops.where(total > 0, total, 1.0)
