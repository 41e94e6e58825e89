"""Places audio on the clock by its timestamps and resamples it."""

import math
from fractions import Fraction

import av
import numpy as np

from keras_mirasol.data.media.memory import check_memory

# Timestamps may be this far off before they move the audio. Containers whose
# clock ticks in milliseconds round every block's; following that would tear
# the wave at each block.
_JITTER = Fraction(1, 100)

# What the resampler's filter sees beyond the edges of a cut.
_MARGIN = Fraction(1, 50)

# Blocks may overlap by a tenth of a second, and their clocks jitter: what lies
# further back than this no later block changes.
_SETTLED_AFTER = Fraction(1, 4)

# Samples that go through the resampler at a time: a second, or a few.
_PIECE = 1 << 17

# Fewer or more samples per second are a broken header, not sound.
_LOWEST_RATE = 1_000
_HIGHEST_RATE = 1_000_000


class SampleReader:
    """Reads audio as mono at `sampling_rate`, in step with the clock.

    Sample `i` is what is heard at `start + i / sampling_rate`. What the file
    has no audio for is silent. Audio is resampled as it is decoded, so memory
    follows what is read at a time.

    Args:
        file: `MediaFile`. A file that has audio.
        start: Fraction. When the first sample is heard.
        end: Fraction or None. When to stop; None stands for the audio's end.
        sampling_rate: int. Samples per second to read.
    """

    def __init__(self, file, start, end, sampling_rate):
        self._file = file
        self._pieces = _resampled(file, start, end, sampling_rate)
        self._left = np.zeros(0, "float32")

    def read(self, count=None):
        """Reads the next samples.

        Args:
            count: int or None. How many; None stands for all that are left.

        Returns:
            float32 array of shape `(samples,)`, within `[-1, 1]`, with fewer
            than `count` at the audio's end, or None if it has none left.
        """
        pieces, length = [self._left], len(self._left)
        while count is None or length < count:
            piece = next(self._pieces, None)
            if piece is None:
                break
            pieces.append(piece)
            length += len(piece)
            check_memory(
                self._file,
                # In pieces and joined.
                needed=2 * length * piece.itemsize,
                what=f"{length} samples of audio",
                held=length * piece.itemsize,
            )
        samples = np.concatenate(pieces)
        count = length if count is None else count
        samples, self._left = samples[:count], samples[count:]
        return samples if len(samples) else None


def _resampled(file, start, end, sampling_rate):
    """Yields the samples from `start` on, piece by piece."""
    mono, track = _Mixer(), None
    for begin, until, frame in file.decode("audio", start):
        if track is None:
            track = _Track(_rate(file, frame), start, sampling_rate)
            resampler = _Resampler(track.rate, sampling_rate)
            window = _Window((start - track.start) * sampling_rate)
        if frame.sample_rate != track.rate:
            raise file.error(
                f"its audio changes from {track.rate} to {frame.sample_rate} "
                f"samples per second at {float(begin):.2f} s. Encode it at one "
                "sampling rate."
            )
        if end is not None and begin > end + _MARGIN:
            break
        with file.converting("audio"):
            samples = mono(frame)
        track.add(begin, until, samples)
        for samples in track.settled():
            yield window(resampler(samples))
    else:
        end = track.end if end is None else min(end, track.end)
    window.close((end - start) * sampling_rate)
    for samples in track.rest():
        yield window(resampler(samples))
    yield window(resampler.rest())
    yield window.filling()


def _rate(file, frame):
    if not _LOWEST_RATE <= frame.sample_rate <= _HIGHEST_RATE:
        raise file.error(
            f"its audio has {frame.sample_rate} samples per second: its "
            "header is damaged. Fetch or encode it again."
        )
    return frame.sample_rate


class _Window:
    """Lets through what a stream of samples has from `first` on.

    Where it ends may be told later, by `close()`.
    """

    def __init__(self, first):
        # Where the next sample stands, counted from the first let through.
        self._index = -round(first)
        self._count = None

    def close(self, count):
        self._count = max(0, round(count))

    def __call__(self, samples):
        begin, self._index = self._index, self._index + len(samples)
        end = None if self._count is None else max(0, self._count - begin)
        return np.clip(samples[max(0, -begin) : end], -1.0, 1.0)

    def filling(self):
        """The silence that is missing at the end."""
        missing = self._count - max(0, self._index)
        return np.zeros(max(0, missing), "float32")


