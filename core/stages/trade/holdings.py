"""Shares: what the account holds against what we and the owner should hold, and what a difference leads to."""

import datetime as dt
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
from core.rules.shares import Difference, Own, Suspicion
from core.stages.trade import exits, manual
from core.stages.trade.book import Book
from core.stages.trade.fills import book_fill, shrink
from core.stages.trade.gaps import KNOWN, MISSING, PAUSE, SPLIT, pending_split, price_before
from core.stages.trade.inputs import HoldingsRead, SplitsTold
from core.stages.trade.orders import SESSION, move

# set with the first reading of the holdings of this installation: what was there before is the owner's
BEGAN = "shares_from"


def on_holdings_read(book: Book, message: HoldingsRead) -> None:
    """Compare every ticker that is held, was held, or may have arrived unseen."""
    found = {h.ticker: h.qty for h in message.holdings}
    if book.shares_asked_at is None or message.asked_at - book.shares_asked_at >= PAUSE:
        book.rested_at = message.asked_at
    if BEGAN not in book.state:
        _begin(book, found)
    for ticker in sorted({*found, *book.own, *book.positions, *(i.request.ticker for i in _lost(book))}):
        touched = book.touched.get(ticker)
        if touched is None or message.asked_at >= touched:
            _compare(book, ticker, found.get(ticker, 0), message.asked_at)
    for ticker in book.positions:
        book.saw_fewer(ticker, max(0, found.get(ticker, 0) - book.own_qty(ticker)), message.asked_at)
    book.shares, book.shares_asked_at = found, message.asked_at
    book.holdings_reconciled = True


def on_splits_told(book: Book, message: SplitsTold) -> None:
    """Hold back what a split of these makes meaningless, until the account shows the new shares or a person settles it."""
    told = {s.ticker: s for s in message.splits if s.ticker in book.positions and shares.moves_price(s.ratio)}
    # the message is complete for its date: what it no longer has was a mistake
    book.splits = {ticker: split for ticker, split in book.splits.items() if split.on != message.on} | told
    book.splits = {
        t: s for t, s in book.splits.items() if t in book.positions and pending_split(book, book.positions[t])
    }
    kept = msgspec.json.encode(book.splits, order="deterministic").decode()
    if book.state.get("splits", "{}") != kept:
        book.put_state("splits", kept)
    for ticker, split in book.splits.items():
        expected = book.expected_shares(ticker)
        held = book.shares.get(ticker, expected)
        freeze(book, book.positions[ticker], SPLIT, held=held, expected=int(expected * split.ratio), told=KNOWN)


def _begin(book: Book, found: dict[str, int]) -> None:
    """The first reading ever: what is not ours is the owner's own. From here on the orders tell."""
    book.put_state(BEGAN, book.at.isoformat())
    for ticker, held in found.items():
        position = book.positions.get(ticker)
        ours = position.qty if position is not None else 0
        book.put_own(ticker, Own(qty=max(0, held - ours)))


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


def _compare(book: Book, ticker: str, held: int, asked_at: dt.datetime) -> None:
    position, lost = book.positions.get(ticker), _lost(book, ticker)
    expected = book.expected_shares(ticker)
    known = position is not None and _before_split(book, position, held) not in {None, held}
    if held == expected and not known:
        _even(book, ticker, position, asked_at)
        return
    before = book.suspicions.get(ticker)
    same = before is not None and before.held == held
    suspicion = before.again() if before is not None and same else Suspicion(held=held, since=book.at)
    book.suspicions[ticker] = suspicion
    surplus = held - expected
    # where the owner trades the same ticker by hand, shares alone don't tell whose they are
    by_hand = any(o.ticker == ticker and book.at - o.seen_at <= SESSION for o in book.manual.values())
    # nor does a number that a split, in a long pause since the order, would make of the shares that were there
    by_split = shares.split_by_count(expected, held)
    explaining = [
        i for i in lost if i.remaining >= surplus > 0 and not by_hand and not (by_split and _rested_since(book, i))
    ]
    live = [i for i in book.live_intents(ticker) if i.state is not IntentState.PREPARED and i not in lost]
    if explaining and not known:
        _witness(book, explaining, surplus, suspicion)
    else:
        _conclude(book, ticker, expected, suspicion, [*lost, *live], settled=not live)


