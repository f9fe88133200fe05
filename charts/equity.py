"""The daily report as a picture: headline numbers, the session's cumulative result, and each round trip's result in won."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

import numpy as np

from charts.cards import GAP as _GAP
from charts.cards import MARGIN as _MARGIN
from charts.cards import Extras, card, draw_extras, sign, won
from charts.layout import Box, Panel, round_ticks
from charts.spec import DEFAULT_SIZE, FloatArray, IntArray, Theme, Zone, check_finite, check_size, check_times
from charts.theme import Palette, fade, palette

if TYPE_CHECKING:
    from charts.canvas import Canvas

MAX_POINTS = 20_000
MAX_STATS = 6
MAX_ROWS = 12
_HEAD = 128.0
_STAT = 132.0
_FOOT = 50.0

Tone = Literal["up", "down", "neutral"]


@dataclass(frozen=True, slots=True)
class Stat:
    """One headline number, already formatted."""

    label: str
    value: str
    tone: Tone = "neutral"


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """One position bought and sold again; `note` is a short reason beside the ticker."""

    ticker: str
    pnl_krw: float
    note: str = ""

    def __post_init__(self) -> None:
        if not np.isfinite(self.pnl_krw):
            raise ValueError(f"round trip {self.ticker}: result is not a finite number")


@dataclass(frozen=True, slots=True)
class ReportLabels:
    """Every word on the report; `more` takes {count}."""

    equity: str = "누적 손익"
    trips: str = "종목별 실현손익"
    more: str = "외 {count}건"
    empty: str = "거래 없음"
    empty_hint: str = "오늘은 체결된 주문이 없습니다"
    source: str = ""


def _no_times() -> IntArray:
    return np.empty(0, dtype=np.int64)


def _no_values() -> FloatArray:
    return np.empty(0, dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class ReportSpec:
    """A period: `at_ms` (UTC milliseconds, strictly increasing) and `pnl_krw` (cumulative won) are the curve.

    `size` is that of a report without extras; the picture grows downwards by what they need.
    """

    title: str
    date: str
    stats: tuple[Stat, ...] = ()
    at_ms: IntArray = field(default_factory=_no_times)
    pnl_krw: FloatArray = field(default_factory=_no_values)
    trips: tuple[RoundTrip, ...] = ()
    extras: Extras = field(default_factory=Extras)
    labels: ReportLabels = field(default_factory=ReportLabels)
    theme: Theme = "dark"
    up_is_red: bool = True
    tz: Zone = "Asia/Seoul"
    size: tuple[int, int] = DEFAULT_SIZE

    def __post_init__(self) -> None:
        check_size(self.size)
        if self.pnl_krw.shape != self.at_ms.shape:
            raise ValueError(f"report: {self.at_ms.shape} times but {self.pnl_krw.shape} results")
        if len(self.at_ms) > MAX_POINTS:
            raise ValueError(f"report: {len(self.at_ms)} points, at most {MAX_POINTS}")
        if len(self.stats) > MAX_STATS:
            raise ValueError(f"report: {len(self.stats)} headline numbers, at most {MAX_STATS}")
        check_times("report: at_ms", self.at_ms)
        check_finite("report: pnl_krw", self.pnl_krw)


def _won_axis(value: float) -> str:
    return f"{'−' if value < 0 else ''}₩{abs(value):,.0f}"


def render_report(spec: ReportSpec) -> bytes:
    """The report as PNG, `spec.size` pixels and what the extras add; a friendly card when nothing was traded."""
    # only the drawing process imports matplotlib
    from charts.canvas import Canvas
    from charts.typeface import typeset

    with typeset():
        colours = palette(spec.theme, up_is_red=spec.up_is_red)
        width, height = DEFAULT_SIZE[0], DEFAULT_SIZE[1] + round(spec.extras.height + _longer(spec))
        pixels = (spec.size[0], round(spec.size[1] * height / DEFAULT_SIZE[1]))
        canvas = Canvas(pixels, (width, height), colours.background)
        top = _stats(canvas, spec, colours, _head(canvas, spec, colours))
        body = Box(_MARGIN, top, canvas.width - _MARGIN, canvas.height - _FOOT - spec.extras.height)
        has_curve = len(spec.at_ms) > 0
        if not has_curve and not spec.trips:
            _empty(canvas, spec, colours, body)
        elif not spec.trips:
            _curve(canvas, spec, colours, body)
        elif not has_curve:
            _trips(canvas, spec, colours, body)
        else:
            rows = min(len(spec.trips), MAX_ROWS + 1)
            share = min(0.62, (rows * 46 + 100) / body.height)
            middle = body.bottom - share * body.height
            _curve(canvas, spec, colours, Box(body.left, body.top, body.right, middle - _GAP / 2))
            _trips(canvas, spec, colours, Box(body.left, middle + _GAP / 2, body.right, body.bottom))
        draw_extras(canvas, colours, spec.extras, body.bottom)
        source = canvas.shorten(spec.labels.source, 21, canvas.width - 2 * _MARGIN)
        canvas.text((_MARGIN, canvas.height - _FOOT / 2), source, size=21, colour=colours.muted)
        return canvas.png()


def _longer(spec: ReportSpec) -> float:
    """A long list needs more room where the picture is free to grow."""
    return 44.0 * max(0, min(len(spec.trips), MAX_ROWS + 1) - 5) if spec.extras.height else 0.0


def _tone(colours: Palette, tone: Tone) -> str:
    return {"up": colours.up, "down": colours.down, "neutral": colours.text}[tone]


def _head(canvas: Canvas, spec: ReportSpec, colours: Palette) -> float:
    room = canvas.width - 2 * _MARGIN
    title = canvas.shorten(spec.title, 48, room, bold=True)
    canvas.text((_MARGIN, 48), title, size=48, colour=colours.text, bold=True)
    canvas.text((_MARGIN, 98), canvas.shorten(spec.date, 27, room), size=27, colour=colours.muted)
    return _HEAD


def _fit(canvas: Canvas, text: str, size: float, room: float) -> float:
    width = canvas.measure(text, size, bold=True)
    return size if width <= room else max(16.0, size * room / width)


def _stats(canvas: Canvas, spec: ReportSpec, colours: Palette, top: float) -> float:
    if not spec.stats:
        return top
    columns = len(spec.stats) if len(spec.stats) <= 3 else (len(spec.stats) + 1) // 2
    width = (canvas.width - 2 * _MARGIN - (columns - 1) * _GAP) / columns
    for place, stat in enumerate(spec.stats):
        row, column = divmod(place, columns)
        left, upper = _MARGIN + column * (width + _GAP), top + row * (_STAT + _GAP)
        canvas.box(Box(left, upper, left + width, upper + _STAT), colours.panel, radius=16)
        label = canvas.shorten(stat.label, 25, width - 40)
        canvas.text((left + 20, upper + 38), label, size=25, colour=colours.muted)
        size = _fit(canvas, stat.value, 40, width - 40)
        value = canvas.shorten(stat.value, size, width - 36, bold=True)
        canvas.text((left + 20, upper + 90), value, size=size, colour=_tone(colours, stat.tone), bold=True)
    rows = (len(spec.stats) + columns - 1) // columns
    return top + rows * (_STAT + _GAP)


def _empty(canvas: Canvas, spec: ReportSpec, colours: Palette, box: Box) -> None:
    canvas.box(box, colours.panel, radius=16)
    x, y = (box.left + box.right) / 2, (box.top + box.bottom) / 2
    # a quiet row of candles
    for place, (height, tint) in enumerate(((50, "up"), (84, "down"), (64, "up"), (108, "up"), (72, "down"))):
        centre, base = x + (place - 2) * 46, y - 70
        colour = fade(_tone(colours, "up" if tint == "up" else "down"), colours.panel, 0.5)
        canvas.rule((centre, base - height / 2 - 22), (centre, base + height / 2 + 22), colour, 4)
        canvas.box(Box(centre - 13, base - height / 2, centre + 13, base + height / 2), colour, radius=5)
    room = box.width - 60
    text = canvas.shorten(spec.labels.empty, 46, room, bold=True)
    canvas.text((x, y + 60), text, size=46, colour=colours.text, bold=True, side="center")
    hint = canvas.shorten(spec.labels.empty_hint, 28, room)
    canvas.text((x, y + 116), hint, size=28, colour=colours.muted, side="center")


def _curve(canvas: Canvas, spec: ReportSpec, colours: Palette, box: Box) -> None:
    from charts.canvas import DASHED

    inner = card(canvas, colours, box, spec.labels.equity)
    final = float(spec.pnl_krw[-1])
    canvas.text((inner.right, box.top + 34), won(final), size=30, colour=sign(colours, final), bold=True, side="right")
    low, high = min(0.0, float(spec.pnl_krw.min())), max(0.0, float(spec.pnl_krw.max()))
    air = 0.08 * (high - low) or 1_000.0
    low, high = low - air, high + air
    values = [v for v in round_ticks(low, high, 5)[0] if low < v < high]
    names = [_won_axis(v) for v in values]
    side = max((canvas.measure(name, 22) for name in names), default=0.0) + 14
    panel = Panel(Box(inner.left, inner.top + 6, inner.right - side, inner.bottom - 34), low, high, 1)
    for value, name in zip(values, names, strict=True):
        level = panel.y_at(value)
        canvas.rule((panel.box.left, level), (panel.box.right, level), colours.grid, 1.4)
        canvas.text((inner.right, level), name, size=22, colour=colours.muted, side="right")
    times = spec.at_ms.astype(np.float64)
    start, span = float(times[0]), max(float(times[-1] - times[0]), 1.0)
    x = panel.box.left + 6 + (times - start) / span * (panel.box.width - 12)
    y, zero = panel.y(spec.pnl_krw), panel.y_at(0.0)
    _fill(canvas, colours, panel.box, x, y, zero)
    canvas.segments(np.array([[(panel.box.left, zero), (panel.box.right, zero)]]), colours.muted, 2, dash=DASHED)
    for part, tint in ((Box(0, 0, canvas.width, zero), colours.up), (Box(0, zero, canvas.width, 9_999), colours.down)):
        canvas.curve(x, y, tint, 4, clip=part)
    canvas.symbol((float(x[-1]), float(y[-1])), "o", sign(colours, final), 16, colours.panel)
    _clock(canvas, spec, colours, panel.box, (start, span))


def _fill(canvas: Canvas, colours: Palette, box: Box, x: FloatArray, y: FloatArray, zero: float) -> None:
    outline = np.column_stack([np.concatenate([x, x[::-1]]), np.concatenate([y, np.full(len(y), zero)])])[np.newaxis]
    canvas.polygons(outline, colours.up, clip=Box(box.left, box.top, box.right, zero), alpha=0.2)
    canvas.polygons(outline, colours.down, clip=Box(box.left, zero, box.right, box.bottom), alpha=0.2)


def _clock(canvas: Canvas, spec: ReportSpec, colours: Palette, box: Box, span: tuple[float, float]) -> None:
    start, length = span
    minutes = length / 60_000
    days = (1440, 2880, 7200, 10080)
    steps = (1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 360, *days)
    step = next((s for s in steps if minutes / s <= 7), days[-1]) * 60_000
    zone = ZoneInfo(spec.tz)
    taken = -1e9
    for at in np.arange(np.ceil(start / step) * step, start + length + 1, step).tolist():
        moment = datetime.fromtimestamp(at / 1000, tz=zone)
        text = f"{moment:%H:%M}" if step < 1440 * 60_000 else f"{moment:%m/%d}"
        half = canvas.measure(text, 22) / 2
        x = min(max(box.left + 6 + (at - start) / length * (box.width - 12), box.left + half), box.right - half)
        if x - half > taken + 18:
            canvas.text((x, box.bottom + 22), text, size=22, colour=colours.muted, side="center")
            taken = x + half


def _trips(canvas: Canvas, spec: ReportSpec, colours: Palette, box: Box) -> None:
    inner = card(canvas, colours, box, spec.labels.trips)
    ranked = sorted(spec.trips, key=lambda trip: -trip.pnl_krw)
    rows: list[RoundTrip | None] = list(ranked)
    hidden = len(ranked) - MAX_ROWS
    if hidden > 0:
        rows = [*ranked[: MAX_ROWS // 2], None, *ranked[-(MAX_ROWS // 2) :]]
    step = min(inner.height / len(rows), 72.0)
    size = min(26.0, 0.62 * step)
    names = [canvas.shorten(f"{t.ticker} {t.note}".strip(), size, 0.34 * inner.width, bold=True) for t in ranked]
    left = inner.left + max(canvas.measure(name, size, bold=True) for name in names) + 18
    worth = max(canvas.measure(won(t.pnl_krw), size, bold=True) for t in ranked) + 14
    most = max(0.0, *(t.pnl_krw for t in ranked))
    least = min(0.0, *(t.pnl_krw for t in ranked))
    room = inner.right - left - worth * ((most > 0) + (least < 0) or 1)
    scale = room / ((most - least) or 1.0)
    zero = left + (worth if least < 0 else 0) - least * scale
    canvas.rule((zero, inner.top), (zero, inner.top + step * len(rows)), colours.grid, 2)
    for place, trip in enumerate(rows):
        y = inner.top + (place + 0.5) * step
        if trip is None:
            text = spec.labels.more.format(count=hidden)
            canvas.text((inner.left, y), text, size=size, colour=colours.muted)
            continue
        name = names[place] if hidden <= 0 or place < MAX_ROWS // 2 else names[place - len(rows)]
        canvas.text((inner.left, y), name, size=size, colour=colours.text, bold=True)
        tint, reach = sign(colours, trip.pnl_krw), trip.pnl_krw * scale
        ends = (zero, zero + reach) if reach >= 0 else (zero + reach, zero)
        half = 0.31 * step
        canvas.box(Box(ends[0], y - half, max(ends[1], ends[0] + 3), y + half), tint, radius=5)
        where = ends[1] + 12 if reach >= 0 else ends[0] - 12
        text = won(trip.pnl_krw)
        canvas.text((where, y), text, size=size, colour=tint, bold=True, side="left" if reach >= 0 else "right")
