"""Selling end to end: stops, take-profit with a trend check, signals, commands and the ladder."""

from decimal import Decimal
from itertools import pairwise

import pytest

from core.model.commands import AskStatus, Panic, ReplyKey, Sell
from core.model.messages import EventKind
from core.model.order import BrokerRef, IntentState, Purpose, Side
from core.model.signal import Condition, SignalType, TrendState
from core.rules.pricing import exit_limit
from core.stages.trade.inputs import GuardianSold, OrdersRead, QuotesRead
from tests.unit.core.builders import TICKER, quote, row, seconds, signal
from tests.unit.core.harness import World


def sold(world: World) -> list[str]:
    """Reasons of the finished sales."""
    return [str(e["reason"]) for e in world.events(EventKind.SOLD)]


def test_one_price_under_the_stop_does_not_sell_two_do(holding: World) -> None:
    stop = holding.book.positions[TICKER].stop_price
    holding.move(str(stop))
    holding.at += seconds(1)
    holding.prices()
    assert not holding.broker.sent(Side.SELL)
    holding.at += seconds(2)
    holding.prices()
    holding.run(4)
    assert holding.held() == 0
    assert sold(holding) == ["STOP"]
    assert holding.events(EventKind.SOLD)[0]["urgent"] is True


def test_a_price_above_the_stop_between_two_observations_starts_the_count_again(holding: World) -> None:
    for price in ("80.00", "99.00", "80.00", "99.00"):
        holding.move(price)
        holding.at += seconds(2)
        holding.prices()
    assert not holding.broker.sent(Side.SELL)


def test_a_stop_closes_the_ticker_for_the_cool_down(holding: World) -> None:
    holding.move("80.00")
    holding.run(10)
    assert holding.book.locks[TICKER].reason == "cooldown"
    holding.buy_signal()
    assert holding.events(EventKind.PLAN_REFUSED)[-1]["reason"] == "locked"
    holding.at += seconds(3601)
    holding.tick()
    holding.move("100.00")
    holding.buy_signal()
    assert len(holding.journal.plans) == 2


def test_the_stop_follows_the_average_price_as_tranches_fill(auto: World) -> None:
    auto.move("40.00")
    auto.buy_signal()
    auto.run(10)
    first = auto.book.positions[TICKER]
    auto.move("44.00")
    auto.run(60)
    second = auto.book.positions[TICKER]
    assert second.buy_count == 2
    assert second.avg_price > first.avg_price
    assert second.stop_price == (second.cost_usd / second.qty * Decimal("0.85")).quantize(Decimal("0.01"))


def test_an_intact_trend_holds_and_is_asked_again_only_with_the_next_minute(holding: World) -> None:
    holding.trend = TrendState.INTACT
    holding.at = holding.at.replace(second=0)
    holding.move("131.00")
    holding.run(58)
    assert len(holding.asked) == 1
    assert len(holding.events(EventKind.HOLDING_WINNER)) == 1
    holding.run(60)
    assert len(holding.asked) == 2
    assert len(holding.events(EventKind.HOLDING_WINNER)) == 1
    assert holding.held() == 9


@pytest.mark.parametrize("state", [TrendState.BROKEN, TrendState.UNKNOWN])
def test_a_broken_or_unknown_trend_sells_the_winner(holding: World, state: TrendState) -> None:
    holding.trend = state
    holding.move("131.00")
    holding.run(6)
    assert holding.held() == 0
    assert sold(holding) == ["TREND_BROKEN"]
    trip = next(iter(holding.journal.trips.values())).trip
    assert trip.pnl_pct == Decimal("31.00")
    assert trip.pnl_krw > 0


def test_the_second_answer_to_a_question_is_ignored(holding: World) -> None:
    holding.move("131.00")
    holding.step()
    question = holding.asked[0]
    holding.answer(question, TrendState.INTACT)
    holding.answer(question, TrendState.UNKNOWN)
    assert not holding.broker.sent(Side.SELL)


def test_an_answer_that_comes_when_the_price_has_left_the_target_changes_nothing(holding: World) -> None:
    holding.move("131.00")
    holding.step()
    holding.move("120.00")
    holding.step()
    holding.answer(holding.asked[0], TrendState.BROKEN)
    assert not holding.broker.sent(Side.SELL)


def test_a_sell_signal_sells_all_and_tells_its_conditions(holding: World) -> None:
    holding.move("104.00")
    holding.step()
    told = signal(SignalType.SELL, Condition.EMA_CROSS_DOWN, Condition.RSI_FELL, at=holding.at)
    holding.deliver(told)
    holding.run(4)
    assert sold(holding) == ["SIGNAL_SELL"]
    assert holding.events(EventKind.SOLD)[0]["conditions"] == "ema_cross_down,rsi_fell"
    assert TICKER not in holding.book.locks


