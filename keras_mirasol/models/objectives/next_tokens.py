"""Scores of next tokens, of responses alone."""

from keras import ops

from keras_mirasol.layers.recurrence import recur
from keras_mirasol.losses.text import token_cross_entropy

# What is there at a time; fewer are not worth a loop.
_LOGITS = 2**22
# Tokens of a batch, where a function is traced without knowing them.
_TOKENS = 2048
# Fewer of a text at a time would leave processors idle.
_LEAST = 8


def score_next_tokens(
    hidden, token_ids, weights, token_embedding, vocabulary_size
):
    """Cross-entropy of next tokens, and which of them are the likeliest.

    Tokens that weigh nothing do not meet the vocabulary, and logits are there
    for a few tokens of each text at a time, in the backward pass as well: of
    each text, those that weigh something come first, and all texts go through
    chunk by chunk until none has any left. Few logits are made at once.

    Args:
        hidden: tensor of shape `(texts, L, dim)`, of the tokens before.
        token_ids: int tensor of shape `(texts, L)`.
        weights: float tensor of shape `(texts, L)`.
        token_embedding: a built `keras.layers.ReversibleEmbedding`.
        vocabulary_size: int.

    Returns:
        Three float32 tensors of one shape, of tokens in an order of their own:
        the cross-entropy in nats, 1 where a token is the likeliest and 0
        elsewhere, and the weights. Without weight, the first two are anything.
    """

    def score(hidden, token_ids):
        return scores_of_logits(
            token_embedding(hidden, reverse=True), token_ids
        )

    weights = ops.cast(weights, "float32")
    texts, length, _ = hidden.shape
    is_known = texts is not None and length is not None
    tokens = texts * length if is_known else _TOKENS
    if tokens * vocabulary_size <= _LOGITS:
        return *score(hidden, token_ids), weights

    def score_chunk(inputs, state):
        hidden, token_ids, weights = inputs
        nothing = ops.zeros_like(weights)
        scores = ops.cond(
            ops.any(weights > 0),
            lambda: score(hidden, token_ids),
            lambda: (nothing, nothing),
        )
        return scores, state

    chunk = max(_LEAST, _LOGITS // ((texts or tokens) * vocabulary_size))
    order = ops.argsort(ops.cast(weights <= 0, "int32"), axis=1)
    inputs = [
        _in_chunks(ops.take_along_axis(x, order, axis=1), chunk)
        for x in (token_ids, weights)
    ]
    hidden = ops.take_along_axis(hidden, order[:, :, None], axis=1)
    inputs.insert(0, _in_chunks(hidden, chunk))
    scores, _ = recur(score_chunk, [token_embedding], inputs, ops.zeros(()))
    return *scores, inputs[2]


def scores_of_logits(logits, token_ids):
    """The first two of the scores, from logits `(..., vocabulary_size)`."""
    likeliest = ops.cast(ops.argmax(logits, axis=-1), token_ids.dtype)
    return (
        token_cross_entropy(token_ids, logits),
        ops.cast(likeliest == token_ids, "float32"),
    )


def _in_chunks(x, chunk):
    """`(texts, L, ...)` to `(chunks, texts, chunk, ...)`, filled with zeros."""
    texts, length = ops.shape(x)[:2]
    rest = x.shape[2:]
    x = ops.pad(x, [(0, 0), (0, -length % chunk)] + [(0, 0)] * len(rest))
    return ops.moveaxis(ops.reshape(x, (texts, -1, chunk, *rest)), 1, 0)
