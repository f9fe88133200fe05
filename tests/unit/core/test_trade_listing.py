"""What the trader concludes from the broker's order list, and when: links, misses, endings and a person's word."""

import datetime as dt
from decimal import Decimal

import msgspec
import pytest

from core.model.commands import CancelOrders, OwnOrder, Reply, ReplyKey, Sell
from core.model.messages import EventKind
from core.model.order import BrokerOrder, BrokerRef, Intent, IntentState, Side
from core.stages.trade.inputs import OrdersRead
from core.stages.trade.living import Intents
from tests.unit.core.builders import TICKER, row, seconds
from tests.unit.core.harness import World

D = Decimal


def read(world: World, *rows: BrokerOrder, complete: bool = True) -> None:
    """The list arrives; what the trader wants done about it is not done."""
    world.hold_actions = True
    world.tell(OrdersRead(at=world.at, orders=rows, complete=complete))
    world.todo.clear()
    world.hold_actions = False


def now(world: World, intent: Intent) -> Intent:
    return world.book.intents[intent.id]


def ref(number: str, day: str = "20261117") -> BrokerRef:
    return BrokerRef(day, "B", number)


def vanished(world: World) -> Intent:
    """A buy of nine at $10.05 whose answer was lost; it never arrived."""
    world.move("10.00")
    world.broker.accidents.append("vanish")
    world.buy_signal()
    world.tick()
    world.prices()
    world.tick()
    (intent,) = world.book.live_intents()
    assert intent.state is IntentState.UNKNOWN
    return intent


def vanished_sale(world: World) -> Intent:
    """A sale of everything whose answer was lost; it never arrived."""
    world.prices()
    world.broker.accidents.append("vanish")
    world.command(Sell(by="owner", ticker=TICKER))
    (intent,) = world.book.live_intents()
    assert intent.state is IntentState.UNKNOWN
    return intent


def resting(world: World) -> Intent:
    """A buy of nine at $10.05 that the broker has and that does not fill."""
    world.move("10.00")
    world.broker.accidents.append("rest")
    world.buy_signal()
    world.run(2)
    (intent,) = world.book.live_intents()
    return intent


# -- a lost order is linked ------------------------------------------------------------------------------------------


def test_the_one_row_that_matches_is_the_lost_order(auto: World) -> None:
    intent = vanished(auto)
    read(auto, row("1", order=intent.request, filled=4, ordered_at=auto.at))
    known = now(auto, intent)
    assert (known.state, known.ref, known.filled_qty) == (IntentState.PARTIAL, ref("1"), 4)
    assert not auto.events(EventKind.MANUAL_BOUGHT)


def test_an_incomplete_list_links_too(auto: World) -> None:
    intent = vanished(auto)
    read(auto, row("1", order=intent.request), complete=False)
    assert (now(auto, intent).state, now(auto, intent).ref) == (IntentState.WORKING, ref("1"))


def test_a_found_order_that_is_over_ends_only_after_a_second_complete_reading(auto: World) -> None:
    intent = vanished(auto)
    over = row("1", order=intent.request, open_qty=0, cancelled=True)
    read(auto, over)
    assert now(auto, intent).live
    assert now(auto, intent).final_seen_at == auto.at
    auto.at += seconds(1.999)
    read(auto, over)
    assert now(auto, intent).live
    auto.at += seconds(0.001)
    read(auto, over)
    assert now(auto, intent).state is IntentState.CANCELLED


def test_an_incomplete_list_does_not_begin_to_end_a_buy(auto: World) -> None:
    intent = vanished(auto)
    over = row("1", order=intent.request, open_qty=0, cancelled=True)
    read(auto, over, complete=False)
    assert (now(auto, intent).ref, now(auto, intent).final_seen_at) == (ref("1"), None)


@pytest.mark.parametrize("ending", ["cancelled", "expired"])
def test_a_buy_that_is_over_is_confirmed_and_a_sale_is_not(holding: World, ending: str) -> None:
    holding.prices()
    holding.broker.accidents.append("rest")
    holding.command(Sell(by="owner", ticker=TICKER))
    (intent,) = holding.book.live_intents()
    over = row(intent.ref.odno, order=intent.request, open_qty=0, **{ending: True})
    read(holding, *holding.broker.rows()[:-1], over, complete=False)
    assert not now(holding, intent).live


def test_an_exchange_that_rejects_a_buy_needs_no_second_reading(auto: World) -> None:
    intent = resting(auto)
    read(auto, row("1", order=intent.request, open_qty=0, rejected=True), complete=False)
    assert now(auto, intent).state is IntentState.BROKER_REJECTED
    assert auto.plan.reason == "order_rejected"


def test_two_lost_orders_are_linked_to_two_rows(auto: World) -> None:
    first = vanished(auto)
    second = msgspec.structs.replace(first, id="second", dedup_key="second")
    auto.book.intents[second.id] = second
    read(auto, row("1", order=first.request))
    assert [i.ref for i in auto.book.intents.values()] == [ref("1"), None]


