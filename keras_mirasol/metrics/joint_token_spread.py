"""Whether joint tokens still tell snippets apart."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_mirasol")
class JointTokenSpread(keras.metrics.Mean):
    """How much the joint tokens of snippets differ: 0 if they have collapsed.

    Prediction of the next snippet's joint tokens is easiest if all snippets
    have the same. The spread is `1 - cosine`, averaged over all pairs of
    different snippets in a batch, of whatever clips, and over the `m` places
    in a snippet; only tokens in the same place are compared. With `n`
    snippets and the tokens of a place scaled to `u_1, ..., u_n` of length 1,
    that is

    ```
    1 - (|u_1 + ... + u_n|^2 - n) / (n (n - 1))
    ```

    0 for snippets that are all alike, 1 for those that point anywhere. A
    batch with fewer than two snippets does not count.

    Args:
        name: str. Defaults to `"joint_token_spread"`.
        **kwargs: see `keras.metrics.Mean`.

    Example:
    ```python
    spread = keras_mirasol.metrics.JointTokenSpread()
    joint_tokens = np.array([[[[3.0, 0.0]], [[0.0, 0.5]]]])  # (1, 2, 1, 2)
    spread(joint_tokens, np.ones((1, 2), bool))  # 1.0
    ```
    """

    def __init__(self, name="joint_token_spread", **kwargs):
        super().__init__(name=name, **kwargs)

    def update_state(self, joint_tokens, snippet_mask):
        """Adds a batch.

        Args:
            joint_tokens: tensor of shape `(batch, T, m, dim)`.
            snippet_mask: bool tensor `(batch, T)`, which snippets count.
        """
        spread, weight = spread_of(joint_tokens, snippet_mask)
        super().update_state(spread, sample_weight=weight)


def spread_of(joint_tokens, snippet_mask):
    """The spread of a batch, and its weight: 0 with fewer than two snippets."""
    mask = ops.cast(snippet_mask, "bool")
    tokens = ops.stop_gradient(ops.cast(joint_tokens, "float32"))
    tokens = ops.where(
        mask[:, :, None, None], ops.normalize(tokens, axis=-1), 0
    )
    total = ops.sum(tokens, axis=(0, 1))
    count = ops.sum(ops.cast(mask, "float32"))
    pairs = ops.maximum(count * (count - 1), 1)
    cosines = (ops.sum(ops.square(total), axis=-1) - count) / pairs
    return 1 - ops.mean(cosines), ops.cast(count > 1, "float32")
