"""Sales whose answer was lost: what the account has shown since is the most that may still be sold. And orders again."""

from decimal import Decimal

import msgspec
import pytest

from core.model.commands import Sell
from core.model.order import BrokerRef, Intent, IntentState, Side
from core.rules.shares import Own
from core.stages.trade.inputs import OrderNotSent, OrderSending, OrderWasRefused
from core.stages.trade.living import Intents
from tests.unit.core.builders import TICKER, intent, request, seconds
from tests.unit.core.harness import World
from tests.unit.core.test_trade_listing import now, vanished_sale
from tests.unit.core.test_trade_shares import look

D = Decimal
SALE = request(Side.SELL, 9)


def gone(world: World, **changes: object) -> Intent:
    """A sale that was sent now and whose answer was lost."""
    made = msgspec.structs.replace(intent(IntentState.UNKNOWN, order=SALE, sent_at=world.at), **changes)
    world.book.intents[made.id] = made
    world.book.at = world.at
    return made


def certain(world: World) -> int:
    return world.book.certain_qty(world.book.positions[TICKER])


@pytest.mark.parametrize(
    ("changes", "is_lost"),
    [
        ({}, True),
        ({"state": IntentState.NOT_PLACED}, True),
        ({"state": IntentState.WORKING}, False),
        ({"state": IntentState.SENDING}, False),
        ({"ref": BrokerRef("20261117", "B", "70")}, False),
        ({"request": request(Side.BUY, 9)}, False),
        ({"request": request(Side.SELL, 9, ticker="TSLA")}, False),
    ],
    ids=["unknown", "given-up", "listed", "being-sent", "numbered", "buy", "other-ticker"],
)
def test_which_sale_is_lost(holding: World, changes: dict[str, object], is_lost: bool) -> None:
    made = gone(holding, **changes)
    assert holding.book.lost_sale(TICKER) == (made if is_lost else None)


@pytest.mark.parametrize(("age_s", "is_lost"), [(179.9, True), (180, False)])
@pytest.mark.parametrize("dated", [True, False])
def test_a_lost_sale_may_still_be_listed_until_the_quarantine_ends(
    holding: World, age_s: float, is_lost: bool, dated: bool
) -> None:
    made = gone(holding, sent_at=holding.at if dated else None, created_at=holding.at)
    holding.book.at = holding.at + seconds(age_s)
    assert (holding.book.lost_sale(TICKER) == made) is is_lost


def test_of_two_lost_sales_the_newest_counts(holding: World) -> None:
    first = gone(holding)
    second = msgspec.structs.replace(first, id="second", sent_at=holding.at + seconds(1))
    holding.book.intents = Intents([second, first])
    assert holding.book.lost_sale(TICKER) == second


def test_what_the_account_has_shown_since_a_lost_sale_is_the_most_that_is_sold(holding: World) -> None:
    holding.book.touched.clear()
    gone(holding)
    assert certain(holding) == 9
    look(holding, 1, NVDA=4)
    assert (holding.book.fewest, certain(holding)) == ({TICKER: 4}, 4)
    look(holding, 1, NVDA=9)
    assert certain(holding) == 4, "what came since may be the owner's"
    look(holding, 1, NVDA=3)
    assert certain(holding) == 3


def test_the_owners_own_shares_are_not_among_them(holding: World) -> None:
    holding.book.touched.clear()
    gone(holding)
    holding.book.put_own(TICKER, Own(qty=3))
    look(holding, 1, NVDA=8)
    assert certain(holding) == 5
    look(holding, 1, NVDA=2)
    assert certain(holding) == 0


def test_a_reading_that_was_asked_for_before_the_sale_says_nothing(holding: World) -> None:
    gone(holding)
    look(holding, 5, asked_s=5.1, NVDA=2)
    assert holding.book.fewest == {}
    look(holding, asked_s=5, NVDA=2)
    assert holding.book.fewest == {TICKER: 2}


def test_when_the_sale_is_found_or_over_it_is_forgotten(holding: World) -> None:
    made = gone(holding)
    look(holding, 1, NVDA=2)
    holding.book.intents[made.id] = msgspec.structs.replace(made, state=IntentState.CANCELLED)
    assert certain(holding) == 9
    look(holding, 1, NVDA=9)
    assert holding.book.fewest == {}


def test_what_was_sellable_when_a_sale_was_not_sent_counts_too(holding: World) -> None:
    gone(holding)
    prepared = intent(key="next", order=SALE)
    holding.book.intents[prepared.id] = prepared
    holding.tell(OrderNotSent(at=holding.at, intent_id=prepared.id, reason="only 6", sellable=6))
    assert holding.book.fewest == {TICKER: 6}


