import numpy as np

from keras_mirasol.models.clip_statistics import RunningMoments
from keras_mirasol.models.clip_statistics import draw


def test_pieces_have_the_moments_of_the_whole(normal):
    # Far off, where a mean of squares would lose all digits.
    values = 1e6 + normal(7, 5, 3).astype("float64")
    moments = RunningMoments()
    for piece in (values[:1], values[1:1], values[1:6], values[6:]):
        moments.update(piece)
    np.testing.assert_allclose(moments.mean, values.mean(axis=(0, 1)))
    np.testing.assert_allclose(moments.deviation, values.std(axis=(0, 1)))


def test_what_is_constant_does_not_deviate():
    moments = RunningMoments()
    for _ in range(3):
        moments.update(np.full((5, 2), 0.1))
    np.testing.assert_array_equal(moments.deviation, [0.0, 0.0])


def test_clips_are_drawn_from_all_over_and_always_the_same():
    drawn = draw(range(1000), 100)
    assert drawn == draw(range(1000), 100) == sorted(set(drawn))
    assert len(drawn) == 100 and drawn[0] < 50 and drawn[-1] > 950
    assert draw([1, 2], 2) == [1, 2] and draw([1, 2], None) == [1, 2]
