"""The clips of the ablation: sounding shapes of 4 seconds, as features.

Each clip has four events of 0.5 to 2 seconds, so that neither the place of an
event nor its duration is known beforehand, and what is asked across events is
asked across up to twelve snippets of a quarter second.
"""

import dataclasses

import keras
import numpy as np

from keras_mirasol import models
from keras_mirasol.data import sounding_shapes

FRAME_RATE = 4
AUDIO_FRAME_RATE = 20
SECONDS = 4
IMAGE_SIZE = 24
NUM_MELS = 32
VOCABULARY_SIZE = 512
# What the longest text takes.
SEQUENCE_LENGTH = 16
# How many questions of each kind a clip is asked at once.
ASKED = {
    "seen": 4,
    "heard": 2,
    "fused": 6,
    "order": 5,
    "relay": 5,
    "caption": 2,
}
# Half a second of one event, to learn the words on.
MOMENT_FRAMES = FRAME_RATE // 2
MOMENT_AUDIO_FRAMES = AUDIO_FRAME_RATE // 2
SOUND_SECONDS = 0.5
# As scenes are rendered.
RENDERED_RATE = 16


def long_scene(index, seed):
    """A scene whose events last twice as long as in the style `night`.

    Sounds have the length that they have in the style `day`: what is heard at
    the beginning of an event is over while its picture stays.
    """
    day, night = (
        sounding_shapes.corpus_scene(index, seed=seed, style=style)
        for style in ("day", "night")
    )
    return dataclasses.replace(
        day,
        events=tuple(
            dataclasses.replace(
                event,
                seconds=2 * model.seconds,
                sounding=SOUND_SECONDS / (2 * model.seconds),
            )
            for event, model in zip(day.events, night.events, strict=True)
        ),
    )


def clip_of(scene):
    """A clip of a scene, as `load_clip` would return it of its file."""
    every = RENDERED_RATE // FRAME_RATE
    frames = sounding_shapes.render_frames(scene)
    return {
        "videos": frames[every // 2 :: every],
        "audio": sounding_shapes.render_audio(scene),
    }


def build_preprocessor(seed, num_clips=256):
    """A preprocessor with tokenizer and converters of the corpus."""
    scenes = [long_scene(index, seed) for index in range(num_clips)]
    lines = [
        question
        for scene in scenes
        for kind in (*ASKED, "moment")
        for question in sounding_shapes.questions(scene, kind)
    ]
    preprocessor = models.MirasolCausalLMPreprocessor(
        models.MirasolVideoConverter(IMAGE_SIZE, frame_rate=FRAME_RATE),
        models.MirasolAudioConverter(
            NUM_MELS, audio_frame_rate=AUDIO_FRAME_RATE
        ),
        models.MirasolTokenizer.train(lines, VOCABULARY_SIZE),
        frames_per_snippet=1,
        audio_frames_per_snippet=AUDIO_FRAME_RATE // FRAME_RATE,
    )
    preprocessor.adapt(map(clip_of, scenes), num_clips=None)
    return preprocessor


class Corpus:
    """Features of clips, and tokens of all that can be asked about them.

    Args:
        preprocessor: a `MirasolCausalLMPreprocessor`.
        num_clips: int.
        seed: int. Of the scenes.
    """

    def __init__(self, preprocessor, num_clips, seed):
        scenes = [long_scene(index, seed) for index in range(num_clips)]
        clips = [clip_of(scene) for scene in scenes]
        features = [
            preprocessor.preprocess_clip(clip["videos"], clip["audio"])
            for clip in clips
        ]
        self.pixel_values, self.audio_features = (
            np.stack([np.asarray(clip[name], "float16") for clip in features])
            for name in ("pixel_values", "audio_features")
        )
        self.starts = np.array(
            [
                np.cumsum([0.0, *(event.seconds for event in scene.events)])[:4]
                for scene in scenes
            ]
        )
        self.texts = {
            kind: _tokens(
                preprocessor,
                [sounding_shapes.questions(scene, kind) for scene in scenes],
            )
            for kind in (*ASKED, "moment")
        }

    def clips(self, indices, rng):
        """A batch of whole clips, each with some of its questions."""
        chosen = {
            kind: rng.permuted(
                np.tile(
                    np.arange(self.texts[kind][1].shape[1]), (len(indices), 1)
                ),
                axis=1,
            )[:, :count]
            for kind, count in ASKED.items()
        }
        texts = keras.tree.map_structure(
            lambda *parts: np.concatenate(parts, axis=1),
            *(
                _taken(self.texts[kind], indices[:, None], places)
                for kind, places in chosen.items()
            ),
        )
        return _with_clips(
            self.pixel_values[indices], self.audio_features[indices], texts
        )

    def moments(self, indices, rng):
        """A batch of half seconds of one event each, with four texts."""
        events = rng.integers(4, size=len(indices))
        begun = self.starts[indices, events]
        pixels = _spans(
            self.pixel_values[indices],
            (begun * FRAME_RATE).astype(int),
            MOMENT_FRAMES,
        )
        audio = _spans(
            self.audio_features[indices],
            (begun * AUDIO_FRAME_RATE).astype(int),
            MOMENT_AUDIO_FRAMES,
        )
        # Four prompts, of four events each.
        places = 4 * np.arange(4) + events[:, None]
        texts = _taken(self.texts["moment"], indices[:, None], places)
        return _with_clips(pixels, audio, texts)


def _tokens(preprocessor, questions):
    """Inputs, targets and weights of `(clips, questions)` texts."""
    prompts, responses = (
        np.array([[q[key] for q in asked] for asked in questions])
        for key in ("prompt", "response")
    )
    return keras.tree.map_structure(
        np.asarray,
        preprocessor.preprocess_texts(prompts, responses, SEQUENCE_LENGTH),
    )


def _taken(texts, clips, places):
    return keras.tree.map_structure(lambda x: x[clips, places], texts)


def _spans(x, starts, length):
    """Of each row the values from its start on."""
    rows = np.arange(len(x))[:, None]
    return x[rows, starts[:, None] + np.arange(length)]


def _with_clips(pixel_values, audio_features, texts):
    x, y, sample_weight = texts
    x = {
        **x,
        "pixel_values": pixel_values.astype("float32"),
        "audio_features": audio_features.astype("float32"),
    }
    return x, y, sample_weight


def in_snippets(batch, frames_per_snippet):
    """A batch with masks, its clips filled up to whole snippets."""
    x, y, sample_weight = batch
    frames = x["pixel_values"].shape[1]
    missing = -frames % frames_per_snippet
    per_frame = AUDIO_FRAME_RATE // FRAME_RATE
    snippets = (frames + missing) // frames_per_snippet
    here = np.ones((len(y), snippets), bool)
    x = {
        **x,
        "pixel_values": _filled(x["pixel_values"], missing),
        "audio_features": _filled(x["audio_features"], missing * per_frame),
        "video_mask": here,
        "audio_mask": here,
    }
    return x, y, sample_weight


def _filled(x, missing):
    return np.pad(x, [(0, 0), (0, missing)] + [(0, 0)] * (x.ndim - 2))
