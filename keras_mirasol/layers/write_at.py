"""Writing to places of their own in the rows of a cache."""

from keras import ops


def write_at(cache, values, places, axis):
    """Writes values to places of their own in each row of a cache.

    Args:
        cache: tensor of shape `(batch, ..., max_length, ...)`.
        values: tensor of the same shape, but for the length.
        places: int tensor of shape `(batch, length)`, no two of a row alike.
        axis: int. Which axis is the length, at least 1.

    Returns:
        A tensor of the shape of `cache`.
    """
    batch, length = ops.shape(places)
    shape = (batch, *cache.shape[1:axis], length)
    indices = [
        ops.reshape(
            ops.arange(count, dtype="int32"),
            [-1 if i == other else 1 for other in range(axis + 1)],
        )
        for i, count in enumerate(shape[:-1])
    ]
    indices.append(
        ops.reshape(ops.cast(places, "int32"), (batch, *[1] * (axis - 1), -1))
    )
    index = ops.stack([ops.broadcast_to(i, shape) for i in indices], axis=-1)
    return ops.scatter_update(
        cache,
        ops.reshape(index, (-1, axis + 1)),
        ops.reshape(
            ops.cast(values, cache.dtype), (-1, *cache.shape[axis + 1 :])
        ),
    )
