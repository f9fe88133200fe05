"""Days to choose from: each scenario turns (day, seed, number of tickers) into a Market."""

from collections.abc import Callable
from datetime import date
from types import MappingProxyType

from sandbox.market import Market
from sandbox.scenarios import breakout, calm, fakeout, random_day, story

Build = Callable[[date, int, int | None], Market]

SCENARIOS: MappingProxyType[str, Build] = MappingProxyType(
    {
        "story": story.build,
        "calm": calm.build,
        "breakout": breakout.build,
        "fakeout": fakeout.build,
        "random": random_day.build,
    }
)


def build(name: str, day: date, seed: int = 1, tickers: int | None = None) -> Market:
    return SCENARIOS[name](day, seed, tickers)