def test_a_sell_signal_ends_the_remaining_tranches(auto: World) -> None:
    auto.move("10.00")
    auto.buy_signal()
    auto.run(70)
    auto.buy_signal(SignalType.SELL)
    auto.run(600, every=10)
    assert auto.plan.reason == "SIGNAL_SELL"
    assert auto.held() == 0
    assert len(auto.broker.sent(Side.BUY)) == 2


@pytest.mark.parametrize(("close", "delay_ms", "sells"), [(80.0, 1_000, True), (90.0, 1_000, False)])
def test_the_analyzers_stop_is_a_second_witness(holding: World, close: float, delay_ms: int, sells: bool) -> None:
    holding.move(str(Decimal(str(close))))
    holding.buy_signal(SignalType.STOP, delay_ms=delay_ms)
    assert bool(holding.book.exits) is sells


def test_a_stop_from_a_delayed_feed_does_not_sell(holding: World) -> None:
    holding.move("80.00")
    holding.buy_signal(SignalType.STOP, delay_ms=900_000)
    assert not holding.book.exits


def test_the_ladder_steps_down_after_patience_until_flat(holding: World) -> None:
    holding.broker.accidents.extend(["rest"] * 3)
    holding.move("80.00")
    holding.run(60)
    limits = [o.request.limit for o in holding.broker.sent(Side.SELL)]
    assert limits == [exit_limit(Decimal(80), step) for step in range(4)]
    assert holding.held() == 0
    sent = [o.sent_at for o in holding.broker.sent(Side.SELL)]
    assert min(later - earlier for earlier, later in pairwise(sent)) >= seconds(10)


def test_a_partly_filled_sale_sells_only_the_rest(holding: World) -> None:
    holding.broker.accidents.append("rest")
    holding.move("80.00")
    holding.run(6)
    holding.broker.match(holding.broker.sent(Side.SELL)[0], 4)
    holding.run(30)
    assert [o.request.qty for o in holding.broker.sent(Side.SELL)] == [9, 5]
    assert holding.held() == 0
    assert holding.broker.shares[TICKER] == 0


def test_a_refused_sale_is_tried_again_at_the_same_step_after_a_pause(holding: World) -> None:
    holding.broker.accidents.extend(["refuse", "refuse"])
    holding.move("80.00")
    holding.run(30)
    assert len(holding.events(EventKind.ORDER_REJECTED)) == 2
    assert holding.held() == 0
    assert holding.broker.sent(Side.SELL)[0].request.limit == exit_limit(Decimal(80), 0)


def test_a_lost_sale_that_never_arrived_is_sent_again_after_two_complete_readings(holding: World) -> None:
    holding.broker.accidents.append("vanish")
    holding.move("80.00")
    holding.run(4)
    assert [i.state for i in holding.book.live_intents()] == [IntentState.UNKNOWN]
    holding.run(10)
    assert holding.held() == 0
    assert len(holding.events(EventKind.ORDER_UNKNOWN)) == 1


def test_a_lost_sale_that_was_taken_is_found_and_not_repeated(holding: World) -> None:
    holding.broker.accidents.append("lose")
    holding.move("80.00")
    holding.run(20)
    assert len(holding.broker.sent(Side.SELL)) == 1
    assert holding.held() == 0


def test_a_sale_finds_too_few_sellable_shares_and_sells_those(holding: World) -> None:
    holding.broker.shares[TICKER] = 4
    holding.move("80.00")
    holding.run(12)
    assert [o.request.qty for o in holding.broker.sent(Side.SELL)] == [4]


def test_a_stop_waits_for_the_market_to_open(holding: World) -> None:
    holding.market_open = False
    holding.move("80.00")
    holding.run(20)
    assert not holding.broker.sent(Side.SELL)
    assert TICKER in holding.book.exits
    holding.market_open = True
    holding.run(4)
    assert holding.held() == 0


@pytest.mark.parametrize(("percent", "qty"), [(100, 9), (50, 4), (1, 1)])
def test_a_command_sells_a_part(holding: World, percent: int, qty: int) -> None:
    assert holding.command(Sell(by="o", ticker=TICKER, percent=percent)).values["qty"] == qty
    holding.run(10)
    assert holding.held() == 9 - qty
    assert not holding.book.exits
    assert holding.command(Sell(by="o", ticker="ELSE")).key is ReplyKey.NOT_HELD


def test_a_second_sell_command_during_a_sale_changes_nothing(holding: World) -> None:
    holding.broker.accidents.append("rest")
    holding.command(Sell(by="o", ticker=TICKER, percent=50))
    holding.step()
    assert holding.command(Sell(by="o", ticker=TICKER)).key is ReplyKey.NOTHING_TO_DO


