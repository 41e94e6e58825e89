"""Loads the video frames and the audio of a media file, in step."""

import math
from fractions import Fraction

from keras_mirasol.data.audio_samples import place_samples
from keras_mirasol.data.media_file import MediaFile
from keras_mirasol.data.video_frames import pick_frames


def load_clip(
    path,
    *,
    start=None,
    end=None,
    frame_rate=8.0,
    sampling_rate=16000,
    video=True,
    audio=True,
):
    """Loads the frames and the audio of a media file, in step.

    Zero is where a player begins: the earliest start of the file's video and
    audio. Frame `k` is what is on screen at `start + (k + 1/2) / frame_rate`,
    and sample `i` is heard at `start + i / sampling_rate`. Both are placed by
    their timestamps, so variable frame rates and streams that start late stay
    in step: before a late stream begins there are black frames or silence. A
    cut holds what the same span of the whole clip holds.

    Only what is asked for is decoded. Videos with a display matrix are turned
    upright. All channels of the audio are mixed into one.

    A file that breaks off is an error rather than a shorter clip, if its
    format states how long it is: MP4, MOV, Matroska, WebM, AVI and FLAC do;
    MPEG-TS, MP3 and WAV do not.

    Args:
        path: str or path. The media file, of any format that FFmpeg reads.
        start: float. Where to start, in seconds. Defaults to `None`, the
            beginning.
        end: float. Where to stop, in seconds; the clip's end if that comes
            first. Defaults to `None`, the end.
        frame_rate: float. Frames a second to return. Defaults to `8.0`.
        sampling_rate: int. Audio samples a second to return. Defaults to
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
            if `start` is not before `end` and the clip's end; or if a rate is
            not positive.

    Example:

    ```python
    clip = keras_mirasol.data.load_clip("dog.mp4", start=2.0, end=6.0)
    clip["videos"].shape  # (32, 720, 1280, 3)
    clip["audio"].shape  # (64000,)
    ```
    """
    if not video and not audio:
        raise ValueError(
            f"Nothing was asked of '{path}': set `video` or `audio` to `True`."
        )
    start, end, frame_rate = _checked(
        path, start, end, frame_rate, sampling_rate
    )
    with MediaFile(path) as file:
        asked = {"video"} if video else set()
        asked |= {"audio"} if audio else set()
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


def load_separate(video, audio, **options):
    """Loads the video of one file and the audio of another.

    The zeros of both files coincide. Each file must have its stream.

    Args:
        video: str or path, or None. The file whose video is loaded.
        audio: str or path, or None. The file whose audio is loaded.
        **options: `start`, `end`, `frame_rate` and `sampling_rate`, as in
            `load_clip`.

    Returns:
        A dict as `load_clip` returns it.
    """
    clip = {}
    if video is not None:
        clip |= load_clip(video, audio=False, **options)
    if audio is not None:
        clip |= load_clip(audio, video=False, **options)
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
            "`frame_rate` must be a positive number of frames a second. "
            f"Received frame_rate={frame_rate} for '{path}'."
        )
    if not sampling_rate > 0 or sampling_rate != int(sampling_rate):
        raise ValueError(
            "`sampling_rate` must be a positive int, samples a second. "
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
