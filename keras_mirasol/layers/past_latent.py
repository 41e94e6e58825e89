"""Prediction of an earlier snippet's joint tokens."""

import keras

from keras_mirasol.layers.next_latent import NextLatentPredictor


@keras.saving.register_keras_serializable(package="keras_mirasol")
class PastLatentPredictor(NextLatentPredictor):
    """Predicts the joint tokens of an earlier snippet from the latents of t.

    What `NextLatentPredictor` is, for another snippet: a head of its own,
    compared with the joint tokens by `keras_mirasol.losses.past_latent_loss`.
    The snippet Transformer learns by it to bring along what was before.

    Args:
        dim: int. Width of the tokens.
        mlp_dim: int. Width of the hidden layer. Defaults to `2 * dim`.
        **kwargs: see `keras.layers.Layer`.

    Call arguments:
        snippet_latents: tensor of shape `(batch, T, m, dim)`.

    Returns:
        A tensor of the same shape; `[:, t]` predicts the joint tokens of
        the snippet that lies as far before t as the loss is told.

    Example:
    ```python
    predictor = keras_mirasol.layers.PastLatentPredictor(dim=64)
    predictor(np.random.normal(size=(2, 5, 4, 64))).shape  # (2, 5, 4, 64)
    ```
    """
