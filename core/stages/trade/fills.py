"""Booking fills: shares into positions, money into the ledger, finished round trips into the record."""

import datetime as dt
from decimal import Decimal

import msgspec

from core.model.instrument import Exchange
from core.model.journal import AddFill, AddLedger, AddTrip, LedgerKind
from core.model.messages import EventKind, message_id
from core.model.money import PRICE_STEP, ZERO, krw
from core.model.order import BrokerOrder, BrokerRef, Intent, Purpose, Side
from core.model.position import Position, RoundTrip
from core.rules.costs import fee_usd, realized
from core.rules.pricing import stop_and_target
from core.rules.results import add_sale
from core.stages.trade import safety
from core.stages.trade.book import PROTECTIVE, Book
from core.stages.trade.gaps import PAUSE


def book_fill(book: Book, intent: Intent, ref: BrokerRef, qty: int, dollars: Decimal) -> Intent:
    """Add newly filled shares to the intent, the ledger, the position and the day, all in one transaction."""
    request = intent.request
    rate = book.krw_per_usd
    fee = fee_usd(dollars, request.side, book.params.commission_pct)
    cumulative = intent.filled_qty + qty
    book.change(
        AddFill(
            intent_id=intent.id,
            ref=ref,
            ticker=request.ticker,
            side=request.side,
            purpose=intent.purpose,
            # shares that were taken back count too: no fill is written under the number of an earlier one
            cum_qty=cumulative + intent.taken_back,
            qty=qty,
            usd=dollars,
            fee_usd=fee,
            krw_per_usd=rate,
            at=book.at,
        )
    )
    if request.side is Side.BUY:
        intent = _post(book, intent, dollars + fee)
        _bought(book, intent, qty, dollars, fee)
    else:
        shrink(book, request.ticker, qty, dollars, purpose=intent.purpose, late=_told_late(book, intent))
    intent = msgspec.structs.replace(
        intent, filled_qty=cumulative, filled_usd=intent.filled_usd + dollars, updated_at=book.at
    )
    book.put_intent(intent)
    book.touched[request.ticker] = book.filled_at[request.ticker] = book.at
    return intent


def _told_late(book: Book, intent: Intent) -> bool:
    """Whether a fill may be so old that its price says nothing about now."""
    return book.at - (intent.sent_at or book.at) >= PAUSE


def _post(book: Book, intent: Intent, spent: Decimal) -> Intent:
    """Turn reservation into spending; what was given back too early is reserved again first, so that the books balance."""
    missing = spent - intent.reserved_usd
    if missing > 0:
        book.change(AddLedger(intent.id, LedgerKind.RESERVE, missing, book.at))
    book.change(AddLedger(intent.id, LedgerKind.POST, spent, book.at))
    return msgspec.structs.replace(intent, reserved_usd=max(ZERO, -missing))


def correct(book: Book, intent: Intent, row: BrokerOrder) -> Intent:
    """The order list tells at last what shares cost that were booked at their limit because the holdings showed them."""
    if not intent.filled_qty or row.filled_qty < intent.filled_qty or row.filled_usd <= 0:
        return intent
    true_usd = (row.filled_usd * intent.filled_qty / row.filled_qty).quantize(PRICE_STEP)
    change = true_usd - intent.filled_usd
    held = book.positions.get(intent.request.ticker)
    if held is not None and held.cost_usd + change > 0:
        rate, params = book.krw_per_usd, book.params
        cost = held.cost_usd + change
        stop, target = stop_and_target(cost / held.qty, params.stop_loss_pct, params.take_profit_pct)
        book.put_position(
            msgspec.structs.replace(
                held,
                cost_usd=cost,
                cost_krw=held.cost_krw + change * rate,
                bought_usd=held.bought_usd + change,
                stop_price=stop,
                target_price=target,
            )
        )
    intent = msgspec.structs.replace(intent, filled_usd=true_usd, estimated=False)
    book.put_intent(intent)
    return intent


