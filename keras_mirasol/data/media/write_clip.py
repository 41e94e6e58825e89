"""Writes clips held in memory as media files."""

from fractions import Fraction

import numpy as np


def write_clip(path, frames, audio, *, frame_rate, sampling_rate):
    """Writes frames and audio as an MP4 file (H.264 and AAC).

    Both streams start at time zero: the container's edit list hides the
    priming samples of the AAC encoder, so that sound and picture coincide in
    every decoder that honours it. Pixels are stored as `yuv420p`, which every
    player reads and which halves the resolution of colour. AAC works in
    blocks: a decoder may give up to one block (1024 samples) of silence after
    the last sample.

    Args:
        path: str or path. The file to write. An existing file is replaced.
        frames: uint8 array of shape `(frames, height, width, 3)`, RGB, with
            even height and width.
        audio: float array of shape `(samples,)`, mono, within `[-1, 1]`.
        frame_rate: int, float or `fractions.Fraction`. Frames per second.
        sampling_rate: int. Samples per second; one that AAC knows.

    Raises:
        ValueError: if `frames` or `audio` has another shape or type than
            those above, or `frame_rate` or `sampling_rate` is not a rate the
            format can hold.

    Example:

    ```python
    keras_mirasol.data.write_clip(
        "dark.mp4",
        np.zeros((32, 64, 64, 3), "uint8"),
        np.zeros(32000, "float32"),
        frame_rate=16,
        sampling_rate=16000,
    )
    keras_mirasol.data.load_clip("dark.mp4")["videos"].shape  # (16, 64, 64, 3)
    ```
    """
    import av
    from av.video.reformatter import ColorRange
    from av.video.reformatter import Colorspace

    frames, audio = np.asarray(frames), np.asarray(audio)
    _check(frames, audio, frame_rate, sampling_rate)
    # Whole-number ratios, so that 29.97 does not become a binary fraction.
    frame_rate = Fraction(frame_rate).limit_denominator(1001)
    with av.open(str(path), "w", format="mp4") as container:
        video = container.add_stream(
            "libx264",
            rate=frame_rate,
            options={"preset": "ultrafast", "crf": "18"},
        )
        video.height, video.width = frames.shape[1:3]
        video.pix_fmt = "yuv420p"
        video.codec_context.thread_count = 1
        # Players guess the colour matrix from the size unless it is written.
        video.codec_context.colorspace = Colorspace.ITU601
        video.codec_context.color_range = ColorRange.MPEG
        # The fast coder halves the time a clip takes. Perceptual noise
        # substitution would keep only the spectrum of noise, not its samples.
        sound = container.add_stream(
            "aac",
            rate=sampling_rate,
            layout="mono",
            options={"aac_coder": "fast", "aac_pns": "0"},
        )
        sound.bit_rate = 64000

        for index, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = index, 1 / frame_rate
            container.mux(video.encode(frame))
        container.mux(video.encode(None))

        samples = audio.astype("float32")[None]
        block = av.AudioFrame.from_ndarray(samples, "fltp", "mono")
        block.sample_rate = sampling_rate
        block.pts, block.time_base = 0, Fraction(1, sampling_rate)
        container.mux(sound.encode(block))
        container.mux(sound.encode(None))


_AAC_SAMPLING_RATES = (
    *(7350, 8000, 11025, 12000, 16000, 22050, 24000),
    *(32000, 44100, 48000, 64000, 88200, 96000),
)


def _check(frames, audio, frame_rate, sampling_rate):
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != "uint8":
        raise ValueError(
            "`frames` must be a uint8 array of shape (frames, height, width, "
            f"3). Received {frames.dtype} of shape {frames.shape}."
        )
    if 0 in frames.shape or frames.shape[1] % 2 or frames.shape[2] % 2:
        raise ValueError(
            "`frames` must hold at least one frame, of even height and width, "
            "because colour is stored at half the resolution. Received shape "
            f"{frames.shape}: pad or resize the frames."
        )
    if audio.ndim != 1 or not len(audio) or audio.dtype.kind != "f":
        raise ValueError(
            "`audio` must be a float array of shape (samples,), with at least "
            f"one sample. Received {audio.dtype} of shape {audio.shape}: mix "
            "channels down, and divide int16 samples by 32768."
        )
    if not frame_rate > 0:
        raise ValueError(
            f"`frame_rate` must be positive. Received: {frame_rate}"
        )
    if sampling_rate not in _AAC_SAMPLING_RATES:
        raise ValueError(
            "`sampling_rate` must be one that AAC knows: "
            f"{', '.join(map(str, _AAC_SAMPLING_RATES))}. "
            f"Received {sampling_rate}: resample the audio."
        )
