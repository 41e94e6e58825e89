"""Media files and manifests to `tf.data`, and generated corpora."""

from keras_mirasol.data import sounding_shapes
from keras_mirasol.data.augmentation.clip_augmentation import ClipAugmentation
from keras_mirasol.data.clip_dataset import clip_dataset
from keras_mirasol.data.clip_source import ClipSource
from keras_mirasol.data.clip_source import pad_batch
from keras_mirasol.data.group_lines import group_lines
from keras_mirasol.data.manifest import read_manifest
from keras_mirasol.data.manifest import write_manifest
from keras_mirasol.data.media.load_clip import iter_clip
from keras_mirasol.data.media.load_clip import load_clip
from keras_mirasol.data.media.write_clip import write_clip
from keras_mirasol.data.records.beam import write_records_with_beam
from keras_mirasol.data.records.records_dataset import records_dataset
from keras_mirasol.data.records.write_records import write_records

__all__ = [
    "ClipAugmentation",
    "ClipSource",
    "clip_dataset",
    "group_lines",
    "iter_clip",
    "load_clip",
    "pad_batch",
    "read_manifest",
    "records_dataset",
    "sounding_shapes",
    "write_clip",
    "write_manifest",
    "write_records",
    "write_records_with_beam",
]
