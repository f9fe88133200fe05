"""A calm day but for QBIT: out at 14:46 ET, a quarter lower inside 15:15."""

from datetime import date

from sandbox.market import Market
from sandbox.scenarios import calm, story


def build(day: date, seed: int, tickers: int | None) -> Market:
    quiet = calm.build(day, seed, None if tickers is None else max(0, tickers - 1))
    listed = [(quiet.instruments[symbol], quiet.series[symbol]) for symbol in quiet.symbols]
    return Market(day, [*listed, (story.QBIT, story.qubit())])
