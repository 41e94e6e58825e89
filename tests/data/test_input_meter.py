import time

import numpy as np
import pytest
import tensorflow as tf

from keras_mirasol.data.input_meter import InputMeter

pytestmark = pytest.mark.any_backend

WAIT = 0.05


def slow_batches(length=4):
    masks = np.zeros((length, 2, 3), bool)
    masks[:, 0, :2] = True  # of two clips one, with two of three snippets
    dataset = tf.data.Dataset.from_tensor_slices(({"video_mask": masks},))

    def wait(x):
        time.sleep(WAIT)
        return x

    return dataset.map(
        lambda x: {
            "video_mask": tf.ensure_shape(
                tf.numpy_function(wait, [x["video_mask"]], tf.bool), (2, 3)
            )
        }
    )


def test_frames_and_waiting_are_of_what_was_read():
    meter = InputMeter(frames_per_snippet=5)
    dataset = meter.measured(slow_batches())
    for _ in dataset.take(3):
        time.sleep(3 * WAIT)  # what a step takes is no waiting
    frames, seconds = meter.take()
    assert frames == 3 * 2 * 5
    assert 3 * WAIT <= seconds < 6 * WAIT
    assert meter.take() == (0, 0)


def test_batches_and_length_stay():
    dataset = tf.data.Dataset.range(6).map(lambda i: ({"i": i}, i, 2 * i))
    measured = InputMeter(1).measured(dataset.batch(2))
    assert len(measured) == 3
    assert measured.element_spec == dataset.batch(2).element_spec
    for one, other in zip(dataset.batch(2), measured, strict=True):
        assert one[0]["i"].numpy().tolist() == other[0]["i"].numpy().tolist()
        assert one[2].numpy().tolist() == other[2].numpy().tolist()
    endless = InputMeter(1).measured(dataset.repeat())
    assert endless.cardinality() == tf.data.INFINITE_CARDINALITY
