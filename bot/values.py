"""Typed reading of `Event.values` and `Reply.values`: decimals and instants travel as strings."""

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from core.model.messages import Value

Values = Mapping[str, Value]


def decimal(values: Values, key: str) -> Decimal | None:
    """An exact number, or None where it is absent or not a number."""
    raw = values.get(key)
    if raw is None or isinstance(raw, bool) or raw == "":
        return None
    try:
        exact = Decimal(str(raw))
    except InvalidOperation:
        return None
    return exact if exact.is_finite() else None


def amount(values: Values, key: str) -> Decimal:
    """An exact number, zero where it is absent."""
    return decimal(values, key) or Decimal(0)


def whole(values: Values, key: str) -> int:
    return int(amount(values, key))


def text(values: Values, key: str) -> str:
    raw = values.get(key)
    return "" if raw is None else str(raw)


def flag(values: Values, key: str) -> bool:
    return values.get(key) in {True, "true", "True"}


def instant(values: Values, key: str) -> dt.datetime | None:
    """An aware instant from ISO text."""
    raw = values.get(key)
    if not isinstance(raw, str) or not raw:
        return None
    try:
        at = dt.datetime.fromisoformat(raw)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=dt.UTC)
