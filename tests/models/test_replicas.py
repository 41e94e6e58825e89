import os
import subprocess
import sys

import keras
import numpy as np
import one_step
import pytest
from arrays import assert_close
from arrays import assert_same_bits
from keras import ops

from keras_mirasol.models import replicas

PROCESSES = one_step.REPLICAS if keras.backend.backend() == "torch" else 1


@pytest.fixture(scope="module")
def whole():
    return one_step.whole_step()


def test_a_step_on_two_replicas_is_that_of_the_whole_batch(whole, tmp_path):
    started = [
        subprocess.Popen(
            [sys.executable, one_step.__file__, str(tmp_path), str(rank)],
            env={**os.environ, "XLA_FLAGS": one_step.XLA_FLAGS},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(PROCESSES)
    ]
    for process in started:
        _, errors = process.communicate(timeout=600)
        assert process.returncode == 0, errors
    losses, weights = whole
    for rank in range(PROCESSES):
        step = np.load(tmp_path / f"{rank}.npz")
        assert_close(step["loss"], losses["loss"])
        for i, weight in enumerate(weights):
            assert_close(step[f"weight_{i}"], weight, atol=1e-5)


def test_one_replica_keeps_what_it_has():
    tensors = {
        "float": ops.array([[1.0, 2.0]]),
        "int": ops.array([3, 4]),
        "bool": ops.array([True, False]),
    }
    gathered = replicas.gather(tensors)
    assert gathered.keys() == tensors.keys()
    for key, tensor in tensors.items():
        assert gathered[key].dtype == tensor.dtype
        assert_same_bits(gathered[key], tensor)
    assert float(replicas.scale_loss_for_replicas(ops.array(3.0))) == 3.0
