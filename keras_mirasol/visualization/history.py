"""How a training went, loss by loss."""

import math

from keras_mirasol.visualization.picture import BLUE
from keras_mirasol.visualization.picture import ORANGE
from keras_mirasol.visualization.picture import Picture

COLUMNS = 3
VALIDATION = "val_"
# Between 0 and 1.
SHARES = ("accuracy", "exact_match")


def plot_history(history, title=None):
    """Draws each loss of a training by itself, and each metric.

    Objectives have different scales and different paces: in one total, the
    one that is stuck cannot be seen. Validation is drawn beside training.

    Args:
        history: what `fit()` returned, or its `history`, a dict from name to
            a list of one value per epoch. Those of several calls may be
            joined.
        title: str. Defaults to `None`.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: if there is nothing to draw.

    Example:
    ```python
    history = {
        "loss": [3.0, 2.1, 1.7],
        "val_loss": [3.1, 2.4, 2.2],
        "text_loss": [2.0, 1.3, 1.0],
        "token_accuracy": [0.4, 0.6, 0.7],
    }
    figure = keras_mirasol.visualization.plot_history(history)
    figure.savefig("training.png")
    ```
    """
    curves = getattr(history, "history", history)
    names = sorted(
        {name.removeprefix(VALIDATION) for name in curves}, key=_place
    )
    if not names:
        raise ValueError(
            "There is no curve in `history`. Give what `fit()` returned, "
            "after at least one epoch."
        )
    columns = min(COLUMNS, len(names))
    rows = math.ceil(len(names) / columns)
    figure = Picture(2.1 * rows + 0.4)
    figure.subplots(rows, columns, sharex=True, squeeze=False)
    panels = figure.axes[: len(names)]
    for name, panel in zip(names, panels, strict=True):
        _draw_curves(panel, curves, name)
    for panel in figure.axes[len(names) :]:
        panel.axis("off")
    for panel in panels[-columns:]:
        panel.set_xlabel("epoch")
        panel.tick_params(labelbottom=True)
    if any(name.startswith(VALIDATION) for name in curves):
        panels[0].legend(fontsize=8)
    if title is not None:
        figure.suptitle(title)
    return figure


def _draw_curves(axes, curves, name):
    for key, label, settings in (
        (name, "training", dict(color=BLUE)),
        (
            VALIDATION + name,
            "validation",
            dict(color=ORANGE, linestyle="--"),
        ),
    ):
        values = curves.get(key)
        if values is not None:
            epochs = range(1, len(values) + 1)
            axes.plot(
                epochs,
                values,
                label=label,
                marker="o",
                markersize=3,
                **settings,
            )
    axes.set_title(name.replace("_", " "), fontsize=10)
    axes.xaxis.get_major_locator().set_params(integer=True)
    if _is_share(name):
        axes.set_ylim(-0.02, 1.02)
    axes.grid(alpha=0.3)


def _place(name):
    """The total first, then losses, shares, and whatever else."""
    kinds = (name == "loss", name.endswith("loss"), _is_share(name), True)
    return kinds.index(True), name


def _is_share(name):
    return any(part in name for part in SHARES)
