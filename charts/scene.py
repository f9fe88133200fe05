"""What a price chart shows, worked out before drawing: visible bars, indicators, panels, ranges, texts."""

from dataclasses import dataclass

import numpy as np

from charts.indicators import Indicators, indicators, known
from charts.layout import Box, Panel
from charts.spec import STEP_MS, ChartBars, ChartSpec, FloatArray, Level, OverlayLine
from charts.theme import Palette, palette

MARGIN = 24.0
HEADER = 166.0
LEGEND = 44.0
AXIS = 66.0
FOOTER = 44.0
GAP = 14.0
TITLE = 38.0
MIN_SLOTS = 24
# how far, in heights of the bars' own range, levels and bands may stretch the price axis
_REACH_LEVELS = 0.8
_REACH_BANDS = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A spec cut to its visible bars, with everything derived from it. `base` is None when no change can be told."""

    spec: ChartSpec
    bars: ChartBars
    lines: Indicators
    overlays: tuple[OverlayLine, ...]
    levels: tuple[Level, ...]
    colours: Palette
    base: float | None

    @property
    def last(self) -> float:
        """The newest close."""
        return float(self.bars.close[-1])

    @property
    def change(self) -> float:
        """The newest close against the base, 0 without one."""
        return 0.0 if self.base is None else self.last - self.base

    @property
    def direction(self) -> str:
        """The colour of the day's change."""
        if self.base is None:
            rising = self.bars.close[-1] >= self.bars.open[-1]
            return self.colours.up if rising else self.colours.down
        return self.colours.muted if self.change == 0 else self.colours.up if self.change > 0 else self.colours.down


@dataclass(frozen=True, slots=True)
class Panels:
    """Where each panel lies; MACD and RSI only with enough history."""

    price: Panel
    volume: Panel
    macd: Panel | None
    rsi: Panel | None

    @property
    def all(self) -> tuple[Panel, ...]:
        """The panels there are, from the top."""
        return tuple(p for p in (self.price, self.volume, self.macd, self.rsi) if p is not None)


def compose(spec: ChartSpec) -> Scene:
    """Compute the indicators on all bars, then keep the visible ones."""
    count = min(spec.visible or len(spec.bars), len(spec.bars))
    full = spec.bars
    base = spec.previous_close
    if base is None and spec.timeframe == "1d" and len(full) > 1:
        base = float(full.close[-2])
    levels = spec.levels
    if not any(level.kind == "last" for level in levels):
        levels = (*levels, Level(float(full.close[-1]), spec.labels.last, "last"))
    return Scene(
        spec=spec,
        bars=full.tail(count),
        lines=indicators(full, spec.indicators).tail(count),
        overlays=tuple((name, values[-count:]) for name, values in spec.overlays),
        levels=levels,
        colours=palette(spec.theme, up_is_red=spec.up_is_red),
        base=base,
    )


def price_range(scene: Scene) -> tuple[float, float]:
    """The price axis: all bars, levels and bands as far as they are near, and a little air."""
    low, high = float(scene.bars.low.min()), float(scene.bars.high.max())
    height = max(high - low, high * 0.01)
    floor, ceiling = low, high
    for level in scene.levels:
        if low - _REACH_LEVELS * height <= level.price <= high + _REACH_LEVELS * height:
            floor, ceiling = min(floor, level.price), max(ceiling, level.price)
    bands = (scene.lines.band_lower, scene.lines.band_upper, *(values for _, values in scene.overlays))
    for values in bands:
        if known(values):
            floor = min(floor, max(float(np.nanmin(values)), low - _REACH_BANDS * height))
            ceiling = max(ceiling, min(float(np.nanmax(values)), high + _REACH_BANDS * height))
    air = 0.05 * max(ceiling - floor, height)
    return max(floor - air, 0.0), ceiling + air


def _below_title(box: Box, low: float, high: float, slots: int) -> Panel:
    """A panel whose values stay clear of its title."""
    return Panel(box, low, low + (high - low) * box.height / (box.height - TITLE), slots)


def _reach(*lines: FloatArray) -> float:
    return 1.1 * max(float(np.nanmax(np.abs(line))) for line in lines if known(line)) or 1e-6


def panels(scene: Scene, width: float, height: float, gutter: float) -> Panels:
    """Share the page: price takes what volume, MACD and RSI leave."""
    # a little room before the tags
    slots = max(len(scene.bars) + max(1, len(scene.bars) // 80), MIN_SLOTS)
    has_macd, has_rsi = known(scene.lines.macd_signal), known(scene.lines.rsi)
    top, bottom = HEADER + LEGEND, height - FOOTER - AXIS
    lower = [("volume", 0.12)] + [("macd", 0.15)] * has_macd + [("rsi", 0.14)] * has_rsi
    places: dict[str, Box] = {}
    for name, share in reversed(lower):
        start = bottom - share * (height - HEADER - LEGEND - FOOTER - AXIS)
        places[name] = Box(MARGIN, start, width - gutter, bottom)
        bottom = start - GAP
    low, high = price_range(scene)
    reach = _reach(scene.lines.macd, scene.lines.macd_signal) if has_macd else 0.0
    return Panels(
        price=Panel(Box(MARGIN, top, width - gutter, bottom), low, high, slots),
        volume=_below_title(places["volume"], 0, float(scene.bars.volume.max()) or 1.0, slots),
        macd=_below_title(places["macd"], -reach, reach, slots) if has_macd else None,
        rsi=_below_title(places["rsi"], 0, 100, slots) if has_rsi else None,
    )


def outside_runs(scene: Scene) -> list[tuple[int, int, str]]:
    """Stretches of bars outside regular sessions as (first, last, name)."""
    sessions = scene.spec.sessions
    if not sessions or scene.spec.timeframe == "1d":
        return []
    opens = np.array([s[0] for s in sorted(sessions)], dtype=np.int64)
    closes = np.array([s[1] for s in sorted(sessions)], dtype=np.int64)
    times = scene.bars.start_ms
    after_open = np.searchsorted(opens, times, side="right")
    inside = (after_open > 0) & (times < closes[np.maximum(after_open - 1, 0)])
    labels = scene.spec.labels
    runs: list[tuple[int, int, str]] = []
    half_day = 12 * 3_600_000
    for i in np.flatnonzero(~inside).tolist():
        later = after_open[i] < len(opens) and opens[after_open[i]] - times[i] < half_day
        earlier = after_open[i] > 0 and times[i] - closes[after_open[i] - 1] < half_day // 2
        name = labels.pre_market if later else labels.after_market if earlier else ""
        if runs and runs[-1][1] == i - 1 and runs[-1][2] == name:
            runs[-1] = (runs[-1][0], i, name)
        else:
            runs.append((i, i, name))
    return runs


def marker_bar(scene: Scene, at_ms: int) -> int | None:
    """The visible bar a marker belongs to, None when it lies outside the chart."""
    times = scene.bars.start_ms
    place = int(np.searchsorted(times, at_ms, side="right")) - 1
    if place < 0 or (place == len(times) - 1 and at_ms >= times[-1] + 2 * STEP_MS[scene.spec.timeframe]):
        return None
    return place
