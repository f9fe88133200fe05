"""What the trader tells people: every event carries all that its card shows, and belongs to its ticker and subject."""

from decimal import Decimal

import pytest

from core.model.commands import Panic, Sell
from core.model.messages import EventKind
from core.model.order import BrokerRef, Side
from core.model.params import TradingParams
from core.stages.trade.inputs import ClockRead, GuardianSold, OrdersRead, PowerRead, Tick
from tests.unit.core.builders import TICKER, row, seconds
from tests.unit.core.harness import World

NAMES = {"name": "NVIDIA Corp", "name_ko": "엔비디아"}
Told = tuple[str, str, dict[str, object]]


def told(world: World, kind: EventKind) -> list[Told]:
    """Ticker, subject and values of the events of a kind."""
    return [(e.event.ticker, e.event.subject, e.event.values) for e in world.journal.events if e.event.kind is kind]


@pytest.fixture
def two() -> World:
    """Two tranches of $40.00 and $44.00 are bought."""
    world = World(TradingParams(mode="auto", split_count=2))
    world.move("40.00")
    world.buy_signal()
    world.run(20)
    world.move("44.00")
    world.run(60)
    assert world.held() == 23
    return world


def test_a_filled_tranche_tells_its_price_the_average_and_where_the_stop_is_now(two: World) -> None:
    first, second = told(two, EventKind.TRANCHE_FILLED)
    assert first == (
        TICKER,
        two.plan.id,
        {
            **NAMES,
            "tranche": 1,
            "of": 2,
            "qty": 12,
            "price": "40.0000",
            "total_qty": 12,
            "avg_price": "40.0000",
            "invested_krw": "480000",
            "stop_price": "34.00",
            "target_price": "52.00",
        },
    )
    assert second[2] == {
        **NAMES,
        "tranche": 2,
        "of": 2,
        "qty": 11,
        "price": "44.0000",
        "total_qty": 23,
        "avg_price": "41.9130",
        "invested_krw": "964000",
        "stop_price": "35.63",
        "target_price": "54.49",
    }


def test_the_end_of_a_round_trip_is_told_with_both_prices_and_the_result_of_all_its_sales(two: World) -> None:
    two.broker.krw_per_usd = Decimal(1100)
    two.tell(PowerRead(at=two.at, power=two.power()))
    two.move("50.00")
    two.command(Sell(by="owner", ticker=TICKER, percent=50))
    two.run(6)
    assert not told(two, EventKind.SOLD), "half is not the end"
    two.command(Sell(by="owner", ticker=TICKER))
    two.run(6)
    assert told(two, EventKind.SOLD) == [
        (
            TICKER,
            TICKER,
            {
                **NAMES,
                "plan_id": two.plan.id,
                "qty": 23,
                "sell_price": "50.0000",
                "avg_price": "41.9130",
                "pnl_pct": "19.29",
                # 1150 - 964 - commissions 2.41 and 2.91: bought at 1000, sold at 1100 KRW/USD
                "pnl_usd": "180.68",
                "pnl_krw": "295148",
                "reason": "COMMAND",
                "conditions": "",
                "urgent": False,
                "opened_at": "2026-11-17T15:30:02+00:00",
            },
        )
    ]


def test_a_stop_is_told_as_urgent_with_what_was_lost(holding: World) -> None:
    holding.move("80.00")
    holding.run(6)
    ((ticker, subject, values),) = told(holding, EventKind.SOLD)
    assert (ticker, subject) == (TICKER, TICKER)
    assert values == {
        **NAMES,
        "plan_id": holding.plan.id,
        "qty": 9,
        "sell_price": "80.0000",
        "avg_price": "100.0000",
        "pnl_pct": "-20.00",
        "pnl_usd": "-184.07",
        "pnl_krw": "-184070",
        "reason": "STOP",
        "conditions": "stop_reached",
        "urgent": True,
        "opened_at": "2026-11-17T15:31:00+00:00",
    }


def test_each_step_of_a_liquidation_tells_what_is_left_and_what_it_brought(auto: World) -> None:
    auto.move("10.00")
    for ticker in ("AAPL", "TSLA"):
        auto.buy_signal(ticker=ticker)
        auto.run(10)
    auto.command(Panic(by="owner", liquidate=True))
    auto.run(20)
    steps = told(auto, EventKind.LIQUIDATION)
    assert {ticker for ticker, _, _ in steps} == {"AAPL", "TSLA"}
    assert [values for _, _, values in steps] == [{"left": left, "pnl_krw": "-460"} for left in (1, 0)]


