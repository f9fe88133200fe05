"""A day of surprises that the seed chooses: breakouts, fake-outs, halts and gaps on invented small caps."""

from datetime import date

import numpy as np

from sandbox import calendar
from sandbox.bars import Series
from sandbox.market import Market
from sandbox.scenarios import calm, shapes, universe
from sandbox.scenarios.universe import Listing

EVENTS = 8
Points = list[tuple[float, float]]


def _breakout(rng: np.random.Generator, at: int, price: float) -> Points:
    jump, top = 1 + rng.uniform(0.06, 0.09), 1 + rng.uniform(0.2, 0.6)
    peak = at + int(rng.integers(25, 60))
    return [(at - 1, price), (at, price * jump), (peak, price * top), (peak + 10, price * (1 + (top - 1) * 0.65))]


def _fakeout(rng: np.random.Generator, at: int, price: float) -> Points:
    jump, fall = 1 + rng.uniform(0.06, 0.09), 1 - rng.uniform(0.1, 0.25)
    drop = at + int(rng.integers(10, 35))
    return [(at - 1, price), (at, price * jump), (drop - 1, price * (jump + 0.02)), (drop, price * fall)]


def _gap(rng: np.random.Generator, at: int, price: float) -> Points:
    size = 1 + rng.choice([-1, 1]) * rng.uniform(0.12, 0.3)
    return [(at - 1, price), (at, price * size)]


_KINDS = (_breakout, _fakeout, _gap)


def _eventful(listing: Listing, rng: np.random.Generator, close_minute: int) -> Series:
    """Bars of one event; every other time the minutes before it are a trading halt (no bars)."""
    minutes = np.arange(calendar.REGULAR_MINUTE, close_minute, dtype=np.int64)
    at = int(rng.integers(calendar.REGULAR_MINUTE + 40, close_minute - 80))
    start = listing.instrument.prev_close
    points = _KINDS[int(rng.integers(len(_KINDS)))](rng, at, start)
    noise = np.exp(np.clip(rng.normal(0, 0.0006, len(minutes)), -0.002, 0.002))
    closes = shapes.curve([(int(minutes[0]), start), *points], minutes) * noise
    base = max(3000, listing.minute_volume)
    volumes = shapes.volume_curve(minutes, close_minute) * base * rng.lognormal(0, 0.2, len(minutes))
    volumes[at - calendar.REGULAR_MINUTE] = base * rng.uniform(6, 14)
    series = shapes.drawn(minutes, closes, volumes, rng)
    if rng.random() < 0.5:
        return series
    halt = int(rng.integers(5, 15))
    kept = (minutes < at - halt) | (minutes >= at)
    return Series(minutes[kept], series.prices[kept], series.volumes[kept])


def build(day: date, seed: int, tickers: int | None) -> Market:
    quiet = calm.build(day, seed, None if tickers is None else max(0, tickers - EVENTS))
    close = calendar.HALF_DAY_CLOSE_MINUTE if day in calendar.HALF_DAYS else calendar.CLOSE_MINUTE
    listed = [(quiet.instruments[symbol], quiet.series[symbol]) for symbol in quiet.symbols]
    names = universe.invented_listings(frozenset(quiet.symbols))
    for _ in range(EVENTS):
        listing = next(names)
        rng = shapes.generator(seed, "event " + listing.instrument.symbol)
        listed.append((listing.instrument, _eventful(listing, rng, close)))
    return Market(day, listed)
