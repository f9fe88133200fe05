"""Fills keep their exact amount, fee and exchange rate, from which results in won and the tax estimate are made.

Rows written before have none, and what is not known is told as unknown. Revision 0004_results. 2026-11-29
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    op.add_column("trades", sa.Column("details", JSON))


def downgrade() -> None:
    op.drop_column("trades", "details")
