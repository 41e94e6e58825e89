"""Mean and deviation of clips, for the converters to adapt to."""

import itertools
import os
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from keras_mirasol.data.group_lines import group_lines
from keras_mirasol.data.manifest import lines_of
from keras_mirasol.data.media.load_clip import load_clip
from keras_mirasol.preprocessing.clip_inputs import clip_signals
from keras_mirasol.preprocessing.clip_inputs import signals_of


class RunningMoments:
    """Mean and standard deviation of each entry of the last axis.

    Kept in float64 and merged array by array, so that no more than one array
    is in memory, and what is constant has a deviation of exactly zero.
    """

    def __init__(self):
        self.count = 0
        self.mean = 0.0
        self._squares = 0.0  # sum of squared distances from the mean

    def update(self, values):
        """Adds an array of shape `(..., entries)`."""
        values = np.asarray(values, "float64")
        values = values.reshape(-1, values.shape[-1])
        if not len(values):
            return
        mean = values.mean(axis=0)
        step = mean - self.mean
        total = self.count + len(values)
        self._squares = (
            self._squares
            + np.square(values - mean).sum(axis=0)
            + np.square(step) * (self.count * len(values) / total)
        )
        self.mean = self.mean + step * (len(values) / total)
        self.count = total

    @property
    def deviation(self):
        return np.sqrt(self._squares / max(self.count, 1))


def plain_floats(name, value, count):
    """A setting as a float, or as a list of `count` floats.

    Raises:
        ValueError: if it is neither.
    """
    array = np.asarray(value, "float64")
    if array.shape not in ((), (count,)):
        raise ValueError(
            f"`{name}` must be a number, or {count} of them. Received: an "
            f"array of shape {array.shape}"
        )
    return array.tolist()


def adapt_converters(converters, clips, expected):
    """Adapts each converter to its part of all clips, in one pass.

    Args:
        converters: list of converters.
        clips: iterable of as many arrays per clip, without length where a clip
            has none.
        expected: str. What was expected, for the error.

    Raises:
        ValueError: if there is nothing to adapt any converter to.
    """
    moments = [RunningMoments() for _ in converters]
    for clip in clips:
        for converter, signal, seen in zip(
            converters, clip, moments, strict=True
        ):
            if len(signal):
                seen.update(converter.unscaled(signal))
    if not any(seen.count for seen in moments):
        raise ValueError(
            f"There is nothing to adapt to. Expected {expected}. Received no "
            "frame of video and no spectrogram frame of audio."
        )
    for converter, seen in zip(converters, moments, strict=True):
        if seen.count:
            converter.normalize(seen.mean, seen.deviation)


def draw(items, num_clips):
    """Some of a sequence's items, always the same, in their order."""
    if num_clips is None or len(items) <= num_clips:
        return items
    chosen = np.random.default_rng(0).choice(
        len(items), num_clips, replace=False
    )
    return [items[index] for index in sorted(chosen)]


def signals(data, key, num_clips):
    """Arrays of `"videos"` or of `"audio"`, clip by clip.

    Args:
        data: array or ragged tensor of a clip or of a batch, or an iterable
            of these.
        key: `"videos"` or `"audio"`.
        num_clips: int or `None`. How many to look at: drawn from an array or
            a list, the first ones of other iterables.

    Returns:
        An iterator of arrays.
    """
    if hasattr(data, "shape"):
        return iter(draw(signals_of(data, key), num_clips))
    if isinstance(data, (list, tuple)):
        data = draw(data, num_clips)
    clips = (
        signal
        for item in data
        if item is not None
        for signal in signals_of(item, key)
    )
    return itertools.islice(clips, num_clips)


def raw_clips(data, num_clips, **settings):
    """Pairs of videos and audio, clip by clip.

    Args:
        data: path of a manifest, list of its lines, dict of raw clips, or an
            iterable of such dicts.
        num_clips: int or `None`. How many to look at: drawn from a manifest
            or a list, the first ones of other iterables.
        **settings: arguments of `load_clip` to read a manifest's clips.

    Returns:
        An iterator of pairs of arrays.
    """
    if isinstance(data, (str, os.PathLike)) or _is_list_of_lines(data):
        return _read(data, num_clips, settings)
    if isinstance(data, dict):
        data = [data]
    elif isinstance(data, (list, tuple)):
        data = draw(data, num_clips)
    pairs = (pair for item in data for pair in clip_signals(item))
    return itertools.islice(pairs, num_clips)


def _is_list_of_lines(data):
    return (
        isinstance(data, (list, tuple))
        and len(data) > 0
        and isinstance(data[0], dict)
        and "prompt" in data[0]
    )


def _read(manifest, num_clips, settings):
    """Reads clips of a manifest, a few at a time."""
    groups = group_lines(lines_of(manifest, "data"))
    sources = [next(iter(group.values())) for group in draw(groups, num_clips)]
    failures = []

    def load(source):
        try:
            return load_clip(source, **settings)
        except ValueError as error:
            failures.append(error)
            return {}

    at_a_time = os.cpu_count() or 1
    with ThreadPoolExecutor(at_a_time) as pool:
        for start in range(0, len(sources), at_a_time):
            for clip in pool.map(load, sources[start : start + at_a_time]):
                yield clip.get("videos", ()), clip.get("audio", ())
    if failures:
        warnings.warn(
            f"{len(failures)} of {len(sources)} clips could not be loaded, and "
            f"nothing was adapted to them. The first: {failures[0]}",
            stacklevel=2,
        )