def _rested_since(book: Book, intent: Intent) -> bool:
    """Whether the holdings could not be read for long since an order was sent: over such a pause stocks are split."""
    return book.rested_at is not None and book.rested_at > (intent.sent_at or intent.created_at)


def _even(book: Book, ticker: str, position: Position | None, asked_at: dt.datetime) -> None:
    """The account holds what the orders say: whoever waited for a second witness has it."""
    book.suspicions.pop(ticker, None)
    if position is None:
        return
    manual.settle_sold(book, position, asked_at)
    position = book.positions.get(ticker)
    if position is not None and position.frozen and pending_split(book, position) is None:
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


def _conclude(
    book: Book, ticker: str, expected: int, suspicion: Suspicion, moving: list[Intent], *, settled: bool
) -> None:
    """Nothing of ours explains it: a split, vanished shares, or shares that came from elsewhere.

    `moving` are orders that may have changed the count; not `settled` while one of them lives: then only a split shows.
    """
    position = book.positions.get(ticker)
    touched = book.touched.get(ticker)
    believed = settled and shares.believed(suspicion, book.at, touched)
    if position is None:
        if believed:
            book.put_own(ticker, book.counted(ticker).shown(suspicion.held, suspicion.since, book.at))
            book.suspicions.pop(ticker, None)
        return
    jump = book.jumps.get(ticker)
    rested = jump is not None and jump.rested
    before = price_before(book, position)
    kind = shares.classify(expected, suspicion.held, before, position.last_price, rested=rested)
    # shares and price changed together: two witnesses, unless an order may be among the shares
    quiet = shares.quiet(book.at, _moved_at(book, ticker, rested=rested))
    buys = [i for i in moving if i.request.side is Side.BUY]
    bought = any(i.remaining >= suspicion.held - expected for i in buys)
    at_once = jump is not None and quiet and not bought
    if pending_split(book, position) is not None:
        _by_known(book, position, suspicion.held, believed=believed, at_once=quiet and not bought)
        return
    if kind is Difference.SPLIT and (believed or at_once):
        run = book.exits.get(ticker)
        if run is not None and run.purpose in exits.BY_PERSON:
            _split(book, position, expected, suspicion.held)
            return
        freeze(book, position, SPLIT, held=suspicion.held, expected=expected)
    elif not believed:
        return
    elif kind is Difference.MISSING:
        freeze(book, position, MISSING, held=suspicion.held, expected=expected)
    else:
        extra = suspicion.held - expected
        own = book.counted(ticker)
        book.put_own(ticker, own.shown(own.qty + extra, suspicion.since, book.at))
        book.suspicions.pop(ticker, None)
        book.emit(EventKind.TROUBLE, ticker=ticker, where="reconcile", what="shares_appeared", qty=extra)


def _by_known(book: Book, position: Position, held: int, *, believed: bool, at_once: bool) -> None:
    """The account shows the new shares of a known split: they and the stop are counted anew, and everything goes on."""
    before = _before_split(book, position, held)
    run = book.exits.get(position.ticker)
    selling = run is not None and run.purpose in exits.BY_PERSON
    if before is None or before == held or not (believed or (selling and at_once)):
        return
    _split(book, position, before, held)
    split = book.positions[position.ticker]
    book.suspicions.pop(position.ticker, None)
    book.emit(
        EventKind.UNFROZEN,
        ticker=position.ticker,
        subject=position.ticker,
        name=position.name,
        name_ko=position.name_ko,
        qty=split.qty,
        stop_price=split.stop_price,
    )


def _before_split(book: Book, position: Position, held: int) -> int | None:
    """The count of shares that a known split has made `held` of, or may have; new shares may have come before its date."""
    split = pending_split(book, position)
    if split is None:
        return None
    expected = book.expected_shares(position.ticker)
    counts = (expected, expected - book.counted(position.ticker).unexplained)
    return next((n for n in counts if n > 0 and shares.split_into(n, held, split.ratio)), None)


