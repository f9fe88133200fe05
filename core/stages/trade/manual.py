"""Orders of the account that are not ours: the owner trades in the KIS app, and the bot never fights it."""

import datetime as dt
from decimal import Decimal

import msgspec

from core.model.commands import AdoptManual, Reply, ReplyKey
from core.model.instrument import Exchange
from core.model.journal import AddFill
from core.model.messages import EventKind, Value
from core.model.money import PRICE_STEP, ZERO
from core.model.order import BrokerOrder, ManualOrder, Purpose, Side
from core.model.position import Position
from core.rules.costs import fee_usd
from core.stages.trade.book import Book
from core.stages.trade.fills import grow, shrink
from core.stages.trade.outcome import ReadHoldings

# set with the first complete order list of this installation: what was there before is history, not news
BEGAN = "manual_from"
# A sale by hand of ours is believed from holdings that were asked for at least this long after its row.
SECOND_LOOK = dt.timedelta(seconds=2)


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
        ours_qty=known.ours_qty if known else 0,
    )
    book.put_manual(order)
    book.touched[row.ticker] = book.at
    if history:
        return
    qty, dollars = row.filled_qty - before, row.filled_usd - (known.filled_usd if known else ZERO)
    own = book.counted(row.ticker)
    if row.side is Side.BUY:
        own = own.explained(qty, row.ordered_at, book.at)
        # an adopted order goes on being ours
        after = own if order.adopted else own.changed(qty, book.at)
        book.put_own(row.ticker, after)
        if own.qty < 0 <= after.qty and (sale := newest_sale(book, row.ticker)) is not None:
            # the purchase that the sale had waited for
            tell_sold(book, sale, sale.filled_qty, sale.filled_usd / sale.filled_qty, ours=0)
        _bought(book, order, qty, dollars)
    else:
        book.put_own(row.ticker, own.changed(-qty, book.at))
        _sold(book, order, qty, dollars)
    # the holdings are the second witness
    book.act(ReadHoldings())


def _bought(book: Book, order: ManualOrder, qty: int, dollars: Decimal) -> None:
    """The shares are the owner's own until the owner says otherwise."""
    if order.adopted:
        write_fill(book, order, qty, dollars, cum_qty=order.filled_qty)
        grow(book, order.ticker, order.exchange, qty, dollars, plan_id="", first=False)
        return
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
        price=(dollars / qty).quantize(PRICE_STEP),
        held=held.qty if held else 0,
        own=book.own_qty(order.ticker),
    )


def _sold(book: Book, order: ManualOrder, qty: int, dollars: Decimal) -> None:
    """The owner's own shares go first. What is beyond them waits for the holdings: a purchase may only be listed late."""
    if book.counted(order.ticker).qty >= 0 or order.ticker not in book.positions:
        tell_sold(book, order, qty, dollars / qty, ours=0)


def settle_sold(book: Book, position: Position, asked_at: dt.datetime) -> None:
    """Sold by hand beyond the owner's own, and the holdings agree: some of ours are gone, the position shrinks with its stop."""
    own = book.counted(position.ticker)
    if own.short_since is None:
        return
    if asked_at - own.short_since < SECOND_LOOK:
        book.act(ReadHoldings())
        return
    newest = newest_sale(book, position.ticker)
    gone = min(position.qty, -own.qty)
    price = newest.filled_usd / newest.filled_qty if newest is not None else position.last_price
    book.put_own(position.ticker, own.changed(gone, book.at))
    if newest is not None:
        newest = msgspec.structs.replace(newest, ours_qty=newest.ours_qty + gone)
        book.put_manual(newest)
        write_fill(book, newest, gone, price * gone, cum_qty=newest.ours_qty)
    shrink(book, position.ticker, gone, price * gone, purpose=Purpose.MANUAL, late=True)
    if newest is not None:
        tell_sold(book, newest, newest.filled_qty, price, ours=gone)


def newest_sale(book: Book, ticker: str) -> ManualOrder | None:
    """The last sale by hand that was seen."""
    sales = [o for o in book.manual.values() if o.ticker == ticker and o.side is Side.SELL]
    return max(sales, key=lambda o: o.seen_at, default=None)


def tell_sold(book: Book, order: ManualOrder, qty: int, price: Decimal, *, ours: int) -> None:
    """The card of a sale by hand."""
    held = book.positions.get(order.ticker)
    book.emit(
        EventKind.MANUAL_SOLD,
        ticker=order.ticker,
        subject=order.key,
        name=held.name if held else "",
        name_ko=held.name_ko if held else "",
        qty=qty,
        ours=ours,
        price=price.quantize(PRICE_STEP),
        left=held.qty if held else 0,
    )


def write_fill(book: Book, order: ManualOrder, qty: int, dollars: Decimal, *, cum_qty: int) -> None:
    """Keep the record of what changed a position by hand; `cum_qty` tells the fills of one order apart."""
    book.change(
        AddFill(
            intent_id=f"manual:{order.key}",
            ref=order.ref,
            ticker=order.ticker,
            side=order.side,
            purpose=Purpose.MANUAL,
            cum_qty=cum_qty,
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
    qty = min(order.filled_qty, book.own_qty(order.ticker))
    if qty <= 0:
        return Reply(ok=False, key=ReplyKey.NOT_HELD, values=values)
    if order.ticker in book.exits:
        return Reply(ok=False, key=ReplyKey.REFUSED, values=values | {"reason": "selling"})
    dollars = order.filled_usd * qty / order.filled_qty
    book.put_manual(msgspec.structs.replace(order, adopted=True))
    book.put_own(order.ticker, book.counted(order.ticker).changed(-qty, book.at))
    write_fill(book, order, qty, dollars, cum_qty=order.filled_qty)
    position = grow(book, order.ticker, order.exchange, qty, dollars, plan_id="")
    values |= {"qty": qty, "stop_price": str(position.stop_price), "target_price": str(position.target_price)}
    return Reply(ok=True, key=ReplyKey.DONE, values=values)
