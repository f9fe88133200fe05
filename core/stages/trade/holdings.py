"""Shares: what the account holds against what we and the owner should hold, and what a difference leads to."""

from decimal import Decimal
from fractions import Fraction

import msgspec

from core.model.commands import Reply, ReplyKey, Settle
from core.model.messages import EventKind, Value
from core.model.money import PRICE_STEP
from core.model.order import BrokerRef, Intent, IntentState, Purpose, Side
from core.model.position import Position
from core.rules import shares
from core.rules.days import us_date
from core.rules.intents import TRANSITIONS, IntentEvent
from core.rules.shares import Difference, Suspicion
from core.stages.trade.book import Book
from core.stages.trade.fills import book_fill, shrink
from core.stages.trade.gaps import MISSING, SPLIT, price_before
from core.stages.trade.inputs import HoldingsRead
from core.stages.trade.orders import SESSION, move


def on_holdings_read(book: Book, message: HoldingsRead) -> None:
    """Compare every ticker that is held, was held, or may have arrived unseen."""
    found = {h.ticker: h.qty for h in message.holdings}
    for ticker in sorted({*found, *book.own, *book.positions, *(i.request.ticker for i in _lost(book))}):
        touched = book.touched.get(ticker)
        if touched is None or message.asked_at >= touched:
            _compare(book, ticker, found.get(ticker, 0))
    book.shares, book.shares_asked_at = found, message.asked_at
    book.holdings_reconciled = True


def _lost(book: Book, ticker: str = "") -> list[Intent]:
    """Buys that the order list does not show, though they may have been filled."""
    unlisted = {IntentState.UNKNOWN, IntentState.NOT_PLACED, IntentState.ACKED, IntentState.CANCEL_REQ}
    return [
        i
        for i in book.intents.values()
        if i.request.side is Side.BUY
        and i.state in unlisted
        and i.remaining > 0
        and i.own_qty is not None
        and book.at - (i.sent_at or i.created_at) <= SESSION
        and (i.ref is None or i.ref not in book.rows)
        and (not ticker or i.request.ticker == ticker)
    ]


def _compare(book: Book, ticker: str, held: int) -> None:
    position, lost = book.positions.get(ticker), _lost(book, ticker)
    live = [i for i in book.live_intents(ticker) if i.state is not IntentState.PREPARED and i not in lost]
    if position is None and not lost:
        filled_at = book.filled_at.get(ticker)
        # the holdings may still show what we have just sold
        if not live and (filled_at is None or book.at - filled_at >= shares.QUIET or ticker not in book.own):
            book.own[ticker] = held
            book.put_pending(ticker)
        book.suspicions.pop(ticker, None)
        return
    if position is None and ticker not in book.own:
        book.own[ticker] = min(i.own_qty or 0 for i in lost)
    _confirm_manual(book, ticker, held)
    expected = book.expected_shares(ticker)
    if held == expected:
        _even(book, ticker, position)
        return
    before = book.suspicions.get(ticker)
    same = before is not None and before.held == held
    suspicion = before.again() if before is not None and same else Suspicion(held=held, since=book.at)
    book.suspicions[ticker] = suspicion
    surplus = held - expected - max(0, book.pending_qty(ticker))
    # where the owner trades the same ticker by hand, shares alone don't tell whose they are
    by_hand = any(o.ticker == ticker and book.at - o.seen_at <= SESSION for o in book.manual.values())
    explaining = [i for i in lost if i.remaining >= surplus > 0 and not by_hand]
    if explaining:
        _witness(book, explaining, surplus, suspicion)
    elif not live and ticker not in book.pending:
        _conclude(book, ticker, expected, suspicion)


def _confirm_manual(book: Book, ticker: str, held: int) -> None:
    """A manual order in the list, and the shares that the account holds, are two witnesses of one event: count it once.

    Either may come first. Shares that the holdings do not show more of for long had been counted before the list told.
    """
    pending = book.pending.get(ticker, ())
    apart = held - book.expected_shares(ticker)
    if not pending or (apart == 0 and book.at - pending[-1].since < shares.COUNTED):
        return
    found = shares.uncounted(pending, apart, book.at)
    if found is not None:
        book.set_own(ticker, max(0, book.own_qty(ticker) + found))
        book.put_pending(ticker)


def _even(book: Book, ticker: str, position: Position | None) -> None:
    book.suspicions.pop(ticker, None)
    if position is not None and position.frozen == MISSING:
        book.put_position(msgspec.structs.replace(position, frozen=""))
        book.emit(EventKind.UNFROZEN, ticker=ticker, subject=ticker, name=position.name, name_ko=position.name_ko)


