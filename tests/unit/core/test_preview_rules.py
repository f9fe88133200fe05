"""The facts before a change: hand-computed, and equal to what the trader would really do."""

import datetime as dt
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.commands import AskStatus, TraderStatus
from core.model.order import Side
from core.model.params import Params
from core.model.position import PlanState, Position
from core.model.session import MarketSession
from core.model.signal import Discovery
from core.rules.exit import STOP_CONFIRM, ExitDecision, decide_exit
from core.rules.preview import (
    Approvals,
    AtRestart,
    Blind,
    Finds,
    Full,
    Level,
    Levels,
    LooserScreen,
    Loss,
    Next,
    OnlyNew,
    ScreenChanges,
    SignalsChange,
    Sizing,
    Spent,
    Unknown,
    World,
    preview,
    sold_at_next_fill,
)
from core.stages.trade.inputs import ParamsChanged
from tests.unit.core.builders import TICKER, position, seconds
from tests.unit.core.harness import World as TraderWorld

BASE = Params()
SESSION = MarketSession(
    on=dt.date(2026, 11, 20),
    pre_open_at=dt.datetime(2026, 11, 20, 9, tzinfo=dt.UTC),
    open_at=dt.datetime(2026, 11, 20, 14, 30, tzinfo=dt.UTC),
    close_at=dt.datetime(2026, 11, 20, 21, tzinfo=dt.UTC),
    post_close_at=dt.datetime(2026, 11, 21, 1, tzinfo=dt.UTC),
)
AT = dt.datetime(2026, 11, 20, 15, 31, tzinfo=dt.UTC)


def changed(key: str, value: object) -> Params:
    section, name = key.split(".")
    part = msgspec.structs.replace(getattr(BASE, section), **{name: value})
    return msgspec.structs.replace(BASE, **{section: part})


def find(**more: object) -> Discovery:
    base = {
        "price": 10.0,
        "change_pct": 6.0,
        "volume": 20_000.0,
        "volume_ratio_pct": 350.0,
        "market_cap": 1e9,
        "bar_end_at": AT - dt.timedelta(hours=1),
    }
    return Discovery(**(base | more))


def facts(key: str, value: object, *, status: TraderStatus | None = None, finds: list[Discovery] | None = None) -> list:
    world = World(at=AT, status=status, finds=finds, session=SESSION)
    return preview(key, BASE, changed(key, value), world)


def status_of(trader: TraderWorld, **more: object) -> TraderStatus:
    found = trader.command(AskStatus(by="1")).status
    assert found is not None
    return msgspec.structs.replace(found, **more)


@pytest.fixture
def idle() -> TraderStatus:
    return status_of(TraderWorld())


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        # 1,400,000 / 143 / 1,400 = 6.99 shares; 5,000,000 / 1,400,000 = 3 whole purchases
        ("trading.total_buy_amount", 1_400_000, (1_400_000, 10, 140_000, 6, 540, 3)),
        # 1,000,000 / 1,400 = $714.28: four shares of $143, and a fifth would need $715
        ("trading.split_count", 4, (1_000_000, 4, 250_000, 4, 180, 5)),
        ("trading.split_interval_sec", 120, (1_000_000, 10, 100_000, 4, 1080, 5)),
        # one share is ₩200,200: no order of it fits
        ("trading.max_order_amount", 200_000, (1_000_000, 10, 100_000, 0, 540, 5)),
        ("trading.daily_buy_limit", 900_000, (1_000_000, 10, 100_000, 4, 540, 0)),
    ],
)
def test_an_example_purchase_is_computed_as_the_trader_buys(key: str, value: int, expected: tuple) -> None:
    (fact,) = [f for f in facts(key, value) if isinstance(f, Sizing)]
    assert fact == Sizing(
        budget_krw=Decimal(expected[0]),
        tranches=expected[1],
        tranche_krw=Decimal(expected[2]),
        qty=expected[3],
        price_usd=Decimal(143),
        krw_per_usd=Decimal(1400),
        duration=dt.timedelta(seconds=expected[4]),
        buys_a_day=expected[5],
    )


