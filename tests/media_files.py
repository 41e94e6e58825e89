"""Writes small media files, odd ones too."""

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def write_media(
    path,
    *,
    frames=(),
    frame_rate=25,
    times=None,
    video_start=0,
    audio=None,
    sampling_rate=48000,
    layout="mono",
    audio_start=0,
    video_codec="libx264",
    video_options=None,
    pix_fmt="yuv420p",
    clock=90000,
    audio_codec="aac",
    audio_options=None,
    audio_bit_rate=None,
    keyframe_every=12,
    **open_options,
):
    """Writes `frames` and `audio` (channels, samples) where they are given.

    `times` (seconds, one a frame) makes the frame rate variable; the streams
    start at `video_start` and `audio_start` seconds. The encoder of the video
    counts `clock` ticks a second: some know none as fine as the default.
    """
    with av.open(str(path), "w", **open_options) as container:
        streams = []
        if len(frames):
            frame_rate = Fraction(frame_rate).limit_denominator(1001)
            video = container.add_stream(
                video_codec, rate=frame_rate, options=video_options or {}
            )
            video.height, video.width = frames[0].shape[:2]
            video.pix_fmt = pix_fmt
            video.codec_context.gop_size = keyframe_every
            video.codec_context.thread_count = 1
            if times is None:
                times = [Fraction(k) / frame_rate for k in range(len(frames))]
            # A fine clock holds every frame rate and variable times.
            video.codec_context.time_base = Fraction(1, clock)
            times = [Fraction(time) + Fraction(video_start) for time in times]
            streams.append((video, _video_frames(frames, times, clock)))
        if audio is not None:
            audio = np.atleast_2d(np.asarray(audio, "float32"))
            sound = container.add_stream(
                audio_codec,
                rate=sampling_rate,
                layout=layout,
                options=audio_options or {},
            )
            if audio_bit_rate is not None:
                sound.bit_rate = audio_bit_rate
            streams.append(
                (
                    sound,
                    _audio_frames(audio, sampling_rate, layout, audio_start),
                )
            )
        # The muxer interleaves what it is given in order of time.
        packets = [
            packet
            for stream, blocks in streams
            for block in (*blocks, None)
            for packet in stream.encode(block)
        ]
        packets.sort(key=lambda packet: packet.dts * packet.time_base)
        for packet in packets:
            container.mux(packet)
    return str(path)


def _video_frames(frames, times, clock):
    for pixels, time in zip(frames, times, strict=True):
        frame = av.VideoFrame.from_ndarray(np.asarray(pixels), format="rgb24")
        frame.time_base = Fraction(1, clock)
        frame.pts = round(time * clock)
        yield frame


def _audio_frames(audio, sampling_rate, layout, start):
    block = 1024
    for first in range(0, audio.shape[1], block):
        samples = audio[:, first : first + block].T.reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples), "flt", layout
        )
        frame.sample_rate = sampling_rate
        frame.time_base = Fraction(1, sampling_rate)
        frame.pts = first + round(Fraction(start) * sampling_rate)
        yield frame


def solid(colour, size=(48, 64)):
    """One frame of one colour; an int is a grey level."""
    return np.full((*size, 3), colour, "uint8")


def tone(frequency, seconds, sampling_rate, amplitude=0.5):
    """A sine, of shape `(samples,)`."""
    time = np.arange(round(seconds * sampling_rate)) / sampling_rate
    return (amplitude * np.sin(2 * np.pi * frequency * time)).astype("float32")


def greys(videos):
    """The mean grey level of each frame."""
    return videos.mean(axis=(1, 2, 3))


def amplitude_of(samples, frequency, sampling_rate):
    """The amplitude of a sine of this frequency within the samples."""
    time = np.arange(len(samples)) / sampling_rate
    wave = np.exp(2j * np.pi * frequency * time)
    return 2 * np.abs(np.mean(samples * wave))


def set_display_rotation(path, turns):
    """Writes a matrix into the MP4 that turns the picture anticlockwise."""
    data = bytearray(Path(path).read_bytes())
    identity = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
    at = data.index(identity, data.index(b"tkhd"))
    cosine, sine = [(1, 0), (0, 1), (-1, 0), (0, -1)][turns]
    matrix = (cosine, -sine, 0, sine, cosine, 0, 0, 0, 1 << 14)
    data[at : at + 36] = struct.pack(">9i", *(65536 * v for v in matrix))
    Path(path).write_bytes(data)
