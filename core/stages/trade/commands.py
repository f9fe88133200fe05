"""What a person tells the trader; every command is answered, and repeated ones change nothing."""

import datetime as dt
from decimal import Decimal

import msgspec

from core.model.commands import (
    AdoptManual,
    Approve,
    AskStatus,
    Buy,
    CancelOrders,
    Ignore,
    Mute,
    OwnOrder,
    Panic,
    Pause,
    Reply,
    ReplyKey,
    Resume,
    Sell,
    SetMode,
    Settle,
    Unlock,
)
from core.model.instrument import Exchange
from core.model.messages import EventKind
from core.model.order import Purpose, Side
from core.model.position import Plan, PlanState
from core.model.safety import TradingState
from core.rules.risk import RefusalReason, Refused, check_entry
from core.stages.trade import entries, exits, holdings, listing, manual, safety
from core.stages.trade.book import Book
from core.stages.trade.inputs import CommandArrived
from core.stages.trade.outcome import CancelOrder
from core.stages.trade.report import risk_view, status

LONGEST_MUTE = dt.timedelta(days=7)


def on_command(book: Book, message: CommandArrived) -> Reply:
    """Carry out one command."""
    command = message.command
    match command:
        case Approve():
            return _approve(book, command, message)
        case Ignore():
            return _ignore(book, command)
        case SetMode():
            book.put_state("mode", command.mode)
            stopped = _stop_buying(book, "mode_watch", command.by) if command.mode == "watch" else 0
            book.emit(EventKind.MODE_CHANGED, mode=command.mode, by=command.by, stopped=stopped)
            return Reply(ok=True, key=ReplyKey.DONE, values={"mode": command.mode, "stopped": stopped})
        case Pause():
            return _pause(book, command.by)
        case Resume():
            return _resume(book, command.by)
        case Panic():
            return _panic(book, command)
        case Sell():
            return _sell(book, command)
        case Buy():
            return _buy(book, command, message)
        case CancelOrders():
            return _cancel(book, command)
        case Unlock():
            done = book.unlock(command.ticker)
            return Reply(ok=done, key=ReplyKey.DONE if done else ReplyKey.NOTHING_TO_DO)
        case Mute():
            return _mute(book, command)
        case AdoptManual():
            return manual.adopt(book, command)
        case Settle():
            return holdings.settle(book, command)
        case OwnOrder():
            return listing.own_order(book, command)
        case AskStatus():
            return Reply(ok=True, key=ReplyKey.DONE, status=status(book, book.params.venue))


def _decided(plan: Plan) -> Reply:
    return Reply(
        ok=False,
        key=ReplyKey.EXPIRED if plan.state is PlanState.EXPIRED else ReplyKey.ALREADY_DECIDED,
        values={"state": plan.state.value, "by": plan.decided_by, "ticker": plan.ticker},
    )


def _refused(refused: Refused) -> Reply:
    return Reply(ok=False, key=ReplyKey.REFUSED, values={"reason": refused.reason.value, "detail": refused.detail})


def _approve(book: Book, command: Approve, message: CommandArrived) -> Reply:
    plan = book.plans.get(command.plan_id)
    if plan is None:
        return Reply(ok=False, key=ReplyKey.UNKNOWN_PLAN)
    if plan.state is not PlanState.PROPOSED:
        return _decided(plan)
    if command.nonce != plan.nonce:
        return Reply(ok=False, key=ReplyKey.WRONG_NONCE)
    if book.at >= plan.expires_at:
        entries.end_plan(book, plan, PlanState.EXPIRED, "ttl")
        return _decided(book.plans[plan.id])
    checked = entries.recheck(book, plan, message)
    if isinstance(checked, Refused):
        return _refused(checked)
    if checked.nonce != plan.nonce:
        book.put_plan(checked)
        values = entries.plan_values(book, checked)
        plain = {k: str(v) if isinstance(v, Decimal) else v for k, v in values.items()}
        plain |= {"price_before": str(plan.reference_price), "price_after": str(checked.reference_price)}
        plain |= {"budget_before": str(plan.budget_krw), "budget_after": str(checked.budget_krw)}
        book.emit(EventKind.PLAN_CHANGED, ticker=plan.ticker, subject=plan.id, **plain)
        return Reply(ok=False, key=ReplyKey.CHANGED, values=plain)
    assert message.quote is not None, "what was checked again has a price"
    entries.start_plan(book, checked, message.quote, by=command.by)
    return Reply(ok=True, key=ReplyKey.APPROVED, values={"ticker": plan.ticker, "plan_id": plan.id})


def _ignore(book: Book, command: Ignore) -> Reply:
    plan = book.plans.get(command.plan_id)
    if plan is None:
        return Reply(ok=False, key=ReplyKey.UNKNOWN_PLAN)
    if not plan.open:
        return _decided(plan)
    if command.nonce != plan.nonce:
        return Reply(ok=False, key=ReplyKey.WRONG_NONCE)
    entries.end_plan(book, plan, PlanState.IGNORED, "owner", by=command.by)
    return Reply(
        ok=True,
        key=ReplyKey.IGNORED,
        values={"ticker": plan.ticker, "plan_id": plan.id, "tranches_done": plan.next_tranche - 1},
    )


