from keras import ops

from keras_mirasol.losses.masked_mean import masked_mean


def next_latent_loss(joint_tokens, predicted, snippet_mask):
    """How far predictions of the next snippet's joint tokens point from them.

    `1 - cos(predicted_t, stop_gradient(joint_tokens_{t+1}))`, averaged over
    tokens and over pairs of snippets t, t + 1 that both exist (Mirasol3B,
    latent prediction).

    Args:
        joint_tokens: tensor of shape `(batch, T, m, dim)`.
        predicted: tensor of the same shape; `[:, t]` predicts snippet t + 1.
        snippet_mask: bool tensor `(batch, T)`, `True` for snippets that have
            video or audio.

    Returns:
        A scalar float32 tensor between 0 and 2; 0 where there is no next
        snippet.

    Example:
    ```python
    joint_tokens = np.random.normal(size=(1, 3, 2, 8))
    predicted = np.roll(joint_tokens, -1, axis=1)
    mask = np.ones((1, 3), bool)
    keras_mirasol.losses.next_latent_loss(joint_tokens, predicted, mask)  # 0
    ```
    """
    return direction_loss(
        joint_tokens[:, 1:],
        predicted[:, :-1],
        next_snippet_mask(snippet_mask, snippet_mask),
    )


def direction_loss(target, predicted, mask):
    """Mean of `1 - cos(predicted, stop_gradient(target))` over tokens.

    Args:
        target: tensor of shape `(batch, pairs, m, dim)`.
        predicted: tensor of the same shape.
        mask: bool tensor `(batch, pairs)`, which pairs count.
    """
    target = ops.stop_gradient(ops.cast(target, "float32"))
    predicted = ops.cast(predicted, "float32")
    cosine = ops.sum(_unit(target) * _unit(predicted), axis=-1)
    mask = ops.broadcast_to(mask[:, :, None], ops.shape(cosine))
    return masked_mean(1 - cosine, mask)


def _unit(x):
    """Vectors scaled to length 1; those of almost no length stay short.

    `ops.normalize()` has no gradient for zeros but NaN.
    """
    squares = ops.sum(ops.square(x), axis=-1, keepdims=True)
    return x * ops.rsqrt(ops.maximum(squares, 1e-6))


def next_snippet_mask(snippet_mask, target_mask, lag=1):
    """Bool `(batch, T - lag)`: snippet t exists, t + lag has the target."""
    return ops.logical_and(
        ops.cast(snippet_mask[:, :-lag], "bool"),
        ops.cast(target_mask[:, lag:], "bool"),
    )
