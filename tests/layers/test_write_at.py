import numpy as np
from arrays import assert_same_bits
from compiled import compiled
from keras import ops

from keras_mirasol.layers.write_at import write_at


def test_each_row_is_written_where_it_says(normal):
    cache, values = normal(2, 2, 5, 3, 4), normal(2, 2, 2, 3, 4)
    places = ops.array([[4, 0], [1, 2]], "int32")
    expected = cache.copy()
    expected[0][:, [4, 0]] = values[0]
    expected[1][:, [1, 2]] = values[1]
    written = compiled(lambda *x: write_at(*x, axis=2))(
        ops.array(cache), ops.array(values), places
    )
    assert_same_bits(written, expected)


def test_masks_are_written_too():
    mask = ops.array([[True, False, False], [True, True, False]])
    values = ops.array([[True], [False]])
    written = write_at(mask, values, ops.array([[2], [1]], "int32"), axis=1)
    assert_same_bits(
        written, np.array([[True, False, True], [True, False, False]])
    )
