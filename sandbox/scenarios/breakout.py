"""A calm day but for HELI: out at 14:37 ET, past +30 % by 15:08, rolled over by 15:38."""

from datetime import date

from sandbox.market import Market
from sandbox.scenarios import calm, story


def build(day: date, seed: int, tickers: int | None) -> Market:
    quiet = calm.build(day, seed, None if tickers is None else max(0, tickers - 1))
    listed = [(quiet.instruments[symbol], quiet.series[symbol]) for symbol in quiet.symbols]
    return Market(day, [*listed, (story.HELI, story.helios())])
