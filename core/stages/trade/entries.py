"""Buying: from a signal to a proposal to ten tranches."""

import datetime as dt
from decimal import Decimal

import msgspec

from core.model.instrument import Exchange
from core.model.journal import AddLedger, LedgerKind, PutDecision
from core.model.messages import EventKind, Signal, Value, message_id
from core.model.money import CENT, ZERO, krw, krw_to_usd, usd
from core.model.order import BrokerOrder, Intent, IntentState, OrderRequest, Purpose, Side
from core.model.position import Plan, PlanState
from core.model.quote import Quote
from core.model.signal import SignalType
from core.rules.asleep import Asleep, policy, size
from core.rules.costs import fee_usd, with_commission
from core.rules.pricing import HUNDRED, entry_limit, stop_and_target
from core.rules.reconcile import fingerprint, made_unique
from core.rules.risk import PASSING, RefusalReason, Refused, RiskView, budget, check_data, check_divergence, check_entry
from core.rules.tranches import planned_schedule, tranche_qty
from core.stages.trade.book import Book
from core.stages.trade.gaps import may_be_split
from core.stages.trade.inputs import CommandArrived, SignalArrived
from core.stages.trade.outcome import CancelOrder, PlaceOrder
from core.stages.trade.report import risk_view

# orders that the broker certainly never had: another one may look like them
NEVER_SENT = frozenset({IntentState.VOIDED, IntentState.REJECTED})
ASLEEP = "asleep"
BY_ITSELF = frozenset({"auto", ASLEEP})
# A price older than this never prices an order; a tranche waits for the next one.
QUOTE_MAX_AGE = dt.timedelta(seconds=20)


def on_buy_signal(book: Book, message: SignalArrived) -> None:
    """Turn a BUY into a proposal, a running plan or a refusal; once per signal, also across restarts."""
    signal = message.signal
    if signal.id in book.decisions:
        return
    verdict = _try_propose(book, signal, message)
    if isinstance(verdict, Refused):
        book.emit(
            EventKind.PLAN_REFUSED,
            ticker=signal.ticker,
            subject=signal.id,
            signal_id=signal.id,
            reason=verdict.reason.value,
            detail=verdict.detail,
        )
    _decided(book, signal.id, verdict.reason.value if isinstance(verdict, Refused) else verdict.state.value)


def on_watch_signal(book: Book, signal: Signal) -> None:
    """A WATCH is only announced; it is written down so that its verdict is known."""
    if signal.id not in book.decisions:
        _decided(book, signal.id, SignalType.WATCH.value)


def _decided(book: Book, signal_id: str, verdict: str) -> None:
    book.decisions.add(signal_id)
    book.change(PutDecision(signal_id, verdict, book.at))


def _try_propose(book: Book, signal: Signal, message: SignalArrived) -> Plan | Refused:
    params = book.params
    view = risk_view(book)
    stale = check_data(book.at, signal.bar_end_at, signal.valid_until, signal.feed_delay_ms, params.max_data_age_sec)
    refused = stale or check_entry(view, signal.ticker, params)
    if refused:
        return refused
    if signal.discovery is not None and not signal.discovery.orderable:
        return Refused(RefusalReason.NOT_LISTED)
    if message.quote is None or message.power is None:
        return Refused(RefusalReason.BROKER_DOWN)
    close = Decimal(str(signal.verdict.indicators.close))
    if apart := check_divergence(close, message.quote.last, params.max_divergence_pct):
        return apart
    discovery = signal.discovery
    asleep = policy(book.at, book.mode, params)
    plan = draft_plan(
        book,
        view,
        key=signal.id,
        ticker=signal.ticker,
        quote=message.quote,
        wanted_krw=size(Decimal(params.total_buy_amount), asleep, params),
        exchange=Exchange(discovery.exchange if discovery else "NASD"),
        names=(discovery.name, discovery.name_ko) if discovery else ("", ""),
    )
    if isinstance(plan, Refused):
        return plan
    plan = msgspec.structs.replace(
        plan,
        signal_id=signal.id,
        confidence=signal.verdict.confidence,
        discovery=discovery,
        indicators=signal.verdict.indicators,
    )
    if book.mode == "auto" or asleep in {Asleep.SMALL, Asleep.AUTO}:
        return start_plan(book, plan, message.quote, by="auto" if book.mode == "auto" else ASLEEP)
    if asleep is Asleep.IGNORE:
        return Refused(RefusalReason.ASLEEP)
    book.put_plan(plan)
    book.emit(EventKind.PROPOSED, ticker=plan.ticker, subject=plan.id, **plan_values(book, plan))
    return plan


