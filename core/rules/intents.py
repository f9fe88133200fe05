"""The life of an order intent as one table (facts: reliability.md 2.4)."""

import enum

from core.model.order import IntentState as S


class IntentEvent(enum.StrEnum):
    """What can happen to an intent."""

    SEND = "send"
    VOID = "void"
    ACK = "ack"
    REFUSE = "refuse"
    LOSE = "lose"
    SEE_WORKING = "see_working"
    FILL_PART = "fill_part"
    FILL_ALL = "fill_all"
    BROKER_REJECT = "broker_reject"
    ASK_CANCEL = "ask_cancel"
    LOSE_CANCEL = "lose_cancel"
    CANCEL = "cancel"
    EXPIRE = "expire"
    FIND_NONE = "find_none"
    FIND_MANY = "find_many"


_E = IntentEvent
_SEEN = {
    _E.SEE_WORKING: S.WORKING,
    _E.FILL_PART: S.PARTIAL,
    _E.FILL_ALL: S.FILLED,
    _E.BROKER_REJECT: S.BROKER_REJECTED,
    _E.CANCEL: S.CANCELLED,
    _E.EXPIRE: S.EXPIRED,
}
# While a cancel is on its way, seeing the order open or partly filled does not change that it is on its way.
_CANCELLING = {_E.FILL_ALL: S.FILLED, _E.BROKER_REJECT: S.BROKER_REJECTED, _E.CANCEL: S.CANCELLED, _E.EXPIRE: S.EXPIRED}

TRANSITIONS: dict[S, dict[IntentEvent, S]] = {
    S.PREPARED: {_E.SEND: S.SENDING, _E.VOID: S.VOIDED},
    S.SENDING: {_E.ACK: S.ACKED, _E.REFUSE: S.REJECTED, _E.LOSE: S.UNKNOWN},
    S.UNKNOWN: {**_SEEN, _E.ACK: S.ACKED, _E.FIND_NONE: S.NOT_PLACED, _E.FIND_MANY: S.HUMAN},
    S.ACKED: {**_SEEN, _E.ASK_CANCEL: S.CANCEL_REQ},
    S.WORKING: {**_SEEN, _E.ASK_CANCEL: S.CANCEL_REQ},
    S.PARTIAL: {**_SEEN, _E.ASK_CANCEL: S.CANCEL_REQ},
    S.CANCEL_REQ: {
        **_CANCELLING,
        _E.SEE_WORKING: S.CANCEL_REQ,
        _E.FILL_PART: S.CANCEL_REQ,
        _E.ASK_CANCEL: S.CANCEL_REQ,
        _E.LOSE_CANCEL: S.CANCEL_UNKNOWN,
    },
    S.CANCEL_UNKNOWN: {
        **_CANCELLING,
        _E.SEE_WORKING: S.CANCEL_UNKNOWN,
        _E.FILL_PART: S.CANCEL_UNKNOWN,
        _E.ASK_CANCEL: S.CANCEL_REQ,
    },
    S.HUMAN: {**_SEEN, _E.FIND_NONE: S.NOT_PLACED},
    # A fill may still land after a final state was booked: it is booked too, the state stays final.
    S.NOT_PLACED: {**_SEEN},
    S.FILLED: {},
    S.CANCELLED: {_E.FILL_ALL: S.FILLED, _E.FILL_PART: S.CANCELLED},
    S.EXPIRED: {_E.FILL_ALL: S.FILLED, _E.FILL_PART: S.EXPIRED},
    S.REJECTED: {},
    S.BROKER_REJECTED: {},
    S.VOIDED: {},
}


def next_state(state: S, event: IntentEvent) -> S:
    """The state after an event; an event that the table does not allow is a bug and asserts."""
    allowed = TRANSITIONS[state]
    assert event in allowed, f"intent in {state.value} can't {event.value}"
    return allowed[event]
