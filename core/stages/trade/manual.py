"""Orders of the account that are not ours: the owner trades in the KIS app, and the bot never fights it."""

from decimal import Decimal

import msgspec

from core.model.commands import AdoptManual, Reply, ReplyKey
from core.model.instrument import Exchange
from core.model.journal import AddFill
from core.model.messages import EventKind, Value
from core.model.money import ZERO
from core.model.order import BrokerOrder, ManualOrder, Purpose, Side
from core.rules import shares
from core.rules.costs import fee_usd
from core.rules.shares import Pending
from core.stages.trade.book import Book
from core.stages.trade.fills import grow, shrink
from core.stages.trade.outcome import ReadHoldings

# set with the first complete order list of this installation: what was there before is history, not news
BEGAN = "manual_from"


def see(book: Book, row: BrokerOrder) -> None:
    """A row that belongs to no intent: what it has filled since the last look was done by hand."""
    known = book.manual.get(row.ref)
    before = known.filled_qty if known else 0
    if row.filled_qty <= before:
        return
    exchange = row.exchange or (known.exchange if known else Exchange.NASD)
    history = BEGAN not in book.state
    order = ManualOrder(
        ref=row.ref,
        ticker=row.ticker,
        exchange=exchange,
        side=row.side,
        filled_qty=row.filled_qty,
        filled_usd=row.filled_usd,
        seen_at=known.seen_at if known else book.at,
        adopted=known.adopted if known else None,
    )
    book.put_manual(order)
    book.touched[row.ticker] = book.at
    if history:
        return
    qty, dollars = row.filled_qty - before, row.filled_usd - (known.filled_usd if known else ZERO)
    if row.side is Side.BUY:
        _bought(book, order, qty, dollars)
    else:
        _sold(book, order, qty, dollars)


def _bought(book: Book, order: ManualOrder, qty: int, dollars: Decimal) -> None:
    """The shares are the owner's own until the owner says otherwise; an adopted order goes on being ours."""
    if order.adopted:
        write_fill(book, order, qty, dollars)
        own = book.own_qty(order.ticker)
        grow(book, order.ticker, order.exchange, qty, dollars, plan_id="", own_qty=own, first=False)
        expect(book, order, -qty)
        return
    expect(book, order, qty)
    if order.adopted is False:
        # asked and answered
        return
    held = book.positions.get(order.ticker)
    book.emit(
        EventKind.MANUAL_BOUGHT,
        ticker=order.ticker,
        subject=order.key,
        name=held.name if held else "",
        name_ko=held.name_ko if held else "",
        qty=qty,
        price=(dollars / qty).quantize(Decimal("0.0001")),
        held=held.qty if held else 0,
        own=book.own_qty(order.ticker) + max(0, book.pending_qty(order.ticker)),
    )


def expect(book: Book, order: ManualOrder, own: int) -> None:
    """The owner's own shares may have changed by so many; the holdings, read at once, tell whether they count them yet."""
    told = Pending(qty=own, since=book.at, key=order.key)
    book.put_pending(order.ticker, *book.pending.get(order.ticker, ()), told)
    book.act(ReadHoldings())


def use_up(book: Book, ticker: str, qty: int, *, key: str = "") -> None:
    """Take shares out of what the holdings have still to confirm (of one order, where `key` is given), the oldest first."""
    left = []
    for entry in book.pending.get(ticker, ()):
        taken = max(0, min(qty, entry.qty)) if key in {"", entry.key} else 0
        qty -= taken
        if entry.qty != taken:
            left.append(msgspec.structs.replace(entry, qty=entry.qty - taken))
    book.put_pending(ticker, *left)
    book.act(ReadHoldings())


def _sold(book: Book, order: ManualOrder, qty: int, dollars: Decimal) -> None:
    """The owner's own shares go first; what is beyond them was ours, and the position shrinks with its stop."""
    held, price = book.positions.get(order.ticker), dollars / qty
    counted = book.own_qty(order.ticker)
    unconfirmed = max(0, book.pending_qty(order.ticker))
    own, ours = shares.by_hand(counted + unconfirmed, held.qty if held else 0, qty)
    if own:
        book.set_own(order.ticker, counted - min(counted, own))
    if own > counted:
        # bought and sold before the holdings showed it
        use_up(book, order.ticker, own - counted)
    if ours:
        write_fill(book, order, ours, price * ours)
        shrink(book, order.ticker, ours, price * ours, purpose=Purpose.MANUAL)
    left = book.positions.get(order.ticker)
    book.emit(
        EventKind.MANUAL_SOLD,
        ticker=order.ticker,
        subject=order.key,
        name=held.name if held else "",
        name_ko=held.name_ko if held else "",
        qty=qty,
        ours=ours,
        price=price.quantize(Decimal("0.0001")),
        left=left.qty if left else 0,
    )


def write_fill(book: Book, order: ManualOrder, qty: int, dollars: Decimal) -> None:
    """Keep the record of what changed a position by hand."""
    book.change(
        AddFill(
            intent_id=f"manual:{order.key}",
            ref=order.ref,
            ticker=order.ticker,
            side=order.side,
            purpose=Purpose.MANUAL,
            cum_qty=order.filled_qty,
            qty=qty,
            usd=dollars,
            fee_usd=fee_usd(dollars, order.side, book.params.commission_pct),
            krw_per_usd=book.krw_per_usd,
            at=book.at,
        )
    )


def adopt(book: Book, command: AdoptManual) -> Reply:
    """The owner's answer to the card: guard these shares like ours, or leave them alone."""
    order = next((o for o in book.manual.values() if o.key == command.key), None)
    if order is None or order.side is not Side.BUY:
        return Reply(ok=False, key=ReplyKey.UNKNOWN_PLAN)
    values: dict[str, Value] = {"ticker": order.ticker, "qty": order.filled_qty}
    if order.adopted is not None:
        return Reply(ok=False, key=ReplyKey.ALREADY_DECIDED, values=values)
    if not command.adopt:
        book.put_manual(msgspec.structs.replace(order, adopted=False))
        return Reply(ok=True, key=ReplyKey.IGNORED, values=values)
    pending = sum(p.qty for p in book.pending.get(order.ticker, ()) if p.key == order.key)
    qty = min(order.filled_qty, book.own_qty(order.ticker) + pending)
    if qty <= 0:
        return Reply(ok=False, key=ReplyKey.NOT_HELD, values=values)
    if order.ticker in book.exits:
        return Reply(ok=False, key=ReplyKey.REFUSED, values=values | {"reason": "selling"})
    dollars = order.filled_usd * qty / order.filled_qty
    book.put_manual(msgspec.structs.replace(order, adopted=True))
    if pending:
        # the holdings have not counted these shares yet
        use_up(book, order.ticker, min(pending, qty), key=order.key)
    book.set_own(order.ticker, book.own_qty(order.ticker) - max(0, qty - pending))
    write_fill(book, order, qty, dollars)
    position = grow(book, order.ticker, order.exchange, qty, dollars, plan_id="", own_qty=book.own_qty(order.ticker))
    values |= {"qty": qty, "stop_price": str(position.stop_price), "target_price": str(position.target_price)}
    return Reply(ok=True, key=ReplyKey.DONE, values=values)
