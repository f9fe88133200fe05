"""Finds that were not bought, and what became of them.

Revision 0003. 2026-11-29
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "foregone",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("open", sa.Boolean, nullable=False),
        sa.Column("body", JSON, nullable=False),
        sa.Column("outcome", JSON),
        sa.PrimaryKeyConstraint("id", name="pk_foregone"),
        sa.UniqueConstraint("key", name="uq_foregone_key"),
    )
    op.create_index("ix_foregone_at", "foregone", ["at"])


def downgrade() -> None:
    op.drop_table("foregone")
