"""Dense layers of tokens."""

import keras
from keras import ops

from keras_mirasol.layers.pure_function import as_tensor


@keras.saving.register_keras_serializable(package="keras_mirasol")
class Projection(keras.layers.EinsumDense):
    """A `Dense` of tokens, `(batch, n, features)` to `(batch, n, dim)`.

    As an einsum, because the gradient of `keras.layers.Dense` in a loop is
    refused by XLA on TensorFlow when the batch size is open.

    Args:
        dim: int.
        use_bias: bool. Defaults to `True`.
        **kwargs: see `keras.layers.EinsumDense`.
    """

    def __init__(self, dim, use_bias=True, **kwargs):
        super().__init__(
            "bnd,de->bne",
            output_shape=(None, dim),
            bias_axes="e" if use_bias else None,
            **kwargs,
        )
        self.dim = dim
        self.use_bias = use_bias

    def call(self, inputs, training=None):
        x = _product(as_tensor(inputs), as_tensor(self.kernel))
        if self.bias is not None:
            x = ops.add(x, self.bias)
        return x if self.activation is None else self.activation(x)

    def quantize(self, mode=None, type_check=True, config=None):
        # Keras refuses subclasses, which may compute something else.
        is_checked = type_check and type(self) is not Projection
        super().quantize(mode, type_check=is_checked, config=config)

    def get_config(self):
        config = super().get_config()
        for name in ("equation", "output_shape", "bias_axes"):
            del config[name]
        return {**config, "dim": self.dim, "use_bias": self.use_bias}


def _product_and_gradient(x, kernel):
    def gradient(*args, upstream=None):
        (upstream,) = args or (upstream,)
        return (
            ops.einsum("bne,de->bnd", upstream, kernel),
            # Tokens first: by itself JAX has the gradient first, which XLA on
            # a CPU transposes while it computes it, in a quarter of a step.
            ops.einsum("bnd,bne->de", x, upstream),
        )

    return ops.einsum("bnd,de->bne", x, kernel), gradient


# PyTorch has no compiler in between, and makes more of an einsum.
_product = (
    ops.matmul
    if keras.backend.backend() == "torch"
    else ops.custom_gradient(_product_and_gradient)
)
