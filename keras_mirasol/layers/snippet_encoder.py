"""What all encoders of snippets share."""

import keras
from keras import ops


class SnippetEncoder(keras.layers.Layer):
    """Encodes all snippets at once: they are folded into the batch.

    Cuts a signal of shape `(batch, T * span, ...)` into snippets of `span`
    steps, each of which a subclass turns into tokens with `encode()`; cost
    grows linearly with T. Masked snippets are encoded as zeros.
    """

    def __init__(self, span, **kwargs):
        super().__init__(**kwargs)
        self.span = span

    def encode(self, snippets, training=None):
        """Tokens `(batch * T, tokens, dim)` of snippets `(batch * T, ...)`."""
        raise NotImplementedError

    def tokens_shape(self, x_shape):
        """Shape of what `encode()` makes, for a signal of this shape."""
        raise NotImplementedError

    def call(self, x, snippet_mask=None, training=None):
        self._check_steps(x, snippet_mask)
        batch, features = ops.shape(x)[0], x.shape[2:]
        snippets = ops.reshape(x, (-1, self.span, *features))
        if snippet_mask is not None:
            mask = ops.reshape(
                ops.cast(snippet_mask, "bool"), (-1, 1, *[1] * len(features))
            )
            # Here, not after: NaN would get into the gradients of weights
            # even where no token that it has made is used.
            snippets = ops.where(mask, snippets, 0)
        tokens = self.encode(snippets, training=training)
        return ops.reshape(tokens, (batch, -1, *tokens.shape[1:]))

    def _check_steps(self, x, snippet_mask):
        steps = x.shape[1]
        if steps is None:
            return
        if steps % self.span:
            raise ValueError(
                f"{self.__class__.__name__} takes a whole number of snippets "
                f"of {self.span} steps each along axis 1. Received: shape "
                f"{tuple(x.shape)}, that is {steps} steps. Pad or cut the "
                "clip to whole snippets."
            )
        masked = None if snippet_mask is None else snippet_mask.shape[1]
        if masked not in (None, steps // self.span):
            raise ValueError(
                f"{self.__class__.__name__} takes a mask with one value a "
                f"snippet of {self.span} steps. Received: {steps} steps, that "
                f"is {steps // self.span} snippets, and a mask of {masked}."
            )

    def compute_output_shape(self, x_shape):
        snippets = None if x_shape[1] is None else x_shape[1] // self.span
        return (x_shape[0], snippets, *self.tokens_shape(x_shape)[1:])
