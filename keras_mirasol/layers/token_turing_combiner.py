"""The Token Turing Machine Combiner."""

import keras
from keras import ops

from keras_mirasol.layers.combiner import Combiner
from keras_mirasol.layers.positions import SinusoidalPositions
from keras_mirasol.layers.positions import time_wavelengths
from keras_mirasol.layers.recurrence import Recurrence
from keras_mirasol.layers.token_turing_cell import TokenTuringCell


@keras.saving.register_keras_serializable(package="keras_mirasol")
class TokenTuringCombiner(Combiner):
    """Fuses snippets one after another, with a memory of those before.

    A Token Turing Machine (Ryoo et al., 2023, section 3) goes through the
    snippets. From its memory `M_t` and the snippet's video and audio tokens
    `I_t`, with time stamps, it reads `m` tokens, processes them to the joint
    tokens `O_t`, and writes the memory anew:

    ```
    I_t   = [V_t W_V || A_t W_A] + time(t)
    Z_t   = Read([M_t || I_t])                M_0 = 0
    O_t   = Transformer(Z_t)
    M_t+1 = Write([M_t || O_t || I_t])
    ```

    Read and Write summarise tokens, to `m` and to `memory_size`, by a softmax
    over them. With `U = norm(V) + P`, P learned positions:

    - `"attention"`: `softmax(Q (U W_K)^T / sqrt(head_dim)) U W_V W_O`, with
      learned queries Q;
    - `"weighted_sum"`: `softmax(MLP(U))^T V`.

    Instead, Write may be that of Neural Turing Machines. The outputs i select
    slots j of the memory, erase there and add:

    - `"erase_and_add"`: `M_j prod_i (1 - w_ij e_i) + sum_i w_ij a_i`, with
      `w = softmax(O W_Q (U W_K)^T / sqrt(dim))` over the slots,
      `e = sigmoid(O W_E)` and `a = O W_A`.

    Each snippet costs the same, and the compiled program has the same size
    for any T. Joint tokens depend on no later snippet. Tokens of a masked
    modality are neither read nor written. A snippet that has neither modality
    is read from memory alone and leaves the memory as it was, so that padding
    and holes do no more than let time pass.

    To go through a clip piece by piece, hand the state from call to call,
    beginning with that of `empty_state()`: the joint tokens are those of the
    whole clip.

    Args:
        num_joint_tokens: int. `m`, joint tokens per snippet.
        dim: int. Width of the joint tokens and the memory.
        num_layers: int. Transformer blocks that process what was read.
            Defaults to `2`.
        num_heads: int. Attention heads. Defaults to `4`.
        memory_size: int. Tokens of the memory. Defaults to `64`.
        read: `"attention"` or `"weighted_sum"`. Defaults to `"attention"`.
        write: `"attention"`, `"weighted_sum"` or `"erase_and_add"`. Defaults
            to `"attention"`.
        read_write_positions: bool. Whether Read and Write know which place a
            token has in memory or snippet, by P. Defaults to `True`.
        time_stamps: bool. Whether tokens carry the time of their snippet, as
            sines and cosines. Defaults to `True`.
        snippet_seconds: float. Duration of a snippet. Defaults to `1.0`.
        wavelengths: pair of floats, shortest and longest wavelength of the
            time stamps, in seconds. Defaults to 4 and 4096 snippets.
        dropout: float. Dropout rate of the snippets' tokens and of the joint
            tokens. What passes through the memory is never dropped: it would
            be again at every snippet. Defaults to `0.0`.
        rematerialize: bool. Whether training keeps of each snippet the memory
            alone, and the backward pass computes the rest again: less memory
            for more time, with the same outputs and gradients. On TensorFlow
            it always does. Defaults to `False`.
        **kwargs: see `keras.layers.Layer`.

    Call arguments:
        video_tokens: tensor of shape `(batch, T, n_v, d_v)`; T may vary.
        audio_tokens: tensor of shape `(batch, T, n_a, d_a)`.
        video_mask: bool tensor of shape `(batch, T)`, `True` for snippets
            that have video.
        audio_mask: bool tensor of shape `(batch, T)`, likewise for audio.
        state: dict, from `empty_state()` or an earlier call: `"memory"`, of
            shape `(batch, memory_size, dim)`, and `"snippets"`, an int tensor
            of shape `(batch,)`, how many snippets came before. Defaults to
            `None`, the clip's beginning.

    Returns:
        A tensor of shape `(batch, T, num_joint_tokens, dim)`; with `state`, a
        pair of it and the state after the last snippet.

    Raises:
        ValueError: if the numbers of snippets differ, or `state` is not a
            state of this layer for as many clips.

    Example:
    ```python
    combiner = keras_mirasol.layers.TokenTuringCombiner(4, dim=64)
    video = np.random.normal(size=(2, 5, 16, 96))
    audio = np.random.normal(size=(2, 5, 8, 32))
    here = np.ones((2, 5), bool)
    joint_tokens = combiner(video, audio, here, here)  # (2, 5, 4, 64)

    state = combiner.empty_state(batch_size=2)
    for t in range(5):
        piece = [x[:, t : t + 1] for x in (video, audio, here, here)]
        joint_tokens, state = combiner(*piece, state=state)
    state["memory"].shape  # (2, 64, 64)
    ```
    """

    def __init__(
        self,
        num_joint_tokens,
        dim,
        num_layers=2,
        num_heads=4,
        memory_size=64,
        read="attention",
        write="attention",
        read_write_positions=True,
        time_stamps=True,
        snippet_seconds=1.0,
        wavelengths=None,
        dropout=0.0,
        rematerialize=False,
        **kwargs,
    ):
        super().__init__(
            num_joint_tokens,
            dim,
            num_layers,
            num_heads,
            dropout,
            rematerialize,
            **kwargs,
        )
        self.memory_size = memory_size
        self.read = read
        self.write = write
        self.read_write_positions = read_write_positions
        self.time_stamps = time_stamps
        self.snippet_seconds = snippet_seconds
        self.wavelengths = time_wavelengths(wavelengths, snippet_seconds)
        policy = self.dtype_policy
        self.times = SinusoidalPositions(
            dim, self.wavelengths, dtype=policy, name="times"
        )
        self.tokens_dropout = keras.layers.Dropout(dropout, dtype=policy)
        self.recurrence = Recurrence(
            TokenTuringCell(
                num_joint_tokens,
                dim,
                memory_size,
                num_layers,
                num_heads,
                read,
                write,
                read_write_positions,
                dtype=policy,
                name="cell",
            ),
            recompute=rematerialize,
            dtype=policy,
            name="recurrence",
        )
        self.joint_tokens_dropout = keras.layers.Dropout(dropout, dtype=policy)

    def build(
        self,
        video_tokens_shape,
        audio_tokens_shape,
        video_mask_shape=None,
        audio_mask_shape=None,
    ):
        super().build(video_tokens_shape, audio_tokens_shape)
        if self.time_stamps:
            self.times.build((None, None, 1))
        tokens = video_tokens_shape[2] + audio_tokens_shape[2]
        self.recurrence.build((None, None, tokens, None))

    def empty_state(self, batch_size):
        """The state before a clip's first snippet, for calls with `state`.

        Args:
            batch_size: int. Number of clips.

        Returns:
            A dict of `"memory"`, zeros of shape `(batch_size, memory_size,
            dim)`, and `"snippets"`, int32 zeros of shape `(batch_size,)`.
        """
        return {
            "memory": ops.zeros(
                (batch_size, self.memory_size, self.dim), self.compute_dtype
            ),
            "snippets": ops.zeros((batch_size,), "int32"),
        }

    def call(
        self,
        video_tokens,
        audio_tokens,
        video_mask,
        audio_mask,
        state=None,
        training=None,
    ):
        tokens, token_mask = self.join(
            video_tokens, audio_tokens, video_mask, audio_mask
        )
        batch, count = ops.shape(tokens)[:2]
        streaming = state is not None
        if streaming:
            self._check_state(state, video_tokens.shape[0])
        else:
            state = self.empty_state(batch)

        if self.time_stamps:
            snippets = state["snippets"][:, None] + ops.arange(
                count, dtype="int32"
            )
            seconds = self.snippet_seconds * ops.cast(snippets, "float32")
            tokens = tokens + self.times(seconds[:, :, None])[:, :, None, :]
        tokens = self.tokens_dropout(tokens, training=training)

        joint_tokens, memory = self.recurrence(
            self.recurrence.cell.prepare(tokens, token_mask), state["memory"]
        )
        joint_tokens = self.joint_tokens_dropout(
            joint_tokens, training=training
        )
        if not streaming:
            return joint_tokens
        return joint_tokens, {
            "memory": memory,
            "snippets": state["snippets"] + count,
        }

    def _check_state(self, state, batch_size):
        expected = {
            "memory": (batch_size, self.memory_size, self.dim),
            "snippets": (batch_size,),
        }
        shapes = {key: tuple(value.shape) for key, value in state.items()}
        fits = shapes.keys() == expected.keys() and all(
            len(shapes[key]) == len(expected[key])
            and all(
                a is None or b is None or a == b
                for a, b in zip(shapes[key], expected[key], strict=True)
            )
            for key in expected
        )
        if not fits:
            raise ValueError(
                f"`state` must be a dict of tensors of shapes {expected}. "
                f"Received: {shapes}. Begin with `empty_state(batch_size)`, "
                "and hand on what calls return."
            )

    def compute_output_spec(
        self,
        video_tokens,
        audio_tokens,
        video_mask,
        audio_mask,
        state=None,
        training=None,
    ):
        joint_tokens = keras.KerasTensor(
            self.compute_output_shape(video_tokens.shape), self.compute_dtype
        )
        if state is None:
            return joint_tokens
        return joint_tokens, {
            "memory": keras.KerasTensor(
                state["memory"].shape, self.compute_dtype
            ),
            "snippets": keras.KerasTensor(state["snippets"].shape, "int32"),
        }

    def get_config(self):
        return {
            **super().get_config(),
            "memory_size": self.memory_size,
            "read": self.read,
            "write": self.write,
            "read_write_positions": self.read_write_positions,
            "time_stamps": self.time_stamps,
            "snippet_seconds": self.snippet_seconds,
            "wavelengths": self.wavelengths,
        }
