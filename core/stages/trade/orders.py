"""What the broker says: acknowledgements, fills, refusals and silence."""

import datetime as dt

import msgspec

from core.model.commands import Reply, ReplyKey
from core.model.journal import AddLedger, LedgerKind, SawOrders
from core.model.messages import EventKind, message_id
from core.model.money import ZERO
from core.model.order import (
    LIVE_STATES,
    BrokerOrder,
    BrokerRef,
    Intent,
    IntentState,
    OrderRequest,
    Purpose,
    Side,
)
from core.model.position import PlanState
from core.rules import reconcile
from core.rules.intents import TRANSITIONS, IntentEvent, next_state
from core.stages.trade import entries, exits
from core.stages.trade.book import Book
from core.stages.trade.fills import book_fill
from core.stages.trade.inputs import (
    CancelAnswered,
    GuardianSold,
    HoldingsRead,
    OrderAcked,
    OrderLost,
    OrderNotSent,
    OrderSending,
    OrdersRead,
    OrderWasRefused,
)
from core.stages.trade.outcome import CancelOrder


def _move(book: Book, intent: Intent, event: IntentEvent, reason: str = "") -> Intent:
    """Apply one transition; a final state gives the rest of the reservation back."""
    state = next_state(intent.state, event)
    moved = msgspec.structs.replace(intent, state=state, updated_at=book.at, reason=reason or intent.reason)
    if state not in LIVE_STATES and moved.reserved_usd:
        book.change(AddLedger(intent.id, LedgerKind.VOID, moved.reserved_usd, book.at))
        moved = msgspec.structs.replace(moved, reserved_usd=ZERO)
    book.put_intent(moved)
    return moved


def _wanted(book: Book, intent: Intent) -> bool:
    """Whether an entry is still wanted: its plan runs and nobody stopped all buying."""
    plan = book.plans.get(intent.plan_id)
    return plan is not None and plan.state is PlanState.RUNNING and not (book.panicked or book.paused or book.halted)


def on_sending(book: Book, message: OrderSending) -> Reply | None:
    """The last commit before the first byte; a buy that was stopped in the meantime is void and must not be sent."""
    intent = book.intents[message.intent_id]
    if intent.request.side is Side.BUY and not _wanted(book, intent):
        _move(book, intent, IntentEvent.VOID, "stopped")
        return Reply(ok=False, key=ReplyKey.REFUSED)
    stamped = msgspec.structs.replace(intent, baseline=message.baseline, sent_at=book.at)
    _move(book, stamped, IntentEvent.SEND)
    book.sent_at.append(book.at)
    book.put_day(msgspec.structs.replace(book.day, orders=book.day.orders + 1))
    return None


def on_not_sent(book: Book, message: OrderNotSent) -> None:
    """Nothing left our side: the intent is void; an entry's tranche is due again, a sale tries again."""
    intent = _move(book, book.intents[message.intent_id], IntentEvent.VOID, message.reason)
    if intent.request.side is Side.BUY:
        plan = book.plans.get(intent.plan_id)
        if plan and plan.state is PlanState.RUNNING:
            again = msgspec.structs.replace(plan, next_tranche=intent.tranche, next_at=book.at)
            book.put_plan(again)
        return
    exits.on_sale_ended(book, intent, sellable=message.sellable)


def on_acked(book: Book, message: OrderAcked) -> None:
    """The broker has it; a buy that nobody wants any more is cancelled at once."""
    intent = msgspec.structs.replace(book.intents[message.intent_id], ref=message.ref)
    _cancel_unwanted(book, _move(book, intent, IntentEvent.ACK))


def _cancel_unwanted(book: Book, intent: Intent) -> None:
    waiting = {IntentState.ACKED, IntentState.WORKING, IntentState.PARTIAL}
    if intent.request.side is Side.BUY and intent.state in waiting and not _wanted(book, intent):
        book.act(CancelOrder(intent.id))


