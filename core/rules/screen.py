"""The five screening rules over one ticker's minute bars of one day (product.md section 1)."""

import bisect
import enum
from collections.abc import Sequence

import msgspec

from core.model.bar import MINUTE_MS, Bar
from core.model.params import ScannerParams

# Symbols that exchanges send test trades under (facts: polygon.md section 6).
TEST_TICKERS = frozenset(
    {
        "ZVZZT",
        "ZWZZT",
        "ZXZZT",
        "ZJZZT",
        "ZVV",
        "ZXYZ.A",
        "ZBZX",
        "ZTEST",
        "ZTST",
        "CBO",
        "CBX",
        "IBO",
        "IGZ",
        "ZZK",
        "ZZZ",
    }
)
TEST_PREFIXES = ("NTEST", "ATEST")


class ScreenRule(enum.StrEnum):
    """Which rule a bar failed."""

    PRICE = "price"
    VOLUME = "volume"
    NO_REFERENCE = "no_reference"
    STALE_REFERENCE = "stale_reference"
    CHANGE = "change"
    SHORT_HISTORY = "short_history"
    VOLUME_GROWTH = "volume_growth"
    MARKET_CAP = "market_cap"
    UNKNOWN_CAP = "unknown_cap"
    SECURITY_TYPE = "security_type"
    TEST_TICKER = "test_ticker"
    HALTED = "halted"


class Measures(msgspec.Struct, frozen=True, kw_only=True):
    """What the price, change and volume rules measured on a bar that met them all."""

    reference_close: float
    change_pct: float
    average_volume: float
    volume_ratio_pct: float


def cheap_rules(bar: Bar, params: ScannerParams) -> ScreenRule | None:
    """The rules that need nothing but the bar itself: price and absolute volume."""
    if bar.close < params.min_price:
        return ScreenRule.PRICE
    if bar.volume < params.min_volume:
        return ScreenRule.VOLUME
    return None


def reference(bars: Sequence[Bar], at_ms: int, minutes: int) -> Bar | None:
    """The last bar that starts at least `minutes` before `at_ms`; `bars` are one day's, oldest first."""
    end = bisect.bisect_right(bars, at_ms - minutes * MINUTE_MS, key=lambda b: b.start_ms)
    return bars[end - 1] if end else None


def mean_clock_volume(bars: Sequence[Bar], at_ms: int, minutes: int) -> float:
    """Mean volume over the `minutes` clock minutes before `at_ms`; a minute without a bar counts 0."""
    first = bisect.bisect_left(bars, at_ms - minutes * MINUTE_MS, key=lambda b: b.start_ms)
    last = bisect.bisect_left(bars, at_ms, key=lambda b: b.start_ms)
    return sum(bars[i].volume for i in range(first, last)) / minutes


def measure(bars: Sequence[Bar], bar: Bar, params: ScannerParams, *, first_ms: int) -> Measures | ScreenRule:
    """Apply every rule except market cap and security type.

    `bars` are the newest of the same ET day's bars of the ticker, oldest first, and reach two hours back; `bar` is one
    of them. `first_ms` is the start of the day's first.
    """
    if failed := cheap_rules(bar, params):
        return failed
    ref = reference(bars, bar.start_ms, params.timeframe_min)
    if ref is None:
        return ScreenRule.NO_REFERENCE
    age_min = (bar.start_ms - ref.start_ms) / MINUTE_MS
    if params.max_reference_age_min and age_min > params.max_reference_age_min:
        return ScreenRule.STALE_REFERENCE
    change_pct = (bar.close / ref.close - 1) * 100
    if bar.close / ref.close - 1 < params.price_change_pct / 100:
        return ScreenRule.CHANGE
    if bar.start_ms - first_ms < params.volume_lookback * MINUTE_MS:
        return ScreenRule.SHORT_HISTORY
    mean = mean_clock_volume(bars, bar.start_ms, params.volume_lookback)
    if mean <= 0 or bar.volume < (1 + params.volume_spike_pct / 100) * mean:
        return ScreenRule.VOLUME_GROWTH
    return Measures(
        reference_close=ref.close,
        change_pct=change_pct,
        average_volume=mean,
        volume_ratio_pct=bar.volume / mean * 100,
    )


class Halt(msgspec.Struct):
    """An exchange's halt of one ticker in epoch milliseconds; `until_ms` is None while it lasts."""

    from_ms: int
    until_ms: int | None = None


def halt_rule(bar: Bar, halt: Halt, minutes: int) -> ScreenRule | None:
    """A bar of a halted ticker is no offer, and one soon after the resume would be compared with a price before the halt.

    A bar from after the halt's start shows that trading goes on, whether or not the resume was heard of.
    """
    if halt.until_ms is None and bar.start_ms > halt.from_ms:
        halt.until_ms = bar.start_ms
    if halt.until_ms is None:
        return ScreenRule.HALTED
    return ScreenRule.STALE_REFERENCE if bar.start_ms - minutes * MINUTE_MS < halt.until_ms else None


def cap_rule(market_cap: float | None, params: ScannerParams) -> ScreenRule | None:
    """The market cap rule, with the configured policy for an unknown cap."""
    if market_cap is None:
        return ScreenRule.UNKNOWN_CAP if params.unknown_market_cap == "reject" else None
    return ScreenRule.MARKET_CAP if market_cap < params.min_market_cap else None


def fake_rule(ticker: str) -> ScreenRule | None:
    """Test symbols never pass, whatever the reference data calls them."""
    return ScreenRule.TEST_TICKER if ticker in TEST_TICKERS or ticker.startswith(TEST_PREFIXES) else None


def type_rule(security_type: str, params: ScannerParams) -> ScreenRule | None:
    """Only the configured security types; an empty list lets every type through."""
    if params.security_types and security_type not in params.security_types:
        return ScreenRule.SECURITY_TYPE
    return None
