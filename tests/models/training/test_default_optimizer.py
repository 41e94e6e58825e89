import keras
import numpy as np
import pytest
from keras import ops

from keras_mirasol.models.training.default_optimizer import default_optimizer


def _rates(optimizer, steps):
    """Learning rates at steps; Keras keeps the schedule to itself."""
    rates = []
    for step in steps:
        optimizer.iterations.assign(step)
        rates.append(float(ops.convert_to_numpy(optimizer.learning_rate)))
    return rates


def test_rate_rises_over_100_steps_and_stays():
    optimizer = default_optimizer(2e-3)
    np.testing.assert_allclose(
        _rates(optimizer, [0, 50, 100, 101, 10_000]),
        [0, 1e-3, 2e-3, 2e-3, 2e-3],
        rtol=1e-5,
    )


def test_rate_falls_to_a_fiftieth_along_a_cosine():
    optimizer = default_optimizer(1e-3, steps=1100)
    np.testing.assert_allclose(
        # Halfway down, the cosine is at the mean of both ends.
        _rates(optimizer, [0, 100, 600, 1100]),
        [0, 1e-3, (1e-3 + 2e-5) / 2, 2e-5],
        rtol=1e-5,
    )


def test_a_short_training_warms_up_for_a_tenth():
    optimizer = default_optimizer(1e-3, steps=50)
    np.testing.assert_allclose(
        _rates(optimizer, [0, 5, 50]), [0, 1e-3, 2e-5], rtol=1e-5
    )


def test_a_single_step_is_taken():
    optimizer = default_optimizer(1e-3, steps=1)
    np.testing.assert_allclose(_rates(optimizer, [0]), [1e-3], rtol=1e-5)


def test_gradients_are_clipped_by_their_norm():
    optimizer = default_optimizer()
    assert isinstance(optimizer, keras.optimizers.AdamW)
    assert optimizer.clipnorm == 1.0


def test_no_steps():
    with pytest.raises(ValueError, match="at least 1.*Received: 0"):
        default_optimizer(steps=0)