def on_refused(book: Book, message: OrderWasRefused) -> None:
    """The broker does not have it."""
    reason = f"{message.code} {message.message}".strip()
    intent = _move(book, book.intents[message.intent_id], IntentEvent.REFUSE, reason)
    _tell_refusal(book, intent, message.code, message.message)


def _tell_refusal(book: Book, intent: Intent, code: str, words: str) -> None:
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
    """Nobody knows: never send again, ask. A plan waits meanwhile, because a live intent bars the next tranche."""
    intent = _move(book, book.intents[message.intent_id], IntentEvent.LOSE, message.reason)
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


def _give_up_entry(book: Book, intent: Intent) -> None:
    """A buy that was never found: no more of this ticker this session, in case it appears after all."""
    book.lock(intent.request.ticker, "order_unknown", book.at + dt.timedelta(hours=16))
    plan = book.plans.get(intent.plan_id)
    if plan and plan.state is PlanState.RUNNING:
        entries.end_plan(book, plan, PlanState.STOPPED, "order_unknown")


def on_cancel_answered(book: Book, message: CancelAnswered) -> None:
    """An acknowledged cancel is not final: the order list decides."""
    intent = book.intents[message.intent_id]
    if intent.state is IntentState.CANCEL_REQ and not message.known:
        _move(book, intent, IntentEvent.LOSE_CANCEL)


def cancel_asked(book: Book, intent_id: str) -> bool:
    """Record that a cancel is about to be sent; False when there is nothing to cancel."""
    intent = book.intents[intent_id]
    if intent.ref is None or IntentEvent.ASK_CANCEL not in TRANSITIONS[intent.state]:
        return False
    _move(book, msgspec.structs.replace(intent, cancel_requested_at=book.at), IntentEvent.ASK_CANCEL)
    return True


def on_orders_read(book: Book, message: OrdersRead) -> None:
    """Book fills, find lost orders, notice what ended."""
    book.broker_checked_at = book.at
    new = tuple(row.ref for row in message.orders if row.ref not in book.seen)
    complete = message.complete and reconcile.superset(message.orders, book.seen_recently())
    if new:
        book.seen.update(new)
        book.change(SawOrders(new, book.at))
    by_ref = {i.ref: i for i in book.intents.values() if i.ref is not None}
    for row in message.orders:
        intent = by_ref.get(row.ref)
        if intent is not None and not row.is_cancel_row:
            _apply_row(book, intent, row)
    missing = {IntentState.UNKNOWN, IntentState.NOT_PLACED}
    lost = [i for i in book.intents.values() if i.state in missing and i.ref is None]
    linked: set[BrokerRef | None] = set(by_ref)
    # an order belongs to one intent only, and rather to the one that still waits than to one that was given up
    for intent in sorted(lost, key=lambda i: i.state is IntentState.NOT_PLACED):
        _resolve_unknown(book, intent, message.orders, linked, complete=complete)
    if complete:
        book.orders_reconciled = True


def _apply_row(book: Book, intent: Intent, row: BrokerOrder) -> None:
    qty, dollars = reconcile.fill_delta(intent, row)
    event = reconcile.event_of(intent, row)
    if event not in TRANSITIONS[intent.state]:
        # a final state stays; late shares on it were handled when they appeared
        if not qty:
            return
        event = IntentEvent.FILL_PART
    if qty:
        intent = book_fill(book, intent, row.ref, qty, dollars)
    was = intent.state
    if event in TRANSITIONS[intent.state] and not _would_be_second(book, intent, event):
        intent = _move(book, intent, event)
        _cancel_unwanted(book, intent)
    if was in LIVE_STATES and intent.state not in LIVE_STATES:
        if intent.state is IntentState.BROKER_REJECTED:
            _tell_refusal(book, intent, "", "broker")
        elif intent.request.side is Side.SELL:
            exits.on_sale_ended(book, intent)


def _would_be_second(book: Book, intent: Intent, event: IntentEvent) -> bool:
    """An order found late comes to life only where no other one lives on the same side of the ticker."""
    revived = not intent.live and next_state(intent.state, event) in LIVE_STATES
    return revived and bool(book.live_intents(intent.request.ticker, intent.request.side))