def test_todays_sums_stand_against_the_new_limits(idle: TraderStatus) -> None:
    spent = msgspec.structs.replace(idle, bought_today_krw=Decimal(700_000), realized_today_krw=Decimal(-300_000))
    assert Spent(Decimal(700_000), Decimal(300_000)) in facts("trading.daily_buy_limit", 1_000_000, status=spent)
    assert Spent(Decimal(700_000), Decimal(0)) in facts("trading.daily_buy_limit", 600_000, status=spent)
    assert facts("trading.daily_loss_limit", 300_000, status=spent) == [Loss(Decimal(-300_000), stops=True)]
    assert facts("trading.daily_loss_limit", 300_001, status=spent) == [Loss(Decimal(-300_000), stops=False)]
    assert facts("trading.daily_loss_limit", 0, status=spent) == [Loss(Decimal(-300_000), stops=False)]


def test_fewer_positions_than_are_held_are_told(idle: TraderStatus) -> None:
    two = msgspec.structs.replace(idle, positions=(position(ticker="A"), position(ticker="B")))
    assert facts("trading.max_positions", 1, status=two) == [Full(2, 1)]
    assert facts("trading.max_positions", 2, status=two) == [Full(2, 2)]
    assert facts("trading.max_positions", 3, status=two) == [OnlyNew()]


@pytest.mark.parametrize(
    "key", ["trading.stop_loss_pct", "trading.max_positions", "trading.daily_loss_limit", "trading.approval_ttl_sec"]
)
def test_a_silent_trader_is_told_and_nothing_is_invented(key: str) -> None:
    value = -10.0 if key.endswith("pct") else 60_000
    assert facts(key, value) == [Blind(Unknown.TRADER)]


def test_finds_of_the_last_day_are_counted_again() -> None:
    finds = [find(), find(change_pct=8.0), find(change_pct=5.5, bar_end_at=AT - dt.timedelta(hours=25))]
    assert facts("scanner.price_change_pct", 7.0, finds=finds) == [Finds(2, 1)]
    assert facts("scanner.min_price", 10.01, finds=finds) == [Finds(2, 2)]
    assert facts("scanner.volume_spike_pct", 250.0, finds=finds) == [Finds(2, 0)]
    assert facts("scanner.min_market_cap", 2_000_000_000, finds=finds) == [Finds(2, 2)]
    assert facts("scanner.price_change_pct", 4.0, finds=finds) == [LooserScreen()]
    assert facts("scanner.timeframe", "3min", finds=finds) == [ScreenChanges()]
    assert facts("scanner.price_change_pct", 7.0) == [Blind(Unknown.FINDS)]
    assert facts("analyzer.min_signals_for_buy", 3) == [SignalsChange()]


def test_times_are_told_as_the_next_instant() -> None:
    open_at = SESSION.open_at
    assert facts("schedule.active_trading_after", "open+5m") == [Next(open_at + dt.timedelta(minutes=5))]
    # 00:31 in Korea: 00:30 is past and comes tomorrow, 00:32 is in a minute
    assert facts("notification.report_time", "00:30") == [Next(dt.datetime(2026, 11, 21, 15, 30, tzinfo=dt.UTC))]
    assert facts("notification.report_time", "00:32") == [Next(dt.datetime(2026, 11, 20, 15, 32, tzinfo=dt.UTC))]


def test_open_proposals_keep_their_time(idle: TraderStatus) -> None:
    assert facts("trading.approval_ttl_sec", 30, status=idle) == [Approvals(0)]


def one_level(trader: TraderWorld, key: str, value: float) -> Level:
    """What the preview says of the one held position."""
    world = World(at=trader.at, status=status_of(trader), finds=None, session=SESSION)
    (fact,) = preview(key, BASE, changed(key, value), world)
    assert isinstance(fact, Levels)
    (level,) = fact.positions
    return level


