"""Seeds for what is drawn at random in a `tf.data` pipeline."""

import tensorflow as tf

# What `seed_of()` adds to a salt; the order of a clip's texts adds the clip's
# index, from 0 on.
AUGMENTATION = -1
MODALITY_DROPOUT = -2
SPECTROGRAM_MASKING = -3


def with_salts(dataset, seed):
    """Zips a dataset with random numbers to seed stateless draws with.

    Args:
        dataset: a `tf.data.Dataset`.
        seed: int or None. Makes the numbers of all passes reproducible.

    Returns:
        A `tf.data.Dataset` of `(element, salt)`; the salts, int64, are other
        ones in each pass. With the same `seed` every dataset gets the same:
        a draw adds something of its own to the salt, by `seed_of()`.
    """
    salts = tf.data.Dataset.random(seed, rerandomize_each_iteration=True)
    return tf.data.Dataset.zip(dataset, salts)


def seed_of(salt, draw):
    """The seed of one of the draws that have a salt in common."""
    return tf.stack([tf.cast(salt, tf.int64), tf.cast(draw, tf.int64)])
