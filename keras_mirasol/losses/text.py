from keras import ops

from keras_mirasol.losses.masked_mean import masked_mean


def text_loss(token_ids, logits, sample_weight=None, axis=None):
    """Cross-entropy of the next token, averaged over weighted tokens.

    Args:
        token_ids: int tensor of shape `(..., L)`, the tokens to predict.
        logits: float tensor of shape `(..., L, vocabulary_size)`.
        sample_weight: float tensor of shape `(..., L)`, 1 for tokens of the
            response and 0 for those of the prompt and for padding. Defaults
            to `None`, all ones.
        axis: int or tuple of ints to average over, such as -1 for a loss a
            text. Defaults to `None`, all axes.

    Returns:
        A float32 tensor, in nats a token; a scalar unless `axis` leaves axes.

    Example:
    ```python
    loss = keras_mirasol.losses.text_loss(
        np.array([[1, 2]]), np.zeros((1, 2, 4)), np.array([[0.0, 1.0]])
    )  # log(4)
    ```
    """
    cross_entropy = token_cross_entropy(token_ids, logits)
    if sample_weight is None:
        sample_weight = ops.ones_like(cross_entropy)
    return masked_mean(cross_entropy, sample_weight, axis)


def token_cross_entropy(token_ids, logits):
    """The cross-entropy of each token, float32; arguments as above."""
    return ops.sparse_categorical_crossentropy(
        token_ids, ops.cast(logits, "float32"), from_logits=True
    )
