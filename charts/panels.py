"""The four panels: candles with bands and levels, volume, MACD, RSI."""

import numpy as np

from charts.canvas import DASHED, Canvas
from charts.layout import Box, Panel, compact, round_ticks, significant
from charts.scene import Scene, marker_bar
from charts.spec import FloatArray
from charts.tags import draw_lines
from charts.theme import fade

_BODY = 0.7
_WIDEST = 34.0
_TITLE = 23.0
_THICK, _THIN = 3.0, 2.2


def _rising(scene: Scene) -> list[str]:
    up = scene.bars.close >= scene.bars.open
    return [scene.colours.up if rise else scene.colours.down for rise in up]


def _body_width(panel: Panel) -> float:
    return max(1.2, min(_BODY * panel.slot, _WIDEST))


def _line_width(scene: Scene) -> float:
    """Thinner where the candles are, so that lines do not bury them."""
    return _THICK if len(scene.bars) <= 150 else _THIN


def _grid(canvas: Canvas, scene: Scene, panel: Panel, values: list[float]) -> None:
    box = panel.box
    lines = [[(box.left, panel.y_at(v)), (box.right, panel.y_at(v))] for v in values if panel.low < v < panel.high]
    canvas.segments(np.array(lines, dtype=np.float64).reshape(-1, 2, 2), scene.colours.grid, 1.2)


def _title(canvas: Canvas, panel: Panel, parts: list[tuple[str, str, bool]], back: str) -> None:
    """Words at the panel's upper left on a patch of its background."""
    x, y = panel.box.left + 10, panel.box.top + 20
    widths = [canvas.measure(text, _TITLE, bold=bold) for text, _, bold in parts]
    canvas.box(Box(x - 4, y - 16, x + sum(widths) + 12 * (len(parts) - 1) + 4, y + 16), back, radius=6)
    for (text, colour, bold), width in zip(parts, widths, strict=True):
        canvas.text((x, y), text, size=_TITLE, colour=colour, bold=bold)
        x += width + 12


