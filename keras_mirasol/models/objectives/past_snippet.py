"""The objective of what was: the joint tokens of an earlier snippet."""

from keras_mirasol import losses
from keras_mirasol.layers import PastLatentPredictor
from keras_mirasol.models.mirasol_backbone import snippet_mask
from keras_mirasol.models.mirasol_task import precision
from keras_mirasol.models.objectives.objective import Objective


class PastObjective(Objective):
    """The joint tokens of an earlier snippet.

    Args:
        weight: float.
        lag: int. How many snippets earlier.
    """

    name = "past"

    def __init__(self, weight, lag):
        super().__init__(weight)
        if not isinstance(lag, int) or lag < 1:
            raise ValueError(
                "`past_lag` must be how many snippets earlier to predict, an "
                f"int of at least 1. Received: {lag!r}"
            )
        self.lag = lag

    def connect(self, backbone, read):
        head = PastLatentPredictor(
            backbone.hidden_dim,
            dtype=precision(backbone),
            name="past_latent_predictor",
        )
        return {"past_joint_tokens": head(read["snippet_latents"])}

    def loss(self, x, y, y_pred, sample_weight, training):
        return losses.past_latent_loss(
            y_pred["joint_tokens"],
            y_pred["past_joint_tokens"],
            snippet_mask(x),
            self.lag,
        )

    def get_config(self):
        return {**super().get_config(), "past_lag": self.lag}
