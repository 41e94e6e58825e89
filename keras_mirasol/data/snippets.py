"""Cutting and filling signals to whole snippets, in a TensorFlow graph."""

import tensorflow as tf


def count_snippets(length, span):
    """How many snippets of `span` steps a signal of `length` steps fills.

    Rounded to the nearest whole number, so that a codec's few extra samples
    make no snippet of their own; a signal that is there has at least one.

    Args:
        length: scalar int tensor. Steps of the signal; 0 if it is absent.
        span: int. Steps in a snippet.

    Returns:
        A scalar int32 tensor.
    """
    length = tf.cast(length, tf.int32)
    # Twice the length could be more than an int32 holds.
    whole, rest = length // span, length % span
    rounded = whole + tf.cast(2 * rest >= span, tf.int32)
    return tf.where(length > 0, tf.maximum(rounded, 1), 0)


def fit_length(signal, length, repeat_last=False):
    """Cuts a signal along its first axis, or fills it up, to `length` steps.

    Args:
        signal: tensor.
        length: scalar int tensor.
        repeat_last: bool. Fill with copies of the last step instead of zeros.
            Defaults to `False`.

    Returns:
        A tensor.
    """
    signal = tf.convert_to_tensor(signal)[:length]
    missing = length - tf.shape(signal)[0]
    if repeat_last:
        filling = tf.repeat(signal[-1:], missing, axis=0)
    else:
        shape = tf.concat([[missing], tf.shape(signal)[1:]], axis=0)
        filling = tf.zeros(shape, signal.dtype)
    return tf.concat([signal, filling], axis=0)


def count_both(frames, frames_per_snippet, samples, samples_per_snippet):
    """Snippets with video, with audio, and in all: at least one."""
    with_video = count_snippets(frames, frames_per_snippet)
    with_audio = count_snippets(samples, samples_per_snippet)
    return (
        with_video,
        with_audio,
        tf.maximum(tf.maximum(with_video, with_audio), 1),
    )


def first_snippets(count, of):
    """A bool mask `(of,)` whose first `count` entries are set."""
    return tf.range(of) < count


def map_clips(preprocess_clip, count_snippets, videos, audio, batch_size):
    """Preprocesses each clip of a batch and fills it up to the longest.

    Args:
        preprocess_clip: callable `(videos, audio, num_snippets)` of one clip.
        count_snippets: callable `(frames, samples)`, the snippets of a clip
            of these lengths.
        videos: dense or ragged uint8 tensor `(batch, frames, height, width,
            3)`, or `None`.
        audio: dense or ragged float tensor `(batch, samples)`, or `None`.
        batch_size: scalar int tensor. Number of clips.

    Returns:
        A dict of tensors with a leading batch axis.
    """
    if videos is None:
        videos = tf.zeros((batch_size, 0, 1, 1, 3), tf.uint8)
    if audio is None:
        audio = tf.zeros((batch_size, 0), tf.float32)
    longest = tf.reduce_max(
        tf.map_fn(
            lambda lengths: count_snippets(*lengths)[-1],
            (_lengths(videos), _lengths(audio)),
            fn_output_signature=tf.int32,
        )
    )

    def preprocess(clip):
        videos, audio = map(_dense, clip)
        # A ragged batch forgets the size of frames that are not there.
        videos = tf.cond(
            tf.size(videos) > 0,
            lambda: videos,
            lambda: tf.zeros((0, 1, 1, 3), tf.uint8),
        )
        return traced(videos, tf.cast(audio, tf.float32), longest)

    # Traced once, for its outputs' types and to be called.
    traced = tf.function(preprocess_clip, autograph=False)
    traced = traced.get_concrete_function(
        tf.TensorSpec((None, None, None, 3), tf.uint8),
        tf.TensorSpec((None,), tf.float32),
        tf.TensorSpec((), tf.int32),
    )
    signature = tf.nest.map_structure(
        lambda tensor: tf.TensorSpec(tensor.shape, tensor.dtype),
        traced.structured_outputs,
    )
    return tf.map_fn(preprocess, (videos, audio), fn_output_signature=signature)


def length(signal):
    """Steps of a signal along its first axis, a scalar int32 tensor."""
    return tf.shape(signal)[0]


def _lengths(signals):
    """Steps of each signal of a batch."""
    if isinstance(signals, tf.RaggedTensor):
        return tf.cast(signals.row_lengths(), tf.int32)
    return tf.fill([tf.shape(signals)[0]], tf.shape(signals)[1])


def _dense(signal):
    if isinstance(signal, tf.RaggedTensor):
        return signal.to_tensor()
    return signal
