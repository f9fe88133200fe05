"""Invented days for runs: a quiet market in which one stock does what the test wants."""

import datetime as dt
from pathlib import Path

import numpy as np

from backtest.data.day import DayBars
from backtest.data.store import Store
from backtest.execution import Execution
from backtest.result import Result
from backtest.runner import Runner, Setup
from core.model.params import Params, TradingParams
from core.model.session import MarketSession

ON = dt.date(2026, 11, 18)
OPEN = dt.datetime(2026, 11, 18, 14, 30, tzinfo=dt.UTC)
FREE = Execution(half_spread_pct=0.0, fx_spread_pct=0.0, volume_share_pct=100.0)
MINUTES = 390


def session_on(on: dt.date) -> MarketSession | None:
    """Every weekday trades from 14:30 to 21:00 UTC."""
    if on.weekday() > 4:
        return None
    opened = OPEN + (on - ON)
    return MarketSession(
        on=on,
        pre_open_at=opened - dt.timedelta(hours=5, minutes=30),
        open_at=opened,
        close_at=opened + dt.timedelta(minutes=MINUTES),
        post_close_at=opened + dt.timedelta(minutes=MINUTES + 240),
    )


def hero(after: list[float], breakout: int = 90) -> tuple[np.ndarray, np.ndarray]:
    """Closes and volumes of a day: quiet at 10, eight percent up at `breakout`, then `after` (the last one repeats)."""
    closes = 10 + 0.01 * np.sin(np.arange(MINUTES) / 3)
    closes[breakout] = 10.8
    rest = closes[breakout + 1 :]
    rest[:] = np.interp(np.arange(len(rest)), np.arange(len(after)), after)
    volumes = np.full(MINUTES, 5_000.0)
    volumes[breakout:] = 60_000.0
    volumes[breakout] = 100_000.0
    return closes, volumes


def day(on: dt.date, stocks: dict[str, tuple[np.ndarray, np.ndarray]]) -> DayBars:
    """Bars that open at the close before and whose extremes are a cent outside."""
    start_ms = int((OPEN + (on - ON)).timestamp() * 1000)
    tickers = tuple(sorted(stocks))
    rows = []
    for number, ticker in enumerate(tickers):
        closes, volumes = stocks[ticker]
        opens = np.concatenate((closes[:1], closes[:-1]))
        for i in range(len(closes)):
            low, high = min(opens[i], closes[i]) - 0.01, max(opens[i], closes[i]) + 0.01
            rows.append((start_ms + i * 60_000, number, opens[i], high, low, closes[i], volumes[i]))
    rows.sort(key=lambda row: row[:2])
    table = np.array(rows, float)
    return DayBars(on, tickers, table[:, 1].astype(np.int32), table[:, 0].astype(np.int64), *table.T[2:].round(4))


def params(**trading: object) -> Params:
    return Params(trading=TradingParams(mode="auto", **trading))  # type: ignore[arg-type]


def run(folder: Path, days: list[DayBars], **how: object) -> Result:
    """A run over days in a store of their own."""
    store = Store(folder / "bars")
    for bars in days:
        store.write_day(bars)
    setup = Setup(**{"params": params(), "execution": FREE, **how})  # type: ignore[arg-type]
    return Runner(setup, session_on).run(store)
