"""Times that people declare, and detectors of amounts; see monitor/tables.py."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "declared_time",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("dimension", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("incident_id", sa.BigInteger(), nullable=True),
        sa.Column("made", sa.BigInteger(), nullable=False),
        sa.Column("made_by", sa.String(), nullable=False),
        sa.Column("removed", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("project_id", "id"),
    )
    with op.batch_alter_table("detector", schema=None) as batch_op:
        batch_op.add_column(sa.Column("form", sa.String(), server_default="share", nullable=False))


def downgrade() -> None:
    with op.batch_alter_table("detector", schema=None) as batch_op:
        batch_op.drop_column("form")
    op.drop_table("declared_time")
