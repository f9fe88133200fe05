"""A question to the owners as data: shares bought by hand, a frozen ticker, an order that may be ours."""

import datetime as dt
import enum
from decimal import Decimal

import msgspec

from bot.values import decimal, text, whole
from core.model.commands import AdoptManual, AnyCommand, OwnOrder, Reply, ReplyKey, Settle
from core.model.messages import Event, EventKind
from core.model.order import Intent

MATCHING = "several_orders_match"
YES, NO = "y", "n"


class Kind(enum.StrEnum):
    """What is asked."""

    MANUAL = "manual"
    FROZEN = "frozen"
    MATCHING = "matching"


class Stage(enum.StrEnum):
    """Where a question stands; every stage but OPEN is final and has no buttons."""

    OPEN = "open"
    ADOPTED = "adopted"
    LEFT = "left"
    DECIDED = "decided"
    GONE = "gone"
    SETTLED = "settled"
    RESOLVED = "resolved"
    CLOSED = "closed"
    OURS = "ours"
    NOT_OURS = "not_ours"


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One card. `nonce` is in its buttons; `events` are what it has been told of, so that nothing counts twice.

    MANUAL: `subject` is the broker's order, `qty` and `price` what was bought, `held` the bot's own shares then.
    FROZEN: `held` shares are in the account, `expected` should be. MATCHING: `qty`, `price` and `side` of our order.
    """

    key: str
    nonce: str
    kind: Kind
    ticker: str
    subject: str
    at: dt.datetime
    events: tuple[str, ...]
    name: str = ""
    name_ko: str = ""
    stage: Stage = Stage.OPEN
    reason: str = ""
    qty: int = 0
    price: Decimal | None = None
    held: int = 0
    own: int = 0
    expected: int = 0
    side: str = ""
    stop_price: Decimal | None = None
    target_price: Decimal | None = None
    decided_at: dt.datetime | None = None
    obstacle: str = ""

    @property
    def open(self) -> bool:
        """Whether an answer is still wanted."""
        return self.stage is Stage.OPEN


def key_of(event: Event) -> str | None:
    """The key of the question that an event asks; None for an event that asks nothing."""
    match event.kind:
        case EventKind.MANUAL_BOUGHT:
            return f"manual:{event.subject}"
        case EventKind.FROZEN:
            return f"frozen:{event.id}"
        case EventKind.TROUBLE if event.values.get("what") == MATCHING:
            return f"matching:{event.id}"
        case _:
            return None


def asked(event: Event, key: str) -> Question:
    """The question of an event for which `key_of` gave the key."""
    v = event.values
    kinds = {EventKind.MANUAL_BOUGHT: Kind.MANUAL, EventKind.FROZEN: Kind.FROZEN}
    return Question(
        key=key,
        nonce=event.id[:32],
        kind=kinds.get(event.kind, Kind.MATCHING),
        ticker=event.ticker,
        subject=event.subject,
        at=event.at,
        events=(event.id,),
        name=text(v, "name"),
        name_ko=text(v, "name_ko"),
        reason=text(v, "reason"),
        qty=whole(v, "qty"),
        price=decimal(v, "price"),
        held=whole(v, "held"),
        own=whole(v, "own"),
        expected=whole(v, "expected"),
    )


def with_order(question: Question, order: Intent | None) -> Question:
    """What the bot itself had sent, so that a person can compare."""
    if order is None:
        return question
    request = order.request
    return msgspec.structs.replace(
        question, side=request.side.value, qty=request.qty, price=request.limit, at=order.sent_at or order.created_at
    )


def with_more(question: Question, event: Event) -> Question:
    """The same order was filled further: the quantities add up, the price is their average."""
    if event.id in question.events:
        return question
    more, price = whole(event.values, "qty"), decimal(event.values, "price")
    total = question.qty + more
    average = question.price
    if price is not None and average is not None and total:
        average = (average * question.qty + price * more) / total
    return msgspec.structs.replace(
        question,
        events=(*question.events, event.id),
        qty=total if question.open else question.qty,
        price=average if question.open else question.price,
        held=whole(event.values, "held"),
        own=whole(event.values, "own"),
    )


def closed(question: Question, stage: Stage, at: dt.datetime) -> Question:
    """The question is over without an answer of ours."""
    return msgspec.structs.replace(question, stage=stage, decided_at=at, obstacle="") if question.open else question


def command_of(question: Question, answer: str, by: str) -> AnyCommand | None:
    """What an answer tells the trader; None for an answer that this question does not have."""
    match question.kind, answer:
        case Kind.MANUAL, "y" | "n":
            return AdoptManual(by=by, nonce=question.nonce, key=question.subject, adopt=answer == YES)
        case Kind.FROZEN, "y":
            return Settle(by=by, nonce=question.nonce, ticker=question.ticker)
        case Kind.MATCHING, "y" | "n":
            return OwnOrder(by=by, nonce=question.nonce, ticker=question.ticker, placed=answer == YES)
        case _:
            return None


_ENDS = {
    ReplyKey.IGNORED: Stage.LEFT,
    ReplyKey.ALREADY_DECIDED: Stage.DECIDED,
    ReplyKey.NOTHING_TO_DO: Stage.RESOLVED,
    ReplyKey.UNKNOWN_PLAN: Stage.GONE,
    ReplyKey.NOT_HELD: Stage.GONE,
}


def with_reply(question: Question, answer: str, reply: Reply, at: dt.datetime) -> Question:
    """The question after the trader's answer; a refusal leaves it open and says why."""
    if not question.open:
        return question
    v = reply.values
    if reply.key is not ReplyKey.DONE:
        stage = _ENDS.get(reply.key)
        if stage is None:
            return msgspec.structs.replace(question, obstacle=text(v, "reason") or "not_accepted")
        return closed(question, stage, at)
    done = {
        Kind.MANUAL: Stage.ADOPTED,
        Kind.FROZEN: Stage.SETTLED,
        Kind.MATCHING: Stage.OURS if answer == YES else Stage.NOT_OURS,
    }
    return msgspec.structs.replace(
        closed(question, done[question.kind], at),
        qty=whole(v, "qty") if "qty" in v else question.qty,
        stop_price=decimal(v, "stop_price"),
        target_price=decimal(v, "target_price"),
    )
