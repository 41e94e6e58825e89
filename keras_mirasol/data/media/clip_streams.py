"""Reads the video and the audio of a clip side by side."""

import contextlib
import math
import operator
from fractions import Fraction

from keras_mirasol.data.manifest import MEDIA_KEYS
from keras_mirasol.data.media.audio_samples import SampleReader
from keras_mirasol.data.media.media_file import MediaFile
from keras_mirasol.data.media.video_frames import FrameReader

# What FFmpeg counts in 32 bits.
_TOO_LARGE = 2**31


class ClipStreams:
    """The streams of a clip, which are read on from where they stand.

    Args:
        source: path of a media file, or a line of a manifest.
        start, end, frame_rate, sampling_rate, image_size,
            crop_to_aspect_ratio, video, audio: as for `load_clip`, which says
            what is raised as well.
        in_step: bool. Whether the streams are read on by turns, so that none
            must wait for the other. Defaults to `True`; `False` reads a file
            in one pass, and each stream as a whole.

    Attributes:
        frame_rate: Fraction. Frames per second.
    """

    def __init__(
        self,
        source,
        *,
        start=None,
        end=None,
        frame_rate=8.0,
        sampling_rate=16000,
        image_size=None,
        crop_to_aspect_ratio=False,
        video=True,
        audio=True,
        in_step=True,
    ):
        if isinstance(source, dict):
            start = source.get("start") if start is None else start
            end = source.get("end") if end is None else end
        files = _files(source, video, audio)
        name = "' and '".join(str(path) for path, _ in files)
        self._start, end = _span(name, start, end)
        check_rates(frame_rate, sampling_rate, f" for '{name}'")
        self.frame_rate = as_fraction(frame_rate)
        image_size = height_and_width(image_size)
        self._readers, self._files = {}, {}
        # What is cut out of the middle is found for each stream by itself.
        in_one_pass = not in_step and not self._start
        with contextlib.ExitStack() as stack:
            for path, asked in files:
                opened = _open(path, asked, stack, in_one_pass)
                for kind, file in opened.items():
                    if kind == "video":
                        self._files["videos"] = file
                        self._readers["videos"] = FrameReader(
                            file,
                            self._start,
                            end,
                            self.frame_rate,
                            image_size,
                            crop_to_aspect_ratio,
                        )
                    else:
                        self._files["audio"] = file
                        self._readers["audio"] = SampleReader(
                            file, self._start, end, sampling_rate
                        )
            self._open_files = stack.pop_all()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._open_files.close()

    def read(self, **counts):
        """Reads on.

        Args:
            **counts: how many frames of `videos` and how many samples of
                `audio` to read. Default to all that are left.

        Returns:
            A dict of arrays; without what has ended.
        """
        read = {}
        for key, reader in self._readers.items():
            try:
                read[key] = reader.read(counts.get(key))
            except MemoryError as error:
                raise self._files[key].error(
                    f"its {key.removesuffix('s')} needs more memory than there "
                    "is. Choose a smaller `image_size`, `frame_rate` or "
                    "`sampling_rate`, or read spans of it with `iter_clip`."
                ) from error
        return {key: value for key, value in read.items() if value is not None}

    def error_of_start(self):
        """The `ValueError` that says that the clip ends before `start`."""
        # Which of two files does not matter.
        file = next(iter(self._files.values()))
        return file.error(
            f"`start` is {float(self._start)} s, at or beyond its end. Choose "
            "an earlier `start`."
        )


def as_fraction(number):
    """Takes 29.97002997 for the 30000/1001 that it stands for."""
    return Fraction(float(number)).limit_denominator(1_000_000)


def check_rates(frame_rate, sampling_rate, where=""):
    """Raises a `ValueError`, ending in `where`, unless both are rates."""
    if not 0 < frame_rate < math.inf:
        raise ValueError(
            "`frame_rate` must be a positive number of frames per second. "
            f"Received frame_rate={frame_rate}{where}."
        )
    if not 0 < sampling_rate < _TOO_LARGE or sampling_rate % 1:
        raise ValueError(
            "`sampling_rate` must be a positive int, samples per second. "
            f"Received sampling_rate={sampling_rate}{where}."
        )


def _files(source, video, audio):
    """Which files to open, and for which kinds of streams."""
    asked = {"video"} if video else set()
    asked |= {"audio"} if audio else set()
    if not asked:
        raise ValueError(
            f"Nothing was asked of {str(source)!r}: set `video` or `audio` to "
            "`True`."
        )
    if not isinstance(source, dict):
        return [(source, asked)]
    named = {key for key in MEDIA_KEYS if key in source} & {"media", *asked}
    if not named:
        raise ValueError(
            f"Expected a line of a manifest with {sorted({'media', *asked})}. "
            f"Received the keys: {sorted(source)}"
        )
    return [
        (source[key], asked if key == "media" else {key})
        for key in sorted(named)
    ]


def _open(path, asked, stack, in_one_pass):
    """The files that streams are read from, by the streams' kinds."""
    file = stack.enter_context(MediaFile(path))
    found = asked & file.kinds
    if not found:
        raise file.error(_missing_streams(asked, file.kinds))
    files = dict.fromkeys(sorted(found, reverse=True), file)
    if len(found) > 1 and in_one_pass:
        file.share()
    elif len(found) > 1:
        files["audio"] = stack.enter_context(MediaFile(path))
    return files


def _missing_streams(asked, kinds):
    found = f"only {min(kinds)}" if kinds else "neither video nor audio"
    return f"expected {' or '.join(sorted(asked))}, but it has {found}."


def _span(path, start, end):
    """The times as exact fractions."""
    for name, value in (("start", start), ("end", end)):
        if value is not None and not 0 <= value < math.inf:
            raise ValueError(
                f"`{name}` must be a time in seconds, not negative. Received "
                f"{name}={value} for '{path}'."
            )
    start = 0 if start is None else start
    if end is not None and start >= end:
        raise ValueError(
            "`start` must come before `end`. Received "
            f"start={start}, end={end} for '{path}'."
        )
    return as_fraction(start), None if end is None else as_fraction(end)


def height_and_width(image_size):
    """A size as a pair of ints, or None.

    Raises:
        ValueError: if it is not a positive int or a pair of them.
    """
    if image_size is None:
        return None
    try:
        if isinstance(image_size, (tuple, list)):
            height, width = map(operator.index, image_size)
        else:
            height = width = operator.index(image_size)
        is_size = 0 < height < _TOO_LARGE and 0 < width < _TOO_LARGE
    except (TypeError, ValueError):
        is_size = False
    if not is_size:
        raise ValueError(
            "`image_size` must be a positive int or a pair of them, height "
            f"and width. Received: image_size={image_size!r}"
        )
    return height, width
