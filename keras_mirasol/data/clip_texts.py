"""Groups the questions about a clip into elements of a batch."""

import numpy as np
import tensorflow as tf

from keras_mirasol.data.salts import seed_of
from keras_mirasol.data.salts import with_salts


def num_groups(texts_per_clip, group_size):
    """How many groups clips have together.

    Args:
        texts_per_clip: array of ints. How many texts each clip has.
        group_size: int. How many texts a group has.

    Returns:
        An int.
    """
    return int(np.sum(-(-texts_per_clip // group_size)))


def group_texts(dataset, group_size, shuffle, seed):
    """Maps a clip with its texts to one element a group of these.

    Args:
        dataset: a `tf.data.Dataset` of dicts of `"index"`, `"clip"`,
            `"prompts"` and `"responses"`, of shape `(texts,)`.
        group_size: int. How many texts a group has. The last group of a clip
            is filled up with empty texts.
        shuffle: bool. Whether to shuffle the texts of each clip, anew in each
            pass.
        seed: int or None. Seeds the shuffle.

    Returns:
        A `tf.data.Dataset` of dicts: `"index"` and `"clip"` of the clip,
        `"prompts"`, `"responses"` and `"asked"`, which is False where a text
        fills up a group. The last three have shape `(group_size,)`, or `()`
        where that is 1.
    """

    def groups(item, salt=None):
        texts = tf.range(tf.size(item["prompts"]))
        if salt is not None:
            texts = tf.random.experimental.stateless_shuffle(
                texts, seed_of(salt, item["index"])
            )
        missing = -tf.size(texts) % group_size
        texts = tf.pad(texts, [(0, missing)], constant_values=-1)
        if group_size > 1:
            texts = tf.reshape(texts, (-1, group_size))
        return tf.data.Dataset.from_tensor_slices(texts).map(
            lambda group: {
                "index": item["index"],
                "clip": item["clip"],
                "prompts": _gather(item["prompts"], group),
                "responses": _gather(item["responses"], group),
                "asked": group >= 0,
            }
        )

    if not shuffle:
        return dataset.flat_map(groups)
    return with_salts(dataset, seed).flat_map(groups)


def _gather(texts, group):
    return tf.where(group < 0, "", tf.gather(texts, tf.maximum(group, 0)))
