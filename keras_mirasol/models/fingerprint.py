"""Telling models from each other."""

import hashlib
import json

import numpy as np
from keras import ops


def fingerprint(backbone, preprocessor):
    """A short text that another model or preprocessor does not have.

    Of each weight the first values count, so that it takes no time; those of
    a model that was trained on are others.

    Args:
        backbone: a `MirasolBackbone`.
        preprocessor: a `MirasolCausalLMPreprocessor`.

    Returns:
        A str, the same on all backends.
    """
    digest = hashlib.sha256()
    for part in (
        backbone,
        preprocessor.video_converter,
        preprocessor.audio_converter,
    ):
        config = part.get_config()
        # What is named, and how precisely it computes, is of no matter.
        config = {k: config[k] for k in config if k not in ("name", "dtype")}
        digest.update(json.dumps(config, sort_keys=True, default=str).encode())
    # PyTorch has them in another order.
    for weight in sorted(backbone.weights, key=lambda weight: weight.path):
        values = ops.convert_to_tensor(weight)
        while len(values.shape) > 1:
            values = values[0]
        values = ops.convert_to_numpy(values).reshape(-1)[:16]
        digest.update(str(tuple(weight.shape)).encode())
        digest.update(np.asarray(values, "float32").tobytes())
    return digest.hexdigest()[:16]