def test_an_ordinary_sale_is_no_liquidation(holding: World) -> None:
    holding.command(Sell(by="owner", ticker=TICKER))
    holding.run(6)
    assert told(holding, EventKind.SOLD)
    assert not told(holding, EventKind.LIQUIDATION)


def test_a_refused_buy_tells_the_order_and_the_brokers_own_words(auto: World) -> None:
    auto.move("10.00")
    auto.broker.accidents.append("refuse")
    auto.buy_signal()
    auto.run(4)
    values = {"side": "BUY", "qty": 9, "limit": "10.05", "code": "APBK", "message": "no"}
    assert told(auto, EventKind.ORDER_REJECTED) == [(TICKER, auto.plan.id, values)]
    (intent,) = auto.book.intents.values()
    assert intent.reason == "APBK no"


def test_an_order_that_the_exchange_rejects_later_is_told_without_a_code(auto: World) -> None:
    auto.move("10.00")
    auto.broker.accidents.append("rest")
    auto.buy_signal()
    auto.run(2)
    auto.broker.orders[0].rejected = True
    auto.run(4)
    ((ticker, subject, values),) = told(auto, EventKind.ORDER_REJECTED)
    assert (ticker, subject, values["code"], values["message"]) == (TICKER, auto.plan.id, "", "broker")


def test_a_refused_sale_is_told_under_the_plan_that_bought_it(holding: World) -> None:
    holding.broker.accidents.append("refuse")
    holding.move("80.00")
    holding.run(4)
    values = {"side": "SELL", "qty": 9, "limit": "79.60", "code": "APBK", "message": "no"}
    assert told(holding, EventKind.ORDER_REJECTED) == [(TICKER, holding.plan.id, values)]


def test_a_lost_order_tells_what_was_sent_and_why_nobody_knows(auto: World) -> None:
    auto.move("10.00")
    auto.broker.accidents.append("vanish")
    auto.buy_signal()
    auto.run(2)
    values = {"side": "BUY", "qty": 9, "limit": "10.05", "reason": "timeout"}
    assert told(auto, EventKind.ORDER_UNKNOWN) == [(TICKER, auto.plan.id, values)]


def test_trades_by_hand_are_told_with_what_is_the_owners_and_what_was_ours(holding: World) -> None:
    holding.move("110.00")
    holding.broker.by_hand(Side.BUY, 4, holding.at)
    holding.run(2)
    holding.broker.by_hand(Side.SELL, 6, holding.at)
    holding.run(4)
    assert told(holding, EventKind.MANUAL_BOUGHT) == [
        (TICKER, "20261117-10", {**NAMES, "qty": 4, "price": "110.0000", "held": 9, "own": 4})
    ]
    assert told(holding, EventKind.MANUAL_SOLD) == [
        (TICKER, "20261117-11", {**NAMES, "qty": 6, "ours": 2, "price": "110.0000", "left": 7})
    ]


def test_trades_by_hand_of_a_ticker_that_is_not_ours_have_no_name_and_nothing_left(world: World) -> None:
    world.broker.by_hand(Side.BUY, 4, world.at, ticker="TSLA")
    world.run(2)
    world.broker.by_hand(Side.SELL, 1, world.at, ticker="TSLA")
    world.run(2)
    nameless = {"name": "", "name_ko": "", "price": "100.0000"}
    assert told(world, EventKind.MANUAL_BOUGHT) == [("TSLA", "20261117-1", {**nameless, "qty": 4, "held": 0, "own": 4})]
    assert told(world, EventKind.MANUAL_SOLD) == [("TSLA", "20261117-2", {**nameless, "qty": 1, "ours": 0, "left": 0})]


def test_a_frozen_ticker_is_told_with_both_counts_and_its_release_too(holding: World) -> None:
    holding.broker.shares[TICKER] = 5
    holding.run(130)
    holding.broker.shares[TICKER] = 9
    holding.run(4)
    values = {**NAMES, "reason": "missing", "held": 5, "expected": 9, "qty": 9}
    assert told(holding, EventKind.FROZEN) == [(TICKER, TICKER, values)]
    assert told(holding, EventKind.UNFROZEN) == [(TICKER, TICKER, NAMES)]


def test_shares_from_elsewhere_are_told_as_trouble(holding: World) -> None:
    holding.broker.shares[TICKER] += 2
    holding.run(140)
    values = {"where": "reconcile", "what": "shares_appeared", "qty": 2}
    assert told(holding, EventKind.TROUBLE) == [(TICKER, "", values)]


