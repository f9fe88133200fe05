"""The tables: the user's four with their own columns, types and defaults, then what else is remembered.

Columns that the user's plan does not have are technical: a key that makes a write idempotent, or `details` with the
whole record as exact JSON, of which the plain columns are the readable part.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Float,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)

from adapters.db.types import Exact, Instant, Json

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)


def _created(name: str = "created_at") -> Column[object]:
    return Column(name, Instant, server_default=func.now())


trades = Table(
    "trades",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("ticker", String(10), nullable=False),
    Column("side", String(4), nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("price", Exact(12, 4), nullable=False),
    Column("total_amount", Exact(15, 2)),
    Column("signal_type", String(20)),
    _created(),
    Column("key", Text),
    Column("details", Json),
    UniqueConstraint("key"),
    Index(None, "created_at"),
)

positions = Table(
    "positions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("ticker", String(10), nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("avg_price", Exact(12, 4), nullable=False),
    Column("current_price", Exact(12, 4)),
    Column("unrealized_pnl", Exact(15, 2)),
    Column("buy_count", Integer, server_default=text("0")),
    Column("target_count", Integer, server_default=text("10")),
    Column("stop_loss_price", Exact(12, 4)),
    Column("take_profit_price", Exact(12, 4)),
    _created(),
    _created("updated_at"),
    Column("details", Json),
    UniqueConstraint("ticker"),
)

signals = Table(
    "signals",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("ticker", String(10), nullable=False),
    Column("signal_type", String(20), nullable=False),
    Column("confidence", Exact(5, 2)),
    Column("indicators", Json),
    _created(),
    Column("message_id", String(64)),
    UniqueConstraint("message_id"),
    Index(None, "ticker"),
)

daily_reports = Table(
    "daily_reports",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("date", Date, nullable=False),
    Column("total_trades", Integer),
    Column("total_pnl", Exact(15, 2)),
    Column("win_rate", Exact(5, 2)),
    Column("details", Json),
    _created(),
    UniqueConstraint("date"),
)

round_trips = Table(
    "round_trips",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", Text, nullable=False),
    Column("ticker", String(10), nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("avg_price", Exact(12, 4), nullable=False),
    Column("sell_price", Exact(12, 4), nullable=False),
    Column("pnl_usd", Exact(15, 2), nullable=False),
    Column("pnl_krw", Exact(15, 2), nullable=False),
    Column("reason", Text, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("closed_at", Instant, nullable=False),
    Column("details", Json, nullable=False),
    UniqueConstraint("key"),
    Index(None, "closed_at"),
)

instruments = Table(
    "instruments",
    metadata,
    Column("ticker", String(12), nullable=False),
    Column("name", Text, nullable=False),
    Column("name_ko", Text, nullable=False),
    Column("exchange", String(4), nullable=False),
    Column("security_type", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("shares_outstanding", Float(53)),
    Column("updated_at", Instant, nullable=False),
    PrimaryKeyConstraint("ticker"),
)

cards = Table(
    "cards",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("chat_id", BigInteger, nullable=False),
    Column("message_id", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("data", Json, nullable=False),
    UniqueConstraint("chat_id", "message_id"),
    Index(None, "key"),
    Index(None, "kind"),
)

overrides = Table(
    "overrides",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("digest", String(32), nullable=False),
    Column("key", Text, nullable=False),
    Column("old", Json),
    Column("new", Json),
    Column("by", Text, nullable=False),
    Column("at", Instant, nullable=False),
    UniqueConstraint("digest"),
    Index(None, "key"),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("token", String(32), nullable=False),
    Column("at", Instant, nullable=False),
    Column("who", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("allowed", Boolean, nullable=False),
    Column("detail", Text, nullable=False),
    UniqueConstraint("token"),
)

job_runs = Table(
    "job_runs",
    metadata,
    Column("job", Text, nullable=False),
    Column("at", Instant, nullable=False),
    PrimaryKeyConstraint("job"),
)

preferences = Table(
    "preferences",
    metadata,
    Column("user_id", BigInteger, nullable=False),
    Column("key", Text, nullable=False),
    Column("value", Text, nullable=False),
    PrimaryKeyConstraint("user_id", "key"),
)

outgoing = Table(
    "outgoing",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", Text, nullable=False),
    Column("chat_id", BigInteger, nullable=False),
    Column("state", String(10), nullable=False),
    Column("at", Instant, nullable=False),
    Column("body", Json, nullable=False),
    Column("message_id", BigInteger),
    Column("sent_at", Instant),
    UniqueConstraint("key", "chat_id"),
    Index(None, "state"),
)

foregone = Table(
    "foregone",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("open", Boolean, nullable=False),
    Column("body", Json, nullable=False),
    Column("outcome", Json),
    UniqueConstraint("key"),
    Index(None, "at"),
)