def draft_plan(
    book: Book,
    view: RiskView,
    *,
    key: str,
    ticker: str,
    quote: Quote,
    wanted_krw: Decimal,
    exchange: Exchange,
    names: tuple[str, str],
) -> Plan | Refused:
    """Size a plan at the present price; the caller has passed the gate with this view of the book."""
    params, rate = book.params, book.krw_per_usd
    if rate <= 0 or book.power is None:
        return Refused(RefusalReason.NO_BUYING_POWER, "0")
    reference = quote.buy_reference
    granted = budget(view, wanted_krw, book.power.usd * rate, _worst_price(book, reference) * rate, params)
    if isinstance(granted, Refused):
        return granted
    return Plan(
        id=message_id("plan", key)[:16],
        nonce=message_id("nonce", key, book.at.isoformat())[:8],
        signal_id="",
        ticker=ticker,
        exchange=exchange,
        name=names[0],
        name_ko=names[1],
        state=PlanState.PROPOSED,
        budget_krw=krw(granted),
        budget_usd=krw_to_usd(granted, rate),
        krw_per_usd=rate,
        reference_price=reference,
        tranches=params.split_count,
        interval_s=params.split_interval_sec,
        created_at=book.at,
        expires_at=book.at + dt.timedelta(seconds=params.approval_ttl_sec),
    )


def _worst_price(book: Book, reference: Decimal) -> Decimal:
    """The dearest limit the collar allows, commission included."""
    collar = 1 + Decimal(str(book.params.price_collar_pct)) / HUNDRED
    return reference * collar * with_commission(book.params.commission_pct)


def plan_values(book: Book, plan: Plan) -> dict[str, Value | Decimal]:
    """What a card needs to know of a plan."""
    params = book.params
    stop, target = stop_and_target(plan.reference_price, params.stop_loss_pct, params.take_profit_pct)
    qty = sum(planned_schedule(plan.budget_usd, plan.tranches, plan.reference_price))
    worst = krw(qty * (plan.reference_price - stop) * plan.krw_per_usd)
    return {
        "signal_id": plan.signal_id,
        "nonce": plan.nonce,
        "name": plan.name,
        "name_ko": plan.name_ko,
        "price": plan.reference_price,
        "budget_krw": plan.budget_krw,
        "budget_usd": plan.budget_usd,
        "krw_per_usd": plan.krw_per_usd,
        "tranches": plan.tranches,
        "interval_s": plan.interval_s,
        "expires_at": plan.expires_at.isoformat(),
        "stop_price": stop,
        "target_price": target,
        "worst_case_krw": worst,
        "planned_qty": qty,
        "confidence": plan.confidence,
    }


def start_plan(book: Book, plan: Plan, quote: Quote, *, by: str) -> Plan:
    """Begin buying: the first tranche goes out at once, by the price that the decision was made with."""
    running = msgspec.structs.replace(plan, state=PlanState.RUNNING, next_at=book.at, decided_by=by)
    book.put_plan(running)
    values = plan_values(book, running)
    book.emit(EventKind.PLAN_STARTED, ticker=plan.ticker, subject=plan.id, by=by, auto=by in BY_ITSELF, **values)
    book.quotes[plan.ticker] = quote
    _tranche(book, running)
    return running


