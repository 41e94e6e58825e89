"""One vector for a whole clip."""

import keras
from keras import ops

from keras_mirasol.layers.attention import Attention
from keras_mirasol.layers.layer_norm import layer_norm


@keras.saving.register_keras_serializable(package="keras_mirasol")
class ClipEmbedding(keras.layers.Layer):
    """Embeds a clip as a vector of length 1, to be compared with texts.

    ```
    read = query + attention(query, latents of all snippets that exist)
    embedding = normalize(dense(norm(read)))
    ```

    The query is learned. A clip without any snippet is embedded as a vector
    that depends on weights alone.

    Args:
        embedding_dim: int. Size of the embedding.
        dim: int. Width of the snippet latents.
        num_heads: int. Attention heads; must divide `dim`. Defaults to `4`.
        **kwargs: see `keras.layers.Layer`.

    Call arguments:
        snippet_latents: tensor of shape `(batch, T, m, dim)`; T may vary.
        snippet_mask: bool tensor of shape `(batch, T)`, `True` for snippets
            that have video or audio.

    Returns:
        A tensor of shape `(batch, embedding_dim)`.

    Example:
    ```python
    embed = keras_mirasol.layers.ClipEmbedding(embedding_dim=32, dim=64)
    latents = np.random.normal(size=(2, 5, 4, 64))
    embed(latents, np.ones((2, 5), bool)).shape  # (2, 32)
    ```
    """

    def __init__(self, embedding_dim, dim, num_heads=4, **kwargs):
        super().__init__(**kwargs)
        self.embedding_dim = embedding_dim
        self.dim = dim
        self.num_heads = num_heads
        self.attention = Attention(
            num_heads, dim, dtype=self.dtype_policy, name="attention"
        )
        self.norm = layer_norm("norm", self.dtype_policy)
        self.projection = keras.layers.Dense(
            embedding_dim,
            use_bias=False,
            dtype=self.dtype_policy,
            name="projection",
        )

    def build(self, snippet_latents_shape, snippet_mask_shape=None):
        self.query = self.add_weight(
            shape=(1, self.dim),
            initializer=keras.initializers.RandomNormal(stddev=0.5),
            name="query",
        )
        self.attention.build((None, 1, self.dim))
        self.norm.build((None, 1, self.dim))
        self.projection.build((None, self.dim))

    def call(self, snippet_latents, snippet_mask):
        batch = ops.shape(snippet_latents)[0]
        m = snippet_latents.shape[2]
        here = ops.cast(snippet_mask, "bool")
        # Not even NaN may pass from what is masked. Where nothing exists,
        # these zeros are attended to.
        latents = ops.where(here[:, :, None, None], snippet_latents, 0)
        nothing = ops.logical_not(ops.any(here, axis=1, keepdims=True))
        attended = ops.repeat(ops.logical_or(here, nothing), m, axis=1)
        query = ops.cast(self.query, self.compute_dtype)[None]
        read = query + self.attention(
            query,
            self.attention.key_values(
                ops.reshape(latents, (batch, -1, self.dim))
            ),
            attention_mask=attended[:, None, None, :],
        )
        return unit_vectors(self.projection(self.norm(read)[:, 0]))

    def compute_output_shape(self, snippet_latents_shape, *_, **__):
        return (snippet_latents_shape[0], self.embedding_dim)

    def get_config(self):
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "dim": self.dim,
            "num_heads": self.num_heads,
        }


def unit_vectors(x):
    """Scales vectors to length 1, with squares in full precision."""
    return ops.cast(ops.normalize(ops.cast(x, "float32"), axis=-1), x.dtype)
