"""How good answers are, and how well training goes."""

from keras_mirasol.metrics.exact_match import ExactMatch
from keras_mirasol.metrics.exact_match import exact_match
from keras_mirasol.metrics.joint_token_spread import JointTokenSpread
from keras_mirasol.metrics.label_metrics import MeanAUC
from keras_mirasol.metrics.label_metrics import MeanAveragePrecision
from keras_mirasol.metrics.label_metrics import MeanClassAccuracy
from keras_mirasol.metrics.wups import WUPS

__all__ = [
    "WUPS",
    "ExactMatch",
    "JointTokenSpread",
    "MeanAUC",
    "MeanAveragePrecision",
    "MeanClassAccuracy",
    "exact_match",
]
