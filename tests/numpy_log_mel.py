"""Causal log-mel frames in NumPy, to compare with."""

import numpy as np


def log_mel(audio, *, rate, hop, mels, floor, fft_length=1024, low=40.0):
    """Mels as librosa has them: triangles of height one over hertz."""
    window = 0.5 - 0.5 * np.cos(np.pi * np.arange(2 * hop) / hop)
    audio = np.concatenate([np.zeros(hop), audio])
    power = [
        np.abs(np.fft.rfft(window * audio[end - 2 * hop : end], fft_length))
        ** 2
        for end in range(2 * hop, len(audio) + 1, hop)
    ]
    edges = _hertz(np.linspace(_mel(low), _mel(rate / 2), mels + 2))
    bins = (np.arange(fft_length // 2 + 1) * rate / fft_length)[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    triangles = np.maximum(0, np.minimum(rising, falling))
    # The window sums to a hop: a sine of amplitude 1 peaks at a power of 1/4.
    return np.log(np.stack(power) @ triangles / hop**2 + floor)


def _mel(hertz):
    return 2595 * np.log10(1 + hertz / 700)


def _hertz(mel):
    return 700 * (10 ** (mel / 2595) - 1)