def _moved_at(book: Book, ticker: str, *, rested: bool) -> dt.datetime | None:
    """When an order of ours may have moved shares last: after a long pause what counts is when it was sent, not when its fill was booked."""
    if not rested:
        return book.filled_at.get(ticker)
    return max((i.sent_at for i in book.intents.values() if i.request.ticker == ticker and i.sent_at), default=None)


def freeze(book: Book, position: Position, reason: str, *, held: int, expected: int, told: str = "") -> None:
    """A person must look: no entries, and after a split no automatic sale, because the stop price means nothing.

    `told` is the reason as people hear it, where there is more to say.
    """
    if position.frozen == reason:
        return
    book.put_position(msgspec.structs.replace(position, frozen=reason))
    book.emit(
        EventKind.FROZEN,
        ticker=position.ticker,
        subject=position.ticker,
        name=position.name,
        name_ko=position.name_ko,
        reason=told or reason,
        held=held,
        expected=expected,
        qty=position.qty,
    )


def counted_anew(book: Book, position: Position) -> Position:
    """The position in new shares, where it waits for a person because of a split and this person sells it."""
    held, expected = book.shares.get(position.ticker, 0), book.expected_shares(position.ticker)
    before = _before_split(book, position, held)
    if before is None and position.frozen == SPLIT and shares.split_by_count(expected, held):
        before = expected
    if before is not None:
        _split(book, position, before, held)
    return book.positions[position.ticker]


def settle(book: Book, command: Settle) -> Reply:
    """The owner has looked at a frozen ticker: the broker's number is taken."""
    position = book.positions.get(command.ticker)
    if position is None or not position.frozen:
        return Reply(ok=False, key=ReplyKey.NOTHING_TO_DO, values={"ticker": command.ticker})
    held = book.shares.get(command.ticker, 0)
    if counted_anew(book, position) is position:
        # the owner's own shares stay the owner's
        ours = min(position.qty, max(0, held - position.own_qty))
        counted_at = book.at if position.frozen == SPLIT else position.counted_at
        book.put_position(msgspec.structs.replace(position, frozen="", counted_at=counted_at))
        gone = position.qty - ours
        # beyond what is known to be sold by hand, the list may tell later where they went
        unknown = max(0, gone + min(0, book.counted(command.ticker).qty))
        book.put_own(command.ticker, Own(qty=held - ours, written_off=unknown, written_at=book.at if unknown else None))
        if gone:
            shrink(book, command.ticker, gone, gone * position.last_price, purpose=Purpose.MANUAL, late=True)
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


def _split(book: Book, position: Position, before: int, held: int) -> None:
    """Old shares (`before` in the account) become new ones; money stays, prices are divided."""
    ratio, known = Fraction(held, before), pending_split(book, position)
    # shares don't always divide, prices do
    exact = known.ratio if known is not None else ratio
    by = Decimal(exact.numerator) / exact.denominator
    # a price of before the split must not look like a gain or a fall
    priced_before = known is not None and us_date(position.priced_at) < known.on
    last = (position.last_price / by).quantize(PRICE_STEP) if priced_before else position.last_price
    if (run := book.exits.get(position.ticker)) is not None:
        target, sold = max(1, int(run.target_qty * ratio)), int(run.sold_qty * ratio)
        book.put_exit(msgspec.structs.replace(run, target_qty=target, sold_qty=sold))
    qty = min(held, max(1, int(position.qty * ratio)))
    book.jumps.pop(position.ticker, None)
    # where it was none, the list will tell that fills were taken back
    gone = max(0, position.qty - qty)
    book.put_own(position.ticker, Own(qty=held - qty, written_off=gone, written_at=book.at if gone else None))
    book.put_position(
        msgspec.structs.replace(
            position,
            qty=qty,
            own_qty=held - qty,
            bought_qty=max(1, int(position.bought_qty * ratio)),
            sold_qty=int(position.sold_qty * ratio),
            stop_price=(position.stop_price / by).quantize(PRICE_STEP),
            target_price=(position.target_price / by).quantize(PRICE_STEP),
            last_price=last,
            frozen="",
            counted_at=book.at,
        )
    )
