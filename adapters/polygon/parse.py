"""Polygon's events and records as our nouns; what is impossible becomes None and is counted by the caller."""

import datetime as dt
from collections.abc import Mapping

from adapters.polygon.wire import Band
from core.model.bar import MOST_TICKER, Bar
from core.model.instrument import Exchange, Instrument, Split
from ports.market_data import HaltChange

HALTED, RESUMED = 17, 18
# KIS trades Arca and Cboe listings under its AMEX code (facts: kis.md section 7).
EXCHANGES = {
    "XNAS": Exchange.NASD,
    "XNYS": Exchange.NYSE,
    "XASE": Exchange.AMEX,
    "ARCX": Exchange.AMEX,
    "BATS": Exchange.AMEX,
}


def halt_of(event: Band) -> HaltChange | None:
    """A halt or its end out of a LULD event; None for the price bands, which are most of them."""
    indicators = event.i or ()
    halted = HALTED in indicators
    if not 0 < len(event.T) <= MOST_TICKER or not (halted or RESUMED in indicators):
        return None
    return HaltChange(ticker=event.T, halted=halted, at_ms=_instant_ms(event.t))


def _instant_ms(value: float | None) -> int | None:
    """Epoch milliseconds of a time whose unit the documents and the wire disagree on: ms, µs or ns by its size."""
    if value is None:
        return None
    for unit in (1, 1_000, 1_000_000):
        if 1e12 <= value / unit < 1e13:
            return int(value / unit)
    return None


def bar_of(
    ticker: str,
    start_ms: float | None,
    opening: float | None,
    high: float | None,
    low: float | None,
    close: float | None,
    volume: float | None,
) -> Bar | None:
    """A minute bar of loose values, or None where they are missing or impossible."""
    if start_ms is None or opening is None or high is None or low is None or close is None or volume is None:
        return None
    try:
        return Bar(ticker, int(start_ms), float(opening), float(high), float(low), float(close), float(volume))
    except (ValueError, TypeError, OverflowError):
        return None


def instrument_of(
    ticker: object, name: object, kind: object, venue: object, *, active: object = True, shares: object = None
) -> Instrument | None:
    """A security that KIS could trade, or None: unnamed, or listed where KIS has no code."""
    exchange = EXCHANGES.get(str(venue))
    if exchange is None or not isinstance(ticker, str):
        return None
    try:
        return Instrument(
            ticker=ticker,
            name=str(name or ticker),
            exchange=exchange,
            security_type=str(kind or ""),
            active=active is not False,
            shares_outstanding=shares_of(shares),
        )
    except ValueError:
        return None


def shares_of(*candidates: object) -> float | None:
    """The first share count that is one, in the vendor's order of preference."""
    for value in candidates:
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < float("inf"):
            return float(value)
    return None


def shares_by_cap(row: Mapping[str, object]) -> float | None:
    """The shares that a row of financial ratios means by its market cap and its price."""
    cap, price = shares_of(row.get("market_cap")), shares_of(row.get("price"))
    return cap / price if cap and price else None


def shares_by_float(row: Mapping[str, object]) -> float | None:
    """The shares that a row of free floats means by its number and its percentage of the whole."""
    free, percent = shares_of(row.get("free_float")), shares_of(row.get("free_float_percent"))
    return free / percent * 100 if free and percent and percent <= 100 else None


def split_of(row: Mapping[str, object]) -> Split | None:
    """A split, or None where the row can't be one."""
    new, old = shares_of(row.get("split_to")), shares_of(row.get("split_from"))
    ticker, on = row.get("ticker"), row.get("execution_date")
    if not new or not old or not isinstance(ticker, str) or not isinstance(on, str):
        return None
    try:
        return Split(ticker=ticker, on=dt.date.fromisoformat(on), new=new, old=old)
    except ValueError:
        return None
