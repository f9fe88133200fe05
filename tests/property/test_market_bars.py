"""The market's block of bars against plain lists of bars."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from core.model.bar import LAST_MS, MINUTE_MS, Bar
from core.model.batch import batch_of, possible
from core.rules.history import KEPT, SLACK
from core.rules.market import MarketBars
from core.rules.screen import reference
from tests.property import plain_bars

MORNING = 1_736_150_400_000
TICKERS = ["A", "BB", "CCC"]


def bar(ticker: str, minute: int, close: float = 10.0) -> Bar:
    return Bar(ticker, MORNING + minute * MINUTE_MS, close, close, close, close, 100.0)


BARS = st.builds(bar, st.sampled_from(TICKERS), st.integers(0, 400), st.floats(1.0, 2.0))
BATCHES = st.lists(st.lists(BARS, min_size=1, max_size=12), max_size=40)


def put(market: MarketBars, bars: list[Bar]) -> None:
    batch = batch_of(bars)
    market.put(batch, market.numbers(batch))


@given(BATCHES)
@settings(max_examples=300, deadline=None)
def test_the_block_holds_what_a_list_holds(batches: list[list[Bar]]) -> None:
    market, lists = MarketBars(), {ticker: [] for ticker in TICKERS}
    for bars in batches:
        put(market, bars)
        for each in bars:
            plain_bars.put(lists[each.ticker], each)
    for ticker, known in lists.items():
        assert market.bars(ticker, LAST_MS, KEPT) == known[-KEPT:]
        assert market.first_ms(ticker) == (known[0].start_ms if known else 0)
        for each in known[-KEPT:]:
            assert market.at(ticker, each.start_ms) == each


@given(st.lists(st.integers(0, 600), min_size=1, max_size=500, unique=True))
@settings(max_examples=60, deadline=None)
def test_a_long_day_keeps_its_newest_bars_and_its_first_start(minutes: list[int]) -> None:
    market, known = MarketBars(), []
    for minute in minutes:
        put(market, [bar("A", minute)])
        plain_bars.put(known, bar("A", minute))
    kept = market.bars("A", LAST_MS, KEPT)
    assert market.first_ms("A") == known[0].start_ms
    assert [b.start_ms for b in kept] == sorted({b.start_ms for b in kept})
    if minutes == sorted(minutes):
        assert kept == known[-KEPT:]


@given(BATCHES, st.integers(1, 30))
@settings(max_examples=300, deadline=None)
def test_references_are_those_of_the_rule(batches: list[list[Bar]], minutes: int) -> None:
    market, lists = MarketBars(), {ticker: [] for ticker in TICKERS}
    for bars in batches:
        batch = batch_of(bars)
        numbers = market.numbers(batch)
        market.put(batch, numbers)
        for each in bars:
            plain_bars.put(lists[each.ticker], each)
        newest = np.flatnonzero(~market.late(batch, numbers))
        starts, closes = market.references(numbers[newest], batch.start_ms[newest], minutes)
        for row, start, close in zip(newest.tolist(), starts.tolist(), closes.tolist(), strict=True):
            expected = reference(lists[bars[row].ticker], bars[row].start_ms, minutes)
            assert start == (expected.start_ms if expected else 0)
            assert expected is None or close == expected.close


def test_bars_that_lie_closer_than_a_minute_want_a_closer_look() -> None:
    market = MarketBars()
    bars = [Bar("A", MORNING + 1000 * second, 1.0, 1.0, 1.0, 1.0, 1.0) for second in range(40)]
    for each in bars:
        put(market, [each])
    starts, _ = market.references(np.array([0]), np.array([bars[-1].start_ms]), 5)
    assert starts.tolist() == [-1]


def test_more_tickers_than_at_first_and_another_day() -> None:
    room = 64
    market = MarketBars(room)
    many = [bar(f"T{number}", 0, 1 + number) for number in range(3 * room)]
    put(market, many[: room - 1])
    put(market, many[room - 1 :])
    assert [market.bars(b.ticker, LAST_MS, 1) for b in many] == [[b] for b in many]
    market.clear()
    assert market.bars("T5", LAST_MS, 1) == []
    put(market, [bar("T5", 9)])
    assert market.first_ms("T5") == bar("T5", 9).start_ms


def test_bars_older_than_all_that_is_kept_are_let_go() -> None:
    market = MarketBars()
    for minute in range(10, 11 + KEPT + SLACK):
        put(market, [bar("A", minute)])
    before = market.bars("A", LAST_MS, KEPT + SLACK)
    for minute in range(10):
        put(market, [bar("A", minute)])
    assert market.bars("A", LAST_MS, KEPT) == before[-KEPT:]
    assert market.first_ms("A") == MORNING


ANY = st.one_of(
    st.sampled_from([0.0, -1.0, 1.0, 2.0, 3.0, float("nan"), float("inf"), 1e-13, 1e49, float(LAST_MS)]),
    st.floats(allow_nan=True),
)


@given(st.tuples(st.integers(-2, LAST_MS + 1), ANY, ANY, ANY, ANY, ANY))
@settings(max_examples=1000, deadline=None)
def test_what_may_be_a_bar_is_what_a_bar_allows(values: tuple[float, ...]) -> None:
    try:
        Bar("A", *values)
    except (ValueError, TypeError):
        allowed = False
    else:
        allowed = True
    assert possible(*(np.array([value]) for value in values)).tolist() == [allowed]
