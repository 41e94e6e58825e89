"""The objective of text."""

from keras_mirasol import losses
from keras_mirasol.models.objectives.objective import Objective


class TextObjective(Objective):
    """The tokens of responses, each from those before it and the clip."""

    name = "text"

    def connect(self, backbone, read):
        return {
            "logits": backbone.token_embedding(
                read["sequence_output"], reverse=True
            )
        }

    def loss(self, x, y, y_pred, sample_weight, training):
        return losses.text_loss(y, y_pred["logits"], sample_weight)
