"""Log-mel frames by librosa, to compare with.

`python tests/preprocessing/librosa_log_mel.py` writes `librosa_log_mel.npz`
beside this file. It needs librosa, which the tests do not: they read the file.
"""

import platform
from pathlib import Path

import numpy as np

FILE = Path(__file__).with_suffix(".npz")
# Arguments of `MirasolAudioConverter`, each with an FFT as long as its default.
SETTINGS = {
    "mirasol_tiny": {
        "num_mels": 32,
        "audio_frame_rate": 20.0,
        "sampling_rate": 16000,
        "fft_length": 2048,
        "min_freq": 40.0,
        "floor": 1e-6,
    },
    "64 mels": {
        "num_mels": 64,
        "audio_frame_rate": 20.0,
        "sampling_rate": 16000,
        "fft_length": 2048,
        "min_freq": 40.0,
        "floor": 1e-6,
    },
    "48 kHz": {
        "num_mels": 64,
        "audio_frame_rate": 25.0,
        "sampling_rate": 48000,
        "fft_length": 4096,
        "min_freq": 20.0,
        # Faint sounds are well above it.
        "floor": 1e-9,
    },
}


def sounds(sampling_rate):
    """Noise, a chirp, silence, and faint noise; 1.5 seconds in all."""
    half = sampling_rate // 2
    # NumPy keeps what this one draws the same in all versions.
    noise = np.random.RandomState(0).uniform(-1, 1, 3 * half)
    time = np.arange(half) / sampling_rate
    # From 100 Hz to 90 % of the highest frequency.
    rise = (0.9 * sampling_rate / 2 - 100) / 0.5
    chirp = 0.5 * np.sin(2 * np.pi * (100 * time + rise / 2 * time**2))
    silence = np.zeros(half // 2)
    faint = 1e-2 * noise[-half // 2 :]
    parts = [0.5 * noise[:half], chirp, silence, faint]
    return np.concatenate(parts).astype("float32")


def log_mel(
    audio,
    num_mels,
    audio_frame_rate,
    sampling_rate,
    fft_length,
    min_freq,
    floor,
):
    """Log-mel frames, each of a window that ends with it."""
    import librosa

    hop = round(sampling_rate / audio_frame_rate)
    # librosa centres the window of two hops in that of the FFT. The first is
    # to end with the first hop.
    beside = (fft_length - 2 * hop) // 2
    audio = np.pad(audio.astype("float64"), (hop + beside, beside))
    mels = librosa.feature.melspectrogram(
        y=audio,
        sr=sampling_rate,
        n_fft=fft_length,
        hop_length=hop,
        win_length=2 * hop,
        window="hann",
        center=False,
        power=2.0,
        n_mels=num_mels,
        fmin=min_freq,
        htk=True,
        norm=None,
    )
    # A Hann window of two hops sums to a hop.
    return np.log(mels.T / hop**2 + floor).astype("float32")


def main():
    import librosa
    import scipy

    frames = {
        name: log_mel(sounds(settings["sampling_rate"]), **settings)
        for name, settings in SETTINGS.items()
    }
    versions = {
        "librosa": librosa.__version__,
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "python": platform.python_version(),
    }
    versions = [f"{name} {version}" for name, version in versions.items()]
    np.savez_compressed(FILE, versions=versions, **frames)


if __name__ == "__main__":
    main()
