"""Addresses of databases and the exact column types."""

import datetime as dt
from decimal import Decimal

import pytest
from sqlalchemy import Dialect, create_mock_engine

from adapters.db.engine import normalize
from adapters.db.types import Exact, Instant

ENGINES: list[Dialect] = [create_mock_engine(url, print).dialect for url in ("sqlite://", "postgresql+asyncpg://")]


@pytest.mark.parametrize(
    ("given", "ours"),
    [
        ("postgres://u:p@h:5432/d", "postgresql+asyncpg://u:p@h:5432/d"),
        ("postgresql://u:p@h/d?sslmode=require", "postgresql+asyncpg://u:p@h/d?ssl=require"),
        ("postgresql+psycopg://h/d", "postgresql+asyncpg://h/d"),
        ("sqlite:///a/b.db", "sqlite+aiosqlite:///a/b.db"),
        ("sqlite+aiosqlite:////a/b.db", "sqlite+aiosqlite:////a/b.db"),
    ],
)
def test_addresses_as_hosts_hand_them_out_get_our_drivers(given: str, ours: str) -> None:
    assert normalize(given).render_as_string(hide_password=False) == ours


def test_other_databases_are_refused() -> None:
    with pytest.raises(ValueError, match="PostgreSQL or SQLite"):
        normalize("mysql://h/d")


@pytest.mark.parametrize("dialect", ENGINES, ids=lambda dialect: dialect.name)
def test_decimals_are_rounded_half_up_and_refused_when_too_large(dialect: Dialect) -> None:
    money = Exact(12, 4)
    for given, kept in (
        ("1.00005", "1.0001"),
        ("-1.00005", "-1.0001"),
        ("99999999.9999", "99999999.9999"),
        ("0", "0.0000"),
    ):
        bound = money.process_bind_param(Decimal(given), dialect)
        assert money.process_result_value(bound, dialect) == Decimal(kept)
        assert str(bound) == kept
    for given in ("100000000", "NaN", "Infinity"):
        with pytest.raises(ValueError, match="does not fit"):
            money.process_bind_param(Decimal(given), dialect)
    assert money.process_bind_param(None, dialect) is None


@pytest.mark.parametrize("dialect", ENGINES, ids=lambda dialect: dialect.name)
def test_instants_are_aware(dialect: Dialect) -> None:
    kst = dt.datetime(2026, 11, 24, 0, 0, tzinfo=dt.timezone(dt.timedelta(hours=9)))
    back = Instant().process_result_value(Instant().process_bind_param(kst, dialect), dialect)
    assert back == kst
    assert back is not None
    assert back.utcoffset() == dt.timedelta(0)
    with pytest.raises(ValueError, match="aware"):
        Instant().process_bind_param(dt.datetime(2026, 11, 24), dialect)
