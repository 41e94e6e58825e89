"""The matrix products of decoding, and nothing else, for `generation.py`."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Product(NamedTuple):
    """So many products of two matrices side by side.

    The right one is a weight, or for attention of each text and head what is
    attended to.
    """

    name: str
    copies: int
    rows: int
    inner: int
    columns: int

    @property
    def flops(self):
        return 2 * self.copies * self.rows * self.inner * self.columns


def layer_products(sizes, batch):
    """Products of one block that decodes one token of each text.

    All of a cache is attended to, as its shape is fixed.

    Args:
        sizes: dict, as `decoder_sizes()` of `generation.py` returns it.
        batch: int. Texts side by side.
    """
    dim, heads, mlp_dim = sizes["dim"], sizes["heads"], sizes["mlp_dim"]

    def dense(name, inner=dim, columns=dim):
        return Product(name, 1, batch, inner, columns)

    def attended(name, length):
        head_dim, copies = dim // heads, batch * heads
        return [
            Product(f"{name}_keys", copies, 1, head_dim, length),
            Product(f"{name}_values", copies, 1, length, head_dim),
        ]

    return [
        *(dense(name) for name in ("query", "key", "value")),
        *attended("text", sizes["prompt"] + sizes["new"]),
        dense("output"),
        dense("memory_query"),
        *attended("memory", sizes["memory"]),
        dense("memory_output"),
        dense("mlp_hidden", columns=mlp_dim),
        dense("mlp_output", inner=mlp_dim),
    ]


def vocabulary_product(sizes, batch):
    return Product("vocabulary", 1, batch, sizes["dim"], sizes["vocabulary"])


def flops_of_a_token(sizes, batch):
    """Operations of all products that one token of each text takes."""
    layer = sum(product.flops for product in layer_products(sizes, batch))
    last = vocabulary_product(sizes, batch)
    return sizes["layers"] * layer + last.flops


def right_matrices(products, seed=0):
    """Noise, such that a product is as large as what is multiplied."""
    rng = np.random.default_rng(seed)
    return {
        product.name: jnp.array(
            rng.standard_normal(
                (product.copies, product.inner, product.columns), "float32"
            )
            / math.sqrt(product.inner)
        )
        for product in products
    }


def multiply_layer(x, matrices):
    """One block's products, each of what came before, `(batch, dim)`."""

    def dense(x, name):
        return x @ matrices[name][0]

    def attended(query, name):
        keys, values = matrices[f"{name}_keys"], matrices[f"{name}_values"]
        query = query.reshape(keys.shape[0], 1, keys.shape[1])
        return (query @ keys @ values).reshape(x.shape)

    # New keys and values go on, so that no compiler leaves them out.
    kept = dense(x, "key") + dense(x, "value")
    x = attended(dense(x, "query"), "text") + kept
    x = dense(x / math.sqrt(3), "output")
    x = attended(dense(x, "memory_query"), "memory")
    x = dense(x, "memory_output")
    return dense(dense(x, "mlp_hidden"), "mlp_output")


def decode_products(layers, vocabulary, x, steps):
    """The products of decoding `steps` tokens of each text, one by one.

    Args:
        layers: list of dicts. What `right_matrices()` returned of each block.
        vocabulary: array of shape `(dim, vocabulary_size)`.
        x: array of shape `(batch, dim)`.
        steps: int.
    """

    def step(_, x):
        for matrices in layers:
            x = multiply_layer(x, matrices)
        logits = x @ vocabulary
        # The next step waits for all logits, as for a token.
        return x + 1e-6 * jnp.max(logits, axis=-1, keepdims=True)

    return jax.lax.fori_loop(0, steps, step, x)


def random_products(sizes, batch):
    """Arguments of `decode_products()`; its own are `layer_products()`'s."""
    block = layer_products(sizes, batch)
    layers = [
        right_matrices(block, seed=layer) for layer in range(sizes["layers"])
    ]
    last = vocabulary_product(sizes, batch)
    vocabulary = right_matrices([last])["vocabulary"][0]
    x = np.random.default_rng(0).standard_normal(
        (batch, sizes["dim"]), "float32"
    )
    return layers, vocabulary, jnp.array(x)
