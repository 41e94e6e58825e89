"""Raw clips and texts to what the model reads, as TensorFlow graphs."""

from keras_mirasol.preprocessing.clip_features import ClipConverter
from keras_mirasol.preprocessing.graph import in_graph
from keras_mirasol.preprocessing.log_mel import log_mel
from keras_mirasol.preprocessing.resizing import resize_frames
from keras_mirasol.preprocessing.snippets import count_snippets
from keras_mirasol.preprocessing.snippets import fit_length
from keras_mirasol.preprocessing.snippets import snippet_bucket
from keras_mirasol.preprocessing.stacking import stack_padded
from keras_mirasol.preprocessing.text_packing import pack_texts

__all__ = [
    "ClipConverter",
    "count_snippets",
    "fit_length",
    "in_graph",
    "log_mel",
    "pack_texts",
    "resize_frames",
    "snippet_bucket",
    "stack_padded",
]
