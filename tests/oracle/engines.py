"""What two independent engines did with real bars, and the thinnest account of the rules that they followed."""

import datetime as dt
import json
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import talib

from core.model.bar import Bar
from core.rules.days import EASTERN, us_date
from tests.oracle.conftest import DATA
from tests.oracle.replays import read_bars

ORACLES = DATA / "backtests" / "oracle"
OPEN, CLOSE = dt.time(9, 30), dt.time(16)


class Order(NamedTuple):
    """A market order given at the close of the bar at `place`; shares below 0 are sold."""

    place: int
    shares: int


class Fill(NamedTuple):
    """At the start of a bar, at its open."""

    start_ms: int
    shares: int
    price: float


class Case(NamedTuple):
    """One replay: the bars it saw, its account, what it filled and what was left."""

    bars: list[Bar]
    cash: float
    commission_pct: float
    fills: list[Fill]
    final_cash: float
    oracle: dict[str, Any]


def filled(bars: list[Bar], orders: Iterable[Order]) -> list[Fill]:
    """Every order fills whole at the open of the next bar of the data, however late that is, whatever its volume."""
    return [Fill(bars[o.place + 1].start_ms, o.shares, bars[o.place + 1].open) for o in orders]


def cash_after(cash: float, commission_pct: float, fills: Iterable[Fill]) -> float:
    """Nothing is rounded; the commission is of each fill's amount, and there is no other fee."""
    return cash - sum(f.shares * f.price + abs(f.shares * f.price) * commission_pct / 100 for f in fills)


def cross_orders(bars: list[Bar], fast: int = 9, slow: int = 20, shares: int = 100) -> Iterator[Order]:
    """Buy when the fast EMA rises above the slow one, sell when it falls below, and at the last bar but one."""
    close = np.array([bar.close for bar in bars])
    difference = talib.EMA(close, fast) - talib.EMA(close, slow)
    held = False
    for place in range(slow, len(bars) - 1):
        before, now = difference[place - 1], difference[place]
        if held and (before >= 0 > now or place == len(bars) - 2):
            yield Order(place, -shares)
            held = False
        elif not held and before <= 0 < now and slow < place < len(bars) - 5:
            yield Order(place, shares)
            held = True


def tranche_orders(
    bars: list[Bar], signal: int, tranches: int = 10, usd: float = 1000, hold: int = 30
) -> Iterator[Order]:
    """Whole shares for `usd` at each of the bars' closes from the signal on, all sold `hold` bars after the signal."""
    bought = [Order(place, int(usd // bars[place].close)) for place in range(signal, signal + tranches)]
    yield from bought
    yield Order(signal + hold, -sum(order.shares for order in bought))


@cache
def dataset(name: str) -> list[Bar]:
    folder = DATA / "minute"
    path = folder / f"{name}.parquet"
    return read_bars(path if path.exists() else folder / "no_licence_stated" / path.name)


def regular(bars: Iterable[Bar]) -> list[Bar]:
    return [bar for bar in bars if OPEN <= bar.start_at.astimezone(EASTERN).time() < CLOSE]


def crosses() -> Iterator[tuple[str, Case]]:
    """EMA 9/20 over the regular sessions of a stock, one after the other as if there were no night."""
    for path in sorted(ORACLES.glob("ema_cross_*.json")):
        oracle = json.loads(path.read_text())
        bars = regular(bar for bar in dataset(oracle["dataset"]) if bar.ticker == oracle["ticker"])
        fills = []
        for trip in oracle["trades"]:
            fills += [Fill(trip["entry_ts"], trip["size"], trip["entry_price"])]
            fills += [Fill(trip["exit_ts"], -trip["size"], trip["exit_price"])]
        yield oracle["case"], Case(bars, 100_000, 0.1, fills, oracle["final_equity"], oracle)


def tranches() -> Iterator[tuple[str, Case]]:
    """Ten parts bought from a signal on, over all hours of one day of a stock."""
    for path in sorted(ORACLES.glob("ten_split_*.json")):
        oracle = json.loads(path.read_text())
        for run in oracle["runs"]:
            day = dt.datetime.strptime(run["day"], "%Y%m%d").date()
            bars = [b for b in dataset(oracle["dataset"]) if b.ticker == run["ticker"] and us_date(b.start_at) == day]
            fills = [Fill(at, qty if side == "BUY" else -qty, price) for at, side, qty, price in run["fills"]]
            yield f"{run['ticker']}-{run['day']}", Case(bars, 20_000, 0.25, fills, run["final_cash"], run)
