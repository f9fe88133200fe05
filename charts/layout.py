"""Geometry and numbers as pure functions: panels, spreading of labels, round ticks, price formats."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from charts.spec import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels, y running down."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top


@dataclass(frozen=True, slots=True)
class Panel:
    """A box with a value axis and `slots` equal places for bars."""

    box: Box
    low: float
    high: float
    slots: int

    @property
    def slot(self) -> float:
        """Width of one bar's place in pixels."""
        return self.box.width / self.slots

    def x(self, index: IntArray | FloatArray) -> FloatArray:
        """Pixel centres of the bars' places."""
        return self.box.left + (np.asarray(index, dtype=np.float64) + 0.5) * self.slot

    def y(self, values: FloatArray) -> FloatArray:
        """Pixel heights of values."""
        return self.box.bottom - (values - self.low) * (self.box.height / (self.high - self.low))

    def y_at(self, value: float) -> float:
        """Pixel height of one value."""
        return self.box.bottom - (value - self.low) * (self.box.height / (self.high - self.low))


def spread(wanted: Sequence[float], size: float, low: float, high: float) -> list[float]:
    """Centres for labels of one `size` as near to the wanted ones as possible, not overlapping, inside [low, high].

    Least squares by pooling adjacent violators; equal wishes keep their given order. When they cannot all fit at
    `size`, they share the room evenly.
    """
    count = len(wanted)
    if count == 0:
        return []
    step = min(size, (high - low) / count)
    order = sorted(range(count), key=lambda i: wanted[i])
    blocks: list[tuple[float, int]] = []
    for rank, place in enumerate(order):
        total, members = wanted[place] - rank * step, 1
        while blocks and blocks[-1][0] / blocks[-1][1] > total / members:
            before, more = blocks.pop()
            total, members = total + before, members + more
        blocks.append((total, members))
    first, last = low + step / 2, high - step / 2 - (count - 1) * step
    flat = [min(max(total / members, first), max(first, last)) for total, members in blocks for _ in range(members)]
    placed = [0.0] * count
    for rank, place in enumerate(order):
        placed[place] = flat[rank] + rank * step
    return placed


def round_ticks(low: float, high: float, target: int) -> tuple[list[float], int]:
    """About `target` round values inside [low, high] and the decimals that tell them apart."""
    if not high > low or target < 1:
        return [], 0
    raw = (high - low) / target
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next(m * magnitude for m in (1.0, 2.0, 2.5, 5.0, 10.0) if m * magnitude >= raw * 0.999)
    decimals = next((d for d in range(9) if abs(step * 10**d - round(step * 10**d)) < 1e-6), 9)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [k * step for k in range(first, last + 1)], decimals


def price_text(price: float) -> str:
    """A US price: cents from a dollar up, four decimals below (Rule 612 ticks)."""
    return f"{price:,.2f}" if abs(price) >= 1 else f"{price:,.4f}"


def change_text(change: float, base: float) -> str:
    """A change as "▲ 1.20 (+3.1%)", decimals after the size of the price it is measured against."""
    arrow = "▲" if change > 0 else "▼" if change < 0 else "●"
    digits = 2 if base >= 1 else 4
    return f"{arrow} {abs(change):,.{digits}f} ({change / base:+.2%})"


def compact(value: float) -> str:
    """A count in K, M or B: 15200 becomes 15.2K."""
    for limit, unit in ((1e9, "B"), (1e6, "M"), (1e3, "K")):
        if abs(value) >= limit * 0.99995:
            digits = 1 if abs(value) < 100 * limit else 0
            return f"{value / limit:,.{digits}f}{unit}"
    return f"{value:,.0f}"


def significant(value: float, digits: int = 3) -> str:
    """A signed small number with so many significant digits, no exponent, six decimals at most."""
    if value == 0 or not math.isfinite(value):
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(decimals, 6)}f}"
