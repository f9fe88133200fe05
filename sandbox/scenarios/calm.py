"""A day on which nothing passes the screen."""

from datetime import date

from sandbox import calendar
from sandbox.market import Market
from sandbox.scenarios import shapes, universe


def build(day: date, seed: int, tickers: int | None) -> Market:
    close = calendar.HALF_DAY_CLOSE_MINUTE if day in calendar.HALF_DAYS else calendar.CLOSE_MINUTE
    listed = []
    for listing in universe.background(tickers):
        instrument = listing.instrument
        rng = shapes.generator(seed, instrument.symbol)
        walk = shapes.quiet_walk(rng, instrument.prev_close, listing.minute_volume, 0, close_minute=close)
        listed.append((instrument, walk))
    return Market(day, listed)
