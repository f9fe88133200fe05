"""Seeded minute bars that ours and every peer read: full regular sessions of made-up stocks."""

import datetime as dt
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from adapters.calendar import compute
from backtest.data.day import VALUES, DayBars
from backtest.data.store import Store
from core.model.bar import MINUTE_MS, FloatArray

FIRST = dt.date(2025, 1, 13)
MINUTES = 390
MOST_DAYS = 100


class Grid(msgspec.Struct, frozen=True, eq=False):
    """Bars of tickers that trade every minute: columns of shape (tickers, days x 390), `start_ms` of the second axis."""

    days: tuple[dt.date, ...]
    tickers: tuple[str, ...]
    start_ms: npt.NDArray[np.int64]
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray

    def values(self) -> tuple[FloatArray, ...]:
        """open, high, low, close, volume."""
        return (self.open, self.high, self.low, self.close, self.volume)

    def __len__(self) -> int:
        return self.close.size


def sessions(days: int) -> tuple[list[dt.date], npt.NDArray[np.int64]]:
    """The first `days` full sessions from FIRST on, and the starts of all their minutes."""
    assert 1 <= days <= MOST_DAYS, days
    every = compute(FIRST, FIRST + dt.timedelta(days=2 * days + 14))
    full = [s for s in every if s.close_at - s.open_at == dt.timedelta(minutes=MINUTES)][:days]
    starts = [int(s.open_at.timestamp()) * 1000 + MINUTE_MS * np.arange(MINUTES, dtype=np.int64) for s in full]
    return [s.on for s in full], np.concatenate(starts)


def grid(tickers: int, days: int, seed: int = 7) -> Grid:
    """Random walks with a volatility of their own, overnight gaps, prices in cents, volumes of a day's shape."""
    rng = np.random.default_rng(seed)
    on, start_ms = sessions(days)
    count = len(start_ms)
    sigma = rng.uniform(0.0005, 0.002, (tickers, 1))
    steps = rng.standard_normal((tickers, count)) * sigma
    gaps = np.zeros((tickers, count))
    gaps[:, MINUTES::MINUTES] = rng.standard_normal((tickers, len(on) - 1)) * sigma * 8
    first = rng.uniform(10, 300, (tickers, 1))
    path = first * np.exp(np.clip(np.cumsum(steps + gaps, axis=1), -1.5, 1.5))
    close = np.round(path, 2)
    opened = np.round(np.concatenate([first, path[:, :-1]], axis=1) * np.exp(gaps + steps * 0.1), 2)
    reach = sigma * np.abs(rng.standard_normal((2, tickers, count))) * 0.5
    high = np.maximum(np.maximum(opened, close), np.round(path * (1 + reach[0]), 2))
    low = np.minimum(np.minimum(opened, close), np.round(path * (1 - reach[1]), 2))
    shape = np.tile(1 + 2 * np.linspace(-1, 1, MINUTES) ** 2, len(on))
    volume = np.ceil(rng.lognormal(0, 0.7, (tickers, count)) * shape * rng.uniform(500, 20_000, (tickers, 1)))
    names = tuple(f"B{number:04d}" for number in range(tickers))
    return Grid(tuple(on), names, start_ms, opened, high, low, close, volume)


def write_parquet(bars: Grid, path: Path) -> None:
    """By ticker, then by start: ticker, start_ms and the values."""
    tickers, count = bars.close.shape
    code = np.repeat(np.arange(tickers, dtype=np.int32), count)
    names = pa.DictionaryArray.from_arrays(pa.array(code), pa.array(bars.tickers)).cast(pa.string())
    columns = {"ticker": names, "start_ms": np.tile(bars.start_ms, tickers)}
    pq.write_table(pa.table(columns | dict(zip(VALUES, (c.ravel() for c in bars.values()), strict=True))), path)


def write_store(bars: Grid, store: Store) -> None:
    """The same bars as days of the bar store."""
    tickers = len(bars.tickers)
    for number, on in enumerate(bars.days):
        minutes = slice(number * MINUTES, (number + 1) * MINUTES)
        code = np.tile(np.arange(tickers, dtype=np.int32), MINUTES)
        starts = np.repeat(bars.start_ms[minutes], tickers)
        values = (column[:, minutes].T.ravel() for column in bars.values())
        store.write_day(DayBars(on, bars.tickers, code, starts, *values))
