"""Tranches, limits and the screen under random input."""

import datetime as dt
import itertools
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from core.model.batch import batch_of
from core.model.messages import Screened
from core.model.order import OrderRequest, Side
from core.model.params import AnalyzerParams, ScannerParams
from core.rules.pricing import entry_limit, exit_limit, round_limit, tick
from core.rules.tranches import planned_schedule, tranche_qty
from core.stages.analyze import WINDOW_BARS, AnalyzeStage
from core.stages.collect import CollectStage, Publish
from tests.unit.core.builders import DAY_MS, NOON, Bar, bar, instrument
from tests.unit.core.test_analyze_stage import closed, hold

money = st.decimals(Decimal("0.01"), Decimal(100_000), places=2)
prices = st.one_of(
    st.decimals(Decimal("0.0001"), Decimal("1.5"), places=4), st.decimals(Decimal("1.00"), Decimal(10_000), places=2)
)


def on_grid(price: Decimal) -> bool:
    return price == price.quantize(tick(price))


@given(money, st.integers(1, 100), prices)
def test_a_plan_never_exceeds_its_budget_and_ends_within_one_share_of_it(
    budget: Decimal, tranches: int, limit: Decimal
) -> None:
    schedule = planned_schedule(budget, tranches, limit)
    spent = sum(schedule) * limit
    assert spent <= budget
    assert budget - spent < limit
    assert len(schedule) == tranches


@given(money, st.integers(1, 20), st.data())
def test_fills_at_changing_prices_never_exceed_the_budget(budget: Decimal, tranches: int, data: st.DataObject) -> None:
    committed = Decimal(0)
    for tranche in range(1, tranches + 1):
        limit = data.draw(prices)
        qty = tranche_qty(budget, tranches, tranche, committed, limit)
        assert qty >= 0
        filled = data.draw(st.integers(0, qty))
        committed += filled * limit
        assert committed <= budget


@given(st.decimals(Decimal("0.00001"), Decimal(100_000), places=6), st.sampled_from(Side))
def test_a_rounded_limit_is_on_the_grid_and_stays_marketable(price: Decimal, side: Side) -> None:
    limit = round_limit(price, side)
    OrderRequest(ticker="A", exchange="NASD", side=side, qty=1, limit=limit)
    assert on_grid(limit)
    if side is Side.BUY:
        assert limit >= price
    else:
        assert limit <= max(price, tick(price))


@given(prices.filter(on_grid), st.integers(0, 12))
def test_every_ladder_step_is_on_the_grid_and_not_above_the_bid(bid: Decimal, step: int) -> None:
    limit = exit_limit(bid, step)
    assert on_grid(limit)
    assert 0 < limit <= bid
    assert limit >= exit_limit(bid, step + 1)


@given(prices.filter(on_grid), prices.filter(on_grid))
def test_an_entry_limit_is_marketable(ask: Decimal, reference: Decimal) -> None:
    limit = entry_limit(ask, reference, slippage_pct=Decimal("0.5"), collar_pct=Decimal(2))
    assert (limit is None) is (ask > reference * Decimal("1.02"))
    if limit is not None:
        assert limit >= ask
        assert on_grid(limit)


@settings(derandomize=True, max_examples=2000, database=None)
@given(st.decimals(Decimal("1.00"), Decimal("5.00"), places=2), st.decimals(Decimal("1.00"), Decimal("5.00"), places=2))
def test_an_entry_limit_never_leaves_the_collar(reference: Decimal, above: Decimal) -> None:
    ask = (reference * (1 + (above - 1) / 200)).quantize(Decimal("0.01"))
    limit = entry_limit(ask, reference, slippage_pct=Decimal("0.5"), collar_pct=Decimal(2))
    assert limit is None or limit <= reference * Decimal("1.02")


@st.composite
def market_bars(draw: st.DrawFn) -> list[Bar]:
    """Bars of three tickers in order of time, with jumps in price and volume."""
    found = []
    for minute in range(draw(st.integers(22, 50))):
        for ticker in ("AAA", "BBB", "CCC"):
            kind = draw(st.integers(0, 7))
            if kind == 0:
                continue
            jump = 1.08 if kind == 7 else 1.0
            found.append(bar(minute, 100 * jump + minute / 100, 1e6 if kind == 7 else 5_000, ticker=ticker))
    return found


def screen(batches: list[list[Bar]]) -> list[tuple[str, int]]:
    stage = CollectStage(ScannerParams())
    stage.know(instrument(t) for t in ("AAA", "BBB", "CCC"))
    return [
        (e.message.ticker, e.message.bars[-1].start_ms)
        for batch in batches
        for e in stage.bars_arrived(batch_of(batch), NOON)
        if isinstance(e, Publish) and isinstance(e.message, Screened)
    ]


@settings(max_examples=40, deadline=None)
@given(market_bars(), st.data())
def test_screening_does_not_depend_on_how_bars_are_batched(found: list[Bar], data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(found)), max_size=12)) | {0, len(found)})
    batches = [found[a:b] for a, b in itertools.pairwise(cuts)]
    assert screen(batches) == screen([[b] for b in found]) == screen([found])


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.floats(50, 150), min_size=1, max_size=80),
    st.lists(st.floats(-0.02, 0.02), min_size=WINDOW_BARS, max_size=WINDOW_BARS),
)
def test_history_beyond_the_window_changes_no_signal(earlier: list[float], steps: list[float]) -> None:
    """The newest 120 bars decide, whatever came before."""
    start, closes = 100.0, []
    for step in steps:
        start *= 1 + step
        closes.append(start)
    offset = len(earlier)
    window = [bar(offset + i, c, 1000 + 10 * i) for i, c in enumerate(closes)]
    before = [bar(i, c, 1000, day_ms=DAY_MS) for i, c in enumerate(earlier)]
    at = NOON + dt.timedelta(hours=4)
    judged = []
    for history in ([], before):
        stage = AnalyzeStage(AnalyzerParams(), ScannerParams())
        hold(stage, "0.01")
        stage.remember(closed(*history, *window[:-1]))
        judged.append(stage.bars_closed(closed(window[-1]), at))
    assert judged[0] == judged[1]
