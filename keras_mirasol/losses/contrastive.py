from keras import ops

from keras_mirasol.losses.masked_mean import masked_mean

# Far below any logit, but finite: infinities would make gradients NaN.
NEVER = -1e9


def contrastive_loss(logits, pairs, negatives):
    """Symmetric InfoNCE: pairs are to be more alike than their negatives.

    A pair of text i and clip c, with the logit `s_ic`, has the loss

    ```
    - 1/2 log( exp(s_ic) / (exp(s_ic) + sum of exp(s_ik) over negatives k) )
    - 1/2 log( exp(s_ic) / (exp(s_ic) + sum of exp(s_kc) over negatives k) )
    ```

    so that other texts of the same clip, and equal texts of other clips, do
    not count against it.

    Args:
        logits: float tensor of shape `(texts, clips)`, similarities over a
            temperature; see `keras_mirasol.layers.ScaledSimilarity`.
        pairs: bool tensor of that shape, what belongs together.
        negatives: bool tensor of that shape, what does not; see
            `text_clip_pairs`.

    Returns:
        A scalar float32 tensor, the mean over pairs; 0 where there is no pair
        or no negative.

    Example:
    ```python
    loss = keras_mirasol.losses.contrastive_loss(
        np.zeros((4, 4)), np.eye(4) > 0, np.eye(4) == 0
    )  # log(4)
    ```
    """
    logits = ops.cast(logits, "float32")
    against = ops.where(negatives, logits, NEVER)
    # -log(e^s / (e^s + e^n)) = softplus(n - s)
    of_clips = ops.softplus(
        ops.logsumexp(against, axis=1, keepdims=True) - logits
    )
    of_texts = ops.softplus(
        ops.logsumexp(against, axis=0, keepdims=True) - logits
    )
    return masked_mean((of_clips + of_texts) / 2, pairs)
