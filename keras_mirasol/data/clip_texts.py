"""Attaches the questions of a manifest to its clips."""

import numpy as np
import tensorflow as tf

from keras_mirasol.data.salts import seed_of
from keras_mirasol.data.salts import with_salts


class ClipTexts:
    """The prompts and responses of each clip, in groups of equal size.

    Args:
        clips: list of `Clip`s.
        texts_per_clip: int. How many texts a group has. The last group of a
            clip is filled up with empty texts.

    Attributes:
        num_elements: int. How many groups all clips have together.
    """

    def __init__(self, clips, texts_per_clip):
        counts = [len(clip.lines) for clip in clips]
        self.num_elements = sum(-(-n // texts_per_clip) for n in counts)
        self._texts_per_clip = texts_per_clip
        self._first_line = np.cumsum([0, *counts])
        lines = [line for clip in clips for line in clip.lines.values()]
        self._prompts = tf.constant([line["prompt"] for line in lines])
        self._responses = tf.constant([line["response"] for line in lines])

    def attach(self, dataset, shuffle, seed):
        """Maps `(index, clip)` to one element a group of the clip's texts.

        Args:
            dataset: a `tf.data.Dataset` of `(index, clip)`.
            shuffle: bool. Whether to shuffle the lines of each clip, anew in
                each pass.
            seed: int or None. Seeds the shuffle.

        Returns:
            A `tf.data.Dataset` of dicts: `"clip"`, `"prompts"`, `"responses"`
            and `"asked"`, which is False where a text fills up a group. Of
            shape `(texts_per_clip,)`, or `()` where that is 1.
        """
        if not shuffle:
            return dataset.flat_map(self._elements)
        return with_salts(dataset, seed).flat_map(
            lambda clip, salt: self._elements(*clip, salt)
        )

    def _elements(self, index, clip, salt=None):
        first_line = tf.constant(self._first_line)
        lines = tf.range(first_line[index], first_line[index + 1])
        if salt is not None:
            lines = tf.random.experimental.stateless_shuffle(
                lines, seed_of(salt, index)
            )
        missing = -tf.size(lines) % self._texts_per_clip
        lines = tf.pad(lines, [(0, missing)], constant_values=-1)
        if self._texts_per_clip > 1:
            lines = tf.reshape(lines, (-1, self._texts_per_clip))
        return tf.data.Dataset.from_tensor_slices(lines).map(
            lambda group: {
                "clip": clip,
                "prompts": self._gather(self._prompts, group),
                "responses": self._gather(self._responses, group),
                "asked": group >= 0,
            }
        )

    def _gather(self, texts, lines):
        return tf.where(lines < 0, "", tf.gather(texts, tf.maximum(lines, 0)))
