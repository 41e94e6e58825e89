"""Similarity of texts and clips, over a learned temperature."""

import math

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_mirasol")
class ScaledSimilarity(keras.layers.Layer):
    """Cosines of texts and clips, divided by a learned temperature.

    The temperature is learned as its logarithm, from 0.07 on, and kept from
    falling below 0.01: cosines are multiplied by 100 at most (Radford et al.,
    2021, section 2.5).

    Args:
        temperature: float. Initial temperature. Defaults to `0.07`.
        min_temperature: float. Least temperature; its inverse is the highest.
            Defaults to `0.01`.
        **kwargs: see `keras.layers.Layer`.

    Call arguments:
        text_embeddings: tensor of shape `(texts, dim)`, vectors of length 1.
        clip_embeddings: tensor of shape `(clips, dim)`, likewise.

    Returns:
        A tensor of shape `(texts, clips)`.

    Raises:
        ValueError: if not `0 < min_temperature <= temperature < 1`.

    Example:
    ```python
    similarity = keras_mirasol.layers.ScaledSimilarity(temperature=0.5)
    texts, clips = np.eye(4)[:3], np.eye(4)
    similarity(texts, clips).shape  # (3, 4)
    ```
    """

    def __init__(self, temperature=0.07, min_temperature=0.01, **kwargs):
        # Half precision would make close cosines equal.
        super().__init__(autocast=False, **kwargs)
        if not 0 < min_temperature <= temperature < 1:
            raise ValueError(
                "Expected 0 < `min_temperature` <= `temperature` < 1. "
                f"Received: min_temperature={min_temperature}, "
                f"temperature={temperature}"
            )
        self.temperature = temperature
        self.min_temperature = min_temperature

    def build(self, text_embeddings_shape=None, clip_embeddings_shape=None):
        self.log_temperature = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(math.log(self.temperature)),
            # Applied after each step: a limit in the call would have no
            # gradient to come back from beyond it.
            constraint=keras.constraints.MaxNorm(
                -math.log(self.min_temperature), axis=None
            ),
            autocast=False,
            name="log_temperature",
        )

    def call(self, text_embeddings, clip_embeddings):
        cosines = ops.matmul(
            ops.cast(text_embeddings, "float32"),
            ops.transpose(ops.cast(clip_embeddings, "float32")),
        )
        scaled = cosines * ops.exp(-self.log_temperature)
        return ops.cast(scaled, self.compute_dtype)

    def compute_output_shape(
        self, text_embeddings_shape, clip_embeddings_shape
    ):
        return (text_embeddings_shape[0], clip_embeddings_shape[0])

    def get_config(self):
        return {
            **super().get_config(),
            "temperature": self.temperature,
            "min_temperature": self.min_temperature,
        }
