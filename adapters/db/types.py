"""Column types that mean the same on PostgreSQL and SQLite: exact decimals, UTC instants, JSON."""

import datetime as dt
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect, Numeric, Text, TypeDecorator
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


class Exact(TypeDecorator[Decimal]):
    """DECIMAL(precision, scale): NUMERIC on PostgreSQL, text on SQLite, which knows no decimals.

    Rounded half up to the scale on the way in, as PostgreSQL does; what does not fit is refused on both.
    """

    impl = Numeric
    cache_ok = True

    def __init__(self, precision: int, scale: int) -> None:
        super().__init__(precision, scale)
        self.precision = precision
        self.scale = scale

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Text on SQLite, where sums are made in Python."""
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else Numeric(self.precision, self.scale))

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        """A decimal of exactly `scale` places."""
        if value is None:
            return None
        if not value.is_finite() or abs(value) >= Decimal(10) ** (self.precision - self.scale):
            raise ValueError(f"{value} does not fit DECIMAL({self.precision},{self.scale})")
        exact = value.quantize(Decimal(1).scaleb(-self.scale), rounding=ROUND_HALF_UP)
        return str(exact) if dialect.name == "sqlite" else exact

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:  # noqa: ARG002 - SQLAlchemy's
        """Always a Decimal."""
        return None if value is None else Decimal(value)


class Instant(TypeDecorator[dt.datetime]):
    """An aware UTC instant: TIMESTAMPTZ on PostgreSQL, `YYYY-MM-DD HH:MM:SS.ffffff` in UTC on SQLite."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        """Naive datetimes are refused."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"an instant is aware, not {value!r}")
        utc = value.astimezone(dt.UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        """Always aware UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=dt.UTC) if dialect.name == "sqlite" else value.astimezone(dt.UTC)
