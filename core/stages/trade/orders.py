"""What the broker says: acknowledgements, fills, refusals and silence."""

import datetime as dt
from decimal import Decimal

import msgspec

from core.model.journal import AddFill, AddLedger, AddTrip, LedgerKind, SawOrders
from core.model.messages import EventKind, message_id
from core.model.money import ZERO, krw
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
from core.model.position import PlanState, Position, RoundTrip
from core.rules import reconcile
from core.rules.costs import fee_usd, realized
from core.rules.intents import TRANSITIONS, IntentEvent, next_state
from core.rules.pricing import stop_and_target
from core.stages.trade import entries, exits
from core.stages.trade.book import PROTECTIVE, Book
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


def _move(book: Book, intent: Intent, event: IntentEvent, reason: str = "") -> Intent:
    """Apply one transition; a final state gives the rest of the reservation back."""
    state = next_state(intent.state, event)
    moved = msgspec.structs.replace(intent, state=state, updated_at=book.at, reason=reason or intent.reason)
    if state not in LIVE_STATES and moved.reserved_usd:
        book.change(AddLedger(intent.id, LedgerKind.VOID, moved.reserved_usd, book.at))
        moved = msgspec.structs.replace(moved, reserved_usd=ZERO)
    book.put_intent(moved)
    return moved


def on_sending(book: Book, message: OrderSending) -> None:
    """The last commit before the first byte."""
    intent = book.intents[message.intent_id]
    stamped = msgspec.structs.replace(intent, baseline=message.baseline, sent_at=book.at)
    _move(book, stamped, IntentEvent.SEND)
    book.sent_at.append(book.at)
    book.put_day(msgspec.structs.replace(book.day, orders=book.day.orders + 1))


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
    """The broker has it."""
    intent = msgspec.structs.replace(book.intents[message.intent_id], ref=message.ref)
    _move(book, intent, IntentEvent.ACK)


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
    """Nobody knows: never send again, ask. A buy closes its ticker for the session."""
    intent = _move(book, book.intents[message.intent_id], IntentEvent.LOSE, message.reason)
    tell_unknown(book, intent)


def tell_unknown(book: Book, intent: Intent) -> None:
    """Announce an unknown order; for a buy, stop its plan and lock the ticker until the next session."""
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
    if request.side is Side.BUY:
        book.lock(request.ticker, "order_unknown", book.at + dt.timedelta(hours=16))
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
    for intent in [i for i in book.live_intents() if i.state is IntentState.UNKNOWN]:
        _resolve_unknown(book, intent, message.orders, set(by_ref), complete=complete)
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
        intent = _book_fill(book, intent, row.ref, qty, dollars)
    was = intent.state
    if event in TRANSITIONS[intent.state]:
        intent = _move(book, intent, event)
    if was in LIVE_STATES and intent.state not in LIVE_STATES:
        if intent.state is IntentState.BROKER_REJECTED:
            _tell_refusal(book, intent, "", "broker")
        elif intent.request.side is Side.SELL:
            exits.on_sale_ended(book, intent)


def _resolve_unknown(
    book: Book, intent: Intent, rows: tuple[BrokerOrder, ...], linked: set[BrokerRef | None], *, complete: bool
) -> None:
    """One match links, several need a human, none counts as a miss when the list is complete and time has passed."""
    found = reconcile.find(intent, rows, {r for r in linked if r})
    if len(found) == 1:
        linked_intent = msgspec.structs.replace(intent, ref=found[0].ref)
        book.put_intent(linked_intent)
        _apply_row(book, linked_intent, found[0])
        return
    if len(found) > 1:
        _move(book, intent, IntentEvent.FIND_MANY, "several orders match")
        book.emit(EventKind.TROUBLE, ticker=intent.request.ticker, where="reconcile", what="several_orders_match")
        return
    is_buy = intent.request.side is Side.BUY
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
        if not is_buy:
            exits.on_sale_ended(book, intent)


def _book_fill(book: Book, intent: Intent, ref: BrokerRef, qty: int, dollars: Decimal) -> Intent:
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
            cum_qty=cumulative,
            qty=qty,
            usd=dollars,
            fee_usd=fee,
            krw_per_usd=rate,
            at=book.at,
        )
    )
    if request.side is Side.BUY:
        spent = min(intent.reserved_usd, dollars + fee)
        if spent:
            book.change(AddLedger(intent.id, LedgerKind.POST, spent, book.at))
        intent = msgspec.structs.replace(intent, reserved_usd=intent.reserved_usd - spent)
        _bought(book, intent, qty, dollars, fee)
    else:
        _sold(book, intent, qty, dollars, fee)
    intent = msgspec.structs.replace(
        intent, filled_qty=cumulative, filled_usd=intent.filled_usd + dollars, updated_at=book.at
    )
    book.put_intent(intent)
    return intent


