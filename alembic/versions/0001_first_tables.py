"""The user's four tables (trades, positions, signals, daily_reports) and what else is remembered.

Revision 0001, the first. 2026-11-22
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def money(precision: int, scale: int) -> sa.types.TypeEngine:
    """DECIMAL on PostgreSQL; SQLite has no exact decimals and keeps the digits as text."""
    return sa.Numeric(precision, scale).with_variant(sa.Text(), "sqlite")


def now(name: str) -> sa.Column:
    return sa.Column(name, INSTANT, server_default=sa.func.now())


def serial() -> sa.Column:
    """SERIAL on PostgreSQL, the rowid on SQLite."""
    return sa.Column("id", sa.Integer, nullable=False)


def upgrade() -> None:
    the_users_tables()
    market_tables()
    chat_tables()


def the_users_tables() -> None:
    op.create_table(
        "trades",
        serial(),
        sa.Column("ticker", sa.String(10), nullable=False),
        sa.Column("side", sa.String(4), nullable=False),  # BUY/SELL
        sa.Column("quantity", sa.Integer, nullable=False),
        sa.Column("price", money(12, 4), nullable=False),
        sa.Column("total_amount", money(15, 2)),
        sa.Column("signal_type", sa.String(20)),
        now("created_at"),
        sa.Column("key", sa.Text),  # technical: a fill is written once
        sa.PrimaryKeyConstraint("id", name="pk_trades"),
        sa.UniqueConstraint("key", name="uq_trades_key"),
    )
    op.create_index("ix_trades_created_at", "trades", ["created_at"])

    op.create_table(
        "positions",
        serial(),
        sa.Column("ticker", sa.String(10), nullable=False),
        sa.Column("quantity", sa.Integer, nullable=False),
        sa.Column("avg_price", money(12, 4), nullable=False),
        sa.Column("current_price", money(12, 4)),
        sa.Column("unrealized_pnl", money(15, 2)),
        sa.Column("buy_count", sa.Integer, server_default=sa.text("0")),
        sa.Column("target_count", sa.Integer, server_default=sa.text("10")),
        sa.Column("stop_loss_price", money(12, 4)),
        sa.Column("take_profit_price", money(12, 4)),
        now("created_at"),
        now("updated_at"),
        sa.Column("details", JSON),  # technical: the whole position, exact
        sa.PrimaryKeyConstraint("id", name="pk_positions"),
        sa.UniqueConstraint("ticker", name="uq_positions_ticker"),
    )

    op.create_table(
        "signals",
        serial(),
        sa.Column("ticker", sa.String(10), nullable=False),
        sa.Column("signal_type", sa.String(20), nullable=False),
        sa.Column("confidence", money(5, 2)),
        sa.Column("indicators", JSON),
        now("created_at"),
        sa.Column("message_id", sa.String(64)),  # technical: a signal is written once
        sa.PrimaryKeyConstraint("id", name="pk_signals"),
        sa.UniqueConstraint("message_id", name="uq_signals_message_id"),
    )
    op.create_index("ix_signals_ticker", "signals", ["ticker"])

    op.create_table(
        "daily_reports",
        serial(),
        sa.Column("date", sa.Date, nullable=False),
        sa.Column("total_trades", sa.Integer),
        sa.Column("total_pnl", money(15, 2)),
        sa.Column("win_rate", money(5, 2)),
        sa.Column("details", JSON),
        now("created_at"),
        sa.PrimaryKeyConstraint("id", name="pk_daily_reports"),
        sa.UniqueConstraint("date", name="uq_daily_reports_date"),
    )


def market_tables() -> None:
    op.create_table(
        "round_trips",
        serial(),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("ticker", sa.String(10), nullable=False),
        sa.Column("quantity", sa.Integer, nullable=False),
        sa.Column("avg_price", money(12, 4), nullable=False),
        sa.Column("sell_price", money(12, 4), nullable=False),
        sa.Column("pnl_usd", money(15, 2), nullable=False),
        sa.Column("pnl_krw", money(15, 2), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("opened_at", INSTANT, nullable=False),
        sa.Column("closed_at", INSTANT, nullable=False),
        sa.Column("details", JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_round_trips"),
        sa.UniqueConstraint("key", name="uq_round_trips_key"),
    )
    op.create_index("ix_round_trips_closed_at", "round_trips", ["closed_at"])

    op.create_table(
        "instruments",
        sa.Column("ticker", sa.String(12), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("name_ko", sa.Text, nullable=False),
        sa.Column("exchange", sa.String(4), nullable=False),
        sa.Column("security_type", sa.Text, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("shares_outstanding", sa.Float(53)),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("ticker", name="pk_instruments"),
    )


def chat_tables() -> None:
    op.create_table(
        "cards",
        serial(),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("chat_id", sa.BigInteger, nullable=False),
        sa.Column("message_id", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("data", JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_cards"),
        sa.UniqueConstraint("chat_id", "message_id", name="uq_cards_chat_id"),
    )
    op.create_index("ix_cards_key", "cards", ["key"])
    op.create_index("ix_cards_kind", "cards", ["kind"])

    op.create_table(
        "overrides",
        serial(),
        sa.Column("digest", sa.String(32), nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("old", JSON),
        sa.Column("new", JSON),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_overrides"),
        sa.UniqueConstraint("digest", name="uq_overrides_digest"),
    )
    op.create_index("ix_overrides_key", "overrides", ["key"])

    op.create_table(
        "audit",
        serial(),
        sa.Column("token", sa.String(32), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("allowed", sa.Boolean, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
        sa.UniqueConstraint("token", name="uq_audit_token"),
    )

    op.create_table(
        "event_log",
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("token", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name="pk_event_log"),
    )

    op.create_table(
        "job_runs",
        sa.Column("job", sa.Text, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("job", name="pk_job_runs"),
    )

    op.create_table(
        "preferences",
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "key", name="pk_preferences"),
    )


def downgrade() -> None:
    for table in (
        "preferences",
        "job_runs",
        "event_log",
        "audit",
        "overrides",
        "cards",
        "instruments",
        "round_trips",
        "daily_reports",
        "signals",
        "positions",
        "trades",
    ):
        op.drop_table(table)
