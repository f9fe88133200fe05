"""Seconds folded into minutes against a naive fold, whatever their order and however often they come."""

from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from core.model.bar import MINUTE_MS, SECOND_MS, Bar
from core.model.batch import batch_of
from core.rules.folding import SETTLE_MS, Folding

MORNING = 1_736_150_400_000
TICKERS = ["A", "BB", "CCC"]
PRICES = st.integers(900, 1100).map(lambda cents: cents / 100)


def second(ticker: str, at: int, prices: list[float], volume: int) -> Bar:
    opening, close, *_ = prices
    return Bar(ticker, MORNING + at * SECOND_MS, opening, max(prices), min(prices), close, float(volume))


SECONDS = st.builds(
    second,
    st.sampled_from(TICKERS),
    st.integers(0, 150),
    st.lists(PRICES, min_size=2, max_size=4),
    st.integers(1, 500),
)


def naive(seconds: list[Bar]) -> dict[tuple[str, int], Bar]:
    """Each second's last word, in order of time."""
    minutes: dict[tuple[str, int], dict[int, Bar]] = defaultdict(dict)
    for bar in seconds:
        minutes[bar.ticker, bar.start_ms - bar.start_ms % MINUTE_MS][bar.start_ms] = bar
    found = {}
    for (ticker, start_ms), known in minutes.items():
        mine = [known[at] for at in sorted(known)]
        high, low = max(bar.high for bar in mine), min(bar.low for bar in mine)
        volume = sum(bar.volume for bar in mine)
        found[ticker, start_ms] = Bar(ticker, start_ms, mine[0].open, high, low, mine[-1].close, volume)
    return found


def listening() -> Folding:
    folding = Folding()
    folding.begin(MORNING - MINUTE_MS)
    return folding


def cut(seconds: list[Bar], sizes: list[int]) -> list[list[Bar]]:
    """In pieces of these sizes, again and again."""
    pieces, at, turn = [], 0, 0
    while at < len(seconds):
        pieces.append(seconds[at : at + sizes[turn % len(sizes)]])
        at, turn = at + sizes[turn % len(sizes)], turn + 1
    return pieces


def feed(folding: Folding, seconds: list[Bar], sizes: list[int]) -> list[Bar]:
    """What is passed on when they come in this order, each two seconds after its end or with what came before it."""
    passed, now_ms = [], 0
    for piece in cut(seconds, sizes):
        now_ms = max(now_ms, *(bar.start_ms + 3 * SECOND_MS for bar in piece))
        passed += [bar for batch in folding.take(batch_of(piece), now_ms) for bar in batch.bars()]
    return passed


@given(st.lists(SECONDS, max_size=60), st.lists(st.integers(1, 9), min_size=1), st.integers(0, 2**32 - 1))
@settings(max_examples=200, deadline=None)
def test_within_the_settling_time_any_order_and_repetition_gives_the_naive_minutes(
    seconds: list[Bar], sizes: list[int], seed: int
) -> None:
    # each comes at most so much later than one that ends after it, by which a minute could be closed
    late = [(bar.start_ms + (seed >> place % 32) % SETTLE_MS, place) for place, bar in enumerate(seconds)]
    arriving = [seconds[place] for _, place in sorted(late)]
    folding = listening()
    passed = feed(folding, arriving, sizes)
    keys = [(bar.ticker, bar.start_ms) for bar in passed]
    assert len(keys) == len(set(keys)), "nothing had to be corrected"
    last_ms = max((bar.start_ms for bar in seconds), default=MORNING)
    rest = folding.tick(last_ms + 10 * MINUTE_MS)
    passed += [bar for batch in rest for bar in batch.bars()]
    assert {(bar.ticker, bar.start_ms): bar for bar in passed} == naive(arriving)
    assert len(passed) == len(naive(arriving))


@given(st.lists(SECONDS, max_size=60), st.lists(st.integers(1, 9), min_size=1))
@settings(max_examples=200, deadline=None)
def test_however_late_they_come_the_last_word_of_each_bar_is_the_naive_one(
    seconds: list[Bar], sizes: list[int]
) -> None:
    folding = listening()
    passed = feed(folding, seconds, sizes)
    last_ms = max((bar.start_ms for bar in seconds), default=MORNING)
    passed += [bar for batch in folding.tick(last_ms + 10 * MINUTE_MS) for bar in batch.bars()]
    assert {(bar.ticker, bar.start_ms): bar for bar in passed} == naive(seconds)
    assert folding.late == 0
