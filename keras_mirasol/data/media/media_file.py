"""Opens a media file and decodes its streams, on one exact clock."""

import contextlib
import os
import re
import struct
from fractions import Fraction
from pathlib import Path

import av

from keras_mirasol.data.media.shared_packets import SharedPackets

# How much of a stream may be missing before the file counts as broken: a
# tenth of a second, or two frames of slow video.
_TOLERANCE = Fraction(1, 10)

# Where a file states the length of its longest stream alone, it may be by the
# clock on the wall.
_LOOSE_TOLERANCE = Fraction(1)

# FFmpeg estimates a duration where this element is absent.
_MATROSKA_DURATION = re.compile(rb"\x44\x89[\x84\x88]")

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

# FFmpeg takes any text for art to be shown on a terminal, and reads on in other
# files where a list names them, without end if more is to come.
_TEXT_FORMATS = {"tty", "bin", "xbin", "adf", "idf"}
_LIST_FORMATS = {"hls", "concat", "dash", "webm_dash_manifest", "sdp", "imf"}
_MEDIA_FORMATS = ",".join(
    sorted(av.formats_available - _TEXT_FORMATS - _LIST_FORMATS)
)

_NO_INDEX = (
    "it begins as an MP4 file but has no readable index (`moov`), so it was "
    "cut off while it was written or copied, or is damaged. Fetch or encode it "
    "again."
)

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
        self._shared = None

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

    def share(self):
        """From now on decodes all streams from the beginning, in one pass.

        To be called first. What is read ahead of one stream waits for the
        other: read the video first, and what waits is small.
        """
        streams = [self._opened(kind) for kind in self.kinds]
        self._is_rewound = False
        self._shared = SharedPackets(self._container, streams)

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
        if self._shared is not None:
            yield from self._decode(_streams(self._container)[kind], start)
            return
        for preroll in _PREROLLS:
            stream = self._rewound(kind)
            if not self._seek(stream, start - preroll):
                break
            frames = self._decode(stream, start)
            first = self._first(frames)
            if first is not None and first[0] <= start:
                yield first
                yield from frames
                return
        yield from self._decode(self._rewound(kind), start)

    @contextlib.contextmanager
    def converting(self, kind):
        """Names this file where PyAV cannot convert a frame of it."""
        try:
            yield
        except (av.FFmpegError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise self.error(
                f"its {kind} cannot be converted ({why}): its header is "
                "damaged, or its format is rare. Fetch or encode it again."
            ) from error

    def _open(self):
        try:
            container = av.open(
                self._path,
                container_options={"format_whitelist": _MEDIA_FORMATS},
                # Titles are in any encoding; they are not read.
                metadata_errors="replace",
            )
        except av.FFmpegError as error:
            raise self.error(_why_unreadable(self._path, error)) from error
        if "mov" in _formats(container) and not _has_whole_index(self._path):
            container.close()
            raise self.error(_NO_INDEX)
        return container

    def _rewound(self, kind):
        # Opened anew: seeking back to the start loses frames in MPEG-TS and
        # the first block of AAC in MP4.
        if not self._is_rewound:
            self._container.close()
            self._container, self._is_rewound = self._open(), True
        return self._opened(kind)

    def _opened(self, kind):
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
        except (av.FFmpegError, OverflowError):
            # No index, or a time that no file reaches.
            return False
        return True

    def _first(self, frames):
        try:
            return next(frames)
        except ValueError:
            # If the file is at fault, decoding it from the start says so.
            return None

    def _decode(self, stream, start):
        self._is_rewound = False
        frame_time = _frame_time(stream)
        tolerance = max(_TOLERANCE, 2 * frame_time)
        reached, damage = None, None
        if "flac" in _formats(self._container):
            # It has no gaps of its own, and what is lost leaves one.
            damage = "incomplete data"
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
                # PyAV makes a new fraction each time that it is asked.
                time_base = frame.time_base
                begin = self._begin(stream, frame, time_base, reached)
                duration = _duration(frame, time_base, frame_time)
                end = begin + duration
                if packet.is_corrupt or frame.is_corrupt:
                    damage = "incomplete data"
                if duration > _LONGEST_GAP:
                    raise self.error(
                        f"a frame of its {stream.type} at {float(begin):.2f} "
                        f"s lasts {float(duration):.0f} s: its clock is "
                        "damaged. Fetch or encode the file again."
                    )
                if reached is None:
                    self._check_first(stream, begin, start)
                elif begin != reached:
                    self._check_gap(stream, reached, begin, tolerance, damage)
                yield begin, end, frame
                reached = end if reached is None else max(reached, end)
        self._check_reached(stream, reached, tolerance, damage)

    def _begin(self, stream, frame, time_base, reached):
        if frame.pts is not None:
            time = frame.pts * time_base
            return time - self._zero if self._zero else time
        # What a decoder held back to the end may come without a time.
        if reached is None:
            raise self.error(
                f"its {stream.type} has no timestamps. Put it into a "
                "container that has them, such as MP4 or Matroska."
            )
        return reached

    def _packets(self, stream):
        try:
            if self._shared is not None:
                yield from self._shared.of(stream)
            else:
                yield from self._container.demux(stream)
        except av.FFmpegError as error:
            # If the file declares its end, the time reached tells whether
            # this is too early.
            if _declared_end(stream) is None:
                raise self.error(
                    f"its {stream.type} cannot be read to the end "
                    f"({error.strerror}). Fetch or encode the file again."
                ) from error
        except IndexError:
            # After the last packet PyAV stumbles over streams that the header
            # did not tell of.
            return

    def _check_first(self, stream, begin, start):
        if begin - start > _LONGEST_GAP:
            raise self.error(
                f"its {stream.type} begins at {float(begin):.0f} s, more than "
                f"an hour after {float(start):g} s: its clock is damaged. "
                "Fetch or encode the file again."
            )

    def _check_gap(self, stream, reached, begin, tolerance, damage):
        gap = begin - reached
        if not -tolerance <= gap <= _LONGEST_GAP:
            raise self.error(
                f"the timestamps of its {stream.type} jump from "
                f"{float(reached):.2f} s to {float(begin):.2f} s, as in files "
                "joined from parts. Encode it again."
            )
        if damage and gap > tolerance:
            raise self.error(
                f"its {stream.type} is damaged from {float(reached):.2f} s to "
                f"{float(begin):.2f} s ({damage}). Fetch or encode the file "
                "again."
            )

    def _check_reached(self, stream, reached, tolerance, damage):
        if reached is None:
            raise self.error(
                f"no frame of its {stream.type} can be decoded "
                f"({damage or 'the stream is empty'}). Fetch or encode the "
                "file again, or leave this stream out."
            )
        declared = _declared_end(stream)
        if declared is None:
            declared, tolerance = self._declared_end_of_all(), _LOOSE_TOLERANCE
            if declared is None or self._last_time() >= declared - tolerance:
                return
        if declared - self._zero - reached > tolerance:
            raise self.error(
                f"its {stream.type} breaks off at {float(reached):.2f} s, but "
                f"the file declares {float(declared - self._zero):.2f} s. It "
                "is truncated: fetch or encode it again, or set `end` before "
                "the break."
            )

    def _declared_end_of_all(self):
        """When the file says that the longest stream ends, or None."""
        if "matroska" not in _formats(self._container):
            return None
        with open(self._path, "rb") as file:
            if not _MATROSKA_DURATION.search(file.read(1 << 16)):
                return None
        return Fraction(self._container.duration or 0, av.time_base)

    def _last_time(self):
        """When the last packet of any stream ends."""
        last = Fraction(0)
        with self._open() as container, contextlib.suppress(av.FFmpegError):
            for packet in container.demux():
                if packet.pts is not None:
                    end = packet.pts + (packet.duration or 0)
                    last = max(last, end * packet.time_base)
        return last


def _error(path, problem):
    return ValueError(f"Cannot load media file '{path}': {problem}")


def _check_file(path):
    try:
        if not Path(path).exists():
            raise _error(path, "it does not exist. Check the path.")
        if Path(path).is_dir():
            raise _error(path, "it is a directory. Give the path of a file.")
        with open(path, "rb") as file:
            is_empty = not file.read(1)
    except OSError as error:
        raise _error(
            path,
            f"it cannot be read ({error.strerror}). Check the path and what it "
            "permits.",
        ) from error
    if is_empty:
        raise _error(path, "it is empty (0 bytes). Fetch or encode it again.")


def _why_unreadable(path, error):
    with open(path, "rb") as file:
        is_mp4 = file.read(8)[4:] == b"ftyp"
    if is_mp4:
        return _NO_INDEX
    if isinstance(error, av.ArgumentError):
        return f"{_EXPECTED}, received text or a list of other files."
    return f"{_EXPECTED}, received something else ({error.strerror})."


def _has_whole_index(path):
    """Whether the index of an MP4 file does not run beyond the file's end.

    What FFmpeg finds in part of an index passes for all that there is.
    """
    size, at = os.path.getsize(path), 0
    with open(path, "rb") as file:
        while len(header := file.read(16)) >= 8:
            length, name = struct.unpack(">I4s", header[:8])
            if length == 1 and len(header) == 16:
                (length,) = struct.unpack(">Q", header[8:])
            if name == b"moov":
                return at + length <= size
            if length < 8:
                # The last part reaches to the end, or the file is damaged.
                return True
            at += length
            if at >= size:
                return True
            file.seek(at)
    return True


def _formats(container):
    """The names of a format and its like, such as MOV and MP4."""
    return container.format.name.split(",")


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


def _duration(frame, time_base, frame_time):
    stated = (frame.duration or 0) * time_base
    if isinstance(frame, av.VideoFrame):
        return stated or frame_time
    # A stated duration that is shorter than the samples marks those that the
    # encoder added to fill the last block; clocks of milliseconds round.
    held = Fraction(frame.samples, frame.sample_rate)
    if stated == held:
        return held
    return stated if 0 < stated < held - time_base else held


def _declared_end(stream):
    """When the file says that the stream ends, or None if it does not."""
    formats = _formats(stream.container)
    if "matroska" in formats:
        return _seconds(stream.metadata.get("DURATION"))
    length = stream.duration
    if "avi" in formats:
        # Where the index is missing, FFmpeg takes what there is for the whole.
        length = max(length or 0, stream.frames)
    if length and _FORMATS_STATING_DURATION.intersection(formats):
        return _start(stream) + length * stream.time_base
    return None


def _seconds(clock):
    """Seconds of a time written as `"00:01:02.345000000"`, or None."""
    parts = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", clock or "", re.ASCII)
    if parts is None:
        return None
    hours, minutes, seconds = map(Fraction, parts.groups())
    return 3600 * hours + 60 * minutes + seconds