def _resolve_unknown(
    book: Book, intent: Intent, rows: tuple[BrokerOrder, ...], linked: set[BrokerRef | None], *, complete: bool
) -> None:
    """One match links, several need a human, none counts as a miss when the list is complete and time has passed."""
    found = reconcile.find(intent, rows, {r for r in linked if r})
    is_buy = intent.request.side is Side.BUY
    if len(found) == 1 or (found and not is_buy):
        # a sale is fenced by the shares that are left: the first candidate will do
        linked.add(found[0].ref)
        linked_intent = msgspec.structs.replace(intent, ref=found[0].ref)
        book.put_intent(linked_intent)
        _apply_row(book, linked_intent, found[0])
        return
    if intent.state is IntentState.NOT_PLACED:
        return
    if found:
        _move(book, intent, IntentEvent.FIND_MANY, "several orders match")
        book.emit(EventKind.TROUBLE, ticker=intent.request.ticker, where="reconcile", what="several_orders_match")
        _give_up_entry(book, intent)
        return
    gap = reconcile.MISS_GAP if is_buy else reconcile.SELL_GAP
    last = book.last_miss_at.get(intent.id, intent.sent_at or intent.updated_at)
    if not complete or book.at - last < gap:
        return
    book.last_miss_at[intent.id] = book.at
    intent = msgspec.structs.replace(intent, misses=intent.misses + 1)
    book.put_intent(intent)
    needed = reconcile.BUY_MISSES if is_buy else reconcile.SELL_MISSES
    old_enough = not is_buy or book.at - (intent.sent_at or intent.created_at) >= reconcile.QUARANTINE
    if intent.misses >= needed and old_enough:
        intent = _move(book, intent, IntentEvent.FIND_NONE, "not in the order list")
        if is_buy:
            _give_up_entry(book, intent)
        else:
            exits.on_sale_ended(book, intent)


def on_guardian_sold(book: Book, message: GuardianSold) -> None:
    """Adopt a sale that the guardian sent while we were away, so that its fills are booked as ours; once."""
    marker = f"guardian:{message.ref.ord_dt}:{message.ref.odno}"
    position = book.positions.get(message.ticker)
    if marker in book.state or position is None:
        return
    book.put_state(marker, message.ticker)
    plan = book.running_plan(message.ticker)
    if plan is not None:
        entries.end_plan(book, plan, PlanState.STOPPED, Purpose.GUARD.value)
    limit = OrderRequest(
        ticker=message.ticker, exchange=position.exchange, side=Side.SELL, qty=message.qty, limit=message.limit
    )
    book.put_intent(
        Intent(
            id=message_id("guardian", marker),
            dedup_key=marker,
            plan_id=position.plan_id,
            request=limit,
            purpose=Purpose.GUARD,
            # beside a sale that lives it is only a place to book fills on
            state=IntentState.CANCELLED if book.live_intents(message.ticker, Side.SELL) else IntentState.ACKED,
            created_at=book.at,
            updated_at=book.at,
            sent_at=book.at,
            ref=message.ref,
        )
    )
    book.emit(
        EventKind.GUARDIAN_TOOK_OVER,
        ticker=message.ticker,
        subject=message.ticker,
        qty=message.qty,
        price=message.limit,
    )


def on_holdings_read(book: Book, message: HoldingsRead) -> None:
    """Compare shares with the positions; a shortfall without a sale of ours is reported once."""
    book.holdings_reconciled = True
    broker = {h.ticker: h.qty for h in message.holdings}
    for position in book.positions.values():
        missing = position.qty - broker.get(position.ticker, 0)
        settled = not book.live_intents(position.ticker)
        if missing > 0 and settled and book.shortfalls.get(position.ticker) != missing:
            book.shortfalls[position.ticker] = missing
            book.emit(EventKind.TROUBLE, ticker=position.ticker, where="reconcile", what="shares_missing", qty=missing)
        elif missing <= 0:
            book.shortfalls.pop(position.ticker, None)
