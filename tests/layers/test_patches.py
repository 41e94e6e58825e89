import numpy as np
import pytest
from arrays import assert_same_bits

from keras_mirasol.layers.patches import num_windows
from keras_mirasol.layers.patches import windows


@pytest.mark.parametrize(
    "size, stride, offset, expected",
    [
        (3, 3, 0, [[0, 1, 2], [3, 4, 5]]),
        (3, 3, 2, [[2, 3, 4], [5, 6, 7]]),
        (3, 2, 0, [[0, 1, 2], [2, 3, 4], [4, 5, 6]]),
        (2, 3, 1, [[1, 2], [4, 5]]),
        (1, 5, 0, [[0], [5]]),
        (8, 1, 0, [[0, 1, 2, 3, 4, 5, 6, 7]]),
    ],
    ids=["side by side", "offset", "overlap", "gaps", "single", "all"],
)
def test_windows_of_an_axis(size, stride, offset, expected):
    assert num_windows(8, size, stride, offset) == len(expected)
    assert_same_bits(windows(np.arange(8), 0, size, stride, offset), expected)


@pytest.mark.parametrize("stride", [2, 3])
def test_other_axes_stay_as_they_are(stride):
    x = np.arange(2 * 7 * 3).reshape(2, 7, 3)
    split = windows(x, 1, size=2, stride=stride)
    assert split.shape == (2, num_windows(7, 2, stride), 2, 3)
    assert_same_bits(split[:, 1], x[:, stride : stride + 2])


def test_no_window_fits():
    assert num_windows(8, size=7, stride=1, offset=2) < 1