def test_a_changed_stop_leaves_what_is_fully_bought_alone(holding: TraderWorld) -> None:
    """The promise of the screen, kept by the trader itself."""
    holding.move("95.00")
    holding.prices()
    level = one_level(holding, "trading.stop_loss_pct", -1.0)
    before = holding.book.positions[TICKER].stop_price
    assert (level.stop, level.next_stop, level.sells) == (before, None, False)
    params = msgspec.structs.replace(holding.book.params, stop_loss_pct=-1.0)
    holding.tell(ParamsChanged(at=holding.at, params=params))
    for _ in range(3):
        holding.at += seconds(2)
        holding.prices()
    assert holding.book.positions[TICKER].stop_price == before
    assert not holding.broker.sent(Side.SELL)


def test_a_changed_stop_reaches_a_running_plan_with_its_next_tranche(auto: TraderWorld) -> None:
    auto.move("40.00")
    auto.buy_signal()
    auto.run(10)
    assert auto.held() > 0
    before = auto.book.positions[TICKER]
    level = one_level(auto, "trading.stop_loss_pct", -5.0)
    assert level.stop == before.stop_price
    assert level.next_stop is not None
    assert level.next_stop > before.stop_price
    params = msgspec.structs.replace(auto.book.params, stop_loss_pct=-5.0)
    auto.tell(ParamsChanged(at=auto.at, params=params))
    assert auto.book.positions[TICKER].stop_price == before.stop_price
    auto.run(70)
    after = auto.book.positions[TICKER]
    assert after.qty > before.qty
    assert abs(after.stop_price - level.next_stop) < Decimal("0.10")


@given(
    last=st.decimals("50", "150", places=2),
    stop_pct=st.floats(-60, -0.5).map(lambda x: round(x, 1)),
    target_pct=st.floats(0.5, 60).map(lambda x: round(x, 1)),
    buying=st.booleans(),
)
def test_the_list_equals_what_the_exit_rule_does_at_the_next_fill(
    last: Decimal, stop_pct: float, target_pct: float, buying: bool
) -> None:
    held: Position = msgspec.structs.replace(position(), last_price=last, priced_at=AT)
    trader = TraderWorld()
    plans = ()
    if buying:
        trader.buy_signal()
        (plan,) = trader.journal.plans.values()
        plans = (msgspec.structs.replace(plan, ticker=held.ticker, state=PlanState.RUNNING),)
    status = status_of(trader, positions=(held,), plans=plans)
    after = msgspec.structs.replace(
        BASE, trading=msgspec.structs.replace(BASE.trading, stop_loss_pct=stop_pct, take_profit_pct=target_pct)
    )
    world = World(at=AT, status=status, finds=None, session=SESSION)
    (fact,) = preview("trading.stop_loss_pct", BASE, after, world)
    assert isinstance(fact, Levels)
    (level,) = fact.positions
    then = held
    if level.next_stop is not None and level.next_target is not None:
        then = msgspec.structs.replace(held, stop_price=level.next_stop, target_price=level.next_target)
    decision = decide_exit(then, last, below_for=STOP_CONFIRM, trend=None)
    assert (level.next_stop is not None) == buying
    if buying:
        assert (sold_at_next_fill(fact) == (held.ticker,)) == (decision is ExitDecision.STOP)
        assert level.asks == (decision is ExitDecision.ASK_TREND)
    else:
        assert sold_at_next_fill(fact) == ()


def test_what_is_read_at_the_start_only_is_told() -> None:
    assert facts("trading.paper_cash", 20_000_000) == [AtRestart()]
    assert facts("trading.entry_slippage_pct", 1.0) == [OnlyNew()]
    assert facts("notification.alert_on_buy", False) == []


def test_an_old_price_is_marked(idle: TraderStatus) -> None:
    held = msgspec.structs.replace(position(), priced_at=AT - dt.timedelta(minutes=3))
    status = msgspec.structs.replace(idle, positions=(held,))
    (fact,) = facts("trading.stop_loss_pct", -10.0, status=status)
    assert fact.positions[0].old
