"""Causal log-mel frames, in a TensorFlow graph."""

import tensorflow as tf


def log_mel(audio, mel_spectrogram, floor):
    """Frames of a log-mel spectrogram; each ends with its own last sample.

    Args:
        audio: float tensor of shape `(samples,)`.
        mel_spectrogram: a `keras.layers.MelSpectrogram` of Hann windows of
            two strides, without decibels.
        floor: float. Power that is added before the logarithm.

    Returns:
        A float32 tensor of shape `(samples // stride, mels)`.

    Example:
    ```python
    mel_spectrogram = keras.layers.MelSpectrogram(
        fft_length=2048, sequence_stride=800, sequence_length=1600,
        num_mel_bins=32, min_freq=40.0, sampling_rate=16000, power_to_db=False,
    )
    frames = keras_mirasol.preprocessing.log_mel(
        tf.zeros((32000,)), mel_spectrogram, floor=1e-6
    )  # (40, 32)
    ```
    """
    hop = mel_spectrogram.sequence_stride
    # The layer centres window j on sample `j * hop` of what it is given, and
    # mirrors half an FFT at either end: put silence there instead.
    hops = mel_spectrogram.fft_length // 2 // hop + 1
    audio_frames = tf.shape(audio)[0] // hop
    padded = tf.pad(audio, [[hops * hop, hops * hop]])
    mels = tf.transpose(mel_spectrogram(padded))[hops : hops + audio_frames]
    # By the window's gain, so that power does not depend on its length.
    return tf.math.log(mels / hop**2 + floor)
