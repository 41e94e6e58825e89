"""Which texts and clips of a batch belong together."""

from keras import ops


def text_clip_pairs(token_ids, padding_mask, text_mask, clip_mask):
    """Which texts and clips are pairs, and which are negatives.

    A text and its own clip are a pair. A text and another clip are negatives
    of each other, unless one of that clip's texts says the same, token for
    token. Masked texts and clips are neither.

    Args:
        token_ids: int tensor of shape `(texts, L)`, as many texts for each
            clip, the texts of one clip together.
        padding_mask: bool tensor of shape `(texts, L)`, `False` where text is
            padding.
        text_mask: bool tensor of shape `(texts,)`, `True` for texts that
            count.
        clip_mask: bool tensor of shape `(clips,)`, likewise.

    Returns:
        Two bool tensors of shape `(texts, clips)`: pairs and negatives.

    Example:
    ```python
    token_ids = np.array([[1], [2], [1]])  # one text for each of three clips
    everything = np.ones(3, bool)
    pairs, negatives = keras_mirasol.losses.text_clip_pairs(
        token_ids, np.ones((3, 1), bool), everything, everything
    )
    keras.ops.sum(pairs)  # 3
    keras.ops.sum(negatives)  # 4
    ```
    """
    text_mask = ops.cast(text_mask, "bool")
    clip_mask = ops.cast(clip_mask, "bool")
    texts, clips = ops.shape(text_mask)[0], ops.shape(clip_mask)[0]
    both = ops.logical_and(text_mask[:, None], clip_mask[None, :])

    # No token has the id -1.
    tokens = ops.where(ops.cast(padding_mask, "bool"), token_ids, -1)
    same = ops.logical_and(_same_rows(tokens), text_mask[None, :])
    told = ops.any(ops.reshape(same, (texts, clips, -1)), axis=-1)

    own_clip = ops.arange(texts, dtype="int32") // (texts // clips)
    own = ops.equal(own_clip[:, None], ops.arange(clips, dtype="int32"))
    return (
        ops.logical_and(own, both),
        ops.logical_and(ops.logical_not(told), both),
    )


def _same_rows(rows):
    """Which rows of a matrix `(rows, L)` are alike, `(rows, rows)`."""

    def compare(column, same):
        values = ops.take(rows, column, axis=1)
        return ops.logical_and(same, values[:, None] == values[None, :])

    # Column by column: all at once would take L times the memory.
    count = ops.shape(rows)[0]
    return ops.fori_loop(
        0, ops.shape(rows)[1], compare, ops.ones((count, count), "bool")
    )
