"""What the trader's state looks like from outside: to the risk gate, and to people."""

from core.model.commands import TraderStatus
from core.model.money import ZERO
from core.model.order import Side
from core.model.position import PlanState
from core.rules.risk import RiskView, standing_blocks
from core.stages.trade.book import Book


def risk_view(book: Book) -> RiskView:
    """The state as the risk gate sees it."""
    reserved = ZERO
    planned: set[str] = set()
    for plan in book.plans.live.values():
        planned.add(plan.ticker)
        if plan.state is PlanState.RUNNING:
            reserved += max(ZERO, plan.budget_usd - book.spent_usd(plan.id)) * plan.krw_per_usd
    planned.update(i.request.ticker for i in book.intents.live.values() if i.request.side is Side.BUY)
    return RiskView(
        at=book.at,
        mode=book.mode,
        paused=book.paused,
        panicked=book.panicked,
        halted=book.halted,
        reconciled=book.reconciled,
        broker_ok=book.broker_ok,
        in_window=book.in_window,
        blocks=tuple(sorted(b.reason for b in book.standing())) if book.blocks else (),
        clock_skewed=book.clock_skewed,
        unwatched=bool(book.unwatched),
        held=set(book.positions),
        planned=planned,
        locks=book.locks,
        bought_today_krw=book.day.bought_krw,
        realized_today_krw=book.day.realized_krw,
        orders_last_minute=len(book.sent_last_minute()),
        orders_today=book.day.orders,
        reserved_krw=reserved,
    )


def status(book: Book, venue: str) -> TraderStatus:
    """Everything a person may want to see."""
    blocks = tuple(standing_blocks(risk_view(book), book.params))
    return TraderStatus(
        at=book.at,
        venue=venue,
        mode=book.mode,
        paused=book.paused,
        panicked=book.panicked,
        entries_open=not blocks,
        entry_blocks=tuple(b.value for b in blocks),
        broker_ok=book.broker_ok,
        broker_checked_at=book.broker_checked_at,
        positions=tuple(book.positions.values()),
        plans=tuple(book.open_plans()),
        orders=tuple(book.live_intents()),
        locks=tuple(lock for lock in book.locks.values() if lock.until > book.at),
        buying_power_usd=book.power.usd if book.power else None,
        krw_per_usd=book.krw_per_usd or None,
        bought_today_krw=book.day.bought_krw,
        realized_today_krw=book.day.realized_krw,
        round_trips_today=book.day.trips,
        state=book.trading_state,
        blocks=tuple(book.standing()),
    )
