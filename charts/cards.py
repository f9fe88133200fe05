"""The cards of the report that say more than the sum: holding periods in small, days, reasons, and what is still held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from charts.layout import Box, Panel
from charts.spec import FloatArray, IntArray, check_finite, check_times
from charts.theme import Palette

if TYPE_CHECKING:
    from charts.canvas import Canvas

GAP = 18.0
MARGIN = 30.0
MAX_SMALL = 6
MAX_DAYS = 31
MAX_AMOUNTS = 8
_SMALL_HEIGHT = 250.0
_DAYS_HEIGHT = 330.0
_TITLE = 66.0
_ROW = 56.0
_BOTTOM = 24.0


@dataclass(frozen=True, slots=True)
class Mark:
    """A fill on a small chart."""

    at_ms: int
    price: float
    buy: bool


@dataclass(frozen=True, slots=True, eq=False)
class SmallChart:
    """One round trip's holding period: closes over UTC milliseconds (strictly increasing, at least two) and its fills."""

    ticker: str
    note: str
    pnl_krw: float
    at_ms: IntArray
    close: FloatArray
    marks: tuple[Mark, ...] = ()

    def __post_init__(self) -> None:
        if len(self.at_ms) < 2 or self.at_ms.shape != self.close.shape:
            raise ValueError(f"small chart {self.ticker}: at least two bars, each with time and close")
        check_times(f"small chart {self.ticker}", self.at_ms)
        check_finite(f"small chart {self.ticker}", self.close)


@dataclass(frozen=True, slots=True)
class Amount:
    """A row: what, a short note, and its result in won."""

    label: str
    pnl_krw: float
    note: str = ""

    def __post_init__(self) -> None:
        if not np.isfinite(self.pnl_krw):
            raise ValueError(f"{self.label}: result is not a finite number")


@dataclass(frozen=True, slots=True)
class Extras:
    """What follows below the curve and the list; whatever is empty takes no room. Titles are words."""

    small: tuple[SmallChart, ...] = ()
    days: tuple[Amount, ...] = ()
    reasons: tuple[Amount, ...] = ()
    held: tuple[Amount, ...] = ()
    small_title: str = ""
    days_title: str = ""
    reasons_title: str = ""
    held_title: str = ""

    def __post_init__(self) -> None:
        limits = ((self.small, MAX_SMALL), (self.days, MAX_DAYS), (self.reasons, MAX_AMOUNTS), (self.held, MAX_AMOUNTS))
        for rows, limit in limits:
            if len(rows) > limit:
                raise ValueError(f"report: {len(rows)} rows on a card, at most {limit}")

    @property
    def height(self) -> float:
        """Room that all cards need, each with the gap above it."""
        return sum(
            GAP + height for height in (self._small, self._days, _rows(self.reasons), _rows(self.held)) if height
        )

    @property
    def _small(self) -> float:
        lines = (len(self.small) + 1) // 2
        return _TITLE + lines * _SMALL_HEIGHT + _BOTTOM if lines else 0.0

    @property
    def _days(self) -> float:
        return _DAYS_HEIGHT if self.days else 0.0


def _rows(rows: Sequence[Amount]) -> float:
    return _TITLE + len(rows) * _ROW + _BOTTOM if rows else 0.0


def won(value: float) -> str:
    """A signed sum in won: +₩317,200."""
    sign = "+" if value > 0.5 else "−" if value < -0.5 else ""
    return f"{sign}₩{abs(value):,.0f}"


def sign(colours: Palette, value: float) -> str:
    """The colour of a result."""
    return colours.up if value > 0.5 else colours.down if value < -0.5 else colours.muted


def card(canvas: Canvas, colours: Palette, box: Box, title: str) -> Box:
    """A titled panel; returns the room inside."""
    canvas.box(box, colours.panel, radius=16)
    canvas.text((box.left + 22, box.top + 34), title, size=27, colour=colours.text, bold=True)
    return Box(box.left + 22, box.top + _TITLE, box.right - 22, box.bottom - 20)


def draw_extras(canvas: Canvas, colours: Palette, extras: Extras, top: float) -> None:
    """Every card below `top`."""
    left, right = MARGIN, canvas.width - MARGIN
    if extras.days:
        top += GAP
        box = card(canvas, colours, Box(left, top, right, top + _DAYS_HEIGHT), extras.days_title)
        _day_bars(canvas, colours, extras.days, box)
        top += _DAYS_HEIGHT
    if extras.small:
        top += GAP
        height = extras._small  # noqa: SLF001 - the module's own type
        box = card(canvas, colours, Box(left, top, right, top + height), extras.small_title)
        width = (box.width - 2 * GAP) / 2
        for place, small in enumerate(extras.small):
            row, column = divmod(place, 2)
            x, y = box.left + column * (width + 2 * GAP), box.top + row * _SMALL_HEIGHT
            _small_chart(canvas, colours, small, Box(x, y, x + width, y + _SMALL_HEIGHT - 16))
        top += height
    for rows, title in ((extras.reasons, extras.reasons_title), (extras.held, extras.held_title)):
        if rows:
            top += GAP
            box = card(canvas, colours, Box(left, top, right, top + _rows(rows)), title)
            _amounts(canvas, colours, rows, box)
            top += _rows(rows)


