"""Evaluation of a task over a manifest, by the public API alone."""

from keras_mirasol.evaluation.answer_callback import AnswerCallback
from keras_mirasol.evaluation.answer_evidence import answer_evidence
from keras_mirasol.evaluation.answers import answer_manifest
from keras_mirasol.evaluation.scores import share_by

__all__ = ["AnswerCallback", "answer_evidence", "answer_manifest", "share_by"]
