"""A discovery card as data: what it shows, and how signals, the trader's verdicts and decisions move it on."""

import datetime as dt
import enum
from decimal import Decimal
from typing import Literal

import msgspec

from bot.values import Values, amount, decimal, flag, instant, text, whole
from core.model.commands import Reply, ReplyKey
from core.model.messages import Event, EventKind, Signal
from core.model.signal import Condition, Discovery, SignalType, Verdict


class Phase(enum.StrEnum):
    """Where a card stands; the final ones carry no buttons."""

    FOUND = "found"
    WATCH = "watch"
    PROPOSED = "proposed"
    RUNNING = "running"
    REFUSED = "refused"
    IGNORED = "ignored"
    EXPIRED = "expired"
    STOPPED = "stopped"
    DONE = "done"


FINAL = frozenset({Phase.REFUSED, Phase.IGNORED, Phase.EXPIRED, Phase.STOPPED, Phase.DONE})
_ORDER = {Phase.FOUND: 0, Phase.WATCH: 0, Phase.PROPOSED: 1, Phase.RUNNING: 2} | dict.fromkeys(FINAL, 3)


class PlanFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The proposal's numbers; money unknown to the trader is None."""

    plan_id: str
    nonce: str
    tranches: int
    interval_s: int
    planned_qty: int
    price: Decimal | None
    budget_krw: Decimal | None
    stop_price: Decimal | None
    target_price: Decimal | None
    worst_case_krw: Decimal | None
    expires_at: dt.datetime | None