def test_without_a_number_of_sellable_shares_nothing_is_learned(holding: World) -> None:
    gone(holding)
    prepared = intent(key="next", order=SALE)
    holding.book.intents[prepared.id] = prepared
    holding.tell(OrderNotSent(at=holding.at, intent_id=prepared.id, reason="why"))
    assert holding.book.fewest == {}


def test_a_repeated_sale_sells_no_share_that_the_owner_has_bought_since(holding: World) -> None:
    """Nine went by a sale of which nobody knows; the owner buys nine: they are not ours."""
    made = vanished_sale(holding)
    holding.broker.shares[TICKER] = 0
    holding.at += seconds(1)
    holding.read()
    holding.broker.by_hand(Side.BUY, 9, holding.at)
    holding.run(20)
    assert now(holding, made).state is not IntentState.FILLED
    assert holding.broker.sent(Side.SELL) == []


# -- counted anew ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("owned", "counted", "reconciled", "sent"),
    [(0, 0, True, True), (3, 0, True, False), (3, 3, True, True), (2, 3, True, True), (1, None, True, False), (3, 0, False, True)],
)  # fmt: skip
def test_a_sale_is_not_sent_where_more_is_the_owners_than_when_it_was_counted(
    holding: World, owned: int, counted: int | None, reconciled: bool, sent: bool
) -> None:
    holding.prices()
    holding.hold_actions = True
    holding.command(Sell(by="owner", ticker=TICKER))
    (made,) = holding.book.live_intents(side=Side.SELL)
    holding.book.intents[made.id] = msgspec.structs.replace(made, own_qty=counted)
    holding.book.own[TICKER] = Own(qty=owned)
    holding.book.holdings_reconciled = reconciled
    reply = holding.tell(OrderSending(at=holding.at, intent_id=made.id, baseline=()))
    after = holding.book.intents[made.id]
    if sent:
        assert (reply, after.state) == (None, IntentState.SENDING)
        assert after.own_qty == (owned if reconciled else None)
        return
    assert reply is not None
    assert not reply.ok
    assert (after.state, after.reason, after.sent_at) == (IntentState.VOIDED, "counted anew", None)
    assert holding.book.exits[TICKER].retry_at == holding.at + seconds(5)


def test_a_purchase_does_not_ask_whose_the_shares_are(auto: World) -> None:
    auto.broker.accidents.append("rest")
    auto.move("10.00")
    auto.book.own[TICKER] = Own(qty=3)
    auto.buy_signal()
    auto.tick()
    auto.prices()
    auto.tick()
    (made,) = auto.book.live_intents(side=Side.BUY)
    assert (made.state, made.own_qty) == (IntentState.ACKED, 3)


def test_a_sale_remembers_how_many_were_the_owners_when_it_was_counted(holding: World) -> None:
    holding.book.put_own(TICKER, Own(qty=3))
    holding.prices()
    holding.hold_actions = True
    holding.command(Sell(by="owner", ticker=TICKER))
    (made,) = holding.book.live_intents(side=Side.SELL)
    assert made.own_qty == 3


# -- orders again ----------------------------------------------------------------------------------------------------


def test_what_was_sent_and_refused_for_a_passing_reason_is_another_order_when_it_is_sent_again(
    auto: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    auto.broker.accidents.append("refuse")
    real = auto.tell

    def passing(message: object) -> object:
        if isinstance(message, OrderWasRefused):
            message = msgspec.structs.replace(message, passing=True)
        return real(message)

    monkeypatch.setattr(auto, "tell", passing)
    auto.move("10.00")
    auto.buy_signal()
    auto.run(20)
    refused, filled = sorted(auto.book.intents.values(), key=lambda i: i.created_at)[:2]
    assert (refused.state, filled.state) == (IntentState.REJECTED, IntentState.FILLED)
    assert filled.dedup_key == f"{refused.dedup_key}:1"
    assert (refused.tranche, filled.tranche) == (1, 1)
    assert auto.journal.intents[refused.id].state is IntentState.REJECTED


def test_what_never_left_keeps_its_name(auto: World) -> None:
    auto.move("10.00")
    auto.hold_actions = True
    auto.buy_signal()
    auto.tick()
    auto.prices()
    auto.tick()
    (first,) = auto.book.live_intents()
    auto.tell(OrderNotSent(at=auto.at, intent_id=first.id, reason="no baseline"))
    auto.at += seconds(3)
    auto.prices()
    auto.tick()
    (again,) = auto.book.live_intents()
    assert (again.id, again.dedup_key) == (first.id, first.dedup_key)
