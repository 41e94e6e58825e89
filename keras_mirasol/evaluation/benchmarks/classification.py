"""Benchmarks whose clips have one label of a list."""

import keras
import numpy as np

from keras_mirasol.evaluation.benchmarks.benchmark import Benchmark
from keras_mirasol.evaluation.scores import share_by
from keras_mirasol.metrics import MeanAUC
from keras_mirasol.metrics import MeanAveragePrecision
from keras_mirasol.metrics import MeanClassAccuracy


class Classification(Benchmark):
    """A `Benchmark` whose responses are names of classes.

    In the mode `"open"` the name is written freely, as in the paper, and the
    score is `exact_match`. In `"labels"` all names are scored, and there are
    also metrics of ranks: `top_1`, `top_5`, `mean_class_accuracy`,
    `mean_average_precision` and `mean_auc`, each a share.

    Args:
        annotations, media: see `Benchmark`.
        prompt: str. What is asked of each clip.
    """

    modes = ("open", "labels")

    def __init__(self, annotations, media, prompt):
        super().__init__(annotations, media)
        self.prompt = prompt

    @property
    def labels(self):
        """Names of all classes, in their official order."""
        raise NotImplementedError

    def measures(self, answered, mode):
        if mode == "open":
            return {"exact_match": share_by(answered)}
        labels = self.labels
        truth = np.array([labels.index(line["response"]) for line in answered])
        scores = np.array([line["scores"] for line in answered])
        top_5 = keras.metrics.SparseTopKCategoricalAccuracy(min(5, len(labels)))
        return {
            name: float(metric(truth, scores))
            for name, metric in (
                ("top_1", keras.metrics.SparseTopKCategoricalAccuracy(1)),
                ("top_5", top_5),
                ("mean_class_accuracy", MeanClassAccuracy()),
                ("mean_average_precision", MeanAveragePrecision()),
                ("mean_auc", MeanAUC()),
            )
        }
