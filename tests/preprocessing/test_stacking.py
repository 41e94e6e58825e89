import numpy as np
import pytest

from keras_mirasol.preprocessing import stack_padded

pytestmark = pytest.mark.any_backend


def test_short_arrays_are_filled_with_zeros():
    arrays = [np.array([[1, 2]]), np.array([[3, 4], [5, 6]]), np.zeros((0, 2))]
    np.testing.assert_array_equal(
        stack_padded(arrays),
        [[[1, 2], [0, 0]], [[3, 4], [5, 6]], [[0, 0], [0, 0]]],
    )


def test_types_stay():
    assert stack_padded([np.array([True]), np.ones(3, bool)]).dtype == bool
