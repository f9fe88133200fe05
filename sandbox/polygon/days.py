"""Daily bars: a quiet past that ends at the market's previous close, then today so far."""

import zlib
from datetime import date, datetime, timedelta

import numpy as np

from sandbox import calendar
from sandbox.market import Market
from sandbox.polygon.protocol import trade_count

Body = dict[str, object]
DAYS = 260


def past_days(day: date, count: int = DAYS) -> list[date]:
    """The trading days before a day, oldest first."""
    days: list[date] = []
    while len(days) < count:
        day = calendar.previous_trading_day(day)
        days.append(day)
    return days[::-1]


def midnight_ms(day: date) -> int:
    """Where a daily bar begins: the first moment of its date in New York."""
    return int(datetime.combine(day, datetime.min.time(), calendar.NEW_YORK).timestamp()) * 1000


def daily_bars(market: Market, symbol: str, now: datetime) -> list[Body]:
    """About a year of days of one symbol, oldest first; the same ones at every call on one market."""
    instrument = market.instruments[symbol]
    days = past_days(market.day)
    rng = np.random.default_rng(zlib.crc32(symbol.encode()))
    moves = rng.normal(0.0004, 0.018, DAYS)
    # the last close is the market's own previous close, whatever was drawn before it
    closes = instrument.prev_close * np.exp(np.cumsum(moves) - moves.sum())
    gaps = np.exp(rng.normal(0, 0.004, DAYS))
    reach = np.abs(rng.normal(0.009, 0.004, (2, DAYS))) + 0.001
    volumes = instrument.prev_volume * rng.lognormal(0, 0.3, DAYS)
    volumes[-1] = instrument.prev_volume
    rows: list[Body] = []
    before = closes[0]
    for i, day in enumerate(days):
        opened = round(float(before * gaps[i]), 4)
        close = instrument.prev_close if i == DAYS - 1 else round(float(closes[i]), 4)
        high = round(max(opened, close) * (1 + float(reach[0, i])), 4)
        low = round(min(opened, close) * (1 - float(reach[1, i])), 4)
        rows.append(_row(midnight_ms(day), opened, high, low, close, int(volumes[i])))
        before = close
    today = market.day_range(symbol, now)
    if today is not None and now >= calendar.at(market.day, calendar.REGULAR_AT):
        rows.append(_row(midnight_ms(market.day), today.open, today.high, today.low, today.close, today.volume))
    return rows


def within(rows: list[Body], start_ms: int, end_ms: int) -> list[Body]:
    """The days that begin inside a span of milliseconds, both ends included; a day is asked for by any of its moments."""
    day_ms = int(timedelta(days=1).total_seconds()) * 1000
    return [row for row in rows if start_ms - day_ms < int(str(row["t"])) <= end_ms]


def _row(start_ms: int, opened: float, high: float, low: float, close: float, volume: int) -> Body:
    return {
        "o": opened, "h": high, "l": low, "c": close, "v": volume, "vw": round((high + low + close) / 3, 4),
        "t": start_ms, "n": trade_count(volume),
    }  # fmt: skip
