"""Media files and manifests to `tf.data`, and generated corpora.

Importing this module imports neither TensorFlow nor PyAV: each function is
loaded when it is first used.
"""

import importlib

_HOMES = {
    "ClipAugmentation": "keras_mirasol.data.augmentation",
    "clip_dataset": "keras_mirasol.data.clip_pipeline",
    "load_clip": "keras_mirasol.data.media",
    "read_manifest": "keras_mirasol.data.manifest",
    "write_manifest": "keras_mirasol.data.manifest",
}

__all__ = [*_HOMES, "sounding_shapes"]


def __getattr__(name):
    if name == "sounding_shapes":
        return importlib.import_module("keras_mirasol.data.sounding_shapes")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(
        f"module 'keras_mirasol.data' has no attribute {name!r}"
    )


def __dir__():
    return sorted(__all__)
