"""Prompts and responses to token ids, in a TensorFlow graph."""

import numpy as np
import tensorflow as tf


def pack_texts(prompt_tokens, response_tokens, start, end, pad, length):
    """Packs `[start, prompt, response, end]` and pads it to `length`.

    Args:
        prompt_tokens: ragged int tensor `(texts, tokens)`.
        response_tokens: ragged int tensor `(texts, tokens)`, or `None`: the
            prompt alone is packed, with no end.
        start: int. Id of the start token.
        end: int. Id of the end token.
        pad: int. Id of padding.
        length: int. Tokens per text.

    Returns:
        A tuple of int32 `token_ids`, bool `padding_mask` and bool
        `response_mask`, each of shape `(texts, length)`.

    Raises:
        tf.errors.InvalidArgumentError: if a text has more tokens than fit, or
            a prompt alone leaves no room for an answer.

    Example:
    ```python
    token_ids, _, _ = keras_mirasol.preprocessing.pack_texts(
        tf.ragged.constant([[5, 6]]), tf.ragged.constant([[7]]),
        start=1, end=2, pad=0, length=6,
    )
    token_ids  # [[1, 5, 6, 7, 2, 0]]
    ```
    """
    texts = prompt_tokens.nrows()
    segments = [_column(texts, start), tf.cast(prompt_tokens, tf.int32)]
    if response_tokens is not None:
        segments += [
            tf.cast(response_tokens, tf.int32),
            _column(texts, end),
        ]
    packed = tf.concat(segments, axis=1)
    lengths = tf.cast(packed.row_lengths(), tf.int32)
    longest = tf.reduce_max(lengths)
    room = length if response_tokens is not None else length - 1
    fits = tf.debugging.Assert(
        longest <= room,
        [
            "A text has",
            longest,
            "tokens, with start, separator and end, but there is room for",
            room,
            "only. Use a longer `sequence_length` (or `max_length`, to "
            "generate), or shorter texts.",
        ],
        summarize=1,
    )
    with tf.control_dependencies([fits]):
        token_ids = packed.to_tensor(pad, shape=(None, length))
    places = tf.range(length)[tf.newaxis]
    prompts = 1 + tf.cast(prompt_tokens.row_lengths(), tf.int32)
    padding_mask = places < lengths[:, tf.newaxis]
    return (
        token_ids,
        padding_mask,
        padding_mask & (places >= prompts[:, tf.newaxis]),
    )


def end_texts(tokens, end):
    """Texts of ragged tokens, each filled up with its end, `(texts, length)`.

    The longest has its end once.
    """
    ends = _column(tokens.nrows(), end)
    return tf.concat([tf.cast(tokens, tf.int32), ends], axis=1).to_tensor(end)


def flatten_texts(texts):
    """All texts of a string tensor of any rank, as one axis."""
    return tf.reshape(texts, [-1])


def unflatten_texts(values, texts):
    """Gives `values` of flattened texts the leading shape of `texts`."""
    shape = tf.concat([tf.shape(texts), tf.shape(values)[1:]], axis=0)
    restored = tf.reshape(values, shape)
    restored.set_shape(texts.shape.concatenate(values.shape[1:]))
    return restored


def next_tokens(token_ids, padding_mask, response_mask):
    """Shifts packed texts by one: `(x, y, sample_weight)` for training."""
    x = {
        "token_ids": token_ids[..., :-1],
        "padding_mask": padding_mask[..., :-1],
    }
    return x, token_ids[..., 1:], tf.cast(response_mask[..., 1:], tf.float32)


def text_bucket(longest, length):
    """The number of tokens that a batch of texts is cut to.

    Args:
        longest: scalar int tensor. Tokens of the longest text.
        length: int. Tokens that it is packed to.

    Returns:
        A scalar int tensor, the smallest of 16, 32, 64 and so on, at most
        `length`, that holds the longest.
    """
    buckets = tf.constant(_buckets(length))
    return tf.reduce_min(tf.where(buckets >= longest, buckets, length))


def bucket_of_prompts(padding_mask):
    """The number of tokens that hold all prompts of a batch.

    Args:
        padding_mask: bool array `(texts, length)`.

    Returns:
        An int, one of those of `text_bucket()`.
    """
    longest = np.max(np.sum(padding_mask, axis=-1))
    length = padding_mask.shape[-1]
    return next(b for b in _buckets(length) if b >= longest)


def _buckets(length):
    buckets = [length]
    while buckets[0] > 16:
        # The largest power of two below the first.
        buckets.insert(0, max(16, 1 << (buckets[0] - 1).bit_length() - 1))
    return buckets


def cut_to_bucket(x, y, sample_weight):
    """Leaves out padding behind the bucket that holds all texts of a batch."""
    counts = tf.reduce_sum(tf.cast(x["padding_mask"], tf.int32), axis=-1)
    bucket = text_bucket(tf.reduce_max(counts), y.shape[-1])
    return tf.nest.map_structure(
        lambda values: values[..., :bucket], (x, y, sample_weight)
    )


def zero_from(token_ids, first):
    """Token ids with zeros for those from `first` on."""
    return token_ids * tf.cast(token_ids < first, token_ids.dtype)


def _column(rows, value):
    return tf.RaggedTensor.from_tensor(tf.fill((rows, 1), value))
