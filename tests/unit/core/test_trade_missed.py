"""An order that complete lists do not show: how often it is missed, when it is given up, and what its holdings must say."""

import datetime as dt
from decimal import Decimal

import msgspec
import pytest

from core.model.order import Intent, IntentState, Side
from core.model.position import PlanState
from core.rules.reconcile import Resolution
from core.rules.shares import Own
from core.stages.trade import CancelOrder
from core.stages.trade.inputs import HoldingsRead, OrdersRead
from tests.unit.core.builders import TICKER, row, seconds
from tests.unit.core.harness import World
from tests.unit.core.test_trade_listing import now, read, vanished, vanished_sale

D = Decimal


def misses(world: World, intent: Intent, *after_s: float) -> list[int]:
    """How often the order was missed after each complete, empty list, in seconds since it was sent."""
    found = []
    for second in after_s:
        world.at = intent.sent_at + seconds(second)
        read(world, *world.broker.rows())
        found.append(now(world, intent).misses)
    return found


def test_a_buy_is_missed_once_in_thirty_seconds(auto: World) -> None:
    intent = vanished(auto)
    assert misses(auto, intent, 1, 29.9, 30, 31, 59.9, 60, 89.9, 90, 119) == [0, 0, 1, 1, 1, 2, 2, 3, 3]


def test_a_sale_is_missed_once_in_two_seconds(holding: World) -> None:
    intent = vanished_sale(holding)
    assert misses(holding, intent, 1, 1.9, 2, 3.9) == [0, 0, 1, 1]
    assert now(holding, intent).state is IntentState.UNKNOWN
    assert misses(holding, intent, 4) == [2]
    ended = now(holding, intent)
    assert (ended.state, ended.reason) == (IntentState.NOT_PLACED, "not in the order list")
    assert len(holding.book.live_intents(TICKER, Side.SELL)) == 1, "and the sale goes on"


def test_an_order_without_a_date_of_sending_is_missed_from_its_last_change(auto: World) -> None:
    intent = msgspec.structs.replace(vanished(auto), sent_at=None)
    auto.book.intents[intent.id] = intent
    auto.at = intent.updated_at + seconds(29)
    read(auto)
    assert now(auto, intent).misses == 0
    auto.at += seconds(1)
    read(auto)
    assert now(auto, intent).misses == 1


def give_up(world: World, intent: Intent, *, at_s: float, holdings_s: float, shares: int = 0) -> IntentState:
    """The state after three misses, at `at_s`, with holdings asked for at `holdings_s`."""
    misses(world, intent, 30, 60, 90)
    world.book.shares = {TICKER: shares}
    world.book.shares_asked_at = intent.sent_at + seconds(holdings_s)
    misses(world, intent, at_s)
    return now(world, intent).state


@pytest.mark.parametrize(
    ("at_s", "holdings_s", "shares", "state"),
    [
        (180, 180, 0, IntentState.NOT_PLACED),
        (179.9, 179.9, 0, IntentState.UNKNOWN),
        (181, 179.9, 0, IntentState.UNKNOWN),
        (181, 181, 1, IntentState.UNKNOWN),
        (181, 181, 0, IntentState.NOT_PLACED),
    ],
)
def test_a_buy_is_given_up_only_when_holdings_read_after_the_quarantine_show_nothing(
    auto: World, at_s: float, holdings_s: float, shares: int, state: IntentState
) -> None:
    intent = vanished(auto)
    assert give_up(auto, intent, at_s=at_s, holdings_s=holdings_s, shares=shares) is state


def test_a_buy_is_never_given_up_where_the_holdings_were_not_read(auto: World) -> None:
    intent = vanished(auto)
    auto.book.shares_asked_at = None
    misses(auto, intent, 30, 60, 90, 200, 300)
    assert now(auto, intent).state is IntentState.UNKNOWN


def test_a_buy_that_is_given_up_gives_its_money_back_and_ends_its_plan(auto: World) -> None:
    intent = vanished(auto)
    assert give_up(auto, intent, at_s=180, holdings_s=180) is IntentState.NOT_PLACED
    ended = now(auto, intent)
    assert (ended.reserved_usd, ended.reason) == (0, "not in the order list")
    assert auto.book.locks[TICKER].until >= auto.at + dt.timedelta(hours=16)


def test_an_interrupted_buy_that_is_given_up_ends_its_plan_then(auto: World) -> None:
    auto.book.resolution = Resolution(one_shot=False)
    intent = vanished(auto)
    assert auto.plan.state is PlanState.RUNNING
    give_up(auto, intent, at_s=180, holdings_s=180)
    assert (auto.plan.state, auto.plan.reason) == (PlanState.STOPPED, "order_unknown")


def test_an_order_found_late_comes_to_life_where_it_is_alone_and_is_cancelled(auto: World) -> None:
    intent = vanished(auto)
    give_up(auto, intent, at_s=180, holdings_s=180)
    outcome = auto.stage.handle(OrdersRead(at=auto.at, orders=(row("9", order=intent.request),), complete=True))
    assert now(auto, intent).state is IntentState.WORKING
    assert CancelOrder(intent.id) in outcome.actions


def test_an_order_of_the_guardian_is_not_missed_before_its_answer_is_known(holding: World) -> None:
    """SENDING means that the bytes may leave this very moment: the list says nothing about it yet."""
    intent = msgspec.structs.replace(vanished_sale(holding), state=IntentState.SENDING)
    holding.book.intents[intent.id] = intent
    misses(holding, intent, 10, 20, 30)
    assert now(holding, intent).misses == 0


def test_a_lost_sale_beside_the_owners_own_shares_is_repeated_only_after_the_quarantine(holding: World) -> None:
    holding.broker.by_hand(Side.BUY, 4, holding.at)
    holding.run(2)
    intent = vanished_sale(holding)
    assert misses(holding, intent, 2, 4, 179.9)[-1] >= 2
    assert now(holding, intent).state is IntentState.UNKNOWN
    holding.at = intent.sent_at + seconds(182)
    holding.tell(HoldingsRead(at=holding.at, holdings=holding.broker.holdings(), asked_at=holding.at))
    read(holding, *holding.broker.rows())
    assert now(holding, intent).state is IntentState.NOT_PLACED


def test_the_quarantine_of_a_lost_sale_beside_the_owners_shares_ends_to_the_second(holding: World) -> None:
    holding.broker.by_hand(Side.BUY, 4, holding.at)
    holding.run(2)
    intent = vanished_sale(holding)
    misses(holding, intent, 2, 4, 178)
    assert now(holding, intent).state is IntentState.UNKNOWN
    misses(holding, intent, 180)
    assert now(holding, intent).state is IntentState.NOT_PLACED


def test_a_buy_needs_three_misses_where_a_sale_needs_two(auto: World) -> None:
    intent = vanished(auto)
    misses(auto, intent, 30)
    auto.book.shares_asked_at = intent.sent_at + seconds(200)
    assert misses(auto, intent, 200) == [2]
    assert now(auto, intent).state is IntentState.UNKNOWN
    misses(auto, intent, 230)
    assert now(auto, intent).state is IntentState.NOT_PLACED


def test_the_owners_own_shares_do_not_keep_a_buy_unknown(auto: World) -> None:
    intent = vanished(auto)
    auto.book.own[TICKER] = Own(qty=3)
    assert give_up(auto, intent, at_s=180, holdings_s=180, shares=3) is IntentState.NOT_PLACED
