import keras
import numpy as np
import pytest
from arrays import assert_close
from gradients import gradients
from keras import ops

from keras_mirasol.layers import ScaledSimilarity

TEXTS = np.array([[1.0, 0.0], [0.6, 0.8]], "float32")
CLIPS = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]], "float32")
COSINES = np.array([[1.0, 0.0, -1.0], [0.6, 0.8, -0.6]])


def test_cosines_over_the_temperature():
    assert_close(ScaledSimilarity()(TEXTS, CLIPS), COSINES / 0.07, atol=1e-4)
    assert_close(ScaledSimilarity(0.5)(TEXTS, CLIPS), COSINES / 0.5)


def test_the_temperature_is_learned():
    similarity = ScaledSimilarity(0.5)
    similarity.build()
    (gradient,) = gradients(
        lambda: ops.sum(similarity(TEXTS, CLIPS)), similarity.trainable_weights
    )
    # The derivative of the sum of cosines over exp(log_temperature).
    assert_close(gradient, -COSINES.sum() / 0.5)


@pytest.mark.parametrize(
    "step, temperature", [(-5.0, 0.01), (0.5, 0.5 * np.exp(0.5))]
)
def test_a_step_does_not_lead_below_the_least_temperature(step, temperature):
    similarity = ScaledSimilarity(0.5)
    similarity.build()
    optimizer = keras.optimizers.SGD(1.0)
    optimizer.apply([ops.array(-step)], [similarity.log_temperature])
    similarities = similarity(TEXTS, CLIPS)
    assert_close(similarities, COSINES / temperature, atol=1e-3)


def test_half_precision_does_not_round_the_temperature():
    similarity = ScaledSimilarity(0.07, dtype="mixed_bfloat16")
    scaled = similarity(np.ones((1, 1)), np.ones((1, 1)))
    assert keras.backend.standardize_dtype(scaled.dtype) == "bfloat16"
    # The nearest bfloat16 of 1 / 0.07 = 14.2857.
    assert float(ops.cast(scaled, "float32")[0, 0]) == 14.3125


@pytest.mark.parametrize("settings", [(0.0, 0.0), (0.1, 0.2), (1.5, 0.1)])
def test_temperatures_out_of_order_are_refused(settings):
    temperature, least = settings
    with pytest.raises(ValueError, match=f"min_temperature={least}, temp"):
        ScaledSimilarity(temperature, min_temperature=least)
