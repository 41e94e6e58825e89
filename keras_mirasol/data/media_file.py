"""Opens a media file and decodes its streams, on one exact clock."""

from fractions import Fraction
from pathlib import Path

import av

# How much of a stream may be missing before the file counts as broken: a
# tenth of a second, or two frames of slow video.
_TOLERANCE = Fraction(1, 10)

# Decoders need what lies a little before the first frame that is wanted:
# pictures stored out of order, audio blocks that overlap. Where the container
# has no index, a jump may land behind a key frame: the next one goes further.
_PREROLLS = (Fraction(1, 2), Fraction(10))

# A longer gap between two frames is a broken clock, not a still picture.
_LONGEST_GAP = 3600

# No camera and no screen has more pixels; a damaged header may.
_MOST_PIXELS = 2**27

# The formats that state how long a stream is. For others FFmpeg estimates it
# from the bit rate or the last timestamp, which proves nothing.
_FORMATS_STATING_DURATION = {"mov", "avi", "flac"}

# FFmpeg takes any text for art to be shown on a terminal.
_TEXT_FORMATS = {"tty", "bin", "xbin", "adf", "idf"}

_EXPECTED = "expected video or audio in a format that FFmpeg reads"


class MediaFile:
    """A media file, of which the best video and audio stream are read.

    All times are `fractions.Fraction`s, in seconds since the file's zero: the
    earliest start of its video and audio, as in a player.

    Args:
        path: str or path. The file to read.

    Attributes:
        kinds: set. Which of `"video"` and `"audio"` the file has.

    Raises:
        ValueError: if the file is missing, a directory, empty or not media.
    """

    def __init__(self, path):
        self._path = str(path)
        _check_file(self._path)
        self._container, self._is_rewound = self._open(), True
        streams = _streams(self._container)
        starts = [_start(stream) for stream in streams.values()]
        self._zero = min(starts, default=Fraction(0))
        self.kinds = set(streams)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._container.close()

    def error(self, problem):
        """The `ValueError` that says what is wrong with this file."""
        return _error(self._path, problem)

    def stated_end(self, kind):
        """When the file says that a stream ends.

        Args:
            kind: `"video"` or `"audio"`.

        Returns:
            Fraction, in seconds, or None if its format does not state it.
        """
        end = _declared_end(_streams(self._container)[kind])
        return None if end is None else end - self._zero

    def decode(self, kind, start):
        """Decodes a stream from `start`, or shortly before, to its end.

        Args:
            kind: `"video"` or `"audio"`.
            start: Fraction. From when on frames are needed.

        Yields:
            `(begin, end, frame)`: when a PyAV frame begins and ends.

        Raises:
            ValueError: if the stream breaks off before its declared end, or
                part of it cannot be decoded.
        """
        for preroll in _PREROLLS:
            stream = self._rewound(kind)
            if not self._seek(stream, start - preroll):
                break
            frames = self._decode(stream)
            first = self._first(frames)
            if first is not None and first[0] <= start:
                yield first
                yield from frames
                return
        yield from self._decode(self._rewound(kind))

    def _open(self):
        try:
            container = av.open(self._path)
        except av.FFmpegError as error:
            raise self.error(_why_unreadable(self._path, error)) from error
        if container.format.name in _TEXT_FORMATS:
            container.close()
            raise self.error(f"{_EXPECTED}, received text.")
        return container

    def _rewound(self, kind):
        # Opened anew: seeking back to the start loses frames in MPEG-TS and
        # the first block of AAC in MP4.
        if not self._is_rewound:
            self._container.close()
            self._container, self._is_rewound = self._open(), True
        stream = _streams(self._container)[kind]
        if stream.codec_context is None:
            raise self.error(
                f"its {kind} is in a format for which there is no decoder. "
                "Convert it to H.264 and AAC in an MP4 file."
            )
        stream.codec_context.thread_count = 1
        stream.codec_context.options = {"max_pixels": str(_MOST_PIXELS)}
        return stream

    def _seek(self, stream, time):
        time += self._zero
        if time <= _start(stream):
            return False
        self._is_rewound = False
        try:
            self._container.seek(int(time / stream.time_base), stream=stream)
        except av.FFmpegError:
            return False
        return True

    def _first(self, frames):
        try:
            return next(frames)
        except ValueError:
            # If the file is at fault, decoding it from the start says so.
            return None

    def _decode(self, stream):
        self._is_rewound = False
        frame_time = _frame_time(stream)
        tolerance = max(_TOLERANCE, 2 * frame_time)
        reached, damage = None, None
        for packet in self._packets(stream):
            try:
                frames = packet.decode()
            except av.InvalidDataError as error:
                frames, damage = (), error.strerror
            except av.FFmpegError as error:
                raise self.error(
                    f"its {stream.type} cannot be decoded ({error.strerror}). "
                    "Convert it to H.264 and AAC in an MP4 file."
                ) from error
            for frame in frames:
                if frame.pts is None:
                    raise self.error(
                        f"its {stream.type} has no timestamps. Put it into a "
                        "container that has them, such as MP4 or Matroska."
                    )
                begin = frame.pts * frame.time_base - self._zero
                end = begin + _duration(frame, frame_time)
                if end - begin > _LONGEST_GAP:
                    raise self.error(
                        f"a frame of its {stream.type} at {float(begin):.2f} "
                        f"s lasts {float(end - begin):.0f} s: its clock is "
                        "damaged. Fetch or encode the file again."
                    )
                if packet.is_corrupt or frame.is_corrupt:
                    damage = "incomplete data"
                gap = 0 if reached is None else begin - reached
                if not -tolerance <= gap <= _LONGEST_GAP:
                    raise self.error(
                        f"the timestamps of its {stream.type} jump from "
                        f"{float(reached):.2f} s to {float(begin):.2f} s, as "
                        "in files joined from parts. Encode it again."
                    )
                if damage and gap > tolerance:
                    raise self.error(
                        f"its {stream.type} is damaged from "
                        f"{float(reached):.2f} s to {float(begin):.2f} s "
                        f"({damage}). Fetch or encode the file again."
                    )
                yield begin, end, frame
                reached = max(reached or end, end)
        self._check_reached(stream, reached, tolerance, damage)

    def _packets(self, stream):
        try:
            yield from self._container.demux(stream)
        except av.FFmpegError as error:
            # If the file declares its end, the time reached tells whether
            # this is too early.
            if _declared_end(stream) is None:
                raise self.error(
                    f"its {stream.type} cannot be read to the end "
                    f"({error.strerror}). Fetch or encode the file again."
                ) from error

    def _check_reached(self, stream, reached, tolerance, damage):
        if reached is None:
            raise self.error(
                f"no frame of its {stream.type} can be decoded "
                f"({damage or 'the stream is empty'}). Fetch or encode the "
                "file again, or leave this stream out."
            )
        declared = _declared_end(stream)
        if declared is not None and declared - self._zero - reached > tolerance:
            raise self.error(
                f"its {stream.type} breaks off at {float(reached):.2f} s, but "
                f"the file declares {float(declared - self._zero):.2f} s. It "
                "is truncated: fetch or encode it again, or set `end` before "
                "the break."
            )


