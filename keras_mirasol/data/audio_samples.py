"""Places audio on the clock by its timestamps and resamples it."""

import math
from fractions import Fraction

import av
import numpy as np

# Timestamps may be this far off before they move the audio. Containers whose
# clock ticks in milliseconds round every block's; following that would tear
# the wave at each block.
_JITTER = Fraction(1, 100)

# What the resampler's filter sees beyond the edges of a cut.
_MARGIN = Fraction(1, 50)


def place_samples(file, start, end, sampling_rate):
    """Reads audio as mono at `sampling_rate`, in step with the clock.

    Sample `i` is what is heard at `start + i / sampling_rate`. What the file
    has no audio for is silent.

    Args:
        file: `MediaFile`. A file that has audio.
        start: Fraction. When the first sample is heard.
        end: Fraction or None. When to stop; None stands for the audio's end.
        sampling_rate: int. Samples per second to return.

    Returns:
        float32 array of shape `(samples,)`, within `[-1, 1]`, or None if the
        audio ends before `start`.
    """
    mono, track = _Mixer(), None
    for begin, until, frame in file.decode("audio", start):
        if track is None:
            track = _Track(frame.sample_rate, start, sampling_rate)
        if frame.sample_rate != track.rate:
            raise file.error(
                f"its audio changes from {track.rate} to {frame.sample_rate} "
                f"samples per second at {float(begin):.2f} s. Encode it at one "
                "sampling rate."
            )
        if end is not None and begin > end + _MARGIN:
            break
        track.add(begin, until, mono(frame))
    else:
        end = track.end if end is None else min(end, track.end)
    count = round((end - start) * sampling_rate)
    if count < 1:
        return None
    samples = resample(track.samples(), track.rate, sampling_rate)
    skipped = round((start - track.start) * sampling_rate)
    samples = samples[skipped : skipped + count]
    samples = np.pad(samples, (0, count - len(samples)))
    return np.clip(samples, -1.0, 1.0)


class _Track:
    """Mono audio at its own sampling rate, laid out in time.

    It begins a margin before `start`, at a time when both the old and the new
    rate have a sample: a cut is then resampled exactly as the whole is.
    """

    def __init__(self, rate, start, sampling_rate):
        shared = math.gcd(rate, sampling_rate)
        self.rate = rate
        self.start = Fraction(max(0, (start - _MARGIN) * shared // 1), shared)
        self.end = self.start
        self._blocks = []
        self._cursor = None

    def add(self, begin, until, samples):
        index = round((begin - self.start) * self.rate)
        if (
            self._cursor is None
            or abs(index - self._cursor) > _JITTER * self.rate
        ):
            self._cursor = index
        padding = Fraction(len(samples), self.rate) - (until - begin)
        first, self._cursor = self._cursor, self._cursor + len(samples)
        self.end = self.start + Fraction(self._cursor, self.rate) - padding
        if self._cursor > 0:
            self._blocks.append((first, samples))
        else:
            # Decoders take a while to settle after a jump, their clocks too.
            self._cursor = None

    def samples(self):
        ends = [first + len(block) for first, block in self._blocks]
        length = max(ends, default=0)
        samples = np.zeros(length, "float32")
        for first, block in self._blocks:
            samples[max(0, first) : first + len(block)] = block[
                max(0, -first) :
            ]
        return samples


class _Mixer:
    """Mixes frames of any channel layout down to one channel."""

    def __init__(self):
        self._layout, self._resampler = None, None

    def __call__(self, frame):
        layout = (frame.layout.name, frame.format.name, frame.sample_rate)
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


def resample(samples, rate, sampling_rate):
    """Resamples mono float32 `samples` from `rate` to `sampling_rate`."""
    if rate == sampling_rate or not len(samples):
        return samples
    resampler = av.AudioResampler("fltp", "mono", sampling_rate)
    frame = av.AudioFrame.from_ndarray(samples[None], "fltp", "mono")
    frame.sample_rate = rate
    blocks = resampler.resample(frame) + resampler.resample(None)
    return np.concatenate([block.to_ndarray()[0] for block in blocks])
