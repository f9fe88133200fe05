"""A Market from recorded minute bars: parquet or CSV with ticker, ts (UTC epoch ms of the bar's start), OHLC, volume."""

import itertools
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv
import pyarrow.parquet as pq

from sandbox import calendar
from sandbox.bars import MINUTE_MS, Ints, Series
from sandbox.market import Instrument, Market

COLUMNS = ("ticker", "ts", "open", "high", "low", "close", "volume")
ASSUMED_CAP_USD = 1_000_000_000
DAY_MS = 86_400_000


class ReplayError(Exception):
    """One line that says what is wrong with the recording."""


def load(path: Path, day: date) -> Market:
    """The recording's bars of one ET day between 04:00 and 20:00; raises ReplayError."""
    table = _read(path)
    opened_ms = int(calendar.at(day, calendar.OPEN_AT).timestamp()) * 1000
    starts = table["ts"].to_numpy()
    inside = (starts >= opened_ms) & (starts < opened_ms + calendar.DAY_MINUTES * MINUTE_MS)
    if not inside.any():
        raise ReplayError(f"{path}: no bars on {day}; it has {_days(starts)}")
    today = table.filter(pa.array(inside)).sort_by([("ticker", "ascending"), ("ts", "ascending")])
    earlier = _previous_closes(table.filter(pa.array(starts < opened_ms)))
    return Market(day, _listed(path, today, opened_ms, earlier))


def _read(path: Path) -> pa.Table:
    try:
        table = pv.read_csv(path) if path.suffix == ".csv" else pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise ReplayError(f"{path}: cannot be read ({str(error).splitlines()[0]})") from error
    missing = [name for name in COLUMNS if name not in table.column_names]
    if missing:
        raise ReplayError(f"{path}: column {', '.join(missing)} is missing")
    try:
        columns = [pc.cast(table["ticker"], pa.string()), pc.cast(table["ts"], pa.int64())]
        columns += [pc.cast(table[name], pa.float64()) for name in COLUMNS[2:]]
    except pa.ArrowException as error:
        raise ReplayError(f"{path}: {str(error).splitlines()[0]}") from error
    return pa.table(dict(zip(COLUMNS, columns, strict=True))).drop_null()


def _days(starts: Ints) -> str:
    # A bar at one time of each UTC half day is enough to name its ET date.
    halves = np.unique(starts // (DAY_MS // 4)) * (DAY_MS // 4)
    days = sorted({datetime.fromtimestamp(int(ms) / 1000, UTC).astimezone(calendar.NEW_YORK).date() for ms in halves})
    days = [day for day in days if calendar.is_trading_day(day)] or days
    names = [str(day) for day in days]
    return ", ".join(names) if len(names) <= 12 else f"{', '.join(names[:6])} … {', '.join(names[-6:])}"


def _previous_closes(table: pa.Table) -> dict[str, float]:
    if not table.num_rows:
        return {}
    last = table.sort_by([("ts", "ascending")])
    tickers, closes = last["ticker"].to_pylist(), last["close"].to_pylist()
    return dict(zip(tickers, closes, strict=True))


def _listed(path: Path, today: pa.Table, opened_ms: int, earlier: dict[str, float]) -> list[tuple[Instrument, Series]]:
    tickers = np.asarray(today["ticker"].to_pylist())
    minutes = (today["ts"].to_numpy() - opened_ms) // MINUTE_MS
    prices = np.column_stack([today[name].to_numpy() for name in ("open", "high", "low", "close")])
    volumes = today["volume"].to_numpy().astype(np.int64)
    bounds = np.flatnonzero(np.r_[True, tickers[1:] != tickers[:-1], True])
    listed = []
    for first, last in itertools.pairwise(bounds):
        symbol = str(tickers[first])
        own, index = np.unique(minutes[first:last], return_index=True)
        try:
            series = Series(own.astype(np.int64), prices[first:last][index], volumes[first:last][index])
        except ValueError as error:
            raise ReplayError(f"{path}: {symbol}: {error}") from error
        listed.append((_instrument(symbol, series, earlier.get(symbol)), series))
    return listed


def _instrument(symbol: str, series: Series, previous: float | None) -> Instrument:
    opening = float(series.prices[0][0])
    digits = max(0, len(str(int(ASSUMED_CAP_USD / opening))) - 1)
    shares = -(-int(ASSUMED_CAP_USD / opening) // 10**digits) * 10**digits
    volume = int(series.volumes.sum())
    return Instrument(symbol, symbol, symbol, "XNAS", shares, previous or opening, volume)
