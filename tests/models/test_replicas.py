import os
import subprocess
import sys

import keras
import numpy as np
import replica_steps
from arrays import assert_close
from arrays import assert_same_bits
from keras import ops

from keras_mirasol.models import replicas

PROCESSES = replica_steps.REPLICAS if keras.backend.backend() == "torch" else 1


def test_steps_on_two_replicas_are_those_of_whole_batches(tmp_path):
    started = [
        subprocess.Popen(
            [sys.executable, replica_steps.__file__, str(tmp_path), str(rank)],
            env={**os.environ, "XLA_FLAGS": replica_steps.XLA_FLAGS},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(PROCESSES)
    ]
    losses, weights = replica_steps.on_one_device()
    for process in started:
        _, errors = process.communicate(timeout=600)
        assert process.returncode == 0, errors
    made = [np.load(tmp_path / f"{rank}.npz") for rank in range(PROCESSES)]
    # Processes log the loss of their own clips.
    assert_close(np.mean([steps["losses"] for steps in made], axis=0), losses)
    for steps in made:
        for i, weight in enumerate(weights):
            assert_close(steps[f"weight_{i}"], weight, atol=1e-5)


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
