"""What a task learns: of each objective the head, the loss and the weight."""

from keras_mirasol.models.objectives.next_snippet import FrameObjective
from keras_mirasol.models.objectives.next_snippet import LatentObjective
from keras_mirasol.models.objectives.next_snippet import SpectrogramObjective
from keras_mirasol.models.objectives.past_snippet import PastObjective
from keras_mirasol.models.objectives.text import TextObjective
from keras_mirasol.models.objectives.text_and_clip import ContrastiveObjective
from keras_mirasol.models.objectives.text_and_clip import MatchingObjective

__all__ = [
    "ContrastiveObjective",
    "FrameObjective",
    "LatentObjective",
    "MatchingObjective",
    "PastObjective",
    "SpectrogramObjective",
    "TextObjective",
]
