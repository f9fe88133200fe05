"""What a price chart is made of: bars, levels, markers, texts and parameters, refused at birth when they make no sense."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
OverlayLine = tuple[str, FloatArray]

Theme = Literal["dark", "light"]
Timeframe = Literal["1m", "5m", "1d"]
Zone = Literal["Asia/Seoul", "America/New_York"]
LevelKind = Literal["entry", "stop", "target", "average", "last", "planned"]
MarkerKind = Literal["buy", "sell", "stop", "signal"]

MAX_BARS = 2_000
MAX_LEVELS = 40
MAX_MARKERS = 100
MAX_OVERLAYS = 8
DEFAULT_SIZE = (1100, 1240)
STEP_MS: dict[Timeframe, int] = {"1m": 60_000, "5m": 300_000, "1d": 86_400_000}


def check_size(size: tuple[int, int]) -> None:
    """Refuse sizes that nobody can read or that Telegram refuses (Bot API sendPhoto: width + height <= 10000)."""
    width, height = size
    if min(width, height) < 320 or width + height > 10_000:
        raise ValueError(f"chart size {width}x{height}: each side at least 320 px, both together at most 10000 px")


def check_finite(name: str, values: FloatArray) -> None:
    """Refuse NaN and infinity, naming the first place."""
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        raise ValueError(f"{name}: not a finite number at position {int(bad[0])}")


def check_times(name: str, times: IntArray) -> None:
    """Refuse anything but strictly increasing int64 milliseconds."""
    if times.dtype != np.int64 or times.ndim != 1:
        raise ValueError(f"{name}: expected a one-dimensional int64 array of UTC milliseconds")
    if np.any(np.diff(times) <= 0):
        raise ValueError(f"{name}: times must strictly increase")


@dataclass(frozen=True, slots=True, eq=False)
class ChartBars:
    """Bars in time order; `start_ms` is the bar's start in UTC milliseconds, prices in USD. Missing minutes are simply absent."""

    start_ms: IntArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray

    def __post_init__(self) -> None:
        count = len(self.start_ms)
        if count == 0:
            raise ValueError("bars: empty, nothing to draw")
        if count > MAX_BARS:
            raise ValueError(f"bars: {count} of them, at most {MAX_BARS} fit a chart")
        for name in ("open", "high", "low", "close", "volume"):
            values: FloatArray = getattr(self, name)
            if values.shape != (count,):
                raise ValueError(f"bars: {name} has shape {values.shape}, start_ms has {count} entries")
            check_finite(f"bars: {name}", values)
        check_times("bars: start_ms", self.start_ms)
        if float(self.low.min()) <= 0:
            raise ValueError("bars: prices must be positive")
        if np.any(self.low > np.minimum(self.open, self.close)) or np.any(
            self.high < np.maximum(self.open, self.close)
        ):
            raise ValueError("bars: open and close must lie between low and high")
        if float(self.volume.min()) < 0:
            raise ValueError("bars: volume must not be negative")

    def __len__(self) -> int:
        return len(self.start_ms)

    def tail(self, count: int) -> "ChartBars":
        """The last `count` bars (all of them if there are fewer)."""
        cut = slice(max(0, len(self) - count), None)
        return ChartBars(
            self.start_ms[cut], self.open[cut], self.high[cut], self.low[cut], self.close[cut], self.volume[cut]
        )


@dataclass(frozen=True, slots=True)
class Level:
    """A horizontal line with a price tag; an empty label takes the kind's own name from `Labels`."""

    price: float
    label: str
    kind: LevelKind

    def __post_init__(self) -> None:
        if not np.isfinite(self.price) or self.price <= 0:
            raise ValueError(f"level {self.kind}: price {self.price} is not a positive number")


@dataclass(frozen=True, slots=True)
class Marker:
    """An event at one bar: our fills, a stop, a signal."""

    at_ms: int
    price: float
    kind: MarkerKind
    label: str = ""

    def __post_init__(self) -> None:
        if not np.isfinite(self.price) or self.price <= 0:
            raise ValueError(f"marker {self.kind}: price {self.price} is not a positive number")