def _witness(book: Book, fitting: list[Intent], surplus: int, suspicion: Suspicion) -> None:
    """The holdings show shares that only an unlisted buy of ours explains: they are booked and guarded."""
    long_enough = book.at - suspicion.since >= shares.PERSISTS
    if len(fitting) != 1 or suspicion.readings < shares.WITNESS_READINGS or not long_enough:
        return
    intent = fitting[0]
    ref = intent.ref or BrokerRef(us_date(book.at).strftime("%Y%m%d"), "", f"?{intent.id[:12]}")
    intent = book_fill(book, intent, ref, surplus, surplus * intent.request.limit)
    intent = msgspec.structs.replace(intent, estimated=True)
    book.put_intent(intent)
    if intent.remaining == 0 and IntentEvent.FILL_ALL in TRANSITIONS[intent.state]:
        move(book, intent, IntentEvent.FILL_ALL, "seen in the holdings")


def _conclude(book: Book, ticker: str, expected: int, suspicion: Suspicion) -> None:
    """Nothing of ours explains it: a split, vanished shares, or shares that came from elsewhere."""
    position = book.positions.get(ticker)
    believed = shares.believed(suspicion, book.at, book.touched.get(ticker))
    if position is None:
        if believed:
            # beside a lost buy the count of the owner's own shares was wrong
            book.own[ticker] = suspicion.held
            book.suspicions.pop(ticker, None)
        return
    jump = book.jumps.get(ticker)
    rested = jump is not None and jump.rested
    before = price_before(book, position)
    kind = shares.classify(expected, suspicion.held, before, position.last_price, rested=rested)
    # shares and price changed together: two witnesses, unless an order of ours may be among the shares
    if kind is Difference.SPLIT and (believed or (ticker in book.jumps and not _lost(book, ticker))):
        freeze(book, position, SPLIT, held=suspicion.held, expected=expected)
    elif not believed:
        return
    elif kind is Difference.MISSING:
        freeze(book, position, MISSING, held=suspicion.held, expected=expected)
    else:
        extra = suspicion.held - expected
        book.set_own(ticker, book.own_qty(ticker) + extra)
        book.suspicions.pop(ticker, None)
        book.emit(EventKind.TROUBLE, ticker=ticker, where="reconcile", what="shares_appeared", qty=extra)


def freeze(book: Book, position: Position, reason: str, *, held: int, expected: int) -> None:
    """A person must look: no entries, and after a split no automatic sale, because the stop price means nothing."""
    if position.frozen == reason:
        return
    book.put_position(msgspec.structs.replace(position, frozen=reason))
    book.emit(
        EventKind.FROZEN,
        ticker=position.ticker,
        subject=position.ticker,
        name=position.name,
        name_ko=position.name_ko,
        reason=reason,
        held=held,
        expected=expected,
        qty=position.qty,
    )


def settle(book: Book, command: Settle) -> Reply:
    """The owner has looked at a frozen ticker: the broker's number is taken."""
    position = book.positions.get(command.ticker)
    if position is None or not position.frozen:
        return Reply(ok=False, key=ReplyKey.NOTHING_TO_DO, values={"ticker": command.ticker})
    held = book.shares.get(command.ticker, 0)
    expected = book.expected_shares(command.ticker)
    if position.frozen == SPLIT and shares.split_by_count(expected, held):
        _split(book, position, Fraction(held, expected), held)
    else:
        # the owner's own shares stay the owner's
        ours = min(position.qty, max(0, held - position.own_qty))
        book.put_position(msgspec.structs.replace(position, frozen="", own_qty=held - ours))
        if gone := position.qty - ours:
            shrink(book, command.ticker, gone, gone * position.last_price, purpose=Purpose.MANUAL)
    book.suspicions.pop(command.ticker, None)
    book.touched[command.ticker] = book.at
    book.emit(
        EventKind.UNFROZEN,
        ticker=command.ticker,
        subject=command.ticker,
        name=position.name,
        name_ko=position.name_ko,
        by=command.by,
    )
    left = book.positions.get(command.ticker)
    values: dict[str, Value] = {"ticker": command.ticker, "qty": left.qty if left else 0}
    return Reply(ok=True, key=ReplyKey.DONE, values=values)


def _split(book: Book, position: Position, ratio: Fraction, held: int) -> None:
    """Old shares become new ones; money stays, prices are divided."""
    by = Decimal(ratio.numerator) / ratio.denominator
    qty = min(held, max(1, int(position.qty * ratio)))
    book.jumps.pop(position.ticker, None)
    book.put_position(
        msgspec.structs.replace(
            position,
            qty=qty,
            own_qty=held - qty,
            bought_qty=max(1, int(position.bought_qty * ratio)),
            sold_qty=int(position.sold_qty * ratio),
            stop_price=(position.stop_price / by).quantize(PRICE_STEP),
            target_price=(position.target_price / by).quantize(PRICE_STEP),
            frozen="",
        )
    )
