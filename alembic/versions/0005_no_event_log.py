"""What was told is known from the outbox; the log of told events is gone.

Revision 0005. 2026-11-29
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_table("event_log")


def downgrade() -> None:
    op.create_table(
        "event_log",
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("token", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name="pk_event_log"),
    )
