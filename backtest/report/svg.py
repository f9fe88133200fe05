"""Plots for the HTML report: SVG that stretches, with labels as text of the page so that a phone can read them."""

import html
from collections.abc import Sequence

import msgspec
import numpy as np

from charts.layout import round_ticks
from charts.spec import FloatArray, IntArray

WIDE = 1000.0
HIGH = 300.0
MOST_POINTS = 800
AIR = 0.06


class Axis(msgspec.Struct, frozen=True):
    """From `low` to `high`, with some air on both ends."""

    low: float
    high: float

    def at(self, values: FloatArray) -> FloatArray:
        """Fractions from 0 to 1."""
        found: FloatArray = (values - self.low) / (self.high - self.low)
        return found


def axis(values: FloatArray, *also: float, tight: bool = False) -> Axis:
    """An axis that holds all values and `also`; `tight` leaves no air beyond an end at zero."""
    every = [*also, *((float(values.min()), float(values.max())) if len(values) else ())]
    low, high = min(every), max(every)
    gap = AIR * (high - low) or max(AIR * abs(high), 1.0)
    flat = low == high
    return Axis(low if tight and low == 0 and not flat else low - gap, high if tight and high == 0 else high + gap)


def thinned(count: int) -> IntArray:
    """Indexes of at most MOST_POINTS points, ends included."""
    return np.unique(np.linspace(0, max(count - 1, 0), min(count, MOST_POINTS)).round().astype(np.int64))


def points(x: FloatArray, y: FloatArray) -> str:
    """Fractions, y upwards, as SVG coordinates."""
    return " ".join(f"{a * WIDE:.1f},{(1 - b) * HIGH:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))


def curve(x: FloatArray, y: FloatArray, kind: str) -> str:
    """A line; `kind` is its CSS class."""
    return f'<polyline class="{kind}" points="{points(x, y)}"/>'


def area(x: FloatArray, y: FloatArray, base: float, kind: str) -> str:
    """The area between a line and a level."""
    both_x, both_y = np.concatenate([x, x[::-1]]), np.concatenate([y, np.full(len(y), base)])
    return f'<polygon class="{kind}" points="{points(both_x, both_y)}"/>'


def dots(x: FloatArray, y: FloatArray, kind: str) -> str:
    """Round dots that keep their size however the plot is stretched."""
    path = "".join(f"M{a * WIDE:.1f} {(1 - b) * HIGH:.1f}h0" for a, b in zip(x.tolist(), y.tolist(), strict=True))
    return f'<path class="{kind}" d="{path}"/>' if path else ""


def level(y: float, kind: str = "level") -> str:
    """A line across."""
    return f'<path class="{kind}" d="M0 {(1 - y) * HIGH:.1f}H{WIDE:.0f}"/>'


def upright(x: float, kind: str = "level") -> str:
    """A line from bottom to top."""
    return f'<path class="{kind}" d="M{x * WIDE:.1f} 0V{HIGH:.0f}"/>'


def ticks(scale: Axis, many: int, unit: str) -> list[tuple[float, str]]:
    """Fractions and labels of round values; `unit` is $ or %."""
    values, places = round_ticks(scale.low, scale.high, many)
    return [(float(scale.at(np.array([value]))[0]), _label(value, places, unit)) for value in values]


def _label(value: float, places: int, unit: str) -> str:
    amount = f"{abs(value):,.{places}f}"
    sign = "-" if value < 0 and amount.strip("0.,") else ""
    return f"{sign}${amount}" if unit == "$" else f"{sign}{amount}{unit}"


def plot(
    name: str,
    body: Sequence[str],
    *,
    left: Sequence[tuple[float, str]],
    below: Sequence[tuple[float, str]],
    title: str,
    high_px: int = 260,
) -> str:
    """A plot with its labels; `title` says what it shows to those who can't see it."""
    grid = "".join(level(place, "grid") for place, _ in left)
    sides = "".join(f'<span style="bottom:{place:.2%}">{html.escape(text)}</span>' for place, text in left)
    feet = "".join(f'<span style="left:{place:.2%}">{html.escape(text)}</span>' for place, text in below)
    return (
        f'<div class="plot {name}" style="--high:{high_px}px"><div class="left">{sides}</div>'
        f'<svg viewBox="0 0 {WIDE:.0f} {HIGH:.0f}" preserveAspectRatio="none" role="img" '
        f'aria-label="{html.escape(title)}">{grid}{"".join(body)}</svg><div class="below">{feet}</div></div>'
    )
