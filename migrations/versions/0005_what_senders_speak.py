"""Dialects that a sender speaks, and what its SDK lost; see monitor/tables.py."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("sender") as batch_op:
        batch_op.add_column(sa.Column("lost", sa.BigInteger(), server_default="0", nullable=False))
        batch_op.add_column(
            sa.Column("dialects", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=True)
        )


def downgrade() -> None:
    with op.batch_alter_table("sender") as batch_op:
        batch_op.drop_column("dialects")
        batch_op.drop_column("lost")
