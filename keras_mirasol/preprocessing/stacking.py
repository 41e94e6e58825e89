"""Arrays of different length as one batch."""

import numpy as np


def stack_padded(arrays):
    """Stacks arrays whose first axes differ, filled up with zeros.

    Args:
        arrays: list of arrays of shape `(length, ...)`.

    Returns:
        An array of shape `(batch, longest, ...)`.

    Example:
    ```python
    keras_mirasol.preprocessing.stack_padded([np.ones(1), np.ones(2)])
    # [[1, 0], [1, 1]]
    ```
    """
    stacked = np.zeros(
        (len(arrays), max(map(len, arrays)), *arrays[0].shape[1:]),
        arrays[0].dtype,
    )
    for row, array in zip(stacked, arrays, strict=True):
        row[: len(array)] = array
    return stacked
