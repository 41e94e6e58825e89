"""Prediction of the next snippet's joint tokens."""

import keras

from keras_mirasol.layers.gelu import gelu


@keras.saving.register_keras_serializable(package="keras_mirasol")
class NextLatentPredictor(keras.layers.Layer):
    """Predicts the joint tokens of snippet t + 1 from the latents of t.

    A two-layer perceptron for each token; compared with the joint tokens
    by `keras_mirasol.losses.next_latent_loss` (Mirasol3B, latent prediction).

    Args:
        dim: int. Width of the tokens.
        mlp_dim: int. Width of the hidden layer. Defaults to `2 * dim`.
        **kwargs: see `keras.layers.Layer`.

    Call arguments:
        snippet_latents: tensor of shape `(batch, T, m, dim)`.

    Returns:
        A tensor of the same shape; `[:, t]` predicts the joint tokens of
        snippet t + 1.

    Example:
    ```python
    predictor = keras_mirasol.layers.NextLatentPredictor(dim=64)
    predictor(np.random.normal(size=(2, 5, 4, 64))).shape  # (2, 5, 4, 64)
    ```
    """

    def __init__(self, dim, mlp_dim=None, **kwargs):
        super().__init__(**kwargs)
        self.dim = dim
        self.mlp_dim = mlp_dim or 2 * dim
        self.hidden = keras.layers.Dense(
            self.mlp_dim,
            activation=gelu,
            dtype=self.dtype_policy,
            name="hidden",
        )
        self.prediction = keras.layers.Dense(
            dim, dtype=self.dtype_policy, name="prediction"
        )

    def build(self, snippet_latents_shape):
        self.hidden.build(snippet_latents_shape)
        self.prediction.build((*snippet_latents_shape[:-1], self.mlp_dim))

    def call(self, snippet_latents):
        return self.prediction(self.hidden(snippet_latents))

    def compute_output_shape(self, snippet_latents_shape):
        return snippet_latents_shape

    def get_config(self):
        return {
            **super().get_config(),
            "dim": self.dim,
            "mlp_dim": self.mlp_dim,
        }
