"""An order on its way: being sent, acknowledged, refused, lost, cancelled."""

import datetime as dt

import msgspec

from core.model.commands import Reply, ReplyKey
from core.model.journal import AddLedger, LedgerKind
from core.model.messages import EventKind
from core.model.money import ZERO
from core.model.order import LIVE_STATES, Intent, IntentState, Side
from core.model.position import PlanState
from core.model.safety import TradingState
from core.rules.intents import TRANSITIONS, IntentEvent, next_state
from core.rules.risk import RefusalReason
from core.stages.trade import entries, exits, safety
from core.stages.trade.book import Book
from core.stages.trade.inputs import (
    CancelAnswered,
    OrderAcked,
    OrderLost,
    OrderNotSent,
    OrderSending,
    OrderWasRefused,
)
from core.stages.trade.outcome import CancelOrder, Protect

# the reason of an order that was being sent when the trader itself stopped
RESTART = "restart"
SESSION = dt.timedelta(hours=16)
# pause before a tranche that was not sent is tried again
AGAIN = dt.timedelta(seconds=2)


def move(book: Book, intent: Intent, event: IntentEvent, reason: str = "") -> Intent:
    """Apply one transition; a final state gives the rest of the reservation back."""
    state = next_state(intent.state, event)
    moved = msgspec.structs.replace(intent, state=state, updated_at=book.at, reason=reason or intent.reason)
    if state not in LIVE_STATES and intent.request.side is Side.SELL and intent.sent_at is not None:
        book.act(Protect())
    if state not in LIVE_STATES and moved.reserved_usd:
        book.change(AddLedger(intent.id, LedgerKind.VOID, moved.reserved_usd, book.at))
        moved = msgspec.structs.replace(moved, reserved_usd=ZERO)
    book.put_intent(moved)
    return moved


def _wanted(book: Book, intent: Intent) -> bool:
    """Whether an entry is still wanted: its plan runs and nobody stopped all buying."""
    plan = book.plans.get(intent.plan_id)
    return plan is not None and plan.state is PlanState.RUNNING and book.trading_state is TradingState.ACTIVE


def on_sending(book: Book, message: OrderSending) -> Reply | None:
    """The last commit before the first byte; what has lost its purpose in the meantime is void and must not be sent."""
    intent = book.intents[message.intent_id]
    if not (_wanted(book, intent) if intent.request.side is Side.BUY else exits.wanted(book, intent)):
        move(book, intent, IntentEvent.VOID, "stopped")
        return Reply(ok=False, key=ReplyKey.REFUSED)
    own = book.own_qty(intent.request.ticker) if book.holdings_reconciled else None
    if intent.request.side is Side.SELL and (own or 0) > (intent.own_qty or 0):
        # more of the account is the owner's than when the shares were counted
        on_not_sent(book, OrderNotSent(at=book.at, intent_id=intent.id, reason="counted anew"))
        return Reply(ok=False, key=ReplyKey.REFUSED)
    known = {ref.odno for ref, row in book.rows.items() if row.ticker == intent.request.ticker}
    baseline = tuple(sorted({*message.baseline, *known}))
    stamped = msgspec.structs.replace(intent, baseline=baseline, sent_at=book.at, own_qty=own)
    move(book, stamped, IntentEvent.SEND)
    # the guardian cancels what is being bought when it takes over, and does not sell again what is being sold
    book.act(Protect())
    book.sent_at = [*book.sent_last_minute(), book.at]
    book.put_day(msgspec.structs.replace(book.day, orders=book.day.orders + 1))
    return None


def on_not_sent(book: Book, message: OrderNotSent) -> None:
    """Nothing left our side: the intent is void; an entry's tranche is due again, a sale tries again."""
    if message.sellable is not None:
        book.saw_fewer(book.intents[message.intent_id].request.ticker, message.sellable, message.at)
    _again(book, move(book, book.intents[message.intent_id], IntentEvent.VOID, message.reason), message.sellable)


def _again(book: Book, intent: Intent, sellable: int | None = None) -> None:
    """What never reached the broker is due again."""
    if intent.request.side is Side.SELL:
        exits.on_sale_ended(book, intent, sellable=sellable)
        return
    plan = book.plans.get(intent.plan_id)
    if plan and plan.state is PlanState.RUNNING:
        book.put_plan(msgspec.structs.replace(plan, next_tranche=intent.tranche, next_at=book.at + AGAIN))


