"""Checks of settings that say how much."""

import math
import numbers


def is_amount(value, largest):
    """Whether a value is a finite number from 0 to `largest`."""
    return (
        isinstance(value, numbers.Real)
        and not isinstance(value, bool)
        and 0 <= value <= largest
        and math.isfinite(value)
    )
