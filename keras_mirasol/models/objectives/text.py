"""The objective of text."""

from keras import ops

from keras_mirasol.losses.masked_mean import masked_mean
from keras_mirasol.models.mirasol_task import text_rows
from keras_mirasol.models.objectives.next_tokens import score_next_tokens
from keras_mirasol.models.objectives.next_tokens import scores_of_logits
from keras_mirasol.models.objectives.objective import Objective


class TextObjective(Objective):
    """The tokens of responses, each from those before it and the clip."""

    name = "text"

    def connect(self, backbone, read):
        self._backbone = backbone
        return {
            "logits": backbone.token_embedding(
                read["sequence_output"], reverse=True
            )
        }

    def score(self, y, y_pred, sample_weight):
        """Cross-entropy of tokens, which are right, and weights of both.

        From logits, or, where there are none, from the hidden states.
        """
        if sample_weight is None:
            sample_weight = ops.ones_like(y, "float32")
        if "logits" in y_pred:
            return *scores_of_logits(y_pred["logits"], y), sample_weight
        return score_next_tokens(
            # Of a row per text.
            y_pred["sequence_output"],
            text_rows(y),
            text_rows(sample_weight),
            self._backbone.token_embedding,
            self._backbone.vocabulary_size,
        )

    def loss(self, x, y, y_pred, sample_weight, training):
        cross_entropy, _, weights = y_pred["next_tokens"]
        return masked_mean(cross_entropy, weights)
