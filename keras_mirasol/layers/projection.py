"""Dense layers that a loop may hold."""

import keras


def projection(dim, use_bias=True, **kwargs):
    """A `Dense` of tokens, `(batch, n, features)` to `(batch, n, dim)`.

    As an einsum, because the gradient of `keras.layers.Dense` in a loop is
    refused by XLA on TensorFlow when the batch size is open.
    """
    return keras.layers.EinsumDense(
        "bnd,de->bne",
        output_shape=(None, dim),
        bias_axes="e" if use_bias else None,
        **kwargs,
    )
