from keras_mirasol.losses.next_latent import direction_loss
from keras_mirasol.losses.next_latent import next_snippet_mask


def past_latent_loss(joint_tokens, predicted, snippet_mask, lag=1):
    """How far predictions of an earlier snippet's joint tokens point from them.

    `1 - cos(predicted_t, stop_gradient(joint_tokens_{t-lag}))`, averaged over
    tokens and over pairs of snippets t - lag, t that both exist. What
    `next_latent_loss` is for what comes next, this is for what was: latents
    that pass it have kept it. Not in the paper.

    Args:
        joint_tokens: tensor of shape `(batch, T, m, dim)`.
        predicted: tensor of the same shape; `[:, t]` predicts snippet
            t - lag.
        snippet_mask: bool tensor `(batch, T)`, `True` for snippets that have
            video or audio.
        lag: int, at least 1. How many snippets earlier. Defaults to `1`.

    Returns:
        A scalar float32 tensor between 0 and 2; 0 where there is no such pair.

    Example:
    ```python
    joint_tokens = np.random.normal(size=(1, 3, 2, 8))
    predicted = np.roll(joint_tokens, 2, axis=1)
    mask = np.ones((1, 3), bool)
    keras_mirasol.losses.past_latent_loss(joint_tokens, predicted, mask, 2)  # 0
    ```
    """
    return direction_loss(
        joint_tokens[:, :-lag],
        predicted[:, lag:],
        next_snippet_mask(snippet_mask, snippet_mask, lag),
    )