def price_ticks(panel: Panel) -> tuple[list[float], int]:
    """Round prices for the grid and their decimals."""
    return round_ticks(panel.low, panel.high, max(3, int(panel.box.height // 80)))


def draw_price(canvas: Canvas, scene: Scene, panel: Panel) -> None:
    """Candles over the band, averages, overlays, level lines, markers."""
    bars, lines, colours, box = scene.bars, scene.lines, scene.colours, panel.box
    _grid(canvas, scene, panel, price_ticks(panel)[0])
    x = panel.x(np.arange(len(bars)))
    good = np.isfinite(lines.band_upper) & np.isfinite(lines.band_lower)
    if good.sum() > 1:
        upper, lower = panel.y(lines.band_upper[good]), panel.y(lines.band_lower[good])
        outline = np.column_stack([np.concatenate([x[good], x[good][::-1]]), np.concatenate([upper, lower[::-1]])])
        canvas.polygons(outline[np.newaxis], colours.band, clip=box, alpha=0.16)
        for edge in (upper, lower):
            canvas.curve(x[good], edge, fade(colours.band, colours.panel, 0.75), 1.8, clip=box)
    draw_lines(canvas, scene, panel)
    tints = _rising(scene)
    wicks = np.stack([x, panel.y(bars.high), x, panel.y(bars.low)], axis=1).reshape(-1, 2, 2)
    width = _body_width(panel)
    canvas.segments(wicks, tints, max(1.2, min(0.22 * width, 3.0)))
    top, bottom = panel.y(np.maximum(bars.open, bars.close)), panel.y(np.minimum(bars.open, bars.close))
    canvas.bars(x, width, top, bottom, tints)
    for line, colour in ((lines.ema_slow, colours.slow), (lines.ema_fast, colours.fast)):
        canvas.curve(x, panel.y(line), colour, _line_width(scene), clip=box)
    names = list(dict.fromkeys(name for name, _ in scene.overlays))
    for name, values in scene.overlays:
        tint = colours.overlays[names.index(name)]
        dots = name.startswith("psar")
        canvas.curve(x, panel.y(values), tint, 2.0 if dots else 2.6, clip=box, dots=dots)
    _markers(canvas, scene, panel)


def _markers(canvas: Canvas, scene: Scene, panel: Panel) -> None:
    colours, box = scene.colours, panel.box
    looks = {
        "buy": ("^", colours.up, 1),
        "sell": ("v", colours.down, -1),
        "stop": ("X", colours.stop, -1),
        "signal": ("o", colours.fast, -1),
    }
    taken: list[Box] = []
    for marker in sorted(scene.spec.markers, key=lambda m: -m.at_ms):
        place = marker_bar(scene, marker.at_ms)
        if place is None:
            continue
        shape, colour, side = looks[marker.kind]
        x = float(panel.x(np.array([place]))[0])
        edge = panel.y_at(float(scene.bars.low[place] if side > 0 else scene.bars.high[place]))
        y = min(max(edge + side * 20, box.top + 14), box.bottom - 14)
        canvas.symbol((x, y), shape, colour, 23, colours.background)
        if not marker.label:
            continue
        half = canvas.measure(marker.label, 22, bold=True) / 2 + 9
        centre = min(max(x, box.left + half + 2), box.right - half - 2)
        for distance in (34, 66, 98):
            middle = y + side * distance
            patch = Box(centre - half, middle - 16, centre + half, middle + 16)
            free = all(
                patch.right < o.left or patch.left > o.right or patch.bottom < o.top or patch.top > o.bottom
                for o in taken
            )
            if free and patch.top >= box.top and patch.bottom <= box.bottom:
                taken.append(patch)
                canvas.box(patch, colours.background, radius=7, edge=colour, width=1.6)
                canvas.text((centre, middle), marker.label, size=22, colour=colours.text, bold=True, side="center")
                break


def draw_volume(canvas: Canvas, scene: Scene, panel: Panel) -> None:
    """Volume in the candle's colour, muted but for the newest bar."""
    bars, colours = scene.bars, scene.colours
    x = panel.x(np.arange(len(bars)))
    tints = [fade(tint, colours.panel, 0.62) for tint in (colours.up, colours.down)]
    shades = [tints[0] if rise else tints[1] for rise in bars.close >= bars.open]
    shades[-1] = colours.text
    bottom = np.full(len(bars), panel.box.bottom)
    some = bars.volume > 0
    canvas.bars(
        x[some],
        _body_width(panel),
        np.minimum(panel.y(bars.volume[some]), bottom[some] - 1.5),
        bottom[some],
        [shade for shade, there in zip(shades, some, strict=True) if there],
    )
    peak = float(bars.volume.max())
    if peak > 0:
        y = panel.y_at(peak)
        canvas.text((panel.box.right + 16, y), compact(peak), size=_TITLE, colour=colours.muted)
    words = [(scene.spec.labels.volume, colours.muted, False), (compact(float(bars.volume[-1])), colours.text, True)]
    _title(canvas, panel, words, colours.panel)


def draw_macd(canvas: Canvas, scene: Scene, panel: Panel) -> None:
    """Histogram, paler while it shrinks, under the MACD and signal lines."""
    lines, colours, labels, params = scene.lines, scene.colours, scene.spec.labels, scene.spec.indicators
    x = panel.x(np.arange(len(scene.bars)))
    _grid(canvas, scene, panel, [0.0])
    good = np.flatnonzero(np.isfinite(lines.macd_histogram))
    values = lines.macd_histogram[good]
    grows = np.abs(values) >= np.abs(np.concatenate([values[:1], values[:-1]]))
    pairs = {True: colours.up, False: colours.down}
    shades = [
        fade(pairs[bool(value >= 0)], colours.panel, 0.85 if grow else 0.45)
        for value, grow in zip(values, grows, strict=True)
    ]
    zero = np.full(len(good), panel.y_at(0.0))
    y = panel.y(values)
    canvas.bars(x[good], _body_width(panel), np.minimum(y, zero), np.maximum(y, zero), shades)
    canvas.curve(x, panel.y(lines.macd_signal), colours.fast, _THIN, clip=panel.box)
    canvas.curve(x, panel.y(lines.macd), colours.entry, _THICK, clip=panel.box)
    words = [
        (f"{labels.macd} {params.macd_fast}·{params.macd_slow}·{params.macd_signal}", colours.muted, False),
        (significant(float(lines.macd[-1])), colours.entry, True),
        (f"{labels.macd_signal} {significant(float(lines.macd_signal[-1]))}", colours.fast, True),
    ]
    _title(canvas, panel, words, colours.panel)
    canvas.text((panel.box.right + 16, panel.y_at(0.0)), "0", size=_TITLE, colour=colours.muted)


def _beyond(x: FloatArray, y: FloatArray, edge: float, *, above: bool) -> FloatArray:
    kept = np.minimum(y, edge) if above else np.maximum(y, edge)
    there = np.isfinite(y)
    back = np.full(int(there.sum()), edge)
    return np.column_stack(
        [np.concatenate([x[there], x[there][::-1]]), np.concatenate([kept[there], back])]
    )[np.newaxis]  # fmt: skip


def draw_rsi(canvas: Canvas, scene: Scene, panel: Panel) -> None:
    """RSI with its bands; what lies beyond them is filled."""
    colours, params, labels, box = scene.colours, scene.spec.indicators, scene.spec.labels, panel.box
    x, y = panel.x(np.arange(len(scene.bars))), panel.y(scene.lines.rsi)
    bought, sold = panel.y_at(params.rsi_overbought), panel.y_at(params.rsi_oversold)
    canvas.box(Box(box.left, bought, box.right, sold), fade(colours.rsi, colours.panel, 0.09))
    for edge, tint, value in ((bought, colours.up, params.rsi_overbought), (sold, colours.down, params.rsi_oversold)):
        canvas.segments(np.array([[(box.left, edge), (box.right, edge)]]), tint, 1.6, dash=DASHED)
        canvas.text((box.right + 16, edge), f"{value:g}", size=_TITLE, colour=colours.muted)
    canvas.polygons(_beyond(x, y, bought, above=True), colours.up, clip=box, alpha=0.45)
    canvas.polygons(_beyond(x, y, sold, above=False), colours.down, clip=box, alpha=0.45)
    canvas.curve(x, y, colours.rsi, _THICK, clip=box)
    newest = float(scene.lines.rsi[-1])
    tint = (
        colours.up
        if newest >= params.rsi_overbought
        else colours.down
        if newest <= params.rsi_oversold
        else colours.rsi
    )
    words = [(f"{labels.rsi} {params.rsi_period}", colours.muted, False), (f"{newest:.1f}", tint, True)]
    _title(canvas, panel, words, colours.panel)
