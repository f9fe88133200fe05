"""Small arithmetic of the figures: what is undefined is None, never zero, infinite or not a number."""

import math
from collections.abc import Sequence
from decimal import Decimal

import numpy as np

from charts.spec import FloatArray

HUNDRED = 100.0
# below this a deviation is rounding noise: equal numbers have none
NOISE = 1e-12


def finite(value: float) -> float | None:
    """The value, None where it is infinite or not a number."""
    return float(value) if math.isfinite(value) else None


def ratio(above: float | Decimal, below: float | Decimal) -> float | None:
    """A quotient, None where there is nothing to divide by."""
    return finite(float(above) / float(below)) if abs(float(below)) > NOISE else None


def percent(above: float | Decimal, below: float | Decimal) -> float | None:
    """A quotient in percent."""
    share = ratio(above, below)
    return None if share is None else share * HUNDRED


def mean(values: Sequence[float] | FloatArray) -> float | None:
    """The average, None of nothing."""
    return float(np.mean(values)) if len(values) else None


def median(values: Sequence[float] | FloatArray) -> float | None:
    """The middle value, None of nothing."""
    return float(np.median(values)) if len(values) else None


def deviation(values: Sequence[float] | FloatArray) -> float | None:
    """The sample standard deviation (n - 1), None of fewer than two values or of equal ones."""
    if len(values) < 2:
        return None
    found = float(np.std(values, ddof=1))
    return found if found > NOISE * max(1.0, float(np.max(np.abs(values)))) else None


def many(count: int, what: str) -> str:
    """A count with its noun: 1 session, 2 sessions."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
