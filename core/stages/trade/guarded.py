"""Sales that the guardian sent while the trader was away."""

from core.model.instrument import Exchange
from core.model.messages import EventKind, message_id
from core.model.order import Intent, IntentState, OrderRequest, Purpose, Side
from core.model.position import PlanState
from core.stages.trade import entries
from core.stages.trade.book import Book
from core.stages.trade.inputs import GuardianSold


def on_guardian_sold(book: Book, message: GuardianSold) -> None:
    """Adopt a sale, once, so that its fills are booked as ours; one whose answer was lost is looked for in the list."""
    marker = f"guardian:{message.key}"
    if marker in book.state:
        return
    # without one, the trader died before it had booked the shares that the guardian knew of: the list brings them
    position = book.positions.get(message.ticker)
    plan_id = position.plan_id if position is not None else ""
    book.put_state(marker, message.ticker)
    plans = [p for p in book.plans.values() if p.ticker == message.ticker]
    exchange = position.exchange if position is not None else plans[-1].exchange if plans else Exchange.NASD
    plan = book.running_plan(message.ticker)
    if plan is not None:
        entries.end_plan(book, plan, PlanState.STOPPED, Purpose.GUARD.value)
    request = OrderRequest(
        ticker=message.ticker, exchange=exchange, side=Side.SELL, qty=message.qty, limit=message.limit
    )
    # beside a sale that lives it waits: its fills are booked, and it comes to life when the other one has ended
    alone = not book.live_intents(message.ticker, Side.SELL)
    lives = IntentState.UNKNOWN if message.ref is None else IntentState.ACKED
    book.put_intent(
        Intent(
            id=message_id("guardian", marker),
            dedup_key=marker,
            plan_id=plan_id,
            request=request,
            purpose=Purpose.GUARD,
            state=lives if alone else IntentState.NOT_PLACED,
            created_at=book.at,
            updated_at=book.at,
            sent_at=message.sent_at,
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
