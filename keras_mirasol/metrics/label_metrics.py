"""Metrics of scores for all labels, over classes rather than over clips."""

import keras
import numpy as np


class LabelMetric(keras.metrics.Metric):
    """A metric of all clips at once, averaged over the classes they have.

    To be inherited from. Scores are kept until the result is asked for, on the
    host; so it goes with evaluation and not into a compiled step. Classes that
    no clip has do not count.

    Args:
        name: str.
        **kwargs: see `keras.metrics.Metric`.
    """

    def __init__(self, name, **kwargs):
        super().__init__(name=name, **kwargs)
        self.reset_state()

    def reset_state(self):
        """Forgets all clips."""
        self._labels, self._scores = [], []

    def update_state(self, labels, scores):
        """Adds clips.

        Args:
            labels: int array of shape `(clips,)`.
            scores: float array of shape `(clips, classes)`; the likelier a
                class, the higher.

        Raises:
            ValueError: if shapes do not go together.
        """
        labels, scores = np.asarray(labels), np.asarray(scores)
        if labels.ndim != 1 or scores.shape[:-1] != labels.shape:
            raise ValueError(
                "Expected labels of shape (clips,) and scores of shape "
                f"(clips, classes). Received: {labels.shape}, {scores.shape}"
            )
        self._labels.append(labels)
        self._scores.append(scores)

    def result(self):
        """The mean over the classes, a float; 0 before there is a clip."""
        if not self._labels:
            return 0.0
        labels = np.concatenate(self._labels)
        scores = np.concatenate(self._scores)
        return float(
            np.mean(
                [
                    self.of_class(labels == number, scores, number)
                    for number in np.unique(labels)
                ]
            )
        )

    def of_class(self, is_it, scores, number):
        """The metric of one class.

        Args:
            is_it: bool array `(clips,)`. Which clips are of the class.
            scores: float array `(clips, classes)`.
            number: int. The class.
        """
        raise NotImplementedError


@keras.saving.register_keras_serializable(package="keras_mirasol")
class MeanClassAccuracy(LabelMetric):
    """How often a class is the likeliest for its clips, averaged over classes.

    A class with few clips counts as much as one with many.

    Args:
        name: str. Defaults to `"mean_class_accuracy"`.
        **kwargs: see `keras.metrics.Metric`.

    Example:
    ```python
    metric = keras_mirasol.metrics.MeanClassAccuracy()
    metric([0, 0, 1], [[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])  # 0.75
    ```
    """

    def __init__(self, name="mean_class_accuracy", **kwargs):
        super().__init__(name=name, **kwargs)

    def of_class(self, is_it, scores, number):
        return np.mean(scores[is_it].argmax(-1) == number)


@keras.saving.register_keras_serializable(package="keras_mirasol")
class MeanAveragePrecision(LabelMetric):
    """Average precision of each class, averaged over classes ("mAP").

    Of all clips in the order of their score for a class: the precision at each
    clip that is of it, averaged. As scikit-learn has it, which it needs.

    Args:
        name: str. Defaults to `"mean_average_precision"`.
        **kwargs: see `keras.metrics.Metric`.

    Example:
    ```python
    metric = keras_mirasol.metrics.MeanAveragePrecision()
    metric([0, 1, 1], [[0.9, 0.1], [0.6, 0.4], [0.7, 0.3]])  # 1.0
    ```
    """

    def __init__(self, name="mean_average_precision", **kwargs):
        super().__init__(name=name, **kwargs)

    def of_class(self, is_it, scores, number):
        from sklearn.metrics import average_precision_score

        return average_precision_score(is_it, scores[:, number])


@keras.saving.register_keras_serializable(package="keras_mirasol")
class MeanAUC(LabelMetric):
    """Area under the ROC curve of each class, averaged over classes.

    How often a clip of a class has a higher score for it than one that is not.
    As scikit-learn has it, which it needs. It is 0.5, as of a guess, where all
    clips are of one class and there is nothing to tell apart.

    Args:
        name: str. Defaults to `"mean_auc"`.
        **kwargs: see `keras.metrics.Metric`.

    Example:
    ```python
    metric = keras_mirasol.metrics.MeanAUC()
    metric([0, 1, 1], [[0.9, 0.1], [0.6, 0.4], [0.95, 0.05]])  # 0.5
    ```
    """

    def __init__(self, name="mean_auc", **kwargs):
        super().__init__(name=name, **kwargs)

    def result(self):
        if len({label for labels in self._labels for label in labels}) == 1:
            return 0.5
        return super().result()

    def of_class(self, is_it, scores, number):
        from sklearn.metrics import roc_auc_score

        return roc_auc_score(is_it, scores[:, number])
