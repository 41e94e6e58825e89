"""Frames a second, and how long training waits for its input."""

import time

import keras

from keras_mirasol.data.input_meter import InputMeter


class ThroughputLogger(keras.callbacks.Callback):
    """Adds to the logs of each epoch how fast it went, and what it waited for.

    - `frames_per_second`: video frames that were trained on, those alone that
      are there, over the time of the epoch, without its validation.
    - `input_wait`: which part of that time went by waiting for the next batch,
      from 0 to 1. Beyond a tenth, make reading faster: write records, use more
      cores.

    Put it before callbacks that write logs, such as
    `keras.callbacks.TensorBoard`, which then has them beside the losses by
    name, `token_accuracy` and `joint_token_spread`. It needs a dataset of
    `tf.data`; others it leaves alone.

    Example:
    ```python
    train = keras_mirasol.data.clip_dataset(
        "train.jsonl", task.preprocessor, batch_size=16
    )
    task.fit(
        train,
        callbacks=[
            keras_mirasol.models.ThroughputLogger(),
            keras.callbacks.TensorBoard("logs"),
        ],
    )
    ```
    """

    def __init__(self):
        super().__init__()
        self._meter = None

    def measure(self, data, task):
        """The data, measured. `fit()` calls it.

        Args:
            data: what `fit()` was given as `x`.
            task: the task that is trained.
        """
        self._meter = None
        if not hasattr(data, "cardinality"):
            return data
        self._meter = InputMeter(task.backbone.frames_per_snippet)
        return self._meter.measured(data)

    def on_epoch_begin(self, epoch, logs=None):
        if self._meter is not None:
            self._meter.take()
        self._begun, self._ended = time.perf_counter(), None

    def on_train_batch_end(self, batch, logs=None):
        self._ended = time.perf_counter()

    def on_test_begin(self, logs=None):
        # Of the epoch that is validated: its steps have been made.
        self._ended = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        if self._meter is None:
            return
        seconds = (self._ended or time.perf_counter()) - self._begun
        frames, waited = self._meter.take()
        if logs is not None:
            logs["frames_per_second"] = frames / seconds
            logs["input_wait"] = min(waited / seconds, 1.0)