def test_a_panic_that_liquidates_takes_over_a_partial_sale(holding: World) -> None:
    holding.broker.accidents.append("rest")
    holding.command(Sell(by="o", ticker=TICKER, percent=50))
    holding.step()
    reply = holding.command(Panic(by="o", liquidate=True))
    assert reply.values["selling"] == 1
    holding.run(30)
    assert holding.held() == 0
    assert sold(holding) == ["PANIC"]


def test_a_panic_without_liquidation_keeps_the_positions_and_their_stop(holding: World) -> None:
    holding.command(Panic(by="o"))
    holding.run(10)
    assert holding.held() == 9
    holding.move("80.00")
    holding.run(10)
    assert holding.held() == 0


def test_the_daily_loss_limit_ends_entries(holding: World) -> None:
    holding.broker.krw_per_usd = Decimal(10_000)
    holding.tell(QuotesRead(at=holding.at, quotes=()))
    holding.buy_signal(ticker="AMD")
    holding.move("80.00")
    holding.run(20)
    holding.book.day = holding.book.day.__class__(on=holding.book.day.on, realized_krw=Decimal(-1_000_000))
    holding.buy_signal(ticker="TSLA")
    assert holding.events(EventKind.PLAN_REFUSED)[-1]["reason"] == "loss_limit"


def test_a_sale_of_the_guardian_is_adopted_once_and_booked(holding: World) -> None:
    ref = BrokerRef("20261117", "B", "900")
    sale = GuardianSold(
        at=holding.at, ticker=TICKER, key="900", ref=ref, qty=9, limit=Decimal("84.50"), sent_at=holding.at
    )
    holding.tell(sale)
    holding.tell(sale)
    done = row("900", order=holding.book.live_intents()[0].request, filled=9)
    holding.tell(OrdersRead(at=holding.at, orders=(*holding.broker.rows(), done), complete=True))
    holding.tell(sale)
    assert holding.held() == 0
    assert sold(holding) == [Purpose.GUARD.value]


def test_two_steps_of_the_guardians_ladder_are_both_adopted(holding: World) -> None:
    for number, limit in (("900", "84.50"), ("901", "83.00")):
        ref = BrokerRef("20261117", "B", number)
        sale = GuardianSold(
            at=holding.at, ticker=TICKER, key=number, ref=ref, qty=9, limit=Decimal(limit), sent_at=holding.at
        )
        holding.tell(sale)
    order = next(i.request for i in holding.book.intents.values() if i.purpose is Purpose.GUARD)
    done = row("900", order=order, filled=4, open_qty=0, cancelled=True), row("901", order=order, filled=5, open_qty=4)
    holding.tell(OrdersRead(at=holding.at, orders=(*holding.broker.rows(), *done), complete=True))
    assert holding.held() == 0
    assert sold(holding) == [Purpose.GUARD.value]


def test_a_lost_sale_with_two_candidates_does_not_block_the_stop_for_ever(holding: World) -> None:
    holding.broker.accidents.append("vanish")
    holding.move("80.00")
    holding.run(4)
    lost = holding.book.live_intents()[0].request
    twins = tuple(row(n, order=lost, open_qty=0, cancelled=True) for n in ("901", "902"))
    for _ in range(30):
        holding.at += seconds(2)
        holding.tick()
        holding.prices()
        holding.tell(OrdersRead(at=holding.at, orders=(*holding.broker.rows(), *twins), complete=True))
    assert holding.broker.sent(Side.SELL)


def test_the_status_tells_positions_blocks_and_power(holding: World) -> None:
    holding.in_window = False
    holding.tick()
    status = holding.command(AskStatus(by="o")).status
    assert status is not None
    assert [p.ticker for p in status.positions] == [TICKER]
    assert status.entry_blocks == ("outside_window",)
    assert status.krw_per_usd == 1000
    assert quote().buy_reference == 100


def test_a_sale_over_a_long_weekend_never_reuses_the_key_of_an_order(holding: World) -> None:
    holding.broker.accidents.extend(["rest", "rest"])
    holding.move("80.00")
    holding.run(4)
    holding.broker.sent(Side.SELL)[0].cancelled = True
    holding.market_open = False
    holding.run(4)
    holding.at += seconds(3 * 86_400)
    holding.step()
    holding.market_open = True
    holding.run(4)
    sent = [i for i in holding.journal.intents.values() if i.sent_at and i.request.side is Side.SELL]
    assert len(holding.broker.sent(Side.SELL)) == 2
    assert len(sent) == 2
