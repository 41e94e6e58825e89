"""Generation that is held to a set of answers."""

from keras import ops


def allowed_tokens(
    token_ids, prompt_lengths, choice_ids, index, vocabulary_size
):
    """Which tokens may come next, for a text to become one of its choices.

    A choice goes on with its next token where the answer up to now is its
    beginning. After its last token, the end, nothing but the end may come.

    Args:
        token_ids: int tensor `(texts, length)`. Of each text the prompt, and
            its answer up to `index`.
        prompt_lengths: int tensor `(texts,)`. In prompts, whatever is there
            may come.
        choice_ids: int tensor `(texts, choices, tokens)`. Each choice is
            filled up with its end.
        index: scalar int tensor. The place of the next token.
        vocabulary_size: int.

    Returns:
        A bool tensor `(texts, vocabulary_size)`.
    """
    texts, length = ops.shape(token_ids)
    width = ops.shape(choice_ids)[2]
    places = ops.arange(width, dtype="int32")
    prompt_lengths = ops.cast(prompt_lengths, "int32")[:, None]
    answers = ops.take_along_axis(
        token_ids, ops.minimum(prompt_lengths + places, length - 1), axis=1
    )
    answered = ops.cast(index, "int32") - prompt_lengths
    is_beginning = ops.all(
        ops.logical_or(
            choice_ids == answers[:, None], (places >= answered)[:, None]
        ),
        axis=-1,
    )
    place = ops.clip(answered, 0, width - 1)
    next_ids = ops.take_along_axis(choice_ids, place[:, :, None], axis=2)
    # How many choices go on with each token.
    rows = ops.arange(texts, dtype="int32")[:, None]
    counts = ops.scatter_update(
        ops.zeros((texts * vocabulary_size,), "int32"),
        ops.reshape(
            rows * vocabulary_size + ops.cast(next_ids[:, :, 0], "int32"),
            (-1, 1),
        ),
        ops.reshape(ops.cast(is_beginning, "int32"), (-1,)),
        reduction="add",
    )
    counts = ops.reshape(counts, (texts, vocabulary_size))
    return ops.logical_or(counts > 0, answered < 0)