def test_more_shares_sold_than_held_are_told_as_trouble_and_book_nothing(holding: World) -> None:
    holding.broker.accidents.append("rest")
    holding.command(Sell(by="owner", ticker=TICKER))
    holding.run(2)
    (intent,) = holding.book.live_intents()
    holding.broker.by_hand(Side.SELL, 9, holding.at)
    holding.run(4)
    trips = dict(holding.journal.trips)
    late = row(intent.ref.odno, order=intent.request, filled=9)
    holding.tell(OrdersRead(at=holding.at, orders=(*holding.broker.rows()[:-2], late), complete=False))
    values = {"where": "trader", "what": "sold_more_than_held", "qty": 9}
    assert told(holding, EventKind.TROUBLE) == [(TICKER, "", values)]
    assert holding.journal.trips == trips


def test_a_sale_of_the_guardian_is_told_with_its_limit(holding: World) -> None:
    ref = BrokerRef("20261117", "B", "900")
    holding.tell(
        GuardianSold(
            at=holding.at, ticker=TICKER, key="900", ref=ref, qty=9, limit=Decimal("84.50"), sent_at=holding.at
        )
    )
    assert told(holding, EventKind.GUARDIAN_TOOK_OVER) == [(TICKER, TICKER, {"qty": 9, "price": "84.50"})]


def test_a_held_ticker_that_nobody_sees_is_told_with_its_age_and_again_when_it_is_seen(holding: World) -> None:
    holding.at += seconds(20)
    holding.tell(Tick(at=holding.at, in_window=True, market_open=True, stale_after=seconds(15)))
    holding.prices()
    holding.tick()
    plan = {"plan_id": holding.book.positions[TICKER].plan_id}
    assert told(holding, EventKind.UNWATCHED) == [
        (TICKER, TICKER, {"name": "NVIDIA Corp", "name_ko": "엔비디아", "age_s": 20, **plan})
    ]
    assert told(holding, EventKind.WATCHED) == [(TICKER, TICKER, {"name": "NVIDIA Corp", **plan})]


def test_a_wrong_clock_is_told_in_whole_seconds(auto: World) -> None:
    auto.tell(ClockRead(at=auto.at, skew_s=-30.6))
    values = {"where": "clock", "what": "clock_skew", "seconds": -31}
    assert told(auto, EventKind.TROUBLE) == [("", "", values)]


@pytest.mark.parametrize("skew_s", [2.1, 30.0, -30.0])
def test_a_clock_that_is_only_a_little_off_closes_the_entries_without_an_alarm(auto: World, skew_s: float) -> None:
    auto.tell(ClockRead(at=auto.at, skew_s=skew_s))
    assert auto.book.clock_skewed
    assert not told(auto, EventKind.TROUBLE)


def test_the_halt_file_is_told_with_the_state_before_and_after(auto: World) -> None:
    auto.halted = True
    auto.tick()
    auto.tick()
    auto.halted = False
    auto.tick()
    assert told(auto, EventKind.STATE_CHANGED) == [
        ("", "", {"state": "halted", "before": "active", "reason": "halt_file"}),
        ("", "", {"state": "active", "before": "halted", "reason": "halt_file"}),
    ]


def test_orders_that_the_list_does_not_show_any_more_are_told_with_their_number(auto: World) -> None:
    seen = tuple(row(number, ticker="ZZZ") for number in ("5", "6"))
    auto.tell(OrdersRead(at=auto.at, orders=seen, complete=True))
    auto.run(610, every=10)
    values = {"where": "reconcile", "what": "orders_vanished", "qty": 2}
    assert told(auto, EventKind.TROUBLE) == [("", "", values)]


def test_several_orders_that_look_like_the_lost_one_are_told_as_trouble(auto: World) -> None:
    auto.move("10.00")
    auto.broker.accidents.append("vanish")
    auto.buy_signal()
    auto.run(2)
    (intent,) = auto.book.live_intents()
    twins = tuple(row(number, order=intent.request) for number in ("71", "72"))
    auto.tell(OrdersRead(at=auto.at, orders=twins, complete=True))
    assert told(auto, EventKind.TROUBLE) == [(TICKER, TICKER, {"where": "reconcile", "what": "several_orders_match"})]
    assert auto.book.intents[intent.id].reason == "several orders match"
    (block,) = auto.book.standing()
    assert (block.reason, block.detail, block.since) == ("broker_sick", "several_orders_match", auto.at)
