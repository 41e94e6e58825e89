import keras
from keras import ops

from keras_mirasol.losses.contrastive import NEVER
from keras_mirasol.losses.masked_mean import masked_mean


def matching_loss(matches, logits, mask):
    """Binary cross-entropy of whether a text and a clip belong together.

    Args:
        matches: bool tensor of shape `(n,)`, the truth.
        logits: float tensor of shape `(n,)`; see
            `keras_mirasol.layers.MatchingHead`.
        mask: bool tensor of shape `(n,)`, which count.

    Returns:
        A scalar float32 tensor, in nats; 0 if none counts.

    Example:
    ```python
    loss = keras_mirasol.losses.matching_loss(
        np.array([True, False]), np.zeros(2), np.array([True, True])
    )  # log(2)
    ```
    """
    cross_entropy = ops.binary_crossentropy(
        ops.cast(matches, "float32"),
        ops.cast(logits, "float32"),
        from_logits=True,
    )
    return masked_mean(cross_entropy, mask)


def hard_negatives(logits, negatives, seed):
    """Draws a negative for each row: the more alike, the more often.

    A candidate k of row i is drawn with a probability in proportion to
    `exp(logits[i, k])` (Li et al., 2021, ALBEF, section 3.2).

    Args:
        logits: float tensor of shape `(rows, candidates)`; no gradient flows
            into it.
        negatives: bool tensor of that shape, what may be drawn; see
            `text_clip_pairs`.
        seed: a `keras.random.SeedGenerator` or an int.

    Returns:
        A pair of an int tensor of shape `(rows,)`, the candidates drawn, and
        a bool tensor of that shape, `False` for rows without a negative: what
        is drawn for these is to be ignored.

    Example:
    ```python
    drawn, found = keras_mirasol.losses.hard_negatives(
        np.zeros((1, 3)), np.array([[False, True, False]]), seed=0
    )
    drawn[0]  # 1
    ```
    """
    negatives = ops.cast(negatives, "bool")
    logits = ops.stop_gradient(ops.cast(logits, "float32"))
    drawn = keras.random.categorical(
        ops.where(negatives, logits, NEVER), 1, dtype="int32", seed=seed
    )
    return drawn[:, 0], ops.any(negatives, axis=1)
