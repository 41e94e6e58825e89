"""The clips of a manifest's media files, as a `tf.data.Dataset`."""

import os

import numpy as np
import tensorflow as tf

from keras_mirasol.data.clip_loader import ClipLoader
from keras_mirasol.data.clip_loader import rates_of
from keras_mirasol.data.manifest import MEDIA_KEYS
from keras_mirasol.preprocessing.absent import NO_AUDIO

_SPAN_KEYS = (*MEDIA_KEYS, "start", "end")


class FileClips:
    """Clips that are decoded from media files.

    `clip_batches` takes it, and anything else with these methods.

    Args:
        clips: list of `Clip`s.
        settings: dict. Further arguments of `load_clip`.
        skip: bool. Whether to leave out clips that cannot be loaded.

    Attributes:
        num_clips: int.
        texts_per_clip: array of ints. How many texts each clip has.
        rates: dict. `frame_rate` and `sampling_rate`, where they are not
            those of `load_clip`.
        may_drop: bool. Whether clips may be left out, so that no one knows
            how many there will be.
    """

    def __init__(self, clips, settings, *, skip):
        self.num_clips = len(clips)
        counts = [len(clip.lines) for clip in clips]
        self.texts_per_clip = np.array(counts)
        self.rates = rates_of(settings)
        self.may_drop = skip
        self._load = ClipLoader(clips, settings, skip=skip)
        # Frames of one size have it even where there are none.
        self._frame_size = tuple(settings.get("image_size") or (None, None))
        self._first_line = np.cumsum([0, *counts])
        lines = [line for clip in clips for line in clip.lines.values()]
        self._texts = {
            "prompts": tf.constant([line["prompt"] for line in lines]),
            "responses": tf.constant([line["response"] for line in lines]),
        }

    def dataset(self, shuffle, seed, num_parallel):
        """A `tf.data.Dataset` of a pass.

        Args:
            shuffle: bool. Whether to shuffle, anew in each pass.
            seed: int or None. Seeds the shuffle.
            num_parallel: int. Clips to decode at a time.

        Returns:
            A dataset of dicts of `"index"` and `"clip"`, a dict of `"videos"`
            and `"audio"`.
        """
        dataset = tf.data.Dataset.range(self.num_clips)
        if shuffle:
            dataset = dataset.shuffle(self.num_clips, seed)
        dataset = dataset.map(
            self._read, num_parallel_calls=num_parallel, deterministic=True
        )
        if self.may_drop:
            dataset = dataset.filter(lambda loaded, item: loaded)
        return dataset.map(lambda loaded, item: item)

    def with_texts(self, item):
        """Adds `"prompts"` and `"responses"`, of shape `(texts,)`.

        After a cache: other texts about the same media need no other cache.
        """
        first_line = tf.constant(self._first_line)
        first, last = tf.unstack(tf.gather(first_line, item["index"] + [0, 1]))
        texts = {key: texts[first:last] for key, texts in self._texts.items()}
        return {**item, **texts}

    def identity(self):
        """What determines the clips, to be written as JSON."""
        media = [
            (
                {key: clip.source.get(key) for key in _SPAN_KEYS},
                *map(version, clip.paths),
            )
            for clip in self._load.clips
        ]
        return [media, self._load.settings]

    def name_of(self, index):
        """What a clip is called: its `"id"`, or its file and where in it."""
        clip = self._load.clips[index]
        if "id" in clip.source:
            return str(clip.source["id"])
        span = (f"{clip.source.get(key, '')}" for key in ("start", "end"))
        span = "-".join(span)
        return ", ".join(map(str, clip.paths)) + (
            f" ({span} s)" if span != "-" else ""
        )

    def report(self):
        """The `ClipReport` of what was left out so far."""
        return self._load.report()

    def _read(self, index):
        loaded, videos, audio = tf.numpy_function(
            self._arrays,
            [index],
            [tf.bool, tf.uint8, tf.float32],
            stateful=False,
        )
        loaded.set_shape(())
        videos.set_shape((None, *self._frame_size, 3))
        audio.set_shape((None,))
        clip = {"videos": videos, "audio": audio}
        return loaded, {"index": index, "clip": clip}

    def _arrays(self, index):
        clip = self._load(int(index))
        if clip is None:
            self._load.check_some_are_left()
        return np.bool_(clip is not None), *arrays_of(
            clip or {}, self._frame_size
        )


def arrays_of(clip, frame_size=(None, None)):
    """The frames and the samples of a clip; none where it lacks a stream.

    Args:
        clip: dict as `load_clip` returns it.
        frame_size: pair of ints or None. Height and width of frames that are
            not there.

    Returns:
        A pair of arrays.
    """
    height, width = (size or 1 for size in frame_size)
    no_video = np.zeros((0, height, width, 3), "uint8")
    return clip.get("videos", no_video), clip.get("audio", NO_AUDIO)


def version(path):
    """What changes when a file is written anew."""
    if not os.path.exists(path):
        return None
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns
