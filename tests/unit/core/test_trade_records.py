"""What the trader writes down: fills, money, positions, round trips and the day, to the cent and the won."""

import datetime as dt
from decimal import Decimal

import pytest

from core.model.commands import AdoptManual, Lock, Sell
from core.model.instrument import Exchange
from core.model.journal import AddFill, AddLedger, DayCounters, LedgerKind
from core.model.messages import EventKind, message_id
from core.model.order import BrokerRef, Intent, IntentState, ManualOrder, OrderRequest, Purpose, Side
from core.model.params import TradingParams
from core.model.position import Position, RoundTrip
from core.stages.trade.inputs import GuardianSold, PowerRead
from tests.unit.core.builders import NOON, TICKER, seconds
from tests.unit.core.harness import World

D = Decimal
TODAY = dt.date(2026, 11, 17)


@pytest.fixture
def two() -> World:
    """Two tranches of $40.00 and $44.00 are bought, the second at another exchange rate."""
    world = World(TradingParams(mode="auto", split_count=2))
    world.move("40.00")
    world.buy_signal()
    world.run(20)
    rate(world, 1200)
    world.move("44.00")
    world.run(60)
    assert world.held() == 23
    return world


def rate(world: World, krw_per_usd: int) -> None:
    """The exchange rate changes."""
    world.broker.krw_per_usd = D(krw_per_usd)
    world.tell(PowerRead(at=world.at, power=world.power()))


def ref(number: str) -> BrokerRef:
    return BrokerRef("20261117", "B", number)


def bookings(world: World, intent: Intent) -> list[tuple[LedgerKind, Decimal]]:
    return [(b.kind, b.usd) for b in world.journal.ledger if b.intent_id == intent.id]


def test_a_position_holds_cost_fees_and_stop_of_all_its_tranches(two: World) -> None:
    assert two.book.positions[TICKER] == Position(
        ticker=TICKER,
        exchange=Exchange.NASD,
        name="NVIDIA Corp",
        name_ko="엔비디아",
        qty=23,
        cost_usd=D(964),
        fees_usd=D("2.41"),
        cost_krw=D(480_000 + 484 * 1200),
        bought_qty=23,
        bought_usd=D(964),
        buy_count=2,
        target_count=2,
        stop_price=D("35.63"),
        target_price=D("54.49"),
        opened_at=NOON + seconds(2),
        plan_id=two.plan.id,
        last_price=D(44),
        priced_at=two.at,
    )


def test_a_fill_is_priced_and_dated_when_it_is_booked(auto: World) -> None:
    auto.move("10.00")
    auto.broker.accidents.append("rest")
    auto.buy_signal()
    auto.run(2)
    auto.move("9.90")
    auto.broker.match(auto.broker.orders[0], 4)
    auto.at += seconds(1)
    auto.read()
    position = auto.book.positions[TICKER]
    assert (position.last_price, position.priced_at, position.opened_at) == (D("9.90"), auto.at, auto.at)
    assert auto.book.touched[TICKER] == auto.at
    (intent,) = auto.book.live_intents()
    assert (intent.filled_qty, intent.filled_usd, intent.updated_at) == (4, D("39.60"), auto.at)


def test_every_fill_is_recorded_once_with_its_fee_and_rate(two: World) -> None:
    first, second = (i.id for i in two.book.intents.values())
    assert list(two.journal.fills.values()) == [
        AddFill(
            intent_id=first,
            ref=ref("1"),
            ticker=TICKER,
            side=Side.BUY,
            purpose=Purpose.ENTRY,
            cum_qty=12,
            qty=12,
            usd=D(480),
            fee_usd=D("1.20"),
            krw_per_usd=D(1000),
            at=NOON + seconds(2),
        ),
        AddFill(
            intent_id=second,
            ref=ref("2"),
            ticker=TICKER,
            side=Side.BUY,
            purpose=Purpose.ENTRY,
            cum_qty=11,
            qty=11,
            usd=D(484),
            fee_usd=D("1.21"),
            krw_per_usd=D(1200),
            at=NOON + seconds(60),
        ),
    ]


def test_two_parts_of_one_order_are_one_buy_and_recorded_cumulatively(auto: World) -> None:
    auto.move("10.00")
    auto.broker.accidents.append("rest")
    auto.buy_signal()
    auto.run(2)
    for part in (4, 5):
        auto.broker.match(auto.broker.orders[0], part)
        auto.run(2)
    assert [(f.cum_qty, f.qty, f.usd) for f in auto.journal.fills.values()] == [(4, 4, D(40)), (9, 5, D(50))]
    assert auto.book.positions[TICKER].buy_count == 1
    (intent,) = auto.book.intents.values()
    assert (intent.state, intent.filled_usd, intent.remaining) == (IntentState.FILLED, D(90), 0)


def test_a_reservation_is_spent_by_fills_and_the_rest_given_back(two: World) -> None:
    first, second = two.book.intents.values()
    assert bookings(two, first) == [
        (LedgerKind.RESERVE, D("483.61")),
        (LedgerKind.POST, D("481.20")),
        (LedgerKind.VOID, D("2.41")),
    ]
    assert [b for b in two.journal.ledger if b.intent_id == second.id] == [
        AddLedger(second.id, LedgerKind.RESERVE, D("487.64"), NOON + seconds(60)),
        AddLedger(second.id, LedgerKind.POST, D("485.21"), NOON + seconds(60)),
        AddLedger(second.id, LedgerKind.VOID, D("2.43"), NOON + seconds(60)),
    ]
    assert first.reserved_usd == second.reserved_usd == 0


def test_a_late_fill_reserves_what_it_spends_again(auto: World) -> None:
    auto.broker.accidents.append("rest")
    auto.move("10.00")
    auto.buy_signal()
    auto.run(2)
    (order,) = auto.broker.orders
    order.cancelled = True
    auto.run(6)
    (intent,) = auto.book.intents.values()
    assert (intent.state, intent.reserved_usd) == (IntentState.CANCELLED, 0)
    order.cancelled = False
    auto.broker.match(order, 5)
    order.cancelled = True
    auto.run(4)
    late = auto.book.intents[intent.id]
    assert (late.state, late.filled_qty, late.reserved_usd) == (IntentState.CANCELLED, 5, 0)
    assert bookings(auto, intent) == [
        (LedgerKind.RESERVE, D("90.68")),
        (LedgerKind.VOID, D("90.68")),
        (LedgerKind.RESERVE, D("50.13")),
        (LedgerKind.POST, D("50.13")),
    ]


def test_a_partial_sale_takes_its_share_of_cost_and_fees(two: World) -> None:
    before = two.book.positions[TICKER]
    rate(two, 1100)
    two.move("50.00")
    two.command(Sell(by="owner", ticker=TICKER, percent=50))
    two.run(6)
    left = two.book.positions[TICKER]
    share = D(11) / 23
    assert (left.qty, left.sold_qty, left.sold_usd) == (12, 11, D(550))
    assert left.cost_usd == before.cost_usd * (1 - share)
    assert left.cost_krw == pytest.approx(before.cost_krw * 12 / 23)
    assert left.fees_usd == before.fees_usd * (1 - share)
    assert (left.bought_qty, left.bought_usd, left.buy_count) == (23, D(964), 2)
    # 550 - 461.043 - 1.153 of the buys' fees - 1.39: commission and SEC fee
    assert left.realized_usd == D("86.41")
    fees = before.fees_usd * share + D("1.39")
    assert left.realized_krw == round((550 - fees) * 1100 - before.cost_krw * share)
    assert two.book.day.realized_krw == left.realized_krw
    assert (left.stop_price, left.target_price) == (before.stop_price, before.target_price)
    assert left.last_price == D(50)


def test_a_sales_fill_is_recorded_with_commission_and_sec_fee(two: World) -> None:
    rate(two, 1100)
    two.move("50.00")
    two.command(Sell(by="owner", ticker=TICKER, percent=50))
    two.run(2)
    sale = next(i for i in two.book.intents.values() if i.request.side is Side.SELL)
    assert list(two.journal.fills.values())[-1] == AddFill(
        intent_id=sale.id,
        ref=ref("3"),
        ticker=TICKER,
        side=Side.SELL,
        purpose=Purpose.COMMAND,
        cum_qty=11,
        qty=11,
        usd=D(550),
        fee_usd=D("1.39"),
        krw_per_usd=D(1100),
        at=two.at,
    )
    assert bookings(two, sale) == []
    assert two.book.touched[TICKER] == two.at


def test_a_round_trip_counts_all_buys_and_sales_from_the_first_share_to_the_last(two: World) -> None:
    rate(two, 1100)
    two.move("50.00")
    two.command(Sell(by="owner", ticker=TICKER, percent=50))
    two.run(6)
    two.move("48.00")
    two.prices()
    two.command(Sell(by="owner", ticker=TICKER))
    two.run(2)
    (entry,) = two.journal.trips.values()
    won = D(1126) - 964 - D("2.41") - D("2.85")
    assert entry.trip == RoundTrip(
        ticker=TICKER,
        name="NVIDIA Corp",
        name_ko="엔비디아",
        buy_qty=23,
        sell_qty=23,
        avg_price=D("41.9130"),
        sell_price=D("48.9565"),
        pnl_usd=won,
        pnl_krw=D(1120 * 1100) + D("0.74") * 1100 - (480_000 + 484 * 1200),
        pnl_pct=D("16.80"),
        tranches=2,
        reason="COMMAND",
        opened_at=NOON + seconds(2),
        closed_at=two.at,
        parts=entry.trip.parts,
    )
    parts = entry.trip.parts
    assert parts is not None
    assert (parts.cost_usd, parts.fees_usd) == (D(964), D("5.26"))
    assert abs(parts.sold_krw - D(1126 * 1100)) < 1
    assert abs(parts.cost_krw - D(480_000 + 484 * 1200)) < 1
    assert parts.fx_krw == D(964 * 1100) - (480_000 + 484 * 1200)
    assert two.book.day == DayCounters(
        on=TODAY, bought_krw=D(481_200) + D("485.21") * 1200, realized_krw=entry.trip.pnl_krw, orders=4, trips=1
    )
    assert TICKER not in two.book.exits
    assert TICKER not in two.book.locks


def test_two_round_trips_of_a_ticker_are_two_records(auto: World) -> None:
    for _ in range(2):
        auto.bought_position()
        auto.command(Sell(by="owner", ticker=TICKER))
        auto.run(10)
    assert len(auto.journal.trips) == 2
    assert auto.book.day.trips == 2
    assert auto.book.day.stops == 0


def test_a_stop_counts_and_closes_the_ticker_for_the_cool_down(holding: World) -> None:
    holding.move("80.00")
    holding.run(4)
    assert (holding.book.day.trips, holding.book.day.stops) == (1, 1)
    assert holding.book.locks[TICKER] == Lock(ticker=TICKER, reason="cooldown", until=holding.at + seconds(3600))


def test_a_stop_that_is_sold_in_two_parts_counts_once(holding: World) -> None:
    holding.broker.accidents.append("rest")
    holding.move("80.00")
    holding.run(4)
    (order,) = holding.broker.sent(Side.SELL)
    for part in (4, 5):
        holding.broker.match(order, part)
        holding.run(2)
    assert (holding.book.day.trips, holding.book.day.stops) == (1, 1)


def test_no_cool_down_where_the_owner_wants_none() -> None:
    world = World(TradingParams(mode="auto", stop_cooldown_min=0))
    world.bought_position()
    world.move("80.00")
    world.run(10)
    assert world.held() == 0
    assert TICKER not in world.book.locks


def test_an_order_by_hand_is_remembered_as_the_list_shows_it(holding: World) -> None:
    holding.move("110.00")
    order = holding.broker.by_hand(Side.BUY, 6, holding.at, limit="100.00")
    seen_at = holding.at + seconds(2)
    holding.move("100.00")
    for part in (2, 4):
        holding.broker.match(order, part)
        holding.run(2)
    (known,) = holding.journal.manual.values()
    assert known == ManualOrder(
        ref=ref("10"),
        ticker=TICKER,
        exchange=Exchange.NASD,
        side=Side.BUY,
        filled_qty=6,
        filled_usd=D(600),
        seen_at=seen_at,
    )
    assert holding.book.touched[TICKER] == holding.at


def test_a_sale_by_hand_of_ours_is_recorded_at_its_price_per_share(holding: World) -> None:
    holding.broker.by_hand(Side.BUY, 4, holding.at)
    holding.run(2)
    holding.move("110.00")
    holding.broker.by_hand(Side.SELL, 6, holding.at)
    holding.run(4)
    (entry,) = [f for f in holding.journal.fills.values() if f.purpose is Purpose.MANUAL]
    assert entry == AddFill(
        intent_id="manual:20261117-11",
        ref=ref("11"),
        ticker=TICKER,
        side=Side.SELL,
        purpose=Purpose.MANUAL,
        cum_qty=2,
        qty=2,
        usd=D(220),
        fee_usd=D("0.56"),
        krw_per_usd=D(1000),
        at=holding.at,
    )
    position = holding.book.positions[TICKER]
    assert (position.qty, position.sold_qty, position.sold_usd, position.own_qty) == (7, 2, D(220), 0)


def test_adopted_shares_are_recorded_as_bought_by_hand(world: World) -> None:
    world.move("20.00")
    world.broker.by_hand(Side.BUY, 4, world.at)
    world.run(2)
    world.command(AdoptManual(by="owner", key="20261117-1", adopt=True))
    (entry,) = world.journal.fills.values()
    assert (entry.intent_id, entry.side, entry.qty, entry.cum_qty) == ("manual:20261117-1", Side.BUY, 4, 4)
    assert (entry.usd, entry.fee_usd, entry.at) == (D(80), D("0.20"), world.at)
    position = world.book.positions[TICKER]
    assert (position.plan_id, position.name, position.target_count, position.buy_count) == ("", "", 1, 1)
    assert (position.cost_usd, position.fees_usd, position.opened_at) == (D(80), D("0.20"), world.at)


def test_shares_adopted_beside_a_position_keep_its_names_plan_and_opening(holding: World) -> None:
    before = holding.book.positions[TICKER]
    holding.move("110.00")
    holding.broker.by_hand(Side.BUY, 9, holding.at)
    holding.run(2)
    holding.command(AdoptManual(by="owner", key="20261117-10", adopt=True))
    after = holding.book.positions[TICKER]
    kept = ("name", "name_ko", "plan_id", "opened_at", "target_count", "sold_qty", "sold_usd", "realized_usd", "frozen")
    assert [getattr(after, k) for k in kept] == [getattr(before, k) for k in kept]
    assert (after.cost_usd, after.bought_qty, after.buy_count) == (D(1890), 18, before.buy_count + 1)
    assert after.fees_usd == before.fees_usd + D("2.48")
    assert after.cost_krw == before.cost_krw + 990_000


def test_a_sale_of_the_guardian_becomes_an_order_of_ours(holding: World) -> None:
    sent_at = holding.at - seconds(3)
    holding.tell(
        GuardianSold(at=holding.at, ticker=TICKER, key="900", ref=ref("900"), qty=9, limit=D("84.50"), sent_at=sent_at)
    )
    (intent,) = holding.book.live_intents()
    assert intent.request == OrderRequest(
        ticker=TICKER, exchange=Exchange.NASD, side=Side.SELL, qty=9, limit=D("84.50")
    )
    assert (intent.purpose, intent.state, intent.ref) == (Purpose.GUARD, IntentState.ACKED, ref("900"))
    assert (intent.dedup_key, intent.plan_id) == ("guardian:900", holding.plan.id)
    assert (intent.created_at, intent.updated_at, intent.sent_at) == (holding.at, holding.at, sent_at)
    assert holding.journal.state["guardian:900"] == TICKER


def test_a_round_trip_has_the_same_key_however_often_it_is_told(holding: World) -> None:
    opened_at = holding.book.positions[TICKER].opened_at
    holding.move("80.00")
    holding.run(6)
    assert list(holding.journal.trips) == [message_id("trip", TICKER, opened_at.isoformat())]


def test_shares_that_were_sold_by_hand_have_no_conditions(holding: World) -> None:
    holding.broker.by_hand(Side.SELL, 9, holding.at)
    holding.run(4)
    (sold,) = holding.events(EventKind.SOLD)
    assert (sold["conditions"], sold["reason"], sold["urgent"]) == ("", "MANUAL", False)


def test_a_sale_of_the_guardian_has_the_same_id_however_often_it_is_told(holding: World) -> None:
    sale = GuardianSold(
        at=holding.at, ticker=TICKER, key="900", ref=ref("900"), qty=9, limit=D("84.50"), sent_at=holding.at
    )
    holding.tell(sale)
    (intent,) = holding.book.live_intents()
    assert intent.id == message_id("guardian", "guardian:900")
