"""Patches by slicing, so that embedding them is one matrix product."""

from keras import ops


def windows(x, axis, size, stride, offset=0):
    """Splits an axis of static length into windows, `(count, size)`.

    Window `i` holds `x[offset + i * stride : offset + i * stride + size]`.

    Args:
        x: tensor.
        axis: int. The axis to split, not negative.
        size: int. Length of a window.
        stride: int. From the start of a window to the start of the next.
        offset: int. Start of the first window.

    Returns:
        A tensor with one axis more: `axis` is replaced by the windows and
        their elements.
    """
    count = num_windows(x.shape[axis], size, stride, offset)
    before = (slice(None),) * axis
    if stride == size:
        whole = x[(*before, slice(offset, offset + count * size))]
        shape = list(ops.shape(whole))
        return ops.reshape(
            whole, (*shape[:axis], count, size, *shape[axis + 1 :])
        )
    last = (count - 1) * stride + 1
    elements = [
        x[(*before, slice(offset + i, offset + i + last, stride))]
        for i in range(size)
    ]
    return ops.stack(elements, axis=axis + 1)


def num_windows(length, size, stride, offset=0):
    """How many windows fit."""
    return (length - offset - size) // stride + 1
