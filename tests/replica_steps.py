"""Two steps of a small pretrainer on two replicas, in a process of its own.

    python replica_steps.py FOLDER RANK

writes the losses of the steps and the weights after them to `FOLDER/RANK.npz`.
PyTorch has a process a replica, the others have one for both.
`on_one_device()` makes the same steps on one device.
"""

import contextlib
import os
import sys

import keras
import numpy as np
import small_models

from keras_mirasol.models import MirasolPretrainer
from keras_mirasol.models import TrainingCheckpoint

BACKEND = keras.backend.backend()
REPLICAS, STEPS = 2, 2
# What JAX needs to have as many devices, beside the flags of all tests.
XLA_FLAGS = (
    os.environ.get("XLA_FLAGS", "")
    + f" --xla_force_host_platform_device_count={REPLICAS}"
)


def build(seed=0):
    keras.utils.set_random_seed(seed)
    task = MirasolPretrainer(
        # Whose Combiner has a loop of its own on TensorFlow.
        small_models.build_backbone(combiner="token_turing"),
        text_weight=0.0,
        latent_weight=0.0,
        frame_weight=0.0,
        spectrogram_weight=0.0,
        matching_weight=0.0,
        embedding_dim=8,
        seed=0,
    )
    task.compile(keras.optimizers.SGD(0.1))
    return task


def batch(part=slice(None)):
    """Four clips with two texts each, or a part of them."""
    x = small_models.random_inputs(4, texts=2)
    for key in ("token_ids", "padding_mask"):
        x[key] = x[key].reshape(4, 2, -1)
    # Two replicas have one text in common, and nothing is told by another.
    x["token_ids"][3, 1] = x["token_ids"][0, 0]
    sample_weight = np.ones(x["token_ids"].shape, "float32")
    sample_weight[1, 1] = 0
    data = (x, x["token_ids"], sample_weight)
    return keras.tree.map_structure(lambda array: array[part], data)


def on_one_device():
    return fit(build())


def fit(task, part=slice(None), epochs=STEPS, **settings):
    """Trains for a step an epoch; the losses, and the weights."""
    x, y, sample_weight = batch(part)
    history = task.fit(
        x,
        y,
        sample_weight=sample_weight,
        batch_size=len(y),
        epochs=epochs,
        verbose=0,
        **settings,
    )
    return history.history["loss"], task.get_weights()


def on_jax():
    devices = keras.distribution.list_devices()
    assert len(devices) == REPLICAS
    keras.distribution.set_distribution(
        keras.distribution.DataParallel(devices=devices)
    )
    return fit(build())


def on_tensorflow():
    import tensorflow as tf

    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * REPLICAS
    )
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    assert strategy.num_replicas_in_sync == REPLICAS
    with strategy.scope():
        task = build()
    return fit(task)


@contextlib.contextmanager
def process_group(folder, rank):
    from torch import distributed

    distributed.init_process_group(
        "gloo",
        init_method=f"file://{folder}/rendezvous",
        rank=rank,
        world_size=REPLICAS,
    )
    yield
    distributed.destroy_process_group()


def on_torch(folder, rank):
    """Begins unlike the other, and goes on from what the first one saved."""
    part = slice(2 * rank, 2 * rank + 2)
    losses = []
    with process_group(folder, rank):
        for epochs in range(1, STEPS + 1):
            made, weights = fit(
                build(seed=STEPS * rank + epochs - 1),
                part,
                epochs,
                callbacks=[TrainingCheckpoint(f"{folder}/checkpoints")],
            )
            losses += made
    return losses, weights


if __name__ == "__main__":
    folder, rank = sys.argv[1], int(sys.argv[2])
    if BACKEND == "torch":
        losses, weights = on_torch(folder, rank)
    else:
        losses, weights = {"jax": on_jax, "tensorflow": on_tensorflow}[
            BACKEND
        ]()
    weights = {f"weight_{i}": weight for i, weight in enumerate(weights)}
    np.savez(f"{folder}/{rank}.npz", losses=losses, **weights)
