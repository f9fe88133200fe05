"""The collector screens exactly the bars that two independent computations call events."""

import random
from functools import cache

import msgspec
import pytest

from core.model.bar import Bar
from tests.oracle.conftest import DATA
from tests.oracle.replays import SETS, expected, read_bars, screen

EXPECTED = DATA / "expected_events"


@cache
def bars_of(name: str) -> list[Bar]:
    return read_bars(DATA / "minute" / f"{name}.parquet")


def events_of(name: str) -> set[tuple[str, int]]:
    return expected(EXPECTED / f"{name}.csv")


@pytest.mark.parametrize("name", SETS)
def test_screened_bars_equal_the_clock_events(name: str) -> None:
    fired = screen(bars_of(name))
    assert len(fired) == len(set(fired)), "a bar fires once"
    assert set(fired) == events_of(name)


@pytest.mark.parametrize("name", SETS)
def test_the_order_of_tickers_within_a_minute_changes_nothing(name: str) -> None:
    rng = random.Random(7)

    def shuffled(minute: list[Bar]) -> list[Bar]:
        rng.shuffle(minute)
        return minute

    assert set(screen(bars_of(name), shuffled)) == events_of(name)


@pytest.mark.parametrize("name", ["av_202012", "no_licence_stated/gappers_alpaca"])
def test_bars_that_are_sent_again_and_revised_change_nothing(name: str) -> None:
    """Each minute arrives first with too small a volume, then as it was; then the previous one once more."""
    previous: list[Bar] = []

    def revised(minute: list[Bar]) -> list[Bar]:
        nonlocal previous
        early = [msgspec.structs.replace(b, volume=min(b.volume, 1.0)) for b in minute]
        again, previous = previous, minute
        return [*early, *minute, *again, *minute]

    fired = screen(bars_of(name), revised)
    assert len(fired) == len(set(fired))
    assert set(fired) == events_of(name)
