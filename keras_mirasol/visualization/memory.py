"""What a Token Turing Machine reads, writes and remembers."""

import numpy as np

from keras_mirasol.layers import record_attention
from keras_mirasol.visualization.picture import BLUE
from keras_mirasol.visualization.picture import GREEN
from keras_mirasol.visualization.picture import GREY
from keras_mirasol.visualization.picture import ORANGE
from keras_mirasol.visualization.picture import Picture

COLOURS = {
    "memory": GREY,
    "joint tokens": GREEN,
    "picture": BLUE,
    "sound": ORANGE,
}


def plot_memory(
    combiner, video_tokens, audio_tokens, video_mask, audio_mask, title=None
):
    """Draws the reads and writes of a `TokenTuringCombiner`.

    - *Reads*: which share of what is read at each snippet comes from memory,
      from the picture and from the sound.
    - *Writes*: which share of the new memory is old memory, joint tokens,
      picture and sound. With `write="erase_and_add"` instead, which slots of
      the memory are selected.
    - *What is remembered*: how much of the memory after each snippet stems
      from which snippet, if shares are followed through all writes. What is
      still empty is left out. Not with `write="erase_and_add"`.

    Args:
        combiner: a `keras_mirasol.layers.TokenTuringCombiner`.
        video_tokens: tensor of shape `(1, T, n_v, d_v)`, of one clip.
        audio_tokens: tensor of shape `(1, T, n_a, d_a)`.
        video_mask: bool tensor of shape `(1, T)`.
        audio_mask: bool tensor of shape `(1, T)`.
        title: str. Defaults to `None`.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: if there is more than one clip, or the Combiner has no
            memory.

    Example:
    ```python
    combiner = keras_mirasol.layers.TokenTuringCombiner(4, dim=64)
    video = np.random.normal(size=(1, 5, 16, 96))
    audio = np.random.normal(size=(1, 5, 8, 32))
    here = np.ones((1, 5), bool)
    figure = keras_mirasol.visualization.plot_memory(
        combiner, video, audio, here, here
    )
    figure.savefig("memory.png")
    ```
    """
    if not hasattr(combiner, "memory_size"):
        raise ValueError(
            "Only a `TokenTuringCombiner` has a memory. Received: "
            f"{type(combiner).__name__}"
        )
    if video_tokens.shape[0] != 1:
        raise ValueError(
            "The memory is drawn for one clip. Received: "
            f"{video_tokens.shape[0]} clips"
        )
    with record_attention() as record:
        combiner(video_tokens, audio_tokens, video_mask, audio_mask)
    reads, writes = (_shares(record, name) for name in ("read", "write"))
    slots, m = combiner.memory_size, combiner.num_joint_tokens
    n_v, n_a = video_tokens.shape[2], audio_tokens.shape[2]
    reads_from = {"memory": slots, "picture": n_v, "sound": n_a}
    writes_from = {"memory": slots, "joint tokens": m, "picture": n_v}
    writes_from["sound"] = n_a

    follows = combiner.write != "erase_and_add"
    figure = Picture(3.4)
    axes = figure.subplots(1, 3 if follows else 2)
    axes[0].set_title("reads", fontsize=10)
    _draw_shares(axes[0], reads, reads_from)
    if follows:
        axes[1].set_title("writes", fontsize=10)
        _draw_shares(axes[1], writes, writes_from)
        _draw_remembered(axes[2], figure, writes, slots)
    else:
        _draw_slots(axes[1], figure, writes)
    for panel in axes:
        panel.set_xlabel("snippet")
        panel.xaxis.get_major_locator().set_params(integer=True)
    handles, labels = axes[1 if follows else 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    if title is not None:
        figure.suptitle(title)
    return figure


def _shares(record, name):
    """Weights of all snippets, a mean over heads, `(T, summary, tokens)`."""
    (calls,) = (
        calls for path, calls in record.items() if path.endswith(f"/{name}")
    )
    return np.stack([call[0].mean(axis=0) for call in calls])


def _draw_shares(axes, weights, sources):
    """Of what a summary is made, snippet by snippet, as stacked bars."""
    ends = np.cumsum(list(sources.values()))
    parts = np.split(weights.mean(axis=1), ends[:-1], axis=-1)
    bottom = np.zeros(len(weights))
    for name, part in zip(sources, parts, strict=True):
        share = part.sum(axis=-1)
        axes.bar(
            range(len(share)),
            share,
            bottom=bottom,
            width=0.9,
            color=COLOURS[name],
            label=name,
        )
        bottom = bottom + share
    axes.set(ylabel="share", ylim=(0, 1), xlim=(-0.5, len(weights) - 0.5))


def remembered(writes, slots):
    """How much of the memory after each snippet stems from which snippet.

    Args:
        writes: float array `(T, slots, tokens)`, of which the first `slots`
            tokens are those of the memory before.
        slots: int.

    Returns:
        A float array `(T, T)`: after the snippet of a row, from the snippet
        of a column.
    """
    count = len(writes)
    shares = np.zeros((slots, count))
    rows = []
    for t, weights in enumerate(writes):
        shares = weights[:, :slots] @ shares
        shares[:, t] += weights[:, slots:].sum(axis=-1)
        rows.append(shares.mean(axis=0))
    return np.stack(rows)


def _draw_remembered(axes, figure, writes, slots):
    image = axes.imshow(
        remembered(writes, slots), cmap="viridis", vmin=0, aspect="auto"
    )
    axes.set_title("what is remembered", fontsize=10)
    axes.set_ylabel("after snippet")
    axes.yaxis.get_major_locator().set_params(integer=True)
    figure.colorbar(image, ax=axes, label="share of the memory")


def _draw_slots(axes, figure, writes):
    """Which slots the outputs select, together."""
    image = axes.imshow(
        writes.mean(axis=1).T, cmap="viridis", vmin=0, aspect="auto"
    )
    axes.set_title("writes: slots selected", fontsize=10)
    axes.set_ylabel("slot")
    figure.colorbar(image, ax=axes, label="share of the writing")
