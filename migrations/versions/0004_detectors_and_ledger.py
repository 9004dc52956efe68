"""Detectors of closed hours, the ledger of the alarm budget, alerts marked false; see monitor/tables.py."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "allowance",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("lane", sa.String(), nullable=False),
        sa.Column("day", sa.BigInteger(), nullable=False),
        sa.Column("looks", sa.BigInteger(), nullable=False),
        sa.Column("spent", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "lane", "day"),
    )
    op.create_table(
        "detector",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("indicator", sa.String(), nullable=False),
        sa.Column("signal", sa.String(), nullable=False),
        sa.Column("dimension", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("started", sa.BigInteger(), nullable=False),
        sa.Column("fitted", sa.BigInteger(), nullable=False),
        sa.Column("reached", sa.BigInteger(), nullable=False),
        sa.Column("blocks", sa.BigInteger(), nullable=False),
        sa.Column("level", sa.Float(), nullable=False),
        sa.Column("evidence", sa.Float(), nullable=False),
        sa.Column("threshold", sa.Float(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.Column("baseline", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "indicator", "signal", "dimension", "value"),
    )
    with op.batch_alter_table("alert") as batch_op:
        batch_op.add_column(sa.Column("marked_false", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("marked_by", sa.String(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("alert") as batch_op:
        batch_op.drop_column("marked_by")
        batch_op.drop_column("marked_false")

    op.drop_table("detector")
    op.drop_table("allowance")