def recheck(book: Book, plan: Plan, message: CommandArrived) -> Refused | Plan:
    """Check everything again at the tap: the plan resized to now, with a new nonce if price or budget moved too far."""
    view = risk_view(book)
    refused = check_entry(view, plan.ticker, book.params, own_plan=True)
    if refused:
        return refused
    if book.live_intents(plan.ticker, Side.BUY):
        # an order of an earlier plan may still fill
        return Refused(RefusalReason.OPEN_PLAN)
    if message.quote is None or message.power is None:
        return Refused(RefusalReason.BROKER_DOWN)
    others = {p.ticker for p in book.open_plans() if p.id != plan.id} | set(book.positions)
    if len(others) >= book.params.max_positions:
        return Refused(RefusalReason.MAX_POSITIONS, str(book.params.max_positions))
    fresh = draft_plan(
        book,
        view,
        key=plan.signal_id or plan.id,
        ticker=plan.ticker,
        quote=message.quote,
        wanted_krw=plan.budget_krw,
        exchange=plan.exchange,
        names=(plan.name, plan.name_ko),
    )
    if isinstance(fresh, Refused):
        return fresh
    moved_pct = abs(fresh.reference_price / plan.reference_price - 1) * HUNDRED
    changed = moved_pct > Decimal(str(book.params.approval_drift_pct)) or fresh.budget_krw < plan.budget_krw
    return msgspec.structs.replace(
        plan,
        budget_krw=fresh.budget_krw,
        budget_usd=fresh.budget_usd,
        krw_per_usd=fresh.krw_per_usd,
        reference_price=fresh.reference_price,
        nonce=message_id("nonce", plan.id, book.at.isoformat())[:8] if changed else plan.nonce,
        expires_at=fresh.expires_at if changed else plan.expires_at,
    )


def end_plan(book: Book, plan: Plan, state: PlanState, reason: str, by: str = "") -> None:
    """Stop a plan: no further tranche, open buys are cancelled."""
    book.put_plan(
        msgspec.structs.replace(plan, state=state, next_at=None, reason=reason, decided_by=by or plan.decided_by)
    )
    for intent in book.live_intents(plan.ticker, Side.BUY):
        book.act(CancelOrder(intent.id))
    kinds = {
        PlanState.IGNORED: EventKind.PLAN_IGNORED,
        PlanState.EXPIRED: EventKind.PLAN_EXPIRED,
        PlanState.STOPPED: EventKind.PLAN_STOPPED,
    }
    position = book.positions.get(plan.ticker)
    book.emit(
        kinds[state],
        ticker=plan.ticker,
        subject=plan.id,
        signal_id=plan.signal_id,
        name=plan.name,
        name_ko=plan.name_ko,
        reason=reason,
        by=by,
        tranches_done=plan.next_tranche - 1,
        of=plan.tranches,
        qty=position.qty if position else 0,
    )


def run_plans(book: Book) -> None:
    """On each tick: expire proposals, place due tranches, cancel stale orders, finish plans."""
    for plan in book.open_plans():
        if plan.state is PlanState.PROPOSED:
            if book.at >= plan.expires_at:
                end_plan(book, plan, PlanState.EXPIRED, "ttl")
            continue
        refused = check_entry(risk_view(book), plan.ticker, book.params, own_plan=True)
        held = book.positions.get(plan.ticker)
        if refused and refused.reason not in PASSING:
            end_plan(book, plan, PlanState.STOPPED, refused.reason.value)
        elif held is not None and held.frozen:
            end_plan(book, plan, PlanState.STOPPED, "frozen")
        elif plan.next_tranche > plan.tranches:
            _finish_if_quiet(book, plan)
        elif not refused and plan.next_at is not None and book.at >= plan.next_at:
            _tranche(book, plan)
    _cancel_unfilled(book)


def _finish_if_quiet(book: Book, plan: Plan) -> None:
    if book.live_intents(plan.ticker, Side.BUY):
        return
    position = book.positions.get(plan.ticker)
    if position is None:
        end_plan(book, plan, PlanState.STOPPED, "nothing_filled")
        return
    book.put_plan(msgspec.structs.replace(plan, state=PlanState.DONE, next_at=None))
    book.emit(
        EventKind.BUY_COMPLETE,
        ticker=plan.ticker,
        subject=plan.id,
        name=plan.name,
        name_ko=plan.name_ko,
        qty=position.qty,
        tranches=plan.tranches,
        of=plan.tranches,
        avg_price=position.avg_price,
        total_krw=krw(position.cost_krw),
        total_usd=usd(position.cost_usd),
        target_price=position.target_price,
        stop_price=position.stop_price,
        complete=True,
    )


