"""The figure that all pictures are drawn on."""

import io

try:
    from matplotlib.figure import Figure
except ImportError as error:
    raise ImportError(
        "`keras_mirasol.visualization` needs Matplotlib. Install it with "
        "`pip install matplotlib`."
    ) from error

# Okabe and Ito's colours, which colour-blind eyes tell apart.
BLUE, ORANGE, GREEN, PURPLE, GREY = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#999999",
)
WIDTH = 10.0  # inches


class Picture(Figure):
    """A Matplotlib figure that pyplot does not know of.

    It needs no display, is not kept when no one refers to it, and a notebook
    shows it once, where it is the last value of a cell.

    Args:
        height: float. In inches.
        width: float. In inches. Defaults to `10.0`.

    Example:
    ```python
    figure = keras_mirasol.visualization.Picture(height=3.0)
    figure.subplots().plot([0.1, 0.7, 0.9])
    figure.savefig("curve.png")
    ```
    """

    def __init__(self, height, width=WIDTH):
        super().__init__(figsize=(width, height), dpi=100, layout="constrained")

    def _repr_png_(self):
        file = io.BytesIO()
        self.savefig(file, format="png")
        return file.getvalue()