def _stop_buying(book: Book, reason: str, by: str) -> int:
    """End every plan and cancel every open buy; returns how many things were stopped."""
    plans = book.open_plans()
    for plan in plans:
        entries.end_plan(book, plan, PlanState.STOPPED, reason, by=by)
    live = book.live_intents(side=Side.BUY)
    for intent in live:
        book.act(CancelOrder(intent.id))
    return len(plans) + len(live)


def _pause(book: Book, by: str) -> Reply:
    if book.paused:
        return Reply(ok=True, key=ReplyKey.NOTHING_TO_DO)
    book.put_state("paused", "yes")
    stopped = _stop_buying(book, "paused", by)
    book.emit(EventKind.PAUSED, by=by, stopped=stopped)
    return Reply(ok=True, key=ReplyKey.DONE, values={"stopped": stopped})


def _resume(book: Book, by: str) -> Reply:
    if book.trading_state is TradingState.ACTIVE:
        return Reply(ok=True, key=ReplyKey.NOTHING_TO_DO)
    if book.halted:
        return Reply(ok=False, key=ReplyKey.REFUSED, values={"reason": RefusalReason.HALT_FILE.value})
    book.put_state("paused", "no")
    book.put_state("panicked", "no")
    safety.release(book)
    book.emit(EventKind.RESUMED, by=by)
    return Reply(ok=True, key=ReplyKey.DONE)


def _panic(book: Book, command: Panic) -> Reply:
    again = book.panicked
    book.put_state("panicked", "yes")
    stopped = _stop_buying(book, "panicked", command.by)
    selling = 0
    if command.liquidate:
        for position in list(book.positions.values()):
            exits.start_exit(book, holdings.counted_anew(book, position), Purpose.PANIC, by=command.by)
            selling += 1
    if not again or command.liquidate:
        book.emit(EventKind.PANICKED, by=command.by, stopped=stopped, liquidate=command.liquidate, selling=selling)
    return Reply(
        ok=True,
        key=ReplyKey.NOTHING_TO_DO if again and not command.liquidate else ReplyKey.DONE,
        values={"stopped": stopped, "selling": selling},
        status=status(book, book.params.venue),
    )


def _sell(book: Book, command: Sell) -> Reply:
    position = book.positions.get(command.ticker)
    if position is None:
        return Reply(ok=False, key=ReplyKey.NOT_HELD, values={"ticker": command.ticker})
    if command.ticker in book.exits:
        return Reply(ok=True, key=ReplyKey.NOTHING_TO_DO, values={"ticker": command.ticker})
    position = holdings.counted_anew(book, position)
    qty = max(1, position.qty * command.percent // 100)
    exits.start_exit(book, position, Purpose.COMMAND, qty=qty, by=command.by)
    return Reply(ok=True, key=ReplyKey.DONE, values={"ticker": command.ticker, "qty": qty})


def _buy(book: Book, command: Buy, message: CommandArrived) -> Reply:
    """A hand-made proposal: the same gate except that watch mode does not forbid what a person asks for."""
    view = risk_view(book)
    if view.mode == "watch":
        view = msgspec.structs.replace(view, mode="approve")
    refused = check_entry(view, command.ticker, book.params)
    if refused is None and (message.quote is None or message.power is None):
        refused = Refused(RefusalReason.BROKER_DOWN)
    if refused is not None or message.quote is None:
        return _refused(refused or Refused(RefusalReason.BROKER_DOWN))
    plan = entries.draft_plan(
        book,
        view,
        key=f"hand:{command.nonce or book.at.isoformat()}",
        ticker=command.ticker,
        quote=message.quote,
        wanted_krw=Decimal(command.amount_krw or book.params.total_buy_amount),
        exchange=Exchange(message.exchange or "NASD"),
        names=(message.name, message.name_ko),
    )
    if isinstance(plan, Refused):
        return _refused(plan)
    if plan.id in book.plans:
        return _decided(book.plans[plan.id])
    book.put_plan(plan)
    book.emit(EventKind.PROPOSED, ticker=plan.ticker, subject=plan.id, **entries.plan_values(book, plan))
    return Reply(ok=True, key=ReplyKey.DONE, values={"ticker": plan.ticker, "plan_id": plan.id})


def _mute(book: Book, command: Mute) -> Reply:
    """An open proposal of the ticker is ignored; a plan that already buys is not touched."""
    if command.until <= book.at or command.until - book.at > LONGEST_MUTE:
        return Reply(ok=False, key=ReplyKey.INVALID)
    for plan in book.open_plans():
        if plan.ticker == command.ticker and plan.state is PlanState.PROPOSED:
            entries.end_plan(book, plan, PlanState.IGNORED, "owner", by=command.by)
    book.lock(command.ticker, "muted", command.until)
    return Reply(ok=True, key=ReplyKey.DONE, values={"ticker": command.ticker})


def _cancel(book: Book, command: CancelOrders) -> Reply:
    plans = [p for p in book.open_plans() if command.ticker in {"", p.ticker}]
    live = [i for i in book.live_intents(side=Side.BUY) if command.ticker in {"", i.request.ticker}]
    for plan in plans:
        entries.end_plan(book, plan, PlanState.STOPPED, "owner", by=command.by)
    for intent in live:
        book.act(CancelOrder(intent.id))
    count = len(plans) + len(live)
    return Reply(ok=count > 0, key=ReplyKey.DONE if count else ReplyKey.NOTHING_TO_DO, values={"stopped": count})
