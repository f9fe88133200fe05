"""Days of minute bars that nobody traded, for the machines: walks, jumps with volume, quiet spells, thin tickers."""

import datetime as dt

import numpy as np

from backtest.data.day import DayBars
from backtest.data.memory import between, hash_of
from backtest.data.store import Store
from core.model.bar import MINUTE_MS
from core.model.session import MarketSession
from core.rules.days import EASTERN

MONDAY = dt.date(2025, 1, 6)


class MemoryDays:
    """Days that are kept as they are."""

    def __init__(self, days):
        self._days = {day.on: day for day in sorted(days, key=lambda day: day.on)}

    def days(self, first=None, last=None):
        return between(self._days, first, last)

    def read(self, on):
        return self._days[on]

    def data_hash(self, days):
        return hash_of(self, days)


def weekdays(count: int, first: dt.date = MONDAY) -> list[dt.date]:
    days = (first + dt.timedelta(days=i) for i in range(count * 2 + 2))
    return [on for on in days if on.weekday() < 5][:count]


def session_on(on: dt.date) -> MarketSession | None:
    """Every weekday is a session of 09:30 to 16:00."""
    if on.weekday() > 4:
        return None
    pre, opens, closes, post = (
        dt.datetime.combine(on, at, EASTERN).astimezone(dt.UTC)
        for at in (dt.time(4), dt.time(9, 30), dt.time(16), dt.time(20))
    )
    return MarketSession(on=on, pre_open_at=pre, open_at=opens, close_at=closes, post_close_at=post)


def minute_ms(on: dt.date, minute: int) -> int:
    """The start of the so-many-th minute after 09:30 in New York."""
    opened = dt.datetime.combine(on, dt.time(9, 30), EASTERN)
    return int(opened.timestamp() * 1000) + minute * MINUTE_MS


def walk(rng: np.random.Generator, *, minutes: int, start: float, jumps: int, flat: float, thin: float):
    """minute, open, high, low, close, volume; `flat` is the share of bars that don't move, `thin` of absent ones."""
    steps = rng.normal(0, 0.003, minutes) * (rng.random(minutes) >= flat)
    volume = rng.lognormal(8.5, 0.8, minutes) * (1 - flat * rng.random(minutes))
    for at in rng.integers(min(25, minutes - 1), minutes, jumps):
        run = slice(at, at + int(rng.integers(1, 8)))
        steps[run] += rng.uniform(0.01, 0.06)
        volume[run] *= rng.uniform(3, 30)
    close = np.maximum(start * np.exp(np.cumsum(steps)), 0.01).round(4)
    opened = np.concatenate((close[:1], close[:-1]))
    wide = 1 + np.abs(rng.normal(0, 0.001, minutes))
    high, low = np.maximum(opened, close) * wide, np.minimum(opened, close) / wide
    kept = np.flatnonzero(rng.random(minutes) >= thin)
    return kept, opened[kept], high[kept], low[kept], close[kept], np.floor(volume[kept])


def made_day(on: dt.date, seed: int, tickers: int = 4, minutes: int = 390) -> DayBars:
    rng = np.random.default_rng([seed, on.toordinal()])
    rows = []
    names = tuple(f"T{i:02}" for i in range(tickers))
    for i in range(tickers):
        columns = walk(
            rng,
            minutes=minutes,
            # each day begins near where the ticker's other days do
            start=float([0.9, 5.0, 80.0][(seed + i) % 3] * rng.uniform(0.97, 1.03)),
            jumps=int(rng.integers(0, 4)),
            flat=float(rng.choice([0.0, 0.0, 0.5, 1.0])),
            thin=float(rng.choice([0.0, 0.0, 0.3, 0.8])),
        )
        rows += [(minute_ms(on, int(at)), i, *values) for at, *values in zip(*columns, strict=True)]
    rows.sort()
    used = sorted({row[1] for row in rows})
    table = np.array(rows, dtype=np.float64).reshape(-1, 7)
    return DayBars(
        on,
        tuple(names[i] for i in used),
        np.searchsorted(used, table[:, 1]).astype(np.int32),
        table[:, 0].astype(np.int64),
        *(np.ascontiguousarray(table[:, i]) for i in range(2, 7)),
    )


def made_store(root, days: list[DayBars]) -> Store:
    store = Store(root)
    for day in days:
        store.write_day(day)
    return store
