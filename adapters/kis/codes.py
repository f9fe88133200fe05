"""KIS's answers to orders: the allow-list of definite refusals. What is not listed here is unknown, never refused."""

import enum
from types import MappingProxyType


class Reason(enum.StrEnum):
    """Why KIS did not take an order."""

    CLOSED = "closed"
    CASH = "cash"
    SHARES = "shares"
    PRICE = "price"
    SYMBOL = "symbol"
    KIND = "kind"
    ACCOUNT = "account"
    PERMISSION = "permission"
    KEY = "key"
    TOKEN = "token"  # noqa: S105 - the name of a reason
    RATE = "rate"
    FORMAT = "format"
    GONE = "gone"
    NOT_SENT = "not_sent"


# Our own codes, where KIS gave none.
NOT_SENT = "NOT_SENT"
TIMED_OUT = "TIMED_OUT"
CANCELLED = "CANCELLED"
LOST = "LOST"
BAD_ANSWER = "BAD_ANSWER"
BAD_REQUEST = "BAD_REQUEST"

RATE_LIMITED = frozenset({"EGW00201", "EGW00215"})
TOKEN_DEAD = frozenset({"EGW00121", "EGW00122", "EGW00123"})
TOKEN_TOO_SOON = "EGW00133"  # noqa: S105 - a code, not a token
# Nobody knows what became of the last transaction: for an order that is unknown, a query is simply asked again.
GATEWAY_TIMED_OUT = frozenset({"EGW00301", "EGW00302"})
WORTH_REPEATING = RATE_LIMITED | GATEWAY_TIMED_OUT

# Business refusals come as HTTP 200 with rt_cd 1 or 7 (kis.md 3.5).
_BUSINESS = {
    "APBK0656": Reason.SYMBOL,
    "APBK0918": Reason.CLOSED,
    "APBK0919": Reason.CLOSED,
    "APBK2995": Reason.CLOSED,
    "APBK1664": Reason.CLOSED,
    "APBK0952": Reason.CASH,
    "APBK0988": Reason.SHARES,
    "APBK1269": Reason.KIND,
    "APBK1359": Reason.GONE,
    "APBK1507": Reason.PRICE,
    "APTR0057": Reason.PRICE,
    "APBK1672": Reason.PERMISSION,
    "APTR0058": Reason.ACCOUNT,
    "APAC0081": Reason.ACCOUNT,
    "APAC0489": Reason.ACCOUNT,
    "40030000": Reason.PRICE,
    "40070000": Reason.SYMBOL,
    "40100000": Reason.CLOSED,
    "40240000": Reason.SHARES,
    "40250000": Reason.CASH,
    "40270000": Reason.PRICE,
    "40320000": Reason.GONE,
    "40330000": Reason.GONE,
    "40570000": Reason.CLOSED,
    "40580000": Reason.CLOSED,
    "40910000": Reason.ACCOUNT,
    "90000000": Reason.KIND,
    "90070000": Reason.ACCOUNT,
}

# The gateway checks these before it passes an order on; their HTTP status was seen to vary (kis.md 3.5).
_GATEWAY = {
    "EGW00003": Reason.PERMISSION,
    "EGW00004": Reason.PERMISSION,
    "EGW00101": Reason.FORMAT,
    "EGW00102": Reason.KEY,
    "EGW00103": Reason.KEY,
    "EGW00104": Reason.KEY,
    "EGW00105": Reason.KEY,
    "EGW00121": Reason.TOKEN,
    "EGW00122": Reason.TOKEN,
    "EGW00123": Reason.TOKEN,
    "EGW00131": Reason.FORMAT,
    "EGW00132": Reason.FORMAT,
    "EGW00201": Reason.RATE,
    "EGW00205": Reason.TOKEN,
    "EGW00206": Reason.PERMISSION,
    "EGW00207": Reason.PERMISSION,
    "EGW00208": Reason.FORMAT,
    "EGW00215": Reason.RATE,
    "EGW00356": Reason.KIND,
    "EGW02004": Reason.KIND,
    "EGW02006": Reason.KIND,
    "EGW02007": Reason.KEY,
    "IGW00002": Reason.ACCOUNT,
    "IGW00007": Reason.FORMAT,
    "OPSQ0002": Reason.KIND,
    "OPSQ2000": Reason.ACCOUNT,
    "OPSQ2001": Reason.FORMAT,
    "OPSQ2002": Reason.FORMAT,
    "OPSQ9995": Reason.FORMAT,
    "OPSQ9996": Reason.FORMAT,
    "OPSQ9997": Reason.FORMAT,
    "OPSQ9998": Reason.FORMAT,
    "OPSQ9999": Reason.FORMAT,
}
_GATEWAY_STATUSES = (200, 400, 401, 403, 429, 500)

REFUSALS: MappingProxyType[tuple[int, str], Reason] = MappingProxyType(
    {(200, code): reason for code, reason in _BUSINESS.items()}
    | {(status, code): reason for code, reason in _GATEWAY.items() for status in _GATEWAY_STATUSES}
)

CLOSED_CODES = frozenset(code for (_, code), reason in REFUSALS.items() if reason is Reason.CLOSED)
GONE_CODES = frozenset(code for (_, code), reason in REFUSALS.items() if reason is Reason.GONE)


def refusal(status: int, code: str) -> Reason | None:
    """Why an order was definitely not taken, or None where that is not certain."""
    return REFUSALS.get((status, code))


def speaks_of_token(status: int, words: str) -> bool:
    """Whether a gateway's failure without a known code is about the token (a dead one was seen as a plain HTTP 500)."""
    return status in {401, 403, 500} and any(word in words.lower() for word in ("token", "토큰"))


def passes(code: str) -> bool:
    """Whether a refusal goes away by itself: too many calls, or a token that is being replaced."""
    return reason_of(code) in {Reason.RATE, Reason.TOKEN, Reason.NOT_SENT}


def reason_of(code: str) -> Reason | None:
    """The reason behind the code of an OrderRefused, for those who only have the code."""
    if code == NOT_SENT:
        return Reason.NOT_SENT
    return _BUSINESS.get(code) or _GATEWAY.get(code)
