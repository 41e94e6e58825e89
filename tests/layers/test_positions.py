import numpy as np
import pytest
from arrays import assert_close
from arrays import sinusoids as direct_sinusoids
from keras import ops

from keras_mirasol.layers import SinusoidalPositions
from keras_mirasol.layers.positions import rotate
from keras_mirasol.layers.positions import sinusoids


def test_sinusoids_by_hand():
    # A quarter of a wave of length 4, an eighth of one of length 8.
    eighth = np.sqrt(0.5)
    assert_close(
        sinusoids(np.array([[1.0]]), 4, (4.0, 8.0)),
        [[1.0, eighth, 0.0, eighth]],
    )


@pytest.mark.parametrize(
    "axes, dim", [(1, 8), (2, 11), (3, 6)], ids=["one", "left over", "one wave"]
)
def test_sinusoids_equal_waves_one_by_one(axes, dim):
    coordinates = np.random.default_rng(0).uniform(0, 50, (2, 3, axes))
    assert_close(
        sinusoids(coordinates, dim, (3.0, 90.0)),
        direct_sinusoids(coordinates, dim, 3.0, 90.0),
    )


def test_positions_are_scaled_by_one_learned_gain():
    layer = SinusoidalPositions(8, wavelengths=(4.0, 40.0), gain=0.5)
    times = np.arange(5.0)[:, None]
    assert_close(layer(times), 0.5 * direct_sinusoids(times, 8, 4.0, 40.0))
    assert layer.count_params() == 1
    layer.gain.assign(3.0)
    assert_close(layer(times), 3.0 * direct_sinusoids(times, 8, 4.0, 40.0))


def test_half_precision_does_not_round_coordinates():
    # bfloat16 holds no integers between 1024 and 1032.
    frames = np.arange(1024.0, 1032.0)[:, None]
    layer = SinusoidalPositions(
        8, wavelengths=(4.0, 100.0), dtype="mixed_bfloat16"
    )
    assert_close(
        ops.cast(layer(frames), "float32"),
        direct_sinusoids(frames, 8, 4.0, 100.0),
        atol=1e-2,
    )


@pytest.mark.parametrize("wavelengths", [(0.0, 4.0), (8.0, 4.0), (-1.0, 4.0)])
def test_wavelengths_that_are_none(wavelengths):
    with pytest.raises(ValueError, match="0 < shortest <= longest"):
        SinusoidalPositions(8, wavelengths)


def test_too_narrow_for_the_axes():
    with pytest.raises(ValueError, match="at least 6. Received: 5"):
        SinusoidalPositions(5).build((None, 3))


def test_rotation_equals_complex_multiplication(normal):
    x = normal(2, 5, 3, 8)
    turned = ops.convert_to_numpy(rotate(ops.convert_to_tensor(x), 2, 100.0))
    angles = np.outer(2 + np.arange(5), 100.0 ** (-np.arange(4) / 4))
    expected = (x[..., :4] + 1j * x[..., 4:]) * np.exp(1j * angles)[:, None, :]
    assert_close(turned[..., :4], expected.real)
    assert_close(turned[..., 4:], expected.imag)


def test_rotated_scores_depend_on_distance_alone(normal):
    query, key = (ops.convert_to_tensor(normal(1, 1, 1, 8)) for _ in range(2))

    def score(query_position, key_position):
        return ops.sum(
            rotate(query, query_position, 50.0)
            * rotate(key, key_position, 50.0)
        )

    assert_close(score(7, 4), score(103, 100), atol=1e-4)
    assert abs(score(7, 4) - score(7, 5)) > 1e-2