def take_back(book: Book, intent: Intent, row: BrokerOrder) -> Intent:
    """The list shows fewer shares than were booked: the exchange has taken fills of a purchase back.

    The position shrinks at what those shares had cost. The money stays spent as far as budgets and limits go: what was
    taken back once is no invitation to buy again.
    """
    gone, dollars = intent.filled_qty - row.filled_qty, intent.filled_usd - row.filled_usd
    ticker = intent.request.ticker
    intent = msgspec.structs.replace(
        intent,
        filled_qty=row.filled_qty,
        filled_usd=row.filled_usd,
        taken_back=intent.taken_back + gone,
        updated_at=book.at,
    )
    book.put_intent(intent)
    book.shortages.pop(intent.id, None)
    own, left = book.counted(ticker).taken_back(gone, intent.sent_at)
    book.put_own(ticker, own)
    held = book.positions.get(ticker)
    if held is not None and left:
        ours = min(held.qty, left)
        usd = dollars * ours / gone if dollars > 0 else held.avg_price * ours
        # what they had cost is no price of now
        shrink(book, ticker, ours, usd, purpose=Purpose.MANUAL, late=True)
    book.touched[ticker] = book.at
    book.emit(EventKind.TROUBLE, ticker=ticker, subject=ticker, where="reconcile", what="fill_taken_back", qty=gone)
    return intent


def _bought(book: Book, intent: Intent, qty: int, dollars: Decimal, fee: Decimal) -> None:
    request = intent.request
    # shares that came from nowhere were these, where the order is older than the reading that showed them
    book.put_own(request.ticker, book.counted(request.ticker).explained(qty, intent.sent_at, book.at))
    first = intent.filled_qty == 0
    position = grow(
        book,
        request.ticker,
        request.exchange,
        qty,
        dollars,
        plan_id=intent.plan_id,
        first=first,
        priced_at=intent.sent_at if _told_late(book, intent) else None,
    )
    spent_krw = krw((dollars + fee) * book.krw_per_usd)
    book.put_day(msgspec.structs.replace(book.day, bought_krw=book.day.bought_krw + spent_krw))
    book.emit(
        EventKind.TRANCHE_FILLED,
        ticker=request.ticker,
        subject=intent.plan_id,
        name=position.name,
        name_ko=position.name_ko,
        tranche=intent.tranche,
        of=position.target_count,
        qty=qty,
        price=(dollars / qty).quantize(PRICE_STEP),
        total_qty=position.qty,
        avg_price=position.avg_price,
        invested_krw=krw(position.cost_krw),
        stop_price=position.stop_price,
        target_price=position.target_price,
    )


def grow(
    book: Book,
    ticker: str,
    exchange: Exchange,
    qty: int,
    dollars: Decimal,
    *,
    plan_id: str,
    first: bool = True,
    priced_at: dt.datetime | None = None,
) -> Position:
    """Add shares to a position, or open it; the stop follows the average.

    `first`: the first fill of its order. `priced_at`: since when nobody has known the price, for a fill that is told late.
    """
    params, rate = book.params, book.krw_per_usd
    plan = book.plans.get(plan_id)
    held = book.positions.get(ticker)
    cost = (held.cost_usd if held else ZERO) + dollars
    total = (held.qty if held else 0) + qty
    stop, target = stop_and_target(cost / total, params.stop_loss_pct, params.take_profit_pct)
    position = Position(
        ticker=ticker,
        exchange=exchange,
        name=plan.name if plan else held.name if held else "",
        name_ko=plan.name_ko if plan else held.name_ko if held else "",
        qty=total,
        cost_usd=cost,
        fees_usd=(held.fees_usd if held else ZERO) + fee_usd(dollars, Side.BUY, params.commission_pct),
        cost_krw=(held.cost_krw if held else ZERO) + dollars * rate,
        bought_qty=(held.bought_qty if held else 0) + qty,
        bought_usd=(held.bought_usd if held else ZERO) + dollars,
        buy_count=(held.buy_count if held else 0) + (1 if first else 0),
        target_count=plan.tranches if plan else held.target_count if held else 1,
        stop_price=stop,
        target_price=target,
        opened_at=held.opened_at if held else book.at,
        plan_id=plan_id or (held.plan_id if held else ""),
        last_price=held.last_price if held and priced_at else dollars / qty,
        priced_at=(held.priced_at if held else priced_at) if priced_at else book.at,
        sold_qty=held.sold_qty if held else 0,
        sold_usd=held.sold_usd if held else ZERO,
        realized_usd=held.realized_usd if held else ZERO,
        realized_krw=held.realized_krw if held else ZERO,
        own_qty=book.own_qty(ticker),
        frozen=held.frozen if held else "",
        parts=held.parts if held else None,
        counted_at=held.counted_at if held else None,
    )
    book.put_position(position)
    return position


