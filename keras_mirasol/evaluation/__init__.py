"""Evaluation of a task, by the public API alone."""

from keras_mirasol.evaluation.answer_callback import AnswerCallback
from keras_mirasol.evaluation.answer_evidence import answer_evidence
from keras_mirasol.evaluation.answers import answer_manifest
from keras_mirasol.evaluation.benchmarks.activitynet_qa import ActivityNetQA
from keras_mirasol.evaluation.benchmarks.benchmark import Benchmark
from keras_mirasol.evaluation.benchmarks.daily_omni import DailyOmni
from keras_mirasol.evaluation.benchmarks.epic_sounds import EPICSounds
from keras_mirasol.evaluation.benchmarks.kinetics_sound import KineticsSound
from keras_mirasol.evaluation.benchmarks.msrvtt_qa import MSRVTTQA
from keras_mirasol.evaluation.benchmarks.music_avqa import MUSICAVQA
from keras_mirasol.evaluation.benchmarks.next_oe import NExTOE
from keras_mirasol.evaluation.benchmarks.next_qa import NExTQA
from keras_mirasol.evaluation.benchmarks.vgg_sound import VGGSound
from keras_mirasol.evaluation.benchmarks.world_sense import WorldSense
from keras_mirasol.evaluation.evaluate import evaluate
from keras_mirasol.evaluation.scores import share_by

__all__ = [
    "MSRVTTQA",
    "MUSICAVQA",
    "ActivityNetQA",
    "AnswerCallback",
    "Benchmark",
    "DailyOmni",
    "EPICSounds",
    "KineticsSound",
    "NExTOE",
    "NExTQA",
    "VGGSound",
    "WorldSense",
    "answer_evidence",
    "answer_manifest",
    "evaluate",
    "share_by",
]
