"""The broker's order list: fills are booked, lost orders found, ended ones noticed, and what is not ours told apart."""

import datetime as dt

import msgspec

from core.model.commands import OwnOrder, Reply, ReplyKey
from core.model.journal import SawOrders
from core.model.messages import EventKind
from core.model.order import LIVE_STATES, BrokerOrder, BrokerRef, Intent, IntentState, Side
from core.rules import reconcile
from core.rules.days import us_date
from core.rules.intents import TRANSITIONS, IntentEvent, next_state
from core.rules.risk import RefusalReason
from core.rules.shares import Shortage
from core.stages.trade import exits, manual, safety
from core.stages.trade.book import Book
from core.stages.trade.fills import book_fill, correct, take_back
from core.stages.trade.inputs import OrdersRead
from core.stages.trade.orders import cancel_unwanted, give_up_entry, move, tell_refusal

# A cancelled buy is final only when two complete readings this far apart show no open rest.
CONFIRM = dt.timedelta(seconds=2)
# An order number that the list has shown and does not show any more blocks conclusions for this long.
VANISHED_AFTER = dt.timedelta(minutes=10)
DISOWNED = "disowned"


def on_orders_read(book: Book, message: OrdersRead) -> None:
    """Book fills, find lost orders, notice what ended, see what the owner did by hand."""
    book.broker_checked_at = book.at
    # what was bought before what was sold, however the broker sorts them
    rows = tuple(sorted((r for r in message.orders if not r.is_cancel_row), key=lambda r: r.side is Side.SELL))
    complete = message.complete and _superset(book, message.orders)
    new = tuple(row.ref for row in message.orders if row.ref not in book.seen)
    if new:
        book.seen.update(new)
        book.change(SawOrders(new, book.at))
    book.rows = {row.ref: row for row in rows} if complete else book.rows | {row.ref: row for row in rows}
    by_ref = {ref: i for i in book.intents.values() if (ref := i.ref) is not None}
    for row in rows:
        if (intent := by_ref.get(row.ref)) is not None:
            _apply_row(book, intent, row, complete=complete)
    linked = set(by_ref)
    # an order belongs to one intent only, and rather to the one that still waits than to one that was given up
    for intent in sorted(
        _unlinked(book), key=lambda i: (i.state is IntentState.NOT_PLACED, i.request.side is Side.SELL)
    ):
        _resolve(book, intent, rows, linked, complete=complete)
    for row in rows:
        if row.ref not in linked and not any(reconcile.matches(i, row, linked) for i in _unlinked(book)):
            manual.see(book, row)
    if complete:
        _expire_yesterdays(book)
        book.orders_reconciled = True
        book.listed_at = book.at
        if manual.BEGAN not in book.state:
            book.put_state(manual.BEGAN, book.at.isoformat())


def _superset(book: Book, rows: tuple[BrokerOrder, ...]) -> bool:
    """A list is trusted only when it still has every order seen before; one that stays away for long is forgotten."""
    missing = book.seen_recently() - {row.ref for row in rows}
    book.vanished = {ref: book.vanished.get(ref, book.at) for ref in missing}
    gone = {ref for ref, since in book.vanished.items() if book.at - since >= VANISHED_AFTER}
    if gone:
        book.seen -= gone
        book.emit(EventKind.TROUBLE, where="reconcile", what="orders_vanished", qty=len(gone))
    return not missing - gone


def _unlinked(book: Book) -> list[Intent]:
    """Orders of ours that may be in the list under a number we do not know yet."""
    waiting = {IntentState.SENDING, IntentState.UNKNOWN, IntentState.NOT_PLACED, IntentState.HUMAN}
    return [
        i
        for i in book.intents.values()
        if i.ref is None and (i.state in waiting or i.estimated) and i.reason != DISOWNED
    ]


def _apply_row(book: Book, intent: Intent, row: BrokerOrder, *, complete: bool) -> None:
    if intent.state is IntentState.FILLED and row.filled_qty == intent.filled_qty and not intent.estimated:
        # most of the list: nothing can come of it any more
        book.shortages.pop(intent.id, None)
        return
    if intent.estimated:
        intent = correct(book, intent, row)
    if row.filled_qty < intent.filled_qty and not intent.estimated:
        intent = _shrunk(book, intent, row, complete=complete)
    else:
        book.shortages.pop(intent.id, None)
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
    if not qty and TRANSITIONS[was].get(event) is was:
        # nothing new: not worth a commit
        return
    if not _confirmed(book, intent, event, complete=complete):
        return
    intent = book.intents[intent.id]
    if event in TRANSITIONS[intent.state] and not _would_be_second(book, intent, event):
        intent = move(book, intent, event)
        cancel_unwanted(book, intent)
    if was in LIVE_STATES and intent.state not in LIVE_STATES:
        if intent.state is IntentState.BROKER_REJECTED:
            tell_refusal(book, intent, "", "broker")
        elif intent.request.side is Side.SELL:
            exits.on_sale_ended(book, intent)


def _shrunk(book: Book, intent: Intent, row: BrokerOrder, *, complete: bool) -> Intent:
    """Fewer shares than were booked: not sold from now on, and after a while not ours any more; its ticker is closed."""
    short = Shortage(intent.filled_qty - row.filled_qty, book.at)
    before = book.shortages.get(intent.id)
    if before is None or before.qty != short.qty:
        book.shortages[intent.id] = short
        return intent
    if not complete or not before.believed(book.at):
        return intent
    if intent.request.side is Side.SELL:
        ticker = intent.request.ticker
        if intent.id not in book.told_short:
            book.told_short.add(intent.id)
            book.emit(
                EventKind.TROUBLE,
                ticker=ticker,
                subject=ticker,
                where="reconcile",
                what="sale_taken_back",
                qty=short.qty,
            )
        return intent
    give_up_entry(book, intent)
    return take_back(book, intent, row)