@dataclass(frozen=True, slots=True)
class Labels:
    """Every word on the chart; the bot supplies them in the user's language."""

    price: str = "가격"
    volume: str = "거래량"
    entry: str = "진입"
    stop: str = "손절"
    target: str = "목표"
    average: str = "평균단가"
    last: str = "현재가"
    planned: str = "예정"
    macd: str = "MACD"
    macd_signal: str = "시그널"
    rsi: str = "RSI"
    ema: str = "EMA"
    bollinger: str = "볼린저"
    up: str = "상승"
    down: str = "하락"
    flat: str = "보합"
    pre_market: str = "프리마켓"
    after_market: str = "애프터마켓"
    minute: str = "1분봉"
    five_minutes: str = "5분봉"
    day: str = "일봉"
    as_of: str = "{at} 기준"
    source: str = ""
    age: str = ""


@dataclass(frozen=True, slots=True)
class IndicatorParams:
    """Periods in bars, as in the analyzer's configuration."""

    ema_fast: int = 5
    ema_slow: int = 20
    bollinger_period: int = 20
    bollinger_width: float = 2.0
    macd_fast: int = 12
    macd_slow: int = 26
    macd_signal: int = 9
    rsi_period: int = 14
    rsi_overbought: float = 70.0
    rsi_oversold: float = 30.0

    def __post_init__(self) -> None:
        for name in ("ema_fast", "ema_slow", "bollinger_period", "macd_fast", "macd_slow", "rsi_period"):
            if not 2 <= getattr(self, name) <= 1_000:
                raise ValueError(f"indicators: {name} must be between 2 and 1000")
        if not 1 <= self.macd_signal <= 1_000:
            raise ValueError("indicators: macd_signal must be between 1 and 1000")
        if not 0 < self.bollinger_width <= 10:
            raise ValueError("indicators: bollinger_width must be above 0 and at most 10")
        if not 0 < self.rsi_oversold < self.rsi_overbought < 100:
            raise ValueError("indicators: 0 < rsi_oversold < rsi_overbought < 100 does not hold")


def _check_overlays(overlays: Sequence[OverlayLine], count: int) -> None:
    if len(overlays) > MAX_OVERLAYS:
        raise ValueError(f"overlays: {len(overlays)} lines, at most {MAX_OVERLAYS}")
    for name, values in overlays:
        if values.shape != (count,):
            raise ValueError(f"overlay {name}: shape {values.shape}, there are {count} bars")


@dataclass(frozen=True, slots=True, eq=False)
class ChartSpec:
    """One chart.

    `sessions` are the regular sessions' (open_ms, close_ms): bars outside of them are shaded, none means no shading.
    `visible` shows the last so many bars only while indicators still warm up on all of them.
    `previous_close` is what the day's change is measured against; without it a daily chart takes the bar before,
    an intraday chart shows no change. `overlays` may hold NaN where they are undefined.
    """

    ticker: str
    name: str
    subtitle: str
    timeframe: Timeframe
    bars: ChartBars
    levels: tuple[Level, ...] = ()
    markers: tuple[Marker, ...] = ()
    labels: Labels = field(default_factory=Labels)
    indicators: IndicatorParams = field(default_factory=IndicatorParams)
    overlays: tuple[OverlayLine, ...] = ()
    sessions: tuple[tuple[int, int], ...] = ()
    previous_close: float | None = None
    visible: int | None = None
    theme: Theme = "dark"
    up_is_red: bool = True
    tz: Zone = "Asia/Seoul"
    size: tuple[int, int] = DEFAULT_SIZE

    def __post_init__(self) -> None:
        check_size(self.size)
        if not self.ticker:
            raise ValueError("chart: empty ticker")
        if self.timeframe not in STEP_MS:
            raise ValueError(f"chart: unknown timeframe {self.timeframe}, expected one of {', '.join(STEP_MS)}")
        if self.theme not in ("dark", "light"):
            raise ValueError(f"chart: unknown theme {self.theme}, expected dark or light")
        if len(self.levels) > MAX_LEVELS or len(self.markers) > MAX_MARKERS:
            raise ValueError(f"chart: at most {MAX_LEVELS} levels and {MAX_MARKERS} markers")
        if self.visible is not None and self.visible < 1:
            raise ValueError("chart: visible must be at least 1")
        if self.previous_close is not None and not (np.isfinite(self.previous_close) and self.previous_close > 0):
            raise ValueError("chart: previous_close must be a positive number")
        if any(close_ms <= open_ms for open_ms, close_ms in self.sessions):
            raise ValueError("chart: a session must close after it opens")
        _check_overlays(self.overlays, len(self.bars))