def test_a_row_goes_to_the_order_that_waits_before_the_one_that_was_given_up(auto: World) -> None:
    waiting = vanished(auto)
    given_up = msgspec.structs.replace(waiting, id="old", dedup_key="old", state=IntentState.NOT_PLACED)
    auto.book.intents = Intents([given_up, waiting])
    read(auto, row("1", order=waiting.request))
    assert (now(auto, waiting).ref, now(auto, given_up).ref) == (ref("1"), None)


def test_a_cancel_row_is_no_order(auto: World) -> None:
    intent = vanished(auto)
    read(auto, row("1", order=intent.request, filled=9, is_cancel_row=True))
    assert now(auto, intent).state is IntentState.UNKNOWN
    assert not auto.journal.manual
    assert ref("1") in auto.journal.seen, "but its number has been seen"


def test_every_number_is_written_down_once_and_at_once(auto: World) -> None:
    read(auto, row("1", from_api=False), row("2", from_api=False), complete=False)
    assert auto.journal.seen == {ref("1"), ref("2")}
    commits = auto.journal.commits
    read(auto, row("1", from_api=False), row("2", from_api=False))
    assert auto.journal.commits == commits


def test_the_broker_was_checked_when_its_list_arrived(auto: World) -> None:
    auto.at += seconds(5)
    read(auto, complete=False)
    assert auto.book.broker_checked_at == auto.at


def test_rows_of_an_incomplete_list_are_added_and_a_complete_one_replaces_them(auto: World) -> None:
    read(auto, row("1", from_api=False))
    read(auto, row("2", from_api=False), complete=False)
    assert set(auto.book.rows) == {ref("1"), ref("2")}
    read(auto, row("1", from_api=False), row("2", from_api=False), row("3", from_api=False))
    assert set(auto.book.rows) == {ref("1"), ref("2"), ref("3")}


def test_only_a_complete_list_reconciles(auto: World) -> None:
    fresh = World(reconciled=False)
    read(fresh, complete=False)
    assert not fresh.book.orders_reconciled
    assert not fresh.journal.state
    read(fresh)
    assert fresh.book.orders_reconciled
    assert fresh.journal.state == {"manual_from": fresh.at.isoformat()}
    fresh.at += seconds(9)
    read(fresh)
    assert fresh.journal.state == {"manual_from": (fresh.at - seconds(9)).isoformat()}, "it begins once"


# -- numbers that stay away ------------------------------------------------------------------------------------------


def test_a_list_without_a_number_it_has_shown_counts_as_incomplete_for_ten_minutes(auto: World) -> None:
    read(auto, row("5", ticker="ZZZ", from_api=False))
    fresh = auto.at
    for second, believed in ((0, False), (599, False), (600, True)):
        auto.at = fresh + seconds(second)
        auto.book.orders_reconciled = False
        read(auto)
        assert auto.book.orders_reconciled is believed, second
    assert ref("5") not in auto.book.seen


def test_a_number_that_comes_back_starts_the_ten_minutes_again(auto: World) -> None:
    shown = row("5", ticker="ZZZ", from_api=False)
    read(auto, shown)
    start = auto.at
    for second, rows in ((0, ()), (599, (shown,)), (600, ()), (1199, ())):
        auto.at = start + seconds(second)
        read(auto, *rows)
    assert ref("5") in auto.book.seen
    assert not auto.events(EventKind.TROUBLE)
    auto.at = start + seconds(1200)
    read(auto)
    assert len(auto.events(EventKind.TROUBLE)) == 1


# -- an order found late ---------------------------------------------------------------------------------------------


def test_an_order_found_late_does_not_come_to_life_beside_another_one(auto: World) -> None:
    late = msgspec.structs.replace(
        resting(auto), id="late", dedup_key="late", ref=ref("9"), state=IntentState.NOT_PLACED
    )
    auto.book.intents[late.id] = late
    read(auto, *auto.broker.rows(), row("9", order=late.request, filled=3))
    assert now(auto, late).state is IntentState.NOT_PLACED
    assert now(auto, late).filled_qty == 3, "but what it filled is booked"
    assert auto.held() == 3


def test_a_late_fill_of_a_cancelled_order_is_booked_and_it_stays_cancelled(auto: World) -> None:
    intent = resting(auto)
    auto.command(CancelOrders(by="o"))
    auto.run(6)
    assert now(auto, intent).state is IntentState.CANCELLED
    read(auto, row("1", order=intent.request, filled=9))
    assert (now(auto, intent).state, auto.held()) == (IntentState.FILLED, 9)
    read(auto, row("1", order=intent.request, filled=9))
    assert auto.held() == 9


# -- the day is over -------------------------------------------------------------------------------------------------


def test_an_order_of_yesterday_lives_while_the_list_still_has_it(auto: World) -> None:
    intent = resting(auto)
    auto.at += dt.timedelta(days=1)
    read(auto, *auto.broker.rows())
    assert now(auto, intent).live
    auto.book.rows.clear()
    auto.book.seen.clear()
    read(auto)
    ended = now(auto, intent)
    assert (ended.state, ended.reason) == (IntentState.EXPIRED, "its day is over")