def _confirmed(book: Book, intent: Intent, event: IntentEvent, *, complete: bool) -> bool:
    """A buy that seems over without being filled is over when a second complete reading says so; a sale hurries."""
    if intent.request.side is Side.SELL or event not in {IntentEvent.CANCEL, IntentEvent.EXPIRE} or not intent.live:
        return True
    if not complete:
        return False
    if intent.final_seen_at is None:
        book.put_intent(msgspec.structs.replace(intent, final_seen_at=book.at))
        return False
    return book.at - intent.final_seen_at >= CONFIRM


def _would_be_second(book: Book, intent: Intent, event: IntentEvent) -> bool:
    """An order found late comes to life only where no other one lives on the same side of the ticker."""
    revived = not intent.live and next_state(intent.state, event) in LIVE_STATES
    return revived and bool(book.live_intents(intent.request.ticker, intent.request.side))


def _link(book: Book, intent: Intent, row: BrokerOrder, linked: set[BrokerRef], *, complete: bool) -> None:
    linked.add(row.ref)
    known = msgspec.structs.replace(intent, ref=row.ref)
    book.put_intent(known)
    _apply_row(book, known, row, complete=complete)


def _resolve(
    book: Book, intent: Intent, rows: tuple[BrokerOrder, ...], linked: set[BrokerRef], *, complete: bool
) -> None:
    """One match links, several need a human, none counts as a miss when the list is complete and time has passed."""
    if intent.state in {IntentState.SENDING, IntentState.HUMAN}:
        return
    found = reconcile.find(intent, rows, linked)
    is_buy = intent.request.side is Side.BUY
    if len(found) == 1 or (found and not is_buy):
        # a sale is fenced by the shares that are left: the first candidate will do
        _link(book, intent, found[0], linked, complete=complete)
    elif intent.state is not IntentState.UNKNOWN:
        return
    elif found:
        move(book, intent, IntentEvent.FIND_MANY, "several orders match")
        ticker = intent.request.ticker
        book.emit(EventKind.TROUBLE, ticker=ticker, subject=ticker, where="reconcile", what="several_orders_match")
        safety.block(book, RefusalReason.BROKER_SICK, detail="several_orders_match")
        give_up_entry(book, intent)
    elif complete:
        _missed(book, intent)


def _missed(book: Book, intent: Intent) -> None:
    """A complete list does not show it."""
    is_buy, rule = intent.request.side is Side.BUY, book.resolution
    gap = rule.miss_gap if is_buy else rule.sell_gap
    last = book.last_miss_at.get(intent.id, intent.sent_at or intent.updated_at)
    if book.at - last < gap:
        return
    book.last_miss_at[intent.id] = book.at
    intent = msgspec.structs.replace(intent, misses=intent.misses + 1)
    book.put_intent(intent)
    if intent.misses < (rule.buy_misses if is_buy else rule.sell_misses):
        return
    if not (_holdings_agree(book, intent) if is_buy else _fenced(book, intent)):
        return
    ended = move(book, intent, IntentEvent.FIND_NONE, "not in the order list")
    if is_buy:
        give_up_entry(book, ended)
    else:
        exits.on_sale_ended(book, ended)


def _fenced(book: Book, intent: Intent) -> bool:
    """Whether an unknown sale may be repeated: the broker sells no more than there is, but that may be the owner's own."""
    age = book.at - (intent.sent_at or intent.created_at)
    return book.own_qty(intent.request.ticker) == 0 or age >= book.resolution.quarantine


def _holdings_agree(book: Book, intent: Intent) -> bool:
    """The second witness: holdings read after the quarantine show no shares that this buy may have brought."""
    over_at = (intent.sent_at or intent.created_at) + book.resolution.quarantine
    if book.at < over_at or book.shares_asked_at is None or book.shares_asked_at < over_at:
        return False
    ticker = intent.request.ticker
    return book.shares.get(ticker, 0) <= book.expected_shares(ticker)


def _expire_yesterdays(book: Book) -> None:
    """Orders are good for one US day: one that a complete list does not have any more ended with its day."""
    today = us_date(book.at).strftime("%Y%m%d")
    for intent in book.live_intents():
        if intent.ref is not None and intent.ref.ord_dt < today and intent.ref not in book.rows:
            ended = move(book, intent, IntentEvent.EXPIRE, "its day is over")
            if ended.request.side is Side.SELL:
                exits.on_sale_ended(book, ended)


def own_order(book: Book, command: OwnOrder) -> Reply:
    """A person says whether one of several matching orders is ours."""
    waiting = [i for i in book.live_intents(command.ticker) if i.state is IntentState.HUMAN]
    if not waiting:
        return Reply(ok=False, key=ReplyKey.NOTHING_TO_DO, values={"ticker": command.ticker})
    intent = waiting[0]
    linked = {i.ref for i in book.intents.values() if i.ref is not None}
    found = reconcile.find(intent, book.rows.values(), linked)
    if command.placed and found:
        _link(book, intent, found[0], linked, complete=True)
    else:
        move(book, intent, IntentEvent.FIND_NONE, DISOWNED)
    return Reply(ok=True, key=ReplyKey.DONE, values={"ticker": command.ticker})