def _tranche(book: Book, plan: Plan) -> None:
    """Place the due tranche, or carry its money over to the next where it buys no whole share."""
    held = book.positions.get(plan.ticker)
    if book.live_intents(plan.ticker, Side.BUY) or plan.ticker in book.exits:
        return
    if held is not None and may_be_split(book, held):
        return
    quote = book.quotes.get(plan.ticker)
    if quote is None or book.at - quote.at > QUOTE_MAX_AGE:
        return
    params = book.params
    limit = entry_limit(
        quote.buy_reference,
        quote.last,
        slippage_pct=Decimal(str(params.entry_slippage_pct)),
        collar_pct=Decimal(str(params.price_collar_pct)),
    )
    if limit is None:
        return
    gross = limit * with_commission(params.commission_pct)
    qty = tranche_qty(plan.budget_usd, plan.tranches, plan.next_tranche, book.committed_usd(plan.id), gross)
    cap = int(Decimal(params.max_order_amount) / (gross * plan.krw_per_usd))
    qty = min(qty, cap)
    advanced = msgspec.structs.replace(
        plan,
        next_tranche=plan.next_tranche + 1,
        next_at=_next_due(plan, book.at),
    )
    book.put_plan(advanced)
    if qty > 0:
        prepare_order(
            book,
            OrderRequest(ticker=plan.ticker, exchange=plan.exchange, side=Side.BUY, qty=qty, limit=limit),
            purpose=Purpose.ENTRY,
            plan_id=plan.id,
            key=f"{plan.id}:{plan.next_tranche}",
            tranche=plan.next_tranche,
        )


def _next_due(plan: Plan, at: dt.datetime) -> dt.datetime:
    """One interval after the planned instant, or after now where the plan has fallen behind."""
    interval = dt.timedelta(seconds=plan.interval_s)
    due = (plan.next_at or at) + interval
    return due if due > at else at + interval


def prepare_order(
    book: Book, request: OrderRequest, *, purpose: Purpose, plan_id: str, key: str, tranche: int = 0
) -> Intent:
    """Write an intent with its reservation and ask for it to be sent; no two orders of a day look the same."""
    seen: list[OrderRequest | BrokerOrder] = [*book.rows.values()]
    seen += (i.request for i in book.intents.values() if i.state not in NEVER_SENT)
    request = made_unique(request, {fingerprint(each) for each in seen if each.ticker == request.ticker})
    amount = request.qty * request.limit
    reserve = amount + fee_usd(amount, Side.BUY, book.params.commission_pct) if request.side is Side.BUY else ZERO
    stop, _ = stop_and_target(request.limit, book.params.stop_loss_pct, book.params.take_profit_pct)
    plan = book.plans.get(plan_id)
    if reserve and plan is not None:
        assert book.committed_usd(plan_id) + reserve <= plan.budget_usd + CENT, f"{plan_id} would leave its budget"
    first, again = key, 0
    while (before := book.intents.get(message_id("intent", key))) is not None and before.sent_at is not None:
        # refused for a passing reason: what is sent again is another order
        again += 1
        key = f"{first}:{again}"
    intent = Intent(
        id=message_id("intent", key),
        dedup_key=key,
        plan_id=plan_id,
        request=request,
        purpose=purpose,
        state=IntentState.PREPARED,
        created_at=book.at,
        updated_at=book.at,
        tranche=tranche,
        stop_price=stop if request.side is Side.BUY else None,
        own_qty=book.own_qty(request.ticker) if request.side is Side.SELL else None,
        reserved_usd=reserve,
    )
    book.put_intent(intent)
    if reserve:
        book.change(AddLedger(intent.id, LedgerKind.RESERVE, reserve, book.at))
    book.act(PlaceOrder(intent.id))
    return intent


def _cancel_unfilled(book: Book) -> None:
    """Entries that stay unfilled too long are cancelled; the money goes to the next tranche."""
    limit = dt.timedelta(seconds=book.params.unfilled_cancel_sec)
    for intent in book.live_intents(side=Side.BUY):
        if intent.state in {IntentState.ACKED, IntentState.WORKING, IntentState.PARTIAL}:
            if book.at - intent.created_at >= limit:
                book.act(CancelOrder(intent.id))
        elif intent.state in {IntentState.CANCEL_REQ, IntentState.CANCEL_UNKNOWN}:
            asked = intent.cancel_requested_at or intent.updated_at
            if book.at - asked >= dt.timedelta(seconds=30):
                book.act(CancelOrder(intent.id))
