"""How the clips of a corpus look and sound at large: ranges to draw from."""

from dataclasses import dataclass
from itertools import product

# A scene's slots last whole quarter seconds, two on average.
_QUARTERS = (2, 2, 2, 2)
_UNEVEN = tuple(
    quarters
    for quarters in product(range(1, 5), repeat=4)
    if sum(quarters) == sum(_QUARTERS) and quarters != _QUARTERS
)


@dataclass(frozen=True)
class Style:
    """What a scene is drawn from, uniformly: ranges, and lists of choices.

    Args:
        quarters: list of how many quarter seconds each slot takes.
        soundings: list of how much of its slot a sound fills.
        gains: range of the sounds' peak amplitudes.
        diameters: range of the shapes' extents, as fractions of the frame.
        brightnesses: range of factors of the colours' RGB values.
        backgrounds: range of the grey levels, integers, without its end.
    """

    quarters: tuple[tuple[int, ...], ...]
    soundings: tuple[float, ...]
    gains: tuple[float, float]
    diameters: tuple[float, float]
    brightnesses: tuple[float, float]
    backgrounds: tuple[int, int]


STYLES = {
    "day": Style(
        quarters=(_QUARTERS,),
        soundings=(1.0,),
        gains=(0.3, 0.9),
        diameters=(0.45, 0.7),
        brightnesses=(0.8, 1.0),
        backgrounds=(0, 41),
    ),
    "night": Style(
        quarters=_UNEVEN,
        soundings=(0.6, 0.7, 0.8),
        gains=(0.03, 0.15),
        diameters=(0.28, 0.4),
        brightnesses=(0.9, 1.0),
        backgrounds=(0, 1),
    ),
}


def check_style(style):
    """Raises a `ValueError` unless `style` is the name of a style."""
    if style not in STYLES:
        raise ValueError(
            f"`style` must be one of {', '.join(STYLES)}. Received: {style!r}"
        )
