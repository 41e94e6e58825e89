"""Whether a text is about a clip."""

import keras

from keras_mirasol.layers.text_embedding import at_last_token


@keras.saving.register_keras_serializable(package="keras_mirasol")
class MatchingHead(keras.layers.Layer):
    """Tells whether a text and the clip that it attended to belong together.

    One dense unit on the decoder's hidden state at the last real token;
    trained by `keras_mirasol.losses.matching_loss`.

    Args:
        **kwargs: see `keras.layers.Layer`.

    Call arguments:
        hidden_states: tensor of shape `(texts, L, dim)`; L may vary.
        padding_mask: bool tensor of shape `(texts, L)`, `False` where text is
            padding.

    Returns:
        A tensor of shape `(texts,)`, the logits of the probabilities that
        text and clip match.

    Example:
    ```python
    head = keras_mirasol.layers.MatchingHead()
    hidden_states = np.random.normal(size=(3, 7, 64))  # (3, 7, 64)
    head(hidden_states, np.ones((3, 7), bool)).shape  # (3,)
    ```
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.logit = keras.layers.Dense(
            1, dtype=self.dtype_policy, name="logit"
        )

    def build(self, hidden_states_shape, padding_mask_shape=None):
        self.logit.build((None, hidden_states_shape[-1]))

    def call(self, hidden_states, padding_mask):
        return self.logit(at_last_token(hidden_states, padding_mask))[:, 0]

    def compute_output_shape(self, hidden_states_shape, *_, **__):
        return hidden_states_shape[:1]
