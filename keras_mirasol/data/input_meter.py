"""Measures what a dataset gives, and how long one waits for it."""

import numpy as np
import tensorflow as tf


class InputMeter:
    """Counts the frames of the batches that are read, and the waiting for them.

    Args:
        frames_per_snippet: int. Frames of a snippet that has video.
    """

    def __init__(self, frames_per_snippet):
        self._frames_per_snippet = frames_per_snippet
        self._frames = self._seconds = 0

    def measured(self, dataset):
        """The same dataset, to be read by what waits for it.

        Args:
            dataset: a `tf.data.Dataset` of batches. The frames of those that
                have a `video_mask` are counted.

        Returns:
            A `tf.data.Dataset` of the same batches.
        """
        # Elements are drawn one after the other: time, batch, time.
        clock = tf.data.Dataset.counter().map(lambda _: tf.timestamp())
        length = dataset.cardinality()
        timed = tf.data.Dataset.zip(clock, dataset, clock).map(self._noted)
        return timed.apply(tf.data.experimental.assert_cardinality(length))

    def take(self):
        """Frames and seconds of waiting since the last time.

        Returns:
            A pair, an int and a float.
        """
        taken = self._frames, self._seconds
        self._frames = self._seconds = 0
        return taken

    def _noted(self, begun, batch, ended):
        x = batch[0] if isinstance(batch, tuple) else batch
        snippets = tf.reduce_sum(tf.cast(x.get("video_mask", 0), tf.int64))
        with tf.control_dependencies(
            [tf.numpy_function(self._note, [ended - begun, snippets], tf.int64)]
        ):
            return tf.nest.map_structure(tf.identity, batch)

    def _note(self, seconds, snippets):
        self._seconds += float(seconds)
        self._frames += int(snippets) * self._frames_per_snippet
        return np.int64(0)
