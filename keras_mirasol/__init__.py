"""Mirasol3B, the multimodal autoregressive model, for Keras 3.

The backend is chosen by `KERAS_BACKEND`, as in all of Keras. The public
namespaces are `layers`, `models`, `preprocessing`, `data`, `losses`, `metrics`,
`evaluation` and `visualization`; each is imported when it is first used.
"""

import importlib

from keras_mirasol.version import __version__

_NAMESPACES = (
    "data",
    "evaluation",
    "layers",
    "losses",
    "metrics",
    "models",
    "preprocessing",
    "visualization",
)

__all__ = ["__version__", *_NAMESPACES]


def __getattr__(name):
    if name in _NAMESPACES:
        return importlib.import_module(f"keras_mirasol.{name}")
    raise AttributeError(f"module 'keras_mirasol' has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