def test_an_order_of_today_does_not_expire_because_the_list_lags(auto: World) -> None:
    intent = resting(auto)
    auto.book.seen.clear()
    read(auto)
    assert now(auto, intent).live


def test_a_sale_whose_day_is_over_goes_on(holding: World) -> None:
    holding.prices()
    holding.broker.accidents.append("rest")
    holding.command(Sell(by="owner", ticker=TICKER))
    (intent,) = holding.book.live_intents()
    holding.at += dt.timedelta(days=1)
    holding.book.seen.clear()
    holding.broker.orders[-1].cancelled = True
    read(holding)
    assert now(holding, intent).state is IntentState.EXPIRED
    assert not holding.book.live_intents(TICKER, Side.SELL), "yesterday's price is no limit of today"
    holding.run(4)
    again = holding.broker.sent(Side.SELL)[-1]
    assert (again.request.qty, again.sent_at > holding.at - seconds(4)) == (9, True)


# -- a person's word -------------------------------------------------------------------------------------------------


def asked(world: World) -> tuple[Intent, tuple[BrokerOrder, ...]]:
    """Two rows look like the lost order: a person must say."""
    intent = vanished(world)
    twins = tuple(row(number, order=intent.request, filled=n) for number, n in (("71", 9), ("72", 0)))
    read(world, *twins)
    assert now(world, intent).state is IntentState.HUMAN
    return intent, twins


def test_a_person_is_told_that_nothing_waits_for_an_answer(auto: World) -> None:
    reply = Reply(ok=False, key=ReplyKey.NOTHING_TO_DO, values={"ticker": TICKER})
    assert auto.command(OwnOrder(by="owner", ticker=TICKER, placed=True)) == reply


def test_a_persons_yes_links_the_first_candidate_and_books_it(auto: World) -> None:
    intent, twins = asked(auto)
    other = auto.command(OwnOrder(by="owner", ticker="TSLA", placed=True))
    assert other == Reply(ok=False, key=ReplyKey.NOTHING_TO_DO, values={"ticker": "TSLA"})
    reply = auto.command(OwnOrder(by="owner", ticker=TICKER, placed=True))
    assert reply == Reply(ok=True, key=ReplyKey.DONE, values={"ticker": TICKER})
    known = now(auto, intent)
    assert (known.state, known.ref, auto.held()) == (IntentState.FILLED, ref("71"), 9)
    read(auto, *twins)
    assert not auto.events(EventKind.MANUAL_BOUGHT)


def test_a_persons_yes_without_a_candidate_left_means_that_it_was_not_placed(auto: World) -> None:
    intent, _ = asked(auto)
    auto.book.rows.clear()
    assert auto.command(OwnOrder(by="owner", ticker=TICKER, placed=True)).ok
    assert (now(auto, intent).state, now(auto, intent).reason) == (IntentState.NOT_PLACED, "disowned")


def test_an_order_that_a_person_disowned_is_never_linked_again(auto: World) -> None:
    intent, twins = asked(auto)
    reply = auto.command(OwnOrder(by="owner", ticker=TICKER, placed=False))
    assert reply == Reply(ok=True, key=ReplyKey.DONE, values={"ticker": TICKER})
    read(auto, twins[0])
    disowned = now(auto, intent)
    assert (disowned.state, disowned.ref, disowned.reason) == (IntentState.NOT_PLACED, None, "disowned")
    assert [e["qty"] for e in auto.events(EventKind.MANUAL_BOUGHT)] == [9]


def test_a_question_to_a_person_is_not_answered_by_the_list(auto: World) -> None:
    intent, twins = asked(auto)
    read(auto, twins[0])
    assert now(auto, intent).state is IntentState.HUMAN
    assert not auto.events(EventKind.MANUAL_BOUGHT), "nor is the order taken for somebody else's"


def test_a_lost_sale_with_several_candidates_takes_the_first(holding: World) -> None:
    intent = vanished_sale(holding)
    twins = tuple(row(number, order=intent.request) for number in ("71", "72"))
    read(holding, *holding.broker.rows(), *twins)
    assert (now(holding, intent).state, now(holding, intent).ref) == (IntentState.WORKING, ref("71"))


def test_a_person_can_not_be_given_an_order_that_is_another_ones(auto: World) -> None:
    intent, twins = asked(auto)
    other = msgspec.structs.replace(intent, id="other", dedup_key="other", state=IntentState.CANCELLED, ref=ref("71"))
    auto.book.intents[other.id] = other
    auto.command(OwnOrder(by="owner", ticker=TICKER, placed=True))
    assert now(auto, intent).ref == twins[1].ref


def test_a_persons_word_about_an_order_that_is_over_counts_as_one_complete_reading(auto: World) -> None:
    intent = vanished(auto)
    twins = tuple(row(number, order=intent.request, open_qty=0, cancelled=True) for number in ("71", "72"))
    read(auto, *twins)
    auto.command(OwnOrder(by="owner", ticker=TICKER, placed=True))
    assert now(auto, intent).final_seen_at == auto.at
    auto.at += seconds(2)
    read(auto, *twins)
    assert now(auto, intent).state is IntentState.CANCELLED
