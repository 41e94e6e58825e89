"""Checks of settings that say how much."""

import math
import numbers


def is_count(value):
    """Whether a value is an integer from 0 on."""
    return (
        isinstance(value, numbers.Integral)
        and not isinstance(value, bool)
        and value >= 0
    )


def is_amount(value, largest):
    """Whether a value is a finite number from 0 to `largest`."""
    return (
        isinstance(value, numbers.Real)
        and not isinstance(value, bool)
        and 0 <= value <= largest
        and math.isfinite(value)
    )
