"""Reads the clips of a manifest into a `tf.data.Dataset`."""

import dataclasses
import hashlib
import json
import os
import threading
import warnings

import numpy as np
import tensorflow as tf

from keras_mirasol.data.manifest import MEDIA_KEYS
from keras_mirasol.data.media import load_clip
from keras_mirasol.preprocessing.absent import NO_AUDIO
from keras_mirasol.preprocessing.absent import NO_VIDEO

_SPAN_KEYS = (*MEDIA_KEYS, "start", "end")


@dataclasses.dataclass
class Clip:
    """A span of media, and the manifest's lines about it by their numbers."""

    lines: dict

    @property
    def source(self):
        """One of the lines: they all name the same media and span."""
        return next(iter(self.lines.values()))

    @property
    def paths(self):
        return [self.source[key] for key in MEDIA_KEYS if key in self.source]


class ClipReader:
    """Decodes and preprocesses clips by their index.

    Args:
        clips: list of `Clip`s.
        preprocessor: has `frame_rate`, `sampling_rate` and `preprocess_clip`;
            or None, for raw clips.
        skip: bool. Whether to leave out clips that cannot be loaded.

    Attributes:
        dropped: dict. Why each clip that was left out could not be loaded, by
            its index.
    """

    def __init__(self, clips, preprocessor, *, skip):
        self.dropped = {}
        self._lock, self._warned_of = threading.Lock(), set()
        self._clips = clips
        self._preprocessor = preprocessor
        self._skip = skip
        self._rates = {}
        if preprocessor is not None:
            self._rates = {
                "frame_rate": preprocessor.frame_rate,
                "sampling_rate": preprocessor.sampling_rate,
            }

    def decode(self, indices, num_parallel):
        """Maps a dataset of indices to one of `(index, raw clip)`, in order."""
        dataset = indices.map(
            self._load, num_parallel_calls=num_parallel, deterministic=True
        )
        if self._skip:
            dataset = dataset.filter(lambda index, loaded, clip: loaded)
        return dataset.map(lambda index, loaded, clip: (index, clip))

    def preprocess(self, dataset, num_parallel):
        """Maps `(index, raw clip)` to `(index, clip)`, in order."""
        if self._preprocessor is None:
            return dataset
        return dataset.map(
            lambda index, clip: (
                index,
                self._preprocessor.preprocess_clip(
                    clip["videos"], clip["audio"]
                ),
            ),
            num_parallel_calls=num_parallel,
            deterministic=True,
        )

    def fingerprint(self, *, raw):
        """A short name for what determines the clips: media and settings.

        Args:
            raw: bool. Whether the clips are as decoded, not preprocessed.
        """
        media = [
            (
                {key: clip.source.get(key) for key in _SPAN_KEYS},
                *map(_version, clip.paths),
            )
            for clip in self._clips
        ]
        settings = [media, self._rates]
        if not raw:
            settings.append(getattr(self._preprocessor, "get_config", dict)())
        settings = json.dumps(settings, sort_keys=True, default=str)
        return hashlib.sha256(settings.encode()).hexdigest()[:16]

    def _load(self, index):
        loaded, videos, audio = tf.numpy_function(
            self._load_arrays,
            [index],
            [tf.bool, tf.uint8, tf.float32],
            stateful=False,
        )
        loaded.set_shape(())
        videos.set_shape((None, None, None, 3))
        audio.set_shape((None,))
        return index, loaded, {"videos": videos, "audio": audio}

    def _load_arrays(self, index):
        clip = self._load_or_drop(int(index))
        videos = clip.get("videos", NO_VIDEO)
        audio = clip.get("audio", NO_AUDIO)
        return np.bool_(clip), videos, audio

    def _load_or_drop(self, index):
        if index in self.dropped:
            return {}
        try:
            return load_clip(self._clips[index].source, **self._rates)
        except ValueError as error:
            if not self._skip:
                raise
            self._drop(index, error)
            return {}

    def _drop(self, index, reason):
        paths = tuple(self._clips[index].paths)
        # Clips are loaded by several threads.
        with self._lock:
            self.dropped[index] = str(reason)
            is_known = paths in self._warned_of
            self._warned_of.add(paths)
        if len(self.dropped) == len(self._clips):
            raise ValueError(
                f"No clip of the manifest can be loaded. The last: {reason}"
            )
        if not is_known:
            warnings.warn(f"Left out of the dataset: {reason}", stacklevel=2)


def _version(path):
    """What changes when a file is written anew."""
    if not os.path.exists(path):
        return None
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns
