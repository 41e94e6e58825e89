"""Audio that is converted snippet by snippet, in a TensorFlow graph."""

import tensorflow as tf

from keras_mirasol.preprocessing.snippets import fit_length


def convert_by_snippet(audio, convert, span, hop):
    """Frames of features, where each snippet is converted by itself.

    The last snippet is filled up with silence, of which no frame is kept.

    Args:
        audio: float tensor of shape `(samples,)`.
        convert: a function from snippets `(snippets, span)` to features
            `(snippets, span // hop, features)`, or to samples as they came.
        span: int. Samples of a snippet, a multiple of `hop`.
        hop: int. Samples of a frame.

    Returns:
        A float32 tensor of shape `(samples // hop, features)`.
    """
    samples = tf.shape(audio)[0]
    # Of no samples, silence is converted, and nothing of it kept.
    snippets = tf.maximum(-(-samples // span), 1)
    snippets = tf.reshape(fit_length(audio, snippets * span), (-1, span))
    features = convert(snippets)
    if features.shape.rank == 2:
        features = tf.reshape(features, (-1, span // hop, hop))
    return tf.reshape(features, (-1, features.shape[-1]))[: samples // hop]


def normalize_waveforms(audio):
    """Waveforms of mean 0 and deviation 1, row by row.

    Args:
        audio: float tensor of shape `(rows, samples)`.

    Returns:
        A tensor of the same shape.
    """
    mean, variance = tf.nn.moments(audio, axes=[1], keepdims=True)
    return (audio - mean) / tf.sqrt(variance + 1e-7)
