"""How good answers are, and how well training goes."""

from keras_mirasol.metrics.exact_match import exact_match
from keras_mirasol.metrics.joint_token_spread import JointTokenSpread

__all__ = ["JointTokenSpread", "exact_match"]
