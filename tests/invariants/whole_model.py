"""A whole model whose outputs depend on all that they may depend on."""

import zlib

import numpy as np
import small_models


def build_task(combiner, preprocessor=None):
    """A task with all objectives, the same on all backends."""
    backbone = small_models.build_backbone(combiner=combiner)
    return sharpen(small_models.build_task(preprocessor, backbone))


def sharpen(model):
    """Draws large kernels, and gains and biases not far from the initial ones.

    Freshly built, a model makes little of what it sees, hears and reads: a
    change of it could go unnoticed, and the best of two tokens be chosen by
    rounding.
    """
    for weight in model.weights:
        # By its name: what another layer has is of no matter to it.
        seed = zlib.crc32(weight.path.encode())
        noise = np.random.default_rng([1, seed]).normal(size=weight.shape)
        if len(weight.shape) > 1:
            weight.assign(0.5 * noise)
        else:
            weight.assign(weight + 0.1 * noise)
    return model
