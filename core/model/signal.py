"""What the analyzer concluded about a ticker, with everything that led there."""

import datetime as dt
import enum
import math
from typing import Annotated

import msgspec


class SignalType(enum.StrEnum):
    """The user's four signals."""

    BUY = "BUY"
    SELL = "SELL"
    STOP = "STOP"
    WATCH = "WATCH"


class Condition(enum.StrEnum):
    """Machine-readable reasons; the bot translates them."""

    UPTREND = "uptrend"
    MACD_CROSS_UP = "macd_cross_up"
    RSI_HEALTHY = "rsi_healthy"
    BAND_BREAKOUT = "band_breakout"
    VOLUME_SURGE = "volume_surge"
    EMA_CROSS_DOWN = "ema_cross_down"
    MACD_TURNED_NEGATIVE = "macd_turned_negative"
    RSI_FELL = "rsi_fell"
    STOP_REACHED = "stop_reached"
    SHORT_HISTORY = "short_history"


class Indicators(msgspec.Struct, frozen=True, kw_only=True):
    """Values on the newest closed bar; None where the history is too short."""

    close: float
    ema_fast: float | None = None
    ema_slow: float | None = None
    macd: float | None = None
    macd_signal: float | None = None
    macd_histogram: float | None = None
    rsi: float | None = None
    band_upper: float | None = None
    band_middle: float | None = None
    band_lower: float | None = None
    relative_volume: float | None = None
    bars: int = 0


class TrendState(enum.StrEnum):
    """The answer to "is the trend of this ticker intact?"."""

    INTACT = "intact"
    BROKEN = "broken"
    UNKNOWN = "unknown"


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """A trend judgement: which signal, how sure, and why."""

    signal: SignalType
    confidence: float
    met: tuple[Condition, ...]
    unmet: tuple[Condition, ...] = ()
    indicators: Indicators

    def __post_init__(self) -> None:
        if not 0 <= self.confidence <= 100:
            raise ValueError(f"confidence is 0 to 100, not {self.confidence}")


class Discovery(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of a bar that passed the screen, for people: prices in USD, volume in shares as the feed counts them.

    Not `orderable`: the broker does not list it.
    """

    price: float
    change_pct: float
    volume: float
    volume_ratio_pct: float
    market_cap: float | None
    name: str = ""
    name_ko: str = ""
    exchange: str = "NASD"
    announce: bool = True
    orderable: bool = True
    bar_end_at: Annotated[dt.datetime, msgspec.Meta(tz=True)]

    def __post_init__(self) -> None:
        if not (0 < self.price < math.inf and -100 < self.change_pct < math.inf):
            raise ValueError(f"impossible find at {self.price} after {self.change_pct} %")
        if not (0 <= self.volume < math.inf and 0 < self.volume_ratio_pct < math.inf):
            raise ValueError(f"impossible volume {self.volume}, {self.volume_ratio_pct} %")
