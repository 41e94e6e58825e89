"""Pictures of clips, answers and training, made with Matplotlib."""

from keras_mirasol.visualization.clip import plot_clip
from keras_mirasol.visualization.evidence import plot_evidence
from keras_mirasol.visualization.history import plot_history
from keras_mirasol.visualization.memory import plot_memory
from keras_mirasol.visualization.picture import Picture
from keras_mirasol.visualization.retrieval import plot_retrieval

__all__ = [
    "Picture",
    "plot_clip",
    "plot_evidence",
    "plot_history",
    "plot_memory",
    "plot_retrieval",
]
