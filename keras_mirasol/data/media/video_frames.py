"""Reads the frames of a video that a uniform grid of times shows."""

import math
from fractions import Fraction

import av
import numpy as np
from av.video.reformatter import Interpolation
from av.video.reformatter import VideoReformatter

from keras_mirasol.data.media.memory import check_memory

# What is scaled on its way to RGB must look like scaled RGB: FFmpeg leaves out
# every other column of colour otherwise. Of more than 8 bits it cuts off the
# fractions otherwise, so that all is 2 levels darker.
_EXACT = Interpolation.BILINEAR | Interpolation.FULL_CHR_H_INT


class FrameReader:
    """Reads what is on screen at `start + (k + 1/2) / frame_rate`.

    Frames are found by their timestamps, so neither a variable frame rate nor
    a late start moves them. Before the video begins the screen is black; after
    its last frame it holds. Each frame is scaled as soon as it is decoded, so
    memory follows the size of the result, not that of the file.

    Args:
        file: `MediaFile`. A file that has video.
        start: Fraction. When the first interval of the grid begins.
        end: Fraction or None. When to stop; None stands for the video's end.
        frame_rate: Fraction. How many frames per second to read.
        image_size: pair of ints or None. Height and width to scale to; None
            stands for those of the first frame.
        crop_to_aspect_ratio: bool. Whether to crop before scaling.
    """

    def __init__(
        self, file, start, end, frame_rate, image_size, crop_to_aspect_ratio
    ):
        self._file = file
        self._to_pixels = _Scaler(image_size, crop_to_aspect_ratio)
        self._runs = _runs(file, start, end, frame_rate)
        self._left, self._pixels = 0, None
        self._expected = _expected(file, start, end, frame_rate)

    def read(self, count=None):
        """Reads the next frames.

        Args:
            count: int or None. How many; None stands for all that are left.

        Returns:
            uint8 array of shape `(frames, height, width, 3)`, with fewer than
            `count` frames at the video's end, or None if it has none left.
        """
        expected = self._expected
        if count is not None:
            expected = min(count, expected or count)
        frames = _Frames(self._file, expected)
        while len(frames) != count and self._has_more():
            times = self._left
            if count is not None:
                times = min(times, count - len(frames))
            frames.add(self._pixels, times)
            self._left -= times
        self._expected = max(0, self._expected - len(frames))
        return frames.array()

    def _has_more(self):
        if not self._left:
            self._left, shown, following = next(self._runs, (0, None, None))
            if self._left:
                with self._file.converting("video"):
                    self._pixels = self._to_pixels(shown or following)
                if shown is None:
                    self._pixels = np.zeros_like(self._pixels)
        return self._left > 0


def _runs(file, start, end, frame_rate):
    """Yields how often in a row the grid shows a frame of the video.

    Yields:
        `(times, frame, following)`, where a frame of None stands for a black
        screen, which has the size of the frame that follows.
    """
    wanted = None if end is None else _count(end - start, frame_rate)
    picked, shown, reached = 0, None, start
    for begin, until, frame in file.decode("video", start):
        # Up to `begin` the screen shows what came before.
        count = _middles_before(begin - start, frame_rate)
        count = count if wanted is None else min(count, wanted)
        if count > picked:
            yield count - picked, shown, frame
            picked = count
        shown, reached = frame, max(reached, until)
        if picked == wanted:
            return
    if reached <= start:
        return
    if wanted is None or reached < end:
        wanted = _count(reached - start, frame_rate)
    if wanted > picked:
        yield wanted - picked, shown, None


def _expected(file, start, end, frame_rate):
    """How many frames at most there are by what the file says, or 0."""
    stated = file.stated_end("video")
    if stated is None:
        return 0
    end = stated if end is None else min(end, stated)
    # One more, because containers round their clocks.
    return _count(end - start, frame_rate) + 1


def _count(seconds, frame_rate):
    return max(1, _middles_before(seconds, frame_rate))


def _middles_before(seconds, frame_rate):
    """How many intervals of the grid have their middle before `seconds`."""
    return max(0, math.ceil(seconds * frame_rate - Fraction(1, 2)))


class _Scaler:
    """Turns frames upright and into RGB pixels of one size."""

    def __init__(self, image_size, crop_to_aspect_ratio):
        self._size = image_size
        self._crop = crop_to_aspect_ratio and image_size is not None
        # Holds FFmpeg's scaler, which is made anew only for other sizes.
        self._reformatter = VideoReformatter()

    def __call__(self, frame):
        turns = round(frame.rotation / 90) % 4
        if self._size is None:
            self._size = (frame.height, frame.width)[:: -1 if turns % 2 else 1]
        height, width = self._size[:: -1 if turns % 2 else 1]
        if self._crop:
            frame = self._cropped(frame, height, width)
        pixels = self._rgb(frame, height, width)
        return np.rot90(pixels, turns)

    def _rgb(self, frame, height, width):
        is_plain = (height, width) == (frame.height, frame.width) and all(
            component.bits <= 8 for component in frame.format.components
        )
        return self._reformatter.reformat(
            frame,
            width,
            height,
            "rgb24",
            interpolation=None if is_plain else _EXACT,
            threads=1,  # Clips are read side by side.
        ).to_ndarray()

    def _cropped(self, frame, height, width):
        """The middle of a frame, of the shape of the result.

        By the rounding of `keras.layers.Resizing`.
        """
        rows = int(frame.width * height / width)
        columns = int(frame.height * width / height)
        rows = max(1, min(frame.height, rows))
        columns = max(1, min(frame.width, columns))
        top, left = (frame.height - rows) // 2, (frame.width - columns) // 2
        pixels = self._rgb(frame, frame.height, frame.width)
        pixels = pixels[top : top + rows, left : left + columns]
        return av.VideoFrame.from_ndarray(
            np.ascontiguousarray(pixels), format="rgb24"
        )


class _Frames:
    """Frames in one array, which is made for as many as are expected.

    What is not written to takes no memory; but when an array grows, some
    allocators hold all of its frames twice.
    """

    def __init__(self, file, expected):
        self._file, self._expected = file, expected
        self._array, self._length = None, 0

    def __len__(self):
        return self._length

    def add(self, pixels, times):
        length = self._length + times
        if self._array is None or length > len(self._array):
            self._reserve(length, pixels.shape)
        self._array[self._length : length] = pixels
        self._length = length

    def array(self):
        if self._array is not None:
            self._array.resize(
                (self._length, *self._array.shape[1:]), refcheck=False
            )
        return self._array

    def _reserve(self, length, shape):
        if length > self._expected:
            length += 16 + length // 8
        else:
            length = self._expected
        check_memory(
            self._file,
            needed=length * math.prod(shape),
            what=f"{length} frames of {shape[1]}x{shape[0]}",
            held=0 if self._array is None else self._array.nbytes,
        )
        if self._array is None:
            self._array = np.empty((length, *shape), "uint8")
        else:
            self._array.resize((length, *shape), refcheck=False)
