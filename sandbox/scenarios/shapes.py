"""Numeric material for scenarios: daily volume curve, quiet walks, and bars drawn around chosen closes."""

import zlib

import numpy as np

from sandbox import calendar
from sandbox.bars import Floats, Ints, Series


def generator(seed: int, symbol: str) -> np.random.Generator:
    """A stream of its own for every symbol, so that adding one ticker leaves the others alone."""
    return np.random.default_rng([seed & 0xFFFFFFFF, zlib.crc32(symbol.encode())])


def volume_curve(minutes: Ints, close_minute: int = calendar.CLOSE_MINUTE) -> Floats:
    """Relative activity by minute since 04:00 ET: a U in regular hours, a trickle outside."""
    width = close_minute - calendar.REGULAR_MINUTE
    position = (minutes - calendar.REGULAR_MINUTE) / width
    curve = 0.7 + 1.8 * (2 * np.clip(position, 0, 1) - 1) ** 4
    outside = (minutes < calendar.REGULAR_MINUTE) | (minutes >= close_minute)
    return np.where(outside, 0.02, curve)


def rounded(prices: Floats) -> Floats:
    return np.where(prices >= 1, np.round(prices, 2), np.round(prices, 4))


def bars_around(minutes: Ints, opens: Floats, closes: Floats, volumes: Floats, wick: Floats) -> Series:
    """Bars with the given bodies; `wick` (n, 2) is how far high and low reach beyond them, as fractions."""
    tops, bottoms = np.maximum(opens, closes), np.minimum(opens, closes)
    highs = tops * (1 + np.abs(wick[:, 0]))
    lows = bottoms * (1 - np.abs(wick[:, 1]))
    prices = rounded(np.column_stack([opens, highs, lows, closes]))
    traded = np.maximum(1, np.round(volumes)).astype(np.int64)
    return Series(minutes, prices, traded)


def quiet_walk(
    rng: np.random.Generator,
    start: float,
    minute_volume: int,
    first: int = calendar.REGULAR_MINUTE,
    last: int = calendar.DAY_MINUTES,
    close_minute: int = calendar.CLOSE_MINUTE,
) -> Series:
    """A mean-reverting walk that never moves 5 % in five minutes; thin names skip minutes."""
    minutes: Ints = np.arange(first, last, dtype=np.int64)
    expected = volume_curve(minutes, close_minute) * minute_volume
    traded = rng.random(len(minutes)) < np.clip(expected / 120, 0.05, 1.0)
    minutes, expected = minutes[traded], expected[traded]
    steps = np.clip(rng.normal(0, 0.0006, len(minutes)), -0.002, 0.002)
    level = np.zeros(len(minutes))
    at = float(rng.normal(0, 0.003))
    for index, step in enumerate(steps):
        at = at * 0.998 + float(step)
        level[index] = at
    closes = start * np.exp(level)
    opens = np.concatenate([[start], closes[:-1]]) * (1 + rng.normal(0, 0.0001, len(closes)))
    volumes = expected * rng.lognormal(0, 0.25, len(closes))
    return bars_around(minutes, opens, closes, volumes, rng.exponential(0.0003, (len(closes), 2)))


def curve(points: list[tuple[float, float]], minutes: Ints) -> Floats:
    """Closes on straight lines between (minute, price) points."""
    at, price = zip(*points, strict=True)
    closes: Floats = np.interp(minutes, at, price)
    return closes


def drawn(
    minutes: Ints,
    closes: Floats,
    volumes: Floats,
    rng: np.random.Generator,
    wick: float = 0.0006,
    first_open: float = 0,
) -> Series:
    """Bars through the given closes, each opening where the one before closed."""
    opens = np.concatenate([[first_open or closes[0]], closes[:-1]])
    return bars_around(minutes, opens, closes, volumes, rng.exponential(wick, (len(minutes), 2)))
