"""A price chart as PNG: header, frame, and the panels in order."""

import numpy as np

from charts.canvas import DOTTED, Canvas
from charts.layout import Box, Panel, change_text, price_text
from charts.panels import draw_macd, draw_price, draw_rsi, draw_volume, price_ticks
from charts.scene import FOOTER, HEADER, LEGEND, MARGIN, Panels, Scene, compose, outside_runs, panels
from charts.spec import DEFAULT_SIZE, ChartSpec
from charts.tags import TAG, draw_tags, gutter, level_tags
from charts.theme import fade
from charts.timeaxis import BAR_MS, TimeAxis, time_axis
from charts.typeface import typeset

_TICK = 23.0


def render(spec: ChartSpec) -> bytes:
    """The chart as PNG of exactly `spec.size` pixels. Not thread-safe (matplotlib): use `ChartWorker`."""
    with typeset():
        scene = compose(spec)
        canvas = Canvas(spec.size, DEFAULT_SIZE, scene.colours.background)
        places = panels(scene, canvas.width, canvas.height, gutter(canvas, scene))
        axis = time_axis(
            scene.bars.start_ms,
            spec.tz,
            daily=spec.timeframe == "1d",
            gap=max(1.0, 112.0 / places.price.slot),
            bar_ms=BAR_MS[spec.timeframe],
        )
        _header(canvas, scene)
        _frame(canvas, scene, places, axis)
        draw_price(canvas, scene, places.price)
        _session_names(canvas, scene, places.price)
        tags = level_tags(scene, places.price)
        placed = draw_tags(canvas, scene, places.price, tags)
        _price_ticks(canvas, scene, places.price, placed)
        draw_volume(canvas, scene, places.volume)
        if places.macd is not None:
            draw_macd(canvas, scene, places.macd)
        if places.rsi is not None:
            draw_rsi(canvas, scene, places.rsi)
        _footer(canvas, scene, axis)
        return canvas.png()


def _header(canvas: Canvas, scene: Scene) -> None:
    spec, colours = scene.spec, scene.colours
    right = canvas.width - MARGIN
    price = f"${price_text(scene.last)}"
    canvas.text((right, 52), price, size=54, colour=colours.text, bold=True, side="right")
    taken = canvas.measure(price, 54, bold=True)
    low_taken = 0.0
    if scene.base is not None:
        change = change_text(scene.change, scene.base)
        canvas.text((right, 106), change, size=30, colour=scene.direction, bold=True, side="right")
        low_taken = canvas.measure(change, 30, bold=True)
    labels = spec.labels
    chip = {"1m": labels.minute, "5m": labels.five_minutes, "1d": labels.day}[spec.timeframe]
    chip_width = canvas.measure(chip, 24, bold=True) + 28
    room = right - taken - MARGIN - 30
    ticker = canvas.shorten(spec.ticker, 58, room - chip_width - 18, bold=True)
    canvas.text((MARGIN, 52), ticker, size=58, colour=colours.text, bold=True)
    left = MARGIN + canvas.measure(ticker, 58, bold=True) + 18
    canvas.box(Box(left, 32, left + chip_width, 72), colours.grid, radius=12)
    canvas.text((left + chip_width / 2, 52), chip, size=24, colour=colours.text, bold=True, side="center")
    name = canvas.shorten(spec.name, 30, right - low_taken - MARGIN - 30)
    canvas.text((MARGIN, 106), name, size=30, colour=colours.text)
    subtitle = canvas.shorten(spec.subtitle, 25, right - MARGIN)
    canvas.text((MARGIN, 146), subtitle, size=25, colour=colours.muted)


def _legend(canvas: Canvas, scene: Scene) -> None:
    params, labels, colours, lines = scene.spec.indicators, scene.spec.labels, scene.colours, scene.lines
    entries = [
        (f"{labels.ema} {params.ema_fast}", colours.fast, lines.ema_fast),
        (f"{labels.ema} {params.ema_slow}", colours.slow, lines.ema_slow),
        (f"{labels.bollinger} {params.bollinger_period}·{params.bollinger_width:g}", colours.band, lines.band_middle),
    ]
    names = list(dict.fromkeys(name for name, _ in scene.overlays))
    for place, name in enumerate(names):
        entries.append((name.upper(), colours.overlays[place], np.ones(1)))
    x, y = MARGIN, HEADER + LEGEND / 2 + 4
    for name, colour, values in entries:
        if not np.isfinite(values).any():
            continue
        width = canvas.measure(name, 23)
        if x + 36 + width > canvas.width - MARGIN:
            canvas.text((x, y), "…", size=23, colour=colours.muted)
            break
        canvas.box(Box(x, y - 3, x + 24, y + 3), colour, radius=3)
        canvas.text((x + 32, y), name, size=23, colour=colours.muted)
        x += 32 + width + 28