def _bought(book: Book, intent: Intent, qty: int, dollars: Decimal, fee: Decimal) -> None:
    ticker, params, rate = intent.request.ticker, book.params, book.krw_per_usd
    plan = book.plans.get(intent.plan_id)
    held = book.positions.get(ticker)
    cost = (held.cost_usd if held else ZERO) + dollars
    total = (held.qty if held else 0) + qty
    stop, target = stop_and_target(cost / total, params.stop_loss_pct, params.take_profit_pct)
    position = Position(
        ticker=ticker,
        exchange=intent.request.exchange,
        name=plan.name if plan else "",
        name_ko=plan.name_ko if plan else "",
        qty=total,
        cost_usd=cost,
        fees_usd=(held.fees_usd if held else ZERO) + fee,
        cost_krw=(held.cost_krw if held else ZERO) + dollars * rate,
        bought_qty=(held.bought_qty if held else 0) + qty,
        bought_usd=(held.bought_usd if held else ZERO) + dollars,
        buy_count=max(held.buy_count if held else 0, intent.tranche),
        target_count=plan.tranches if plan else 1,
        stop_price=stop,
        target_price=target,
        opened_at=held.opened_at if held else book.at,
        plan_id=intent.plan_id,
        last_price=dollars / qty,
        priced_at=book.at,
        sold_qty=held.sold_qty if held else 0,
        sold_usd=held.sold_usd if held else ZERO,
        realized_usd=held.realized_usd if held else ZERO,
        realized_krw=held.realized_krw if held else ZERO,
    )
    book.put_position(position)
    book.put_day(msgspec.structs.replace(book.day, bought_krw=book.day.bought_krw + krw((dollars + fee) * rate)))
    book.emit(
        EventKind.TRANCHE_FILLED,
        ticker=ticker,
        subject=intent.plan_id,
        name=position.name,
        name_ko=position.name_ko,
        tranche=intent.tranche,
        of=position.target_count,
        qty=qty,
        price=(dollars / qty).quantize(Decimal("0.0001")),
        total_qty=position.qty,
        avg_price=position.avg_price,
        invested_krw=krw(position.cost_krw),
        stop_price=stop,
        target_price=target,
    )


def _sold(book: Book, intent: Intent, qty: int, dollars: Decimal, fee: Decimal) -> None:
    ticker, rate = intent.request.ticker, book.krw_per_usd
    held = book.positions.get(ticker)
    if held is None or held.qty == 0:
        book.emit(EventKind.TROUBLE, ticker=ticker, where="trader", what="sold_more_than_held", qty=qty)
        return
    part = min(qty, held.qty)
    share = Decimal(part) / held.qty
    cost_usd, cost_krw, fees = held.cost_usd * share, held.cost_krw * share, held.fees_usd * share + fee
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
        last_price=dollars / qty,
        priced_at=book.at,
    )
    closed = left.qty == 0
    day = msgspec.structs.replace(
        book.day, realized_krw=book.day.realized_krw + pnl_krw, trips=book.day.trips + (1 if closed else 0)
    )
    book.put_day(day)
    run = book.exits.get(ticker)
    if run is not None:
        book.put_exit(msgspec.structs.replace(run, sold_qty=run.sold_qty + part))
    if closed:
        _close(book, left, intent.purpose)
    else:
        book.put_position(left)


def _close(book: Book, position: Position, purpose: Purpose) -> None:
    """The last share is sold: tell the round trip, drop the position, cool down after a stop."""
    run = book.exits.get(position.ticker)
    average = position.bought_usd / position.bought_qty
    sell_price = position.sold_usd / position.sold_qty
    pnl_pct = (sell_price / average - 1) * 100
    grid = Decimal("0.0001")
    trip = RoundTrip(
        ticker=position.ticker,
        name=position.name,
        name_ko=position.name_ko,
        buy_qty=position.bought_qty,
        sell_qty=position.sold_qty,
        avg_price=average.quantize(grid),
        sell_price=sell_price.quantize(grid),
        pnl_usd=position.realized_usd,
        pnl_krw=position.realized_krw,
        pnl_pct=pnl_pct.quantize(Decimal("0.01")),
        tranches=position.buy_count,
        reason=purpose.value,
        opened_at=position.opened_at,
        closed_at=book.at,
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
    if purpose in PROTECTIVE and book.params.stop_cooldown_min:
        until = book.at + dt.timedelta(minutes=book.params.stop_cooldown_min)
        book.lock(position.ticker, "cooldown", until)


def on_guardian_sold(book: Book, message: GuardianSold) -> None:
    """Adopt a sale that the guardian sent while we were away, so that its fills are booked as ours; once."""
    marker = f"guardian:{message.ref.ord_dt}:{message.ref.odno}"
    position = book.positions.get(message.ticker)
    if marker in book.state or position is None:
        return
    book.put_state(marker, message.ticker)
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
            state=IntentState.ACKED,
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