def on_acked(book: Book, message: OrderAcked) -> None:
    """The broker has it; a buy that nobody wants any more is cancelled at once."""
    intent = msgspec.structs.replace(book.intents[message.intent_id], ref=message.ref)
    cancel_unwanted(book, move(book, intent, IntentEvent.ACK))


def cancel_unwanted(book: Book, intent: Intent) -> None:
    waiting = {IntentState.ACKED, IntentState.WORKING, IntentState.PARTIAL}
    if intent.request.side is Side.BUY and intent.state in waiting and not _wanted(book, intent):
        book.act(CancelOrder(intent.id))


def on_refused(book: Book, message: OrderWasRefused) -> None:
    """The broker does not have it; what was refused for a passing reason is tried again as a new order."""
    reason = f"{message.code} {message.message}".strip()
    intent = move(book, book.intents[message.intent_id], IntentEvent.REFUSE, reason)
    if message.passing:
        _again(book, intent)
    else:
        tell_refusal(book, intent, message.code, message.message)


def tell_refusal(book: Book, intent: Intent, code: str, words: str) -> None:
    request = intent.request
    book.emit(
        EventKind.ORDER_REJECTED,
        ticker=request.ticker,
        subject=intent.plan_id or request.ticker,
        side=request.side.value,
        qty=request.qty,
        limit=request.limit,
        code=code,
        message=words,
    )
    if request.side is Side.BUY:
        plan = book.plans.get(intent.plan_id)
        if plan and plan.state is PlanState.RUNNING:
            entries.end_plan(book, plan, PlanState.STOPPED, "order_rejected")
    else:
        exits.on_sale_ended(book, intent)


def on_lost(book: Book, message: OrderLost) -> None:
    """Nobody knows: never send again, ask.

    A buy closes its ticker for the session at once. Only where our own restart is why nobody knows, the plan waits:
    a live intent bars the next tranche until the order is found.
    """
    intent = msgspec.structs.replace(book.intents[message.intent_id], lost_at=book.at)
    intent = move(book, intent, IntentEvent.LOSE, message.reason)
    request = intent.request
    book.emit(
        EventKind.ORDER_UNKNOWN,
        ticker=request.ticker,
        subject=intent.plan_id or request.ticker,
        side=request.side.value,
        qty=request.qty,
        limit=request.limit,
        reason=intent.reason,
    )
    if message.reason == RESTART:
        return
    if request.side is Side.BUY and book.resolution.one_shot:
        give_up_entry(book, intent)
    since = book.at - safety.SICK_WINDOW
    lost = [i for i in book.intents.values() if i.lost_at is not None and i.lost_at >= since and i.reason != RESTART]
    if len(lost) >= safety.SICK_ORDERS:
        safety.block(book, RefusalReason.BROKER_SICK, detail=str(len(lost)))


def give_up_entry(book: Book, intent: Intent) -> None:
    """No more of this ticker this session, in case the order appears after all."""
    if book.resolution.one_shot:
        book.lock(intent.request.ticker, "order_unknown", book.at + SESSION)
    plan = book.plans.get(intent.plan_id)
    if plan and plan.state is PlanState.RUNNING:
        entries.end_plan(book, plan, PlanState.STOPPED, "order_unknown")


def on_cancel_answered(book: Book, message: CancelAnswered) -> None:
    """An acknowledged cancel is not final: the order list decides."""
    intent = book.intents[message.intent_id]
    if intent.state is IntentState.CANCEL_REQ and not message.known:
        move(book, intent, IntentEvent.LOSE_CANCEL)


def cancel_asked(book: Book, intent_id: str) -> bool:
    """Record that a cancel is about to be sent; False when there is nothing to cancel."""
    intent = book.intents[intent_id]
    if intent.ref is None or IntentEvent.ASK_CANCEL not in TRANSITIONS[intent.state]:
        return False
    move(book, msgspec.structs.replace(intent, cancel_requested_at=book.at), IntentEvent.ASK_CANCEL)
    return True