def _frame(canvas: Canvas, scene: Scene, places: Panels, axis: TimeAxis) -> None:
    colours = scene.colours
    _legend(canvas, scene)
    for panel in places.all:
        canvas.box(panel.box, colours.panel)
    half = places.price.slot / 2
    for first, last, _ in outside_runs(scene):
        left, right = places.price.x(np.array([first, last]))
        for panel in places.all:
            canvas.box(Box(left - half, panel.box.top, right + half, panel.box.bottom), colours.shade)
    _time_ticks(canvas, scene, places, axis)


def _session_names(canvas: Canvas, scene: Scene, panel: Panel) -> None:
    for first, last, name in outside_runs(scene):
        left, right = panel.x(np.array([first, last]))
        half, middle, y = canvas.measure(name, 21) / 2 + 6, (left + right) / 2, panel.box.top + 20
        if name and 2 * half + 8 < right - left:
            canvas.box(Box(middle - half, y - 14, middle + half, y + 14), scene.colours.shade, radius=6)
            canvas.text((middle, y), name, size=21, colour=scene.colours.muted, side="center")


def _time_ticks(canvas: Canvas, scene: Scene, places: Panels, axis: TimeAxis) -> None:
    colours, price = scene.colours, places.price
    right, bottom = price.box.right, places.all[-1].box.bottom
    grid = [float(price.x(np.array([t.bar]))[0]) for t in axis.ticks]
    for panel in places.all:
        box = panel.box
        canvas.segments(np.array([[(x, box.top), (x, box.bottom)] for x in grid]), colours.grid, 1.2)
    for tick, x in zip(axis.ticks, grid, strict=True):
        half = canvas.measure(tick.text, _TICK) / 2
        canvas.text((min(max(x, price.box.left + half), right - half), bottom + 20), tick.text, size=_TICK,
                    colour=colours.muted, side="center")  # fmt: skip
    for tick in axis.dates:
        x = float(price.x(np.array([tick.bar]))[0]) - price.slot / 2
        if tick.bar:
            for panel in places.all:
                ends = np.array([[(x, panel.box.top), (x, panel.box.bottom)]])
                canvas.segments(ends, colours.muted, 1.8, dash=DOTTED)
        width = canvas.measure(tick.text, _TICK, bold=True)
        canvas.text((min(x, right - width), bottom + 48), tick.text, size=_TICK, colour=colours.text, bold=True)


def _price_ticks(canvas: Canvas, scene: Scene, panel: Panel, taken: list[float]) -> None:
    values, decimals = price_ticks(panel)
    decimals = max(decimals, 2 if panel.high < 1_000 else 0)
    for value in values:
        y = panel.y_at(value)
        inside = panel.box.top + 12 <= y <= panel.box.bottom - 12
        if inside and all(abs(y - other) >= TAG / 2 + 13 for other in taken):
            canvas.text((panel.box.right + 16, y), f"{value:,.{decimals}f}", size=_TICK, colour=scene.colours.muted)


def _footer(canvas: Canvas, scene: Scene, axis: TimeAxis) -> None:
    labels, colours = scene.spec.labels, scene.colours
    y = canvas.height - FOOTER / 2 + 2
    stamp = labels.as_of.format(at=axis.last)
    room = canvas.width - 2 * MARGIN - canvas.measure(stamp, 21) - 24
    source = " · ".join(part for part in (labels.source, labels.age) if part)
    canvas.text((MARGIN, y), canvas.shorten(source, 21, room), size=21, colour=colours.muted)
    canvas.text((canvas.width - MARGIN, y), stamp, size=21, colour=colours.muted, side="right")
    canvas.rule((MARGIN, y - 22), (canvas.width - MARGIN, y - 22), fade(colours.muted, colours.background), 1.2)