def shrink(book: Book, ticker: str, qty: int, dollars: Decimal, *, purpose: Purpose, late: bool = False) -> None:
    """Take sold shares out of a position and book the result; the last share ends the round trip.

    `late`: the fill is told long after it was ordered, so that its price is not the last one.
    """
    rate = book.krw_per_usd
    held = book.positions.get(ticker)
    if held is None or held.qty == 0:
        book.emit(EventKind.TROUBLE, ticker=ticker, where="trader", what="sold_more_than_held", qty=qty)
        return
    part = min(qty, held.qty)
    if surplus := qty - part:
        # what was sold beyond ours was the owner's own
        dollars = dollars * part / qty
        book.put_own(ticker, book.counted(ticker).changed(-surplus, book.at))
        held = book.positions[ticker]
        book.emit(EventKind.TROUBLE, ticker=ticker, where="trader", what="sold_more_than_held", qty=surplus)
    share = Decimal(part) / held.qty
    cost_usd, cost_krw = held.cost_usd * share, held.cost_krw * share
    fees = held.fees_usd * share + fee_usd(dollars, Side.SELL, book.params.commission_pct)
    pnl_usd, pnl_krw, _ = realized(
        qty=part,
        sold_usd=dollars,
        cost_usd=cost_usd,
        fees_usd=fees,
        cost_krw=cost_krw,
        krw_per_usd=rate,
    )
    left = msgspec.structs.replace(
        held,
        qty=held.qty - part,
        cost_usd=held.cost_usd - cost_usd,
        cost_krw=held.cost_krw - cost_krw,
        fees_usd=held.fees_usd - held.fees_usd * share,
        sold_qty=held.sold_qty + part,
        sold_usd=held.sold_usd + dollars,
        realized_usd=held.realized_usd + pnl_usd,
        realized_krw=held.realized_krw + pnl_krw,
        parts=add_sale(held, sold_usd=dollars, cost_usd=cost_usd, cost_krw=cost_krw, fees_usd=fees, krw_per_usd=rate),
        last_price=held.last_price if late else dollars / part,
        priced_at=held.priced_at if late else book.at,
    )
    closed = left.qty == 0
    stopped = closed and purpose in {Purpose.STOP, Purpose.GUARD}
    day = msgspec.structs.replace(
        book.day,
        realized_krw=book.day.realized_krw + pnl_krw,
        trips=book.day.trips + (1 if closed else 0),
        stops=book.day.stops + (1 if stopped else 0),
    )
    book.put_day(day)
    run = book.exits.get(ticker)
    if run is not None:
        book.put_exit(msgspec.structs.replace(run, sold_qty=run.sold_qty + part))
    if closed:
        _close(book, left, purpose)
        safety.count_stop(book)
    else:
        book.put_position(left)


def _close(book: Book, position: Position, purpose: Purpose) -> None:
    """The last share is sold: tell the round trip, drop the position, cool down after a stop."""
    run = book.exits.get(position.ticker)
    average = position.bought_usd / position.bought_qty
    sell_price = position.sold_usd / position.sold_qty
    pnl_pct = (sell_price / average - 1) * 100
    trip = RoundTrip(
        ticker=position.ticker,
        name=position.name,
        name_ko=position.name_ko,
        buy_qty=position.bought_qty,
        sell_qty=position.sold_qty,
        avg_price=average.quantize(PRICE_STEP),
        sell_price=sell_price.quantize(PRICE_STEP),
        pnl_usd=position.realized_usd,
        pnl_krw=position.realized_krw,
        pnl_pct=pnl_pct.quantize(Decimal("0.01")),
        tranches=position.buy_count,
        reason=purpose.value,
        opened_at=position.opened_at,
        closed_at=book.at,
        parts=position.parts,
    )
    book.change(AddTrip(message_id("trip", position.ticker, position.opened_at.isoformat()), trip))
    book.emit(
        EventKind.SOLD,
        ticker=position.ticker,
        subject=position.ticker,
        plan_id=position.plan_id,
        name=position.name,
        name_ko=position.name_ko,
        qty=position.sold_qty,
        sell_price=trip.sell_price,
        avg_price=trip.avg_price,
        pnl_pct=trip.pnl_pct,
        pnl_krw=trip.pnl_krw,
        pnl_usd=trip.pnl_usd,
        reason=purpose.value,
        conditions=",".join(c.value for c in run.conditions) if run else "",
        urgent=purpose in PROTECTIVE,
        opened_at=position.opened_at.isoformat(),
    )
    book.drop_position(position.ticker)
    book.drop_exit(position.ticker)
    if purpose is Purpose.PANIC:
        left = sum(1 for e in book.exits.values() if e.purpose is Purpose.PANIC)
        book.emit(EventKind.LIQUIDATION, ticker=position.ticker, left=left, pnl_krw=trip.pnl_krw)
    if purpose in PROTECTIVE and book.params.stop_cooldown_min:
        until = book.at + dt.timedelta(minutes=book.params.stop_cooldown_min)
        book.lock(position.ticker, "cooldown", until)
