"""Picks the frames of a video that a uniform grid of times shows."""

import math
from fractions import Fraction

import numpy as np


def pick_frames(file, start, end, frame_rate):
    """Picks what is on screen at `start + (k + 1/2) / frame_rate`.

    Frames are found by their timestamps, so neither a variable frame rate nor
    a late start moves them. Before the video begins the screen is black; after
    its last frame it holds.

    Args:
        file: `MediaFile`. A file that has video.
        start: Fraction. When the first interval of the grid begins.
        end: Fraction or None. When to stop; None stands for the video's end.
        frame_rate: Fraction. How many frames per second to pick.

    Returns:
        uint8 array of shape `(frames, height, width, 3)`, or None if the video
        ends before `start`.
    """
    wanted = None if end is None else _count(end - start, frame_rate)
    # Kept as decoded: half the size of RGB. None stands for a black screen.
    picked, shown, reached = [], None, start
    for begin, until, frame in file.decode("video", start):
        # Up to `begin` the screen shows what came before.
        count = _middles_before(begin - start, frame_rate)
        count = count if wanted is None else min(count, wanted)
        picked += [shown] * (count - len(picked))
        shown, reached = frame, max(reached, until)
        if len(picked) == wanted:
            break
    else:
        if reached <= start:
            return None
        if wanted is None or reached < end:
            wanted = _count(reached - start, frame_rate)
        picked += [shown] * (wanted - len(picked))
    # `shown` gives the size where all is black.
    return _to_rgb(picked, next(filter(None, picked), shown))


def _count(seconds, frame_rate):
    return max(1, round(seconds * frame_rate))


def _middles_before(seconds, frame_rate):
    """How many intervals of the grid have their middle before `seconds`."""
    return max(0, math.ceil(seconds * frame_rate - Fraction(1, 2)))


def _to_rgb(frames, first):
    size = {"width": first.width, "height": first.height}
    pixels = None
    videos = np.zeros((len(frames), *_upright(first, size).shape), "uint8")
    previous = None
    for index, frame in enumerate(frames):
        if frame is not None:
            # A slow video shows a frame several times.
            pixels = pixels if frame is previous else _upright(frame, size)
            videos[index] = pixels
        previous = frame
    return videos


def _upright(frame, size):
    """RGB pixels, scaled if the size changed and turned as filmed."""
    pixels = frame.to_ndarray(format="rgb24", **size)
    return np.rot90(pixels, round(frame.rotation / 90) % 4)
