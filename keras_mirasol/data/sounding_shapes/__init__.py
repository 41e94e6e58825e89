"""Sounding shapes: generated clips whose questions need eyes, ears or both."""

from keras_mirasol.data.sounding_shapes.corpus import corpus_scene
from keras_mirasol.data.sounding_shapes.corpus import write_corpus
from keras_mirasol.data.sounding_shapes.frames import render_frames
from keras_mirasol.data.sounding_shapes.questions import EXTRA_KINDS
from keras_mirasol.data.sounding_shapes.questions import KINDS
from keras_mirasol.data.sounding_shapes.questions import questions
from keras_mirasol.data.sounding_shapes.scene import COLOURS
from keras_mirasol.data.sounding_shapes.scene import SHAPES
from keras_mirasol.data.sounding_shapes.scene import SOUNDS
from keras_mirasol.data.sounding_shapes.scene import Event
from keras_mirasol.data.sounding_shapes.scene import Scene
from keras_mirasol.data.sounding_shapes.scene import sample_scene
from keras_mirasol.data.sounding_shapes.sounds import render_audio

__all__ = [
    "COLOURS",
    "EXTRA_KINDS",
    "KINDS",
    "SHAPES",
    "SOUNDS",
    "Event",
    "Scene",
    "corpus_scene",
    "questions",
    "render_audio",
    "render_frames",
    "sample_scene",
    "write_corpus",
]
