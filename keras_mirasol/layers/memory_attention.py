"""Attention of texts to the memories of their clips."""

from keras import ops


def attend_to_memory(attention, x, key_values, mask=None, training=None):
    """What texts read of their clips.

    Args:
        attention: an `Attention`.
        x: tensor of shape `(texts_per_clip * clips, length, dim)`; the texts
            of one clip stand together and share its memory.
        key_values: tensor with a row per clip, from `attention.key_values()`.
        mask: bool tensor `(clips, memory_length)`. Defaults to `None`, all.
        training: bool. Defaults to `None`.

    Returns:
        A tensor of the shape of `x`.

    Raises:
        ValueError: if `key_values` are missing, or rows of `x` cannot be
            shared out to the clips.
    """
    _check_memory(key_values, x)
    # All texts of a clip, end to end, are one long query to its memory.
    texts_shape = ops.shape(x)
    clips = ops.shape(key_values)[0]
    x = ops.reshape(x, (clips, -1, x.shape[-1]))
    if mask is not None:
        mask = mask[:, None, None, :]
    x = attention(x, key_values, attention_mask=mask, training=training)
    return ops.reshape(x, texts_shape)


def _check_memory(key_values, x):
    """Refuses rows that cannot be shared out to the memories."""
    if key_values is None:
        raise ValueError(
            "A layer that reads a memory needs `memory_key_values`. Make "
            "them with its `memory_key_values(memory)`."
        )
    rows, clips = x.shape[0], key_values.shape[0]
    if rows is not None and clips is not None and rows % clips:
        raise ValueError(
            "The rows of `x` must be as many for each clip of "
            f"`memory_key_values`. Received: {rows} rows and {clips} clips"
        )
