"""A made-up day of the whole market: few stocks print every minute and most seldom; some events are planted."""

import msgspec
import numpy as np
import numpy.typing as npt

from backtest.data.day import DayBars
from benchmarks.peer_bars import MINUTES, sessions
from core.model.bar import FloatArray

TICKERS, ROWS, EVENTS = 11_000, 2_500_000, 40
BEFORE, LEAST_VOLUME = 25, 20_000.0
Booleans = npt.NDArray[np.bool_]


class Event(msgspec.Struct, frozen=True):
    """A planted bar that passes the screen's price, volume, change and growth rules as shipped."""

    ticker: str
    start_ms: int


class MarketDay(msgspec.Struct, frozen=True, eq=False):
    """The bars of the day and what was planted among them."""

    bars: DayBars
    events: tuple[Event, ...]


def market_day(tickers: int = TICKERS, rows: int = ROWS, events: int = EVENTS, seed: int = 7) -> MarketDay:
    """About `rows` bars of one regular session.

    Activity is heavy-tailed, prices are lognormal around 13 USD, cheap and thin stocks move more, moves have fat tails,
    and volume is high near the open and the close.
    """
    rng = np.random.default_rng(seed)
    (on,), start_ms = sessions(1)
    busy = _activity(rng, tickers, rows)
    first = np.maximum(np.exp(rng.normal(2.6, 1.3, tickers)), 0.05)
    sigma = np.clip(0.0009 * (20 / first) ** 0.25 * rng.lognormal(0, 0.4, tickers), 0.0003, 0.006)
    shape = 0.7 + 0.9 * np.linspace(-1, 1, MINUTES) ** 2
    present = rng.random((tickers, MINUTES)) < 1 - np.exp(-np.outer(busy, shape))
    steps = rng.standard_t(4, (tickers, MINUTES)) * (sigma / np.sqrt(2))[:, None]
    volume = np.ceil(
        rng.lognormal(0, 0.9, (tickers, MINUTES))
        * shape
        * (60 + 400 * busy**0.8)[:, None]
        * (20 / first)[:, None] ** 0.3
    )
    planted = _plant(rng, steps, volume, present, first, min(events, tickers))
    names = tuple(f"S{number:05d}" for number in range(tickers))
    values = _prices(rng, steps, first, sigma)
    minute, code = np.nonzero(present.T)
    picked = [column[code, minute] for column in (*values, volume)]
    used, compact = np.unique(code, return_inverse=True)
    bars = DayBars(on, tuple(names[i] for i in used), compact.astype(np.int32), start_ms[minute], *picked)
    return MarketDay(bars, tuple(Event(names[t], int(start_ms[m])) for t, m in planted))


def _activity(rng: np.random.Generator, tickers: int, rows: int) -> FloatArray:
    """Prints per minute of each ticker, scaled so that about `rows` minutes have one."""
    busy = rng.lognormal(0, 2.2, tickers)
    low, high = 1e-6, 1e6
    for _ in range(60):
        scale = (low * high) ** 0.5
        enough = (1 - np.exp(-busy * scale)).sum() * MINUTES >= rows
        low, high = (low, scale) if enough else (scale, high)
    scaled: FloatArray = busy * high
    return scaled


def _plant(
    rng: np.random.Generator, steps: FloatArray, volume: FloatArray, present: Booleans, first: FloatArray, events: int
) -> list[tuple[int, int]]:
    """Let stocks of over 2 USD that trade often rise by 7 to 15 % in a minute on ten times their volume, then drift."""
    often = np.flatnonzero((present.mean(axis=1) > 0.5) & (first > 2))
    chosen = rng.choice(often, min(events, len(often)), replace=False)
    minutes = rng.integers(BEFORE, MINUTES - 60, len(chosen))
    found = []
    for ticker, minute in zip(chosen.tolist(), minutes.tolist(), strict=True):
        before = slice(minute - BEFORE, minute)
        present[ticker, minute - BEFORE] = present[ticker, minute - 5 : minute + 60] = True
        steps[ticker, before] = np.clip(steps[ticker, before], -0.001, 0.001)
        steps[ticker, minute] = np.log1p(rng.uniform(0.07, 0.15))
        steps[ticker, minute + 1 : minute + 60] += rng.normal(0, 0.002)
        volume[ticker, minute] = np.ceil(max(10 * volume[ticker, before].mean(), LEAST_VOLUME))
        volume[ticker, minute + 1 : minute + 30] *= 4
        found.append((ticker, minute))
    return found


def _prices(
    rng: np.random.Generator, steps: FloatArray, first: FloatArray, sigma: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Open, high, low and close on the grid of prices: cents, and hundredths of a cent below a dollar."""
    path = first[:, None] * np.exp(np.clip(np.cumsum(steps, axis=1), -2, 2))
    start = np.concatenate([first[:, None], path[:, :-1]], axis=1)
    top, bottom = np.maximum(start, path), np.minimum(start, path)
    reach = np.abs(rng.standard_normal((2, *steps.shape))) * (0.5 * sigma)[:, None]
    opened, high, low, close = (_grid(p) for p in (start, top * (1 + reach[0]), bottom * (1 - reach[1]), path))
    return opened, np.maximum(high, np.maximum(opened, close)), np.minimum(low, np.minimum(opened, close)), close


def _grid(prices: FloatArray) -> FloatArray:
    rounded: FloatArray = np.where(prices < 1, np.maximum(np.round(prices, 4), 0.0001), np.round(prices, 2))
    return rounded
