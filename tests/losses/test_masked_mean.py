import numpy as np
import pytest
from arrays import assert_close

from keras_mirasol.losses.masked_mean import masked_mean


@pytest.mark.parametrize(
    "mask, expected",
    [
        ([True, True, True], 4.0),
        ([True, False, True], 3.0),
        ([1.0, 0.0, 0.5], (1.0 + 0.5 * 5.0) / 1.5),
        ([False, False, False], 0.0),
    ],
)
def test_mean_of_what_the_mask_leaves(mask, expected):
    values = np.array([1.0, 6.0, 5.0], "float32")
    assert_close(masked_mean(values, np.array(mask)), expected)


def test_nothing_at_all():
    assert_close(masked_mean(np.zeros((2, 0)), np.zeros((2, 0), bool)), 0.0)
