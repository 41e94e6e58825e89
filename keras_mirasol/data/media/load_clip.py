"""Loads the video frames and the audio of a media file, in step."""

from keras_mirasol.data.media.clip_streams import ClipStreams
from keras_mirasol.data.media.clip_streams import as_fraction


def load_clip(
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

    Only what is asked for is decoded, and with `image_size` frames are scaled
    as they are decoded: memory follows the size asked for, not that of the
    file. Videos with a display matrix are turned upright. All channels of the
    audio are mixed into one.

    A file that breaks off is an error rather than a shorter clip, if its
    format states how long it is: MP4, MOV, Matroska, WebM, AVI and FLAC do;
    MPEG-TS, FLV, ASF, Ogg, MP3 and WAV do not. Lists of other files, such as
    M3U8, are no media.

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
        image_size: int or pair of ints. Height and width to scale frames to,
            bilinearly and antialiased: by FFmpeg, within 2 of 255 grey levels
            on average of what `keras.layers.Resizing` makes of whole frames.
            Defaults to `None`, those of the video.
        crop_to_aspect_ratio: bool. Whether to crop frames to the aspect ratio
            of `image_size` before they are scaled, instead of squeezing them.
            Defaults to `False`.
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
            if `start` is not before `end` and the clip's end; if a rate or a
            size is not positive; if the frames or the samples need more
            memory than there is; or if a dict names no file.

    Example:

    ```python
    clip = keras_mirasol.data.load_clip("film.mp4", start=2.0, end=6.0)
    clip["videos"].shape  # (32, 720, 1280, 3)
    clip["audio"].shape  # (64000,)

    clip = keras_mirasol.data.load_clip("film.mp4", image_size=64)
    clip["videos"].shape  # (80, 64, 64, 3)

    line = keras_mirasol.data.read_manifest("train.jsonl")[0]
    clip = keras_mirasol.data.load_clip(line)
    ```
    """
    with ClipStreams(
        source,
        start=start,
        end=end,
        frame_rate=frame_rate,
        sampling_rate=sampling_rate,
        image_size=image_size,
        crop_to_aspect_ratio=crop_to_aspect_ratio,
        video=video,
        audio=audio,
        in_step=False,
    ) as streams:
        clip = streams.read()
        if not clip:
            raise streams.error_of_start()
    return clip


def iter_clip(source, *, seconds, **settings):
    """Iterates over a clip in consecutive spans of so many seconds, in step.

    Each stream is decoded once, and no more than a span of it is kept: a film
    of hours takes the memory of a span. Joined, the spans are what `load_clip`
    returns.

    Args:
        source: str, path or dict, as for `load_clip`.
        seconds: float. How long a span is. It must hold a whole number of
            frames and of samples. The last span may be shorter.
        **settings: see `load_clip`.

    Returns:
        An iterator of dicts as `load_clip` returns them. Where one stream
        ends before the other, its key is absent from then on.

    Raises:
        ValueError: as `load_clip`, though what is damaged may be found out on
            the way; or if a span does not hold whole frames and samples.

    Example:

    ```python
    film = keras_mirasol.data.iter_clip("film.mp4", seconds=2.0, image_size=64)
    for clip in film:
        clip["videos"].shape  # (16, 64, 64, 3)
        clip["audio"].shape  # (32000,)
    ```
    """
    sampling_rate = settings.get("sampling_rate", 16000)
    streams = ClipStreams(source, **settings)
    counts = {
        "videos": _whole(seconds, streams.frame_rate, "frames"),
        "audio": _whole(seconds, sampling_rate, "samples"),
    }

    def spans():
        with streams:
            span = streams.read(**counts)
            if not span:
                raise streams.error_of_start()
            while span:
                yield span
                span = streams.read(**counts)

    return spans()


def _whole(seconds, rate, of):
    count = as_fraction(seconds) * as_fraction(rate)
    if count < 1 or count != round(count):
        raise ValueError(
            f"A span must hold a whole number of {of}, at least one. Received "
            f"seconds={seconds}, which are {float(count):g} {of} at "
            f"{float(rate):g} per second. Choose a multiple of "
            f"{float(1 / as_fraction(rate)):g} s."
        )
    return round(count)