class CardModel(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a card shows. `key` is the signal's id, or the plan's for a buy by hand."""

    key: str
    ticker: str
    name: str = ""
    name_ko: str = ""
    phase: Phase = Phase.FOUND
    announce: bool = False
    confidence: float = 0.0
    trend: Literal["up", "down", "unknown"] = "unknown"
    discovery: Discovery | None = None
    plan: PlanFacts | None = None
    auto: bool = False
    by: str = ""
    decided_at: dt.datetime | None = None
    reason: str = ""
    detail: str = ""
    price_before: Decimal | None = None
    done: int = 0
    delay_ms: int = 0


def trend_of(verdict: Verdict) -> Literal["up", "down", "unknown"]:
    """The direction of the averages; unknown while the history is too short."""
    fast, slow = verdict.indicators.ema_fast, verdict.indicators.ema_slow
    if Condition.UPTREND in verdict.met:
        return "up"
    return "unknown" if fast is None or slow is None else "up" if fast > slow else "down"


def with_signal(model: CardModel | None, signal: Signal) -> CardModel:
    """The card after the analyzer's signal, whichever of signal and verdict came first."""
    base = model or CardModel(key=signal.id, ticker=signal.ticker)
    found = signal.discovery
    first = Phase.WATCH if signal.verdict.signal is SignalType.WATCH else Phase.FOUND
    return msgspec.structs.replace(
        base,
        name=(found.name if found else "") or base.name,
        name_ko=(found.name_ko if found else "") or base.name_ko,
        phase=base.phase if base.phase is not Phase.FOUND else first,
        announce=found is not None and found.announce,
        confidence=signal.verdict.confidence,
        trend=trend_of(signal.verdict),
        discovery=found,
        delay_ms=signal.feed_delay_ms,
    )


def plan_facts(plan_id: str, v: Values) -> PlanFacts:
    """The proposal's numbers from the values of an event or of a reply."""
    return PlanFacts(
        plan_id=plan_id,
        nonce=text(v, "nonce"),
        tranches=whole(v, "tranches"),
        interval_s=whole(v, "interval_s"),
        planned_qty=whole(v, "planned_qty"),
        price=decimal(v, "price"),
        budget_krw=decimal(v, "budget_krw"),
        stop_price=decimal(v, "stop_price"),
        target_price=decimal(v, "target_price"),
        worst_case_krw=decimal(v, "worst_case_krw"),
        expires_at=instant(v, "expires_at"),
    )


def _forward(model: CardModel, phase: Phase) -> bool:
    return _ORDER[phase] >= _ORDER[model.phase] and model.phase not in FINAL


def with_event(model: CardModel, event: Event) -> CardModel:
    """The card after the trader's event; a redelivered or late event never moves it back."""
    v = event.values
    replace = msgspec.structs.replace
    match event.kind:
        case EventKind.PROPOSED | EventKind.PLAN_STARTED:
            started = event.kind is EventKind.PLAN_STARTED
            phase = Phase.RUNNING if started else Phase.PROPOSED
            if not _forward(model, phase):
                return model
            auto = started and flag(v, "auto")
            by = text(v, "by") or model.by
            return replace(
                model,
                name=model.name or text(v, "name"),
                name_ko=model.name_ko or text(v, "name_ko"),
                confidence=model.confidence or float(amount(v, "confidence")),
                phase=phase,
                plan=plan_facts(event.subject, v),
                auto=auto,
                by=by,
                decided_at=(model.decided_at or event.at) if started else None,
                reason="",
                detail="",
            )
        case EventKind.PLAN_CHANGED if model.phase is Phase.PROPOSED:
            return _changed(model, v)
        case EventKind.PLAN_REFUSED if model.phase in {Phase.FOUND, Phase.PROPOSED}:
            return replace(
                model, phase=Phase.REFUSED, reason=text(v, "reason"), detail=text(v, "detail"), decided_at=event.at
            )
        case EventKind.PLAN_IGNORED if _forward(model, Phase.IGNORED):
            return _ignored(model, v, text(v, "by"), event.at)
        case EventKind.PLAN_EXPIRED if _forward(model, Phase.EXPIRED):
            return replace(model, phase=Phase.EXPIRED, decided_at=event.at)
        case EventKind.PLAN_STOPPED if _forward(model, Phase.STOPPED):
            return replace(
                model,
                phase=Phase.STOPPED,
                reason=text(v, "reason"),
                by=text(v, "by"),
                done=max(model.done, whole(v, "tranches_done")),
                decided_at=event.at,
            )
        case EventKind.TRANCHE_FILLED:
            return replace(model, done=max(model.done, whole(v, "tranche")))
        case EventKind.BUY_COMPLETE if model.phase is not Phase.DONE:
            complete = flag(v, "complete")
            phase = Phase.DONE if complete else Phase.STOPPED
            return replace(model, phase=phase, done=max(model.done, whole(v, "tranches")), decided_at=event.at)
        case _:
            return model


def _ignored(model: CardModel, v: Values, by: str, at: dt.datetime) -> CardModel:
    """A proposal is ignored; a plan that was already buying is stopped."""
    phase = Phase.STOPPED if model.phase is Phase.RUNNING else Phase.IGNORED
    done = max(model.done, whole(v, "tranches_done"))
    return msgspec.structs.replace(model, phase=phase, by=by, reason="owner", done=done, decided_at=at)


def _changed(model: CardModel, v: Values) -> CardModel:
    """New numbers and a new nonce; what the trader did not repeat stays."""
    if model.plan is None:
        return model
    told = msgspec.structs.asdict(plan_facts(model.plan.plan_id, v))
    fresh = {key: value for key, value in told.items() if value}
    after = decimal(v, "price_after")
    plan = msgspec.structs.replace(model.plan, **(fresh | ({"price": after} if after else {})))
    before = decimal(v, "price_before") or model.price_before
    return msgspec.structs.replace(model, plan=plan, price_before=before, reason="", detail="")


_DECIDED = {
    "RUNNING": Phase.RUNNING,
    "DONE": Phase.DONE,
    "STOPPED": Phase.STOPPED,
    "IGNORED": Phase.IGNORED,
    "EXPIRED": Phase.EXPIRED,
    "REFUSED": Phase.REFUSED,
}


def with_reply(model: CardModel, reply: Reply, by: str, at: dt.datetime) -> CardModel:
    """The card after the trader answered a press on it."""
    replace = msgspec.structs.replace
    v = reply.values
    match reply.key:
        case ReplyKey.APPROVED if _forward(model, Phase.RUNNING):
            return replace(model, phase=Phase.RUNNING, by=by, reason="", detail="", decided_at=at)
        case ReplyKey.IGNORED if _forward(model, Phase.IGNORED):
            return _ignored(model, v, by, at)
        case ReplyKey.EXPIRED if _forward(model, Phase.EXPIRED):
            return replace(model, phase=Phase.EXPIRED, decided_at=at)
        case ReplyKey.REFUSED if model.phase is Phase.PROPOSED:
            # The trader keeps the proposal open: once the obstacle is gone the button works again.
            return replace(model, reason=text(v, "reason"), detail=text(v, "detail"))
        case ReplyKey.CHANGED if model.phase is Phase.PROPOSED:
            return _changed(model, v)
        case ReplyKey.ALREADY_DECIDED:
            phase = _DECIDED.get(text(v, "state"), model.phase)
            if phase is model.phase or not _forward(model, phase):
                return model
            return replace(model, phase=phase, by=text(v, "by"), decided_at=at)
        case _:
            return model