def _day_bars(canvas: Canvas, colours: Palette, days: Sequence[Amount], box: Box) -> None:
    most = max(0.0, *(day.pnl_krw for day in days))
    least = min(0.0, *(day.pnl_krw for day in days))
    air = 30.0 if len(days) <= 7 else 6.0
    scale = (box.height - 34 - (most > 0) * air - (least < 0) * air) / ((most - least) or 1.0)
    zero = box.top + (most > 0) * air + most * scale
    slot = box.width / len(days)
    canvas.rule((box.left, zero), (box.right, zero), colours.muted, 2)
    taken = -1e9
    for place, day in enumerate(days):
        x = box.left + (place + 0.5) * slot
        end = zero - day.pnl_krw * scale
        half = min(0.34 * slot, 40.0)
        if abs(day.pnl_krw) > 0.5:
            upper, lower = min(zero, end), max(zero, end)
            canvas.box(Box(x - half, upper, x + half, max(lower, upper + 3)), sign(colours, day.pnl_krw), radius=4)
            if len(days) <= 7:
                text = canvas.shorten(won(day.pnl_krw), 21, slot - 6, bold=True)
                y = end - 16 if day.pnl_krw > 0 else end + 18
                canvas.text((x, y), text, size=21, colour=sign(colours, day.pnl_krw), bold=True, side="center")
        reach = canvas.measure(day.label, 20) / 2
        x = min(max(x, box.left + reach), box.right - reach)
        if x - reach > taken + 12:
            canvas.text((x, box.bottom - 2), day.label, size=20, colour=colours.muted, side="center")
            taken = x + reach


def _small_chart(canvas: Canvas, colours: Palette, small: SmallChart, box: Box) -> None:
    tint = sign(colours, small.pnl_krw)
    worth = won(small.pnl_krw)
    canvas.text((box.right, box.top + 14), worth, size=25, colour=tint, bold=True, side="right")
    room = box.width - canvas.measure(worth, 25, bold=True) - 16
    name = canvas.shorten(small.ticker, 25, room, bold=True)
    canvas.text((box.left, box.top + 14), name, size=25, colour=colours.text, bold=True)
    canvas.text((box.left, box.top + 45), canvas.shorten(small.note, 20, box.width), size=20, colour=colours.muted)
    prices = [*small.close.tolist(), *(mark.price for mark in small.marks)]
    low, high = min(prices), max(prices)
    air = 0.12 * (high - low) or 0.01 * high or 1.0
    panel = Panel(Box(box.left + 10, box.top + 64, box.right - 10, box.bottom - 4), low - air, high + air, 1)
    times = small.at_ms.astype(np.float64)
    start, span = float(times[0]), float(times[-1] - times[0])

    def at(moment: float) -> float:
        return panel.box.left + min(max((moment - start) / span, 0.0), 1.0) * panel.box.width

    entry = next((mark.price for mark in small.marks if mark.buy), None)
    if entry is not None:
        level = panel.y_at(entry)
        dashes = np.array([[(panel.box.left, level), (panel.box.right, level)]])
        # only the drawing process imports matplotlib
        from charts.canvas import DASHED

        canvas.segments(dashes, colours.muted, 1.5, dash=DASHED)
    x = panel.box.left + (times - start) / span * panel.box.width
    canvas.curve(x, panel.y(small.close), tint, 3)
    for mark in small.marks:
        colour = colours.entry if mark.buy else colours.average
        place = (at(mark.at_ms), panel.y_at(mark.price))
        canvas.symbol(place, "^" if mark.buy else "v", colour, 20, colours.panel)


def _amounts(canvas: Canvas, colours: Palette, rows: Sequence[Amount], box: Box) -> None:
    """Rows with a bar on one scale: label left, amount right."""
    size = 25.0
    worth = max(canvas.measure(won(row.pnl_krw), size, bold=True) for row in rows) + 20
    left = box.left + 0.44 * box.width
    room = max(box.right - worth - left, 40.0)
    most = max((abs(row.pnl_krw) for row in rows), default=0.0) or 1.0
    for place, row in enumerate(rows):
        y = box.top + (place + 0.5) * _ROW - 6
        label = canvas.shorten(row.label, size, 0.42 * box.width, bold=True)
        canvas.text((box.left, y), label, size=size, colour=colours.text, bold=True)
        after = box.left + canvas.measure(label, size, bold=True) + 12
        note = canvas.shorten(row.note, 21, left - after - 12) if row.note and after < left - 60 else ""
        if note:
            canvas.text((after, y), note, size=21, colour=colours.muted)
        tint = sign(colours, row.pnl_krw)
        reach = max(abs(row.pnl_krw) / most * room, 3.0)
        canvas.box(Box(left, y - 14, left + reach, y + 14), tint, radius=5)
        canvas.text((box.right, y), won(row.pnl_krw), size=size, colour=tint, bold=True, side="right")
