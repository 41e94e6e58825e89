"""The autoregressive model over snippets."""

import keras
from keras import ops

from keras_mirasol.layers.layer_norm import layer_norm
from keras_mirasol.layers.positions import SinusoidalPositions
from keras_mirasol.layers.positions import time_wavelengths
from keras_mirasol.layers.snippet_slots import slot_of
from keras_mirasol.layers.snippet_slots import snippets_in_slots
from keras_mirasol.layers.snippet_slots import tokens_of
from keras_mirasol.layers.transformer import Transformer


@keras.saving.register_keras_serializable(package="keras_mirasol")
class SnippetTransformer(keras.layers.Layer):
    """A Transformer over joint tokens, causal from snippet to snippet.

    All `m` joint tokens of snippet t attend to all tokens of the snippets up
    to t, and no further (Mirasol3B, section on autoregressive modelling of
    video and audio in time). For T = 3 and m = 2, rows attend to columns:

    ```
    11....
    11....
    1111..
    1111..
    111111
    111111
    ```

    Tokens are normalised, and get a learned embedding of their place in the
    snippet and sines and cosines of the snippet's time, in seconds, so a
    longer clip needs no new weights.

    Args:
        num_layers: int. Transformer blocks.
        dim: int. Width of the tokens.
        num_heads: int. Attention heads; must divide `dim`.
        snippet_seconds: float. Duration of a snippet. Defaults to `1.0`.
        wavelengths: pair of floats, shortest and longest wavelength of the
            time positions, in seconds. The shortest should be two to four
            snippets. Defaults to 4 and 4096 snippets.
        position_gain: float. Initial gain of the time positions against the
            normalised tokens: a time that drowns in the token is not learned
            from. Defaults to `2.0`.
        dropout: float. Defaults to `0.0`.
        rematerialize: bool. Whether to compute blocks again in the backward
            pass; see `Transformer`. Defaults to `False`.
        **kwargs: see `keras.layers.Layer`.

    Call arguments:
        joint_tokens: tensor of shape `(batch, T, m, dim)`; T may vary.
        caches: list of one cache a block, from `empty_caches()` or an earlier
            call. Defaults to `None`, no cache.
        start: int, scalar int tensor, or int tensor of shape `(batch,)` where
            rows have come to different snippets. Index of the first snippet
            given. Defaults to `0`.
        window: int. The last snippets that are attended to, a snippet's own
            among them; caches then have `num_sinks + window` snippets, the
            oldest making way for the newest, and snippets come one by one.
            Defaults to `None`, all.
        num_sinks: int. With a window, the first snippets of the clip that are
            attended to all the same. Defaults to `0`.

    Returns:
        Snippet latents, a tensor of shape `(batch, T, m, dim)`; with `caches`,
        a pair of it and the updated caches.

    Raises:
        ValueError: if the caches have no room for the snippets, or are not as
            a window wants them.

    Example:
    ```python
    model = keras_mirasol.layers.SnippetTransformer(2, dim=64, num_heads=4)
    joint_tokens = np.random.normal(size=(2, 5, 4, 64))
    latents = model(joint_tokens)  # (2, 5, 4, 64)

    caches = model.empty_caches(batch_size=2, max_snippets=5)
    first, caches = model(joint_tokens[:, :2], caches=caches)
    rest, caches = model(joint_tokens[:, 2:], caches=caches, start=2)
    ```
    """

    def __init__(
        self,
        num_layers,
        dim,
        num_heads,
        snippet_seconds=1.0,
        wavelengths=None,
        position_gain=2.0,
        dropout=0.0,
        rematerialize=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_layers = num_layers
        self.dim = dim
        self.num_heads = num_heads
        self.snippet_seconds = snippet_seconds
        self.wavelengths = time_wavelengths(wavelengths, snippet_seconds)
        self.position_gain = position_gain
        self.dropout = dropout
        self.rematerialize = rematerialize
        self.input_norm = layer_norm("input_norm", self.dtype_policy)
        self.positions = SinusoidalPositions(
            dim,
            self.wavelengths,
            gain=position_gain,
            dtype=self.dtype_policy,
            name="positions",
        )
        self.transformer = Transformer(
            num_layers,
            dim,
            num_heads,
            dropout=dropout,
            rematerialize=rematerialize,
            dtype=self.dtype_policy,
            name="transformer",
        )

    def build(self, joint_tokens_shape):
        self.num_joint_tokens = joint_tokens_shape[2]
        self.input_norm.build(joint_tokens_shape)
        self.places = self.add_weight(
            shape=(self.num_joint_tokens, self.dim),
            initializer=keras.initializers.RandomNormal(stddev=0.5),
            name="places",
        )
        self.positions.build((None, 1))
        self.transformer.build((None, None, self.dim))

    def empty_caches(self, batch_size, max_snippets):
        """Caches of `max_snippets` snippets for calls with `caches`."""
        return self.transformer.empty_caches(
            batch_size, max_snippets * self.num_joint_tokens
        )

    def call(
        self,
        joint_tokens,
        caches=None,
        start=0,
        window=None,
        num_sinks=0,
        training=None,
    ):
        m = self.num_joint_tokens
        batch, count = ops.shape(joint_tokens)[:2]
        # One row for all clips, or one for each.
        snippets = ops.reshape(ops.cast(start, "int32"), (-1, 1)) + ops.arange(
            count, dtype="int32"
        )
        seconds = self.snippet_seconds * ops.cast(snippets, "float32")
        x = (
            self.input_norm(joint_tokens)
            + ops.cast(self.places, self.compute_dtype)
            + self.positions(seconds[:, :, None])[:, :, None, :]
        )
        x = ops.reshape(x, (batch, count * m, self.dim))
        attended, places = snippets, None
        if caches is not None:
            num_slots = caches[0].shape[3] // m
            num_sinks = _check_slots(
                num_slots, window, num_sinks, joint_tokens.shape[1]
            )
            attended = snippets_in_slots(snippets[:, -1], num_slots, num_sinks)
            slots = slot_of(snippets, num_slots, num_sinks)
            places = tokens_of(ops.broadcast_to(slots, (batch, count)), m)
        x = self.transformer(
            x,
            attention_mask=snippet_causal_mask(
                snippets, attended, m, window, num_sinks
            ),
            caches=caches,
            # With a window there is room for whatever comes.
            start=start * m if window is None else 0,
            cache_places=places,
            training=training,
        )
        x, caches = x if caches is not None else (x, None)
        latents = ops.reshape(x, (batch, count, m, self.dim))
        return latents if caches is None else (latents, caches)

    def compute_output_shape(self, joint_tokens_shape):
        return joint_tokens_shape

    def get_config(self):
        return {
            **super().get_config(),
            "num_layers": self.num_layers,
            "dim": self.dim,
            "num_heads": self.num_heads,
            "snippet_seconds": self.snippet_seconds,
            "wavelengths": self.wavelengths,
            "position_gain": self.position_gain,
            "dropout": self.dropout,
            "rematerialize": self.rematerialize,
        }


def snippet_causal_mask(
    snippets, attended, num_joint_tokens, window=None, num_sinks=0
):
    """The mask drawn in `SnippetTransformer`.

    Args:
        snippets: int tensor of shape `(rows, count)`, indices of the snippets
            whose tokens attend.
        attended: int tensor of shape `(rows, attended)`, indices of those that
            are attended to; negative for none.
        num_joint_tokens: int. `m`.
        window: int or `None`. See `SnippetTransformer`.
        num_sinks: int. Likewise.

    Returns:
        A bool tensor `(rows, 1, count * m, attended * m)`.
    """
    # Along an axis: on PyTorch a length that is to be exported stays known.
    rows = ops.repeat(snippets, num_joint_tokens, axis=1)[:, :, None]
    columns = ops.repeat(attended, num_joint_tokens, axis=1)[:, None, :]
    mask = ops.logical_and(columns >= 0, columns <= rows)
    if window is not None:
        near = ops.logical_or(columns < num_sinks, rows - columns < window)
        mask = ops.logical_and(mask, near)
    return mask[:, None]


def _check_slots(num_slots, window, num_sinks, count):
    """Checks caches, and says how many of their slots are sinks."""
    if window is None:
        return 0
    if num_slots != num_sinks + window:
        raise ValueError(
            f"Caches for `window` = {window} and `num_sinks` = {num_sinks} "
            f"have {num_sinks + window} snippets. Received: caches of "
            f"{num_slots}. Make them with `empty_caches(batch_size, "
            f"{num_sinks + window})`."
        )
    if count not in (None, 1):
        raise ValueError(
            "With caches and a `window`, snippets come one by one, as a later "
            "one takes the place of one that an earlier one attends to. "
            f"Received: {count} snippets."
        )
    return num_sinks
