"""One vector for a whole text."""

import keras
from keras import ops

from keras_mirasol.layers.clip_embedding import unit_vectors


@keras.saving.register_keras_serializable(package="keras_mirasol")
class TextEmbedding(keras.layers.Layer):
    """Embeds a text as a vector of length 1, to be compared with clips.

    `normalize(dense(x))` of the hidden state at the last real token, the only
    one that a causal decoder lets know the whole text.

    Args:
        embedding_dim: int. Size of the embedding.
        **kwargs: see `keras.layers.Layer`.

    Call arguments:
        hidden_states: tensor of shape `(texts, L, dim)`; L may vary.
        padding_mask: bool tensor of shape `(texts, L)`, `False` where text is
            padding.

    Returns:
        A tensor of shape `(texts, embedding_dim)`.

    Example:
    ```python
    embed = keras_mirasol.layers.TextEmbedding(embedding_dim=32)
    hidden_states = np.random.normal(size=(2, 7, 64))
    embed(hidden_states, np.ones((2, 7), bool)).shape  # (2, 32)
    ```
    """

    def __init__(self, embedding_dim, **kwargs):
        super().__init__(**kwargs)
        self.embedding_dim = embedding_dim
        self.projection = keras.layers.Dense(
            embedding_dim,
            use_bias=False,
            dtype=self.dtype_policy,
            name="projection",
        )

    def build(self, hidden_states_shape, padding_mask_shape=None):
        self.projection.build((None, hidden_states_shape[-1]))

    def call(self, hidden_states, padding_mask):
        last = at_last_token(hidden_states, padding_mask)
        return unit_vectors(self.projection(last))

    def compute_output_shape(self, hidden_states_shape, *_, **__):
        return (hidden_states_shape[0], self.embedding_dim)

    def get_config(self):
        return {**super().get_config(), "embedding_dim": self.embedding_dim}


def at_last_token(hidden_states, padding_mask):
    """The hidden state `(texts, dim)` at the last token that is no padding."""
    places = ops.arange(ops.shape(padding_mask)[1], dtype="int32")
    real = ops.where(ops.cast(padding_mask, "bool"), places, 0)
    last = ops.equal(places, ops.max(real, axis=1, keepdims=True))
    return ops.sum(ops.where(last[:, :, None], hidden_states, 0), axis=1)
