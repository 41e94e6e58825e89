"""Loads the video frames and the audio of a media file, in step."""

import math
from fractions import Fraction

from keras_mirasol.data.audio_samples import place_samples
from keras_mirasol.data.manifest import MEDIA_KEYS
from keras_mirasol.data.media_file import MediaFile
from keras_mirasol.data.video_frames import pick_frames


def load_clip(
    source,
    *,
    start=None,
    end=None,
    frame_rate=8.0,
    sampling_rate=16000,
    video=True,
    audio=True,
):
    """Loads the frames and the audio of a media file, in step.

    Also those of a manifest's line, from one file or from two whose zeros
    coincide. Zero is where a player begins: the earliest start of the file's
    video and audio. Frame `k` is what is on screen at
    `start + (k + 1/2) / frame_rate`, and sample `i` is heard at
    `start + i / sampling_rate`. Both are placed by
    their timestamps, so variable frame rates and streams that start late stay
    in step: before a late stream begins there are black frames or silence. A
    cut holds what the same span of the whole clip holds.

    Only what is asked for is decoded. Videos with a display matrix are turned
    upright. All channels of the audio are mixed into one.

    A file that breaks off is an error rather than a shorter clip, if its
    format states how long it is: MP4, MOV, Matroska, WebM, AVI and FLAC do;
    MPEG-TS, MP3 and WAV do not.

    Args:
        source: str or path of a media file, of any format that FFmpeg reads;
            or a line of a manifest, a dict with `"media"`, or `"video"`
            and/or `"audio"`, and perhaps `"start"` and `"end"`.
        start: float. Where to start, in seconds. Defaults to `None`, that of
            the line, or the beginning.
        end: float. Where to stop, in seconds; the clip's end if that comes
            first. Defaults to `None`, that of the line, or the end.
        frame_rate: float. Frames per second to return. Defaults to `8.0`.
        sampling_rate: int. Audio samples per second to return. Defaults to
            `16000`.
        video: bool. Whether to load the video. Defaults to `True`.
        audio: bool. Whether to load the audio. Defaults to `True`.

    Returns:
        A dict of NumPy arrays: `"videos"`, uint8 of shape `(frames, height,
        width, 3)`, RGB, and `"audio"`, float32 of shape `(samples,)` within
        `[-1, 1]`. The number of frames is the video's duration times
        `frame_rate`, rounded, and at least 1; the audio has its own duration.
        A key is absent if the file has no such stream, if it ends before
        `start`, or if it was not asked for.

    Raises:
        ValueError: if the file is missing, a directory, empty, not media,
            truncated or damaged; if it has neither of the streams asked for;
            if `start` is not before `end` and the clip's end; if a rate is
            not positive; or if a dict names no file.

    Example:

    ```python
    clip = keras_mirasol.data.load_clip("dog.mp4", start=2.0, end=6.0)
    clip["videos"].shape  # (32, 720, 1280, 3)
    clip["audio"].shape  # (64000,)

    line = keras_mirasol.data.read_manifest("train.jsonl")[0]
    clip = keras_mirasol.data.load_clip(line)
    ```
    """
    asked = {"video"} if video else set()
    asked |= {"audio"} if audio else set()
    if not asked:
        raise ValueError(
            f"Nothing was asked of {str(source)!r}: set `video` or `audio` to "
            "`True`."
        )
    if isinstance(source, dict):
        return _load_line(
            source,
            asked,
            start=source.get("start") if start is None else start,
            end=source.get("end") if end is None else end,
            frame_rate=frame_rate,
            sampling_rate=sampling_rate,
        )
    start, end, frame_rate = _checked(
        source, start, end, frame_rate, sampling_rate
    )
    with MediaFile(source) as file:
        if not asked & file.kinds:
            raise file.error(_missing_streams(asked, file.kinds))
        clip = {}
        if "video" in asked & file.kinds:
            clip["videos"] = pick_frames(file, start, end, frame_rate)
        if "audio" in asked & file.kinds:
            clip["audio"] = place_samples(file, start, end, sampling_rate)
        clip = {key: value for key, value in clip.items() if value is not None}
        if not clip:
            raise file.error(
                f"`start` is {float(start)} s, at or beyond its end. Choose "
                "an earlier `start`."
            )
    return clip


def _load_line(line, asked, **settings):
    """A clip of a manifest's line: what is asked for and is there."""
    named = {key for key in MEDIA_KEYS if key in line} & {"media", *asked}
    if not named:
        raise ValueError(
            f"Expected a line of a manifest with {sorted({'media', *asked})}. "
            f"Received the keys: {sorted(line)}"
        )
    clip = {}
    for key in sorted(named):
        kinds = asked if key == "media" else {key}
        clip |= load_clip(
            line[key],
            video="video" in kinds,
            audio="audio" in kinds,
            **settings,
        )
    return clip


def _checked(path, start, end, frame_rate, sampling_rate):
    """The times and the frame rate as exact fractions."""
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
    if not 0 < frame_rate < math.inf:
        raise ValueError(
            "`frame_rate` must be a positive number of frames per second. "
            f"Received frame_rate={frame_rate} for '{path}'."
        )
    if not sampling_rate > 0 or sampling_rate != int(sampling_rate):
        raise ValueError(
            "`sampling_rate` must be a positive int, samples per second. "
            f"Received sampling_rate={sampling_rate} for '{path}'."
        )
    return (
        _exact(start),
        None if end is None else _exact(end),
        _exact(frame_rate),
    )


def _exact(number):
    # Takes 29.97002997 for the 30000/1001 that it stands for.
    return Fraction(float(number)).limit_denominator(1_000_000)


def _missing_streams(asked, kinds):
    found = f"only {kinds.pop()}" if kinds else "neither video nor audio"
    return f"expected {' or '.join(sorted(asked))}, but it has {found}."