class _Track:
    """Mono audio at its own sampling rate, laid out in time.

    It begins a margin before `start`, at a time when both the old and the new
    rate have a sample: a cut is then resampled exactly as the whole is.
    """

    def __init__(self, rate, start, sampling_rate):
        shared = math.gcd(rate, sampling_rate)
        self.rate = rate
        self.start = Fraction(max(0, (start - _MARGIN) * shared // 1), shared)
        self._jitter = math.floor(_JITTER * rate)
        self._blocks = []
        self._cursor = None
        # Where the last block ends, its samples, and how long it lasts.
        self._last = 0, 0, Fraction(0)
        # How many samples have been taken.
        self._taken = 0

    @property
    def end(self):
        """When the last block ends, without what fills it up."""
        cursor, samples, duration = self._last
        return self.start + Fraction(cursor - samples, self.rate) + duration

    def add(self, begin, until, samples):
        index = round((begin - self.start) * self.rate)
        if self._cursor is None or abs(index - self._cursor) > self._jitter:
            self._cursor = index
        first, self._cursor = self._cursor, self._cursor + len(samples)
        self._last = self._cursor, len(samples), until - begin
        if self._cursor > 0:
            self._blocks.append((first, samples))
        else:
            # Decoders take a while to settle after a jump, their clocks too.
            self._cursor = None

    def settled(self):
        """Yields what no later block changes, once it is worth the while."""
        if self._blocks:
            settled = self._blocks[-1][0] - int(_SETTLED_AFTER * self.rate)
            if settled - self._taken >= _PIECE:
                yield from self._take(settled)

    def rest(self):
        """Yields all that is left."""
        ends = [first + len(block) for first, block in self._blocks]
        yield from self._take(max(ends, default=0))

    def _take(self, end):
        while self._taken < end:
            taken = self._taken
            length = max(_PIECE, self.rate)
            piece = np.zeros(min(length, end - taken), "float32")
            self._taken += len(piece)
            for first, block in self._blocks:
                skipped = max(0, taken - first)
                block = block[skipped : max(0, self._taken - first)]
                at = first + skipped - taken
                piece[at : at + len(block)] = block
            yield piece
        self._blocks = [
            (first, block)
            for first, block in self._blocks
            if first + len(block) > end
        ]


class _Mixer:
    """Mixes frames of any channel layout down to one channel."""

    def __init__(self):
        self._layout, self._resampler = None, None

    def __call__(self, frame):
        layout = (frame.layout.name, frame.format.name, frame.sample_rate)
        if layout[0] in ("mono", "stereo") and layout[1] == "fltp":
            # What most files hold: FFmpeg makes the same of it, but slower.
            return frame.to_ndarray().mean(axis=0)
        if layout != self._layout:
            # To integers, because FFmpeg keeps the sum of the channels in
            # range only then: mixed as floats, a full 5.1 would be thrice
            # too loud.
            self._resampler = av.AudioResampler(
                "s32p", "mono", frame.sample_rate
            )
            self._layout = layout
        blocks = [
            block.to_ndarray()[0] for block in self._resampler.resample(frame)
        ]
        return np.concatenate(blocks).astype("float32") / 2**31


class _Resampler:
    """Resamples mono float32 samples, piece by piece.

    Hours of silence, where a file has no audio, would take long: of a whole
    number of samples at both rates, which leaves the filter as it is, no more
    goes through it than makes it forget the sound before.
    """

    def __init__(self, rate, sampling_rate):
        self._rate = rate
        shared = math.gcd(rate, sampling_rate)
        self._step, self._new_step = rate // shared, sampling_rate // shared
        self._was_silent = False
        self._resampler = None
        if rate != sampling_rate:
            self._resampler = av.AudioResampler("fltp", "mono", sampling_rate)

    def __call__(self, samples):
        if self._resampler is None:
            return samples
        is_silent, skipped = not samples.any(), 0
        if is_silent and self._was_silent:
            skipped = len(samples) // self._step
            samples = samples[skipped * self._step :]
        self._was_silent = is_silent
        silence = np.zeros(skipped * self._new_step, "float32")
        if not len(samples):
            return silence
        frame = av.AudioFrame.from_ndarray(samples[None], "fltp", "mono")
        frame.sample_rate = self._rate
        return np.concatenate([silence, self._samples(frame)])

    def rest(self):
        """What the filter still holds, at the end."""
        if self._resampler is None:
            return np.zeros(0, "float32")
        return self._samples(None)

    def _samples(self, frame):
        blocks = self._resampler.resample(frame)
        blocks = [block.to_ndarray()[0] for block in blocks]
        return np.concatenate([np.zeros(0, "float32"), *blocks])
