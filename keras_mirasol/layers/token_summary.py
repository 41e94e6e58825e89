"""Token summaries: many tokens to few, by a softmax over the many."""

import keras
from keras import ops

from keras_mirasol.layers.attention_record import record
from keras_mirasol.layers.gelu import gelu
from keras_mirasol.layers.layer_norm import layer_norm
from keras_mirasol.layers.projection import Projection


class TokenSummary(keras.layers.Layer):
    """`S_k(V)`: summarises the tokens of V to k tokens.

    Token Turing Machines read and write with it (Ryoo et al., 2023, section
    3). It is done in two halves. `embed()` sees each token alone, so that
    tokens known ahead of time are embedded together; `pool()` takes a softmax
    over all tokens there are. Both see V through

    ```
    U = norm(V) + P
    ```

    with learned positions P of all places in V, if `positions`.

    Args:
        num_tokens: int. `k`, tokens that are left.
        dim: int. Width of all tokens.
        positions: bool. Whether tokens are told apart by their place in V.
        **kwargs: see `keras.layers.Layer`.

    Call arguments:
        tokens: tensor of shape `(batch, n, dim)`.
        token_mask: bool tensor of shape `(batch, n)`, `True` for tokens that
            there are, at least one in each row. Defaults to all.

    Returns:
        A tensor of shape `(batch, k, dim)`.
    """

    def __init__(self, num_tokens, dim, positions, **kwargs):
        super().__init__(**kwargs)
        self.num_tokens = num_tokens
        self.dim = dim
        self.has_positions = positions
        self.norm = layer_norm("norm", self.dtype_policy)

    def build(self, tokens_shape):
        self.norm.build(tokens_shape)
        if self.has_positions:
            self.positions = self.add_weight(
                shape=tokens_shape[1:],
                initializer=keras.initializers.RandomNormal(stddev=0.5),
                name="positions",
            )

    def located(self, tokens, start):
        """`U` of tokens that stand in V from place `start` on."""
        x = self.norm(tokens)
        if self.has_positions:
            places = self.positions[start : start + tokens.shape[-2]]
            x = x + ops.cast(places, self.compute_dtype)
        return x

    def embed(self, tokens, start=0):
        """All that `pool()` needs of tokens from place `start` on.

        Args:
            tokens: tensor of shape `(batch, n, dim)`.
            start: int. Place in V of the first of them.

        Returns:
            A tensor of shape `(batch, n, num_features)`.
        """
        raise NotImplementedError

    def pool(self, features, token_mask=None):
        """The summary of what `embed()` made of all tokens of V."""
        raise NotImplementedError

    def call(self, tokens, token_mask=None):
        return self.pool(self.embed(tokens), token_mask)

    def compute_output_shape(self, tokens_shape, *_, **__):
        return (tokens_shape[0], self.num_tokens, self.dim)

    def get_config(self):
        return {
            **super().get_config(),
            "num_tokens": self.num_tokens,
            "dim": self.dim,
            "positions": self.has_positions,
        }


@keras.saving.register_keras_serializable(package="keras_mirasol")
class AttentionSummary(TokenSummary):
    """A summary by k learned queries Q that attend to the tokens.

    ```
    S_k(V) = softmax(Q (U W_K)^T / sqrt(head_dim)) U W_V W_O
    ```

    with several heads. Queries are learned as they meet the keys, for a
    projection of them, or biases of keys and values, would add nothing.
    """

    def __init__(self, num_tokens, dim, positions, num_heads, **kwargs):
        super().__init__(num_tokens, dim, positions, **kwargs)
        self.num_heads = num_heads
        self.num_features = 2 * dim
        self.keys_values = Projection(
            2 * dim,
            use_bias=False,
            dtype=self.dtype_policy,
            name="keys_values",
        )
        self.output_dense = Projection(
            dim, dtype=self.dtype_policy, name="output"
        )

    def build(self, tokens_shape):
        super().build(tokens_shape)
        self.queries = self.add_weight(
            shape=(self.num_tokens, self.dim),
            initializer=keras.initializers.RandomNormal(stddev=0.5),
            name="queries",
        )
        self.keys_values.build(tokens_shape)
        self.output_dense.build((None, None, self.dim))

    def embed(self, tokens, start=0):
        return self.keys_values(self.located(tokens, start))

    def pool(self, features, token_mask=None):
        heads = (self.num_heads, self.dim // self.num_heads)
        count = features.shape[1]
        keys_values = ops.reshape(features, (-1, count, 2, *heads))
        queries = ops.reshape(
            ops.cast(self.queries, self.compute_dtype), (-1, *heads)
        )
        # Not by `ops.dot_product_attention`: it needs queries for each row,
        # and XLA on TensorFlow has no gradient of broadcasting in a loop.
        products = ops.einsum("khd,bnhd->bhkn", queries, keys_values[:, :, 0])
        weights = softmax_over_tokens(products * heads[1] ** -0.5, token_mask)
        record(self, lambda: weights)
        attended = ops.einsum("bhkn,bnhd->bkhd", weights, keys_values[:, :, 1])
        return self.output_dense(
            ops.reshape(attended, (-1, self.num_tokens, self.dim))
        )

    def get_config(self):
        return {**super().get_config(), "num_heads": self.num_heads}


@keras.saving.register_keras_serializable(package="keras_mirasol")
class WeightedSummary(TokenSummary):
    """A summary by k weighted sums of the tokens.

    ```
    S_k(V) = softmax(MLP(U))^T V
    ```

    The MLP gives each token k logits, without biases, which a softmax over
    tokens would not see.
    """

    def __init__(self, num_tokens, dim, positions, **kwargs):
        super().__init__(num_tokens, dim, positions, **kwargs)
        self.num_features = dim + num_tokens
        self.hidden = Projection(
            dim, activation=gelu, dtype=self.dtype_policy, name="hidden"
        )
        self.logits = Projection(
            num_tokens, use_bias=False, dtype=self.dtype_policy, name="logits"
        )

    def build(self, tokens_shape):
        super().build(tokens_shape)
        self.hidden.build(tokens_shape)
        self.logits.build(tokens_shape)

    def embed(self, tokens, start=0):
        logits = self.logits(self.hidden(self.located(tokens, start)))
        return ops.concatenate([tokens, logits], axis=-1)

    def pool(self, features, token_mask=None):
        tokens, logits = features[..., : self.dim], features[..., self.dim :]
        weights = softmax_over_tokens(
            ops.transpose(logits, (0, 2, 1)), token_mask
        )
        record(self, lambda: weights[:, None])
        return ops.einsum("bkn,bnd->bkd", weights, tokens)


def softmax_over_tokens(logits, token_mask=None):
    """Softmax over the last axis, with nothing for tokens that are not there.

    Args:
        logits: tensor of shape `(batch, ..., n)`.
        token_mask: bool tensor of shape `(batch, n)`. Defaults to all.

    Returns:
        A tensor of the shape and dtype of `logits`.
    """
    x = ops.cast(logits, "float32")
    if token_mask is not None:
        axes = tuple(range(1, len(x.shape) - 1))
        x = ops.where(ops.expand_dims(token_mask, axes), x, -1e9)
    # Another axis than the last would have no gradient in a loop under XLA on
    # TensorFlow.
    return ops.cast(ops.softmax(x, axis=-1), logits.dtype)
