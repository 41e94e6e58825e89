"""How good answers are."""

from keras_mirasol.metrics.exact_match import exact_match

__all__ = ["exact_match"]
