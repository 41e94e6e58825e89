"""Which clips a text is found to be about."""

import numpy as np

from keras_mirasol.visualization.picture import ORANGE
from keras_mirasol.visualization.picture import Picture

MOST_NAMES = 32


def plot_retrieval(scores, texts=None, clips=None, title=None):
    """Draws how alike texts and clips are.

    A dot marks the clip that is found first for a text. Where there are as
    many texts as clips, text i is taken to be about clip i, and the title says
    for how many texts it is found first, and among the first five.

    Args:
        scores: float array of shape `(texts, clips)`, such as
            `embedder.embed_texts(texts) @ embedder.embed_clips(clips).T`.
        texts: list of strings. Defaults to `None`, their indices.
        clips: list of strings. Defaults to `None`, their indices.
        title: str. Defaults to `None`, the recall.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: if `scores` is not a matrix, or names are more or fewer
            than its rows and columns.

    Example:
    ```python
    scores = np.array([[0.9, 0.1], [0.2, 0.7]])
    figure = keras_mirasol.visualization.plot_retrieval(
        scores, texts=["a dog barks", "a cat purrs"]
    )
    figure.savefig("retrieval.png")
    ```
    """
    scores = np.asarray(scores)
    if scores.ndim != 2:
        raise ValueError(
            f"`scores` must have shape (texts, clips). Received: {scores.shape}"
        )
    for name, names, count in (
        ("texts", texts, scores.shape[0]),
        ("clips", clips, scores.shape[1]),
    ):
        if names is not None and len(names) != count:
            raise ValueError(
                f"`{name}` must name the {count} {name} of `scores`. "
                f"Received: {len(names)} names."
            )
    rows, columns = scores.shape
    side = min(7.0, max(2.5, 0.28 * rows))
    figure = Picture(side + 1.2)
    axes = figure.subplots()
    image = axes.imshow(scores, cmap="viridis", aspect="auto")
    axes.plot(
        scores.argmax(axis=1),
        np.arange(rows),
        "o",
        color=ORANGE,
        markeredgecolor="black",
        markersize=5,
        label="found first",
    )
    _name_axis(axes.set_yticks, texts, rows)
    _name_axis(axes.set_xticks, clips, columns, rotation=90)
    axes.set(xlabel="clips", ylabel="texts")
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), fontsize=8)
    figure.colorbar(image, label="similarity", fraction=0.03)
    axes.set_title(_recall(scores) if title is None else title)
    return figure


def _name_axis(set_ticks, names, count, **settings):
    if count <= MOST_NAMES:
        set_ticks(range(count), names or range(count), fontsize=8, **settings)


def _recall(scores):
    if scores.shape[0] != scores.shape[1]:
        return "similarity of texts and clips"
    right = np.diag(scores)[:, None]
    # Among equals, the last place: what knows nothing finds nothing.
    ranks = (scores >= right).sum(axis=1)
    first, five = (np.mean(ranks <= k) for k in (1, 5))
    return f"recall@1 {first:.2f}, recall@5 {five:.2f}, {len(scores)} clips"