def _error(path, problem):
    return ValueError(f"Cannot load media file '{path}': {problem}")


def _check_file(path):
    if not Path(path).exists():
        raise _error(path, "it does not exist. Check the path.")
    if Path(path).is_dir():
        raise _error(path, "it is a directory. Give the path of a file.")
    if not Path(path).stat().st_size:
        raise _error(path, "it is empty (0 bytes). Fetch or encode it again.")


def _why_unreadable(path, error):
    with open(path, "rb") as file:
        is_mp4 = file.read(8)[4:] == b"ftyp"
    if is_mp4:
        return (
            "it begins as an MP4 file but has no readable index (`moov`), so "
            "it was cut off while it was written or copied. Fetch or encode "
            "it again."
        )
    return f"{_EXPECTED}, received something else ({error.strerror})."


def _streams(container):
    """The best stream of each kind, cover pictures left aside."""
    streams = {}
    for kind in ("video", "audio"):
        best = container.streams.best(kind)
        if best is not None and not (
            best.disposition & av.stream.Disposition.attached_pic
        ):
            streams[kind] = best
    return streams


def _start(stream):
    return (stream.start_time or 0) * stream.time_base


def _frame_time(stream):
    """Seconds a frame of the stream lasts where it does not say so itself."""
    rate = stream.average_rate if stream.type == "video" else None
    return 1 / rate if rate else Fraction(0)


def _duration(frame, frame_time):
    stated = (frame.duration or 0) * frame.time_base
    if isinstance(frame, av.VideoFrame):
        return stated or frame_time
    # A stated duration that is shorter than the samples marks those that the
    # encoder added to fill the last block; clocks of milliseconds round.
    held = Fraction(frame.samples, frame.sample_rate)
    return stated if 0 < stated < held - frame.time_base else held


def _declared_end(stream):
    """When the file says that the stream ends, or None if it does not."""
    formats = stream.container.format.name.split(",")
    if "matroska" in formats:
        return _seconds(stream.metadata.get("DURATION"))
    if stream.duration and _FORMATS_STATING_DURATION.intersection(formats):
        return _start(stream) + stream.duration * stream.time_base
    return None


def _seconds(clock):
    """Seconds of a time written as `"00:01:02.345000000"`."""
    if clock is None:
        return None
    hours, minutes, seconds = clock.split(":")
    return 3600 * int(hours) + 60 * int(minutes) + Fraction(seconds)
