"""Random masking of joint tokens."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_mirasol")
class JointTokenMasking(keras.layers.Layer):
    """Hides some joint tokens from the snippet Transformer, in training only.

    Each token is replaced with probability `rate`, on its own, by a learned
    mask token, so that the snippets around it have to tell what it was. In
    evaluation, prediction and generation all tokens pass unchanged.

    Args:
        rate: float in `[0, 1)`. Share of the tokens to replace.
        seed: int. Makes the choice reproducible. Defaults to `None`.
        **kwargs: see `keras.layers.Layer`.

    Call arguments:
        joint_tokens: tensor of shape `(batch, T, m, dim)`.
        training: bool. Whether to replace any.

    Returns:
        A tensor of the shape of `joint_tokens`.

    Raises:
        ValueError: if `rate` is not in `[0, 1)`.

    Example:
    ```python
    masking = keras_mirasol.layers.JointTokenMasking(rate=0.2, seed=0)
    joint_tokens = np.random.normal(size=(2, 5, 4, 64))
    masking(joint_tokens, training=True).shape  # (2, 5, 4, 64)
    ```
    """

    def __init__(self, rate, seed=None, **kwargs):
        super().__init__(**kwargs)
        if not 0 <= rate < 1:
            raise ValueError(
                "`rate` must be a share of tokens, at least 0 and less than "
                f"1. Received: {rate}"
            )
        self.rate = rate
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, joint_tokens_shape):
        self.mask_token = self.add_weight(
            shape=joint_tokens_shape[-1:],
            initializer=keras.initializers.RandomNormal(stddev=0.5),
            name="mask_token",
        )

    def call(self, joint_tokens, training=None):
        if not training:
            return joint_tokens
        chance = keras.random.uniform(
            ops.shape(joint_tokens)[:-1],
            dtype="float32",
            seed=self.seed_generator,
        )
        return ops.where(
            (chance < self.rate)[..., None],
            ops.cast(self.mask_token, joint_tokens.dtype),
            joint_tokens,
        )

    def compute_output_shape(self, joint_tokens_shape):
        return joint_tokens_shape

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}
