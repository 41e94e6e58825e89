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
        frame_rate: Fraction. How many frames a second to pick.

    Returns:
        uint8 array of shape `(frames, height, width, 3)`, or None if the video
        ends before `start`.
    """
    wanted = None if end is None else _count(end - start, frame_rate)
    picked, shown, size = [], None, None
    reached = start
    for begin, until, frame in file.decode("video", start):
        size = size or (frame.width, frame.height)
        # Up to `begin` the screen shows what came before.
        first_later = _first_at(begin - start, frame_rate)
        if wanted is not None:
            first_later = min(first_later, wanted)
        if first_later > len(picked):
            pixels = None if shown is None else _pixels(shown, size)
            picked += [pixels] * (first_later - len(picked))
        shown, reached = frame, max(reached, until)
        if len(picked) == wanted:
            break
    else:
        if reached <= start:
            return None
        if wanted is None or reached < end:
            wanted = _count(reached - start, frame_rate)
        picked += [_pixels(shown, size)] * (wanted - len(picked))
    if picked[0] is None:
        black = np.zeros_like(_pixels(shown, size))
        picked = [black if pixels is None else pixels for pixels in picked]
    return np.stack(picked)


def _count(seconds, frame_rate):
    return max(1, round(seconds * frame_rate))


def _first_at(seconds, frame_rate):
    """The first interval whose middle does not come before `seconds`."""
    return max(0, math.ceil(seconds * frame_rate - Fraction(1, 2)))


def _pixels(frame, size):
    """RGB pixels of a frame, upright, scaled if the size changed midway."""
    width, height = size
    pixels = frame.to_ndarray(format="rgb24", width=width, height=height)
    # The display matrix of videos that were filmed with a turned camera.
    return np.rot90(pixels, round(frame.rotation / 90) % 4)
