"""Explanations of alerts: one row an alert; see monitor/tables.py."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "explanation",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("alert_id", sa.BigInteger(), nullable=False),
        sa.Column("incident_id", sa.BigInteger(), nullable=False),
        sa.Column("made", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "alert_id"),
    )
    op.create_index("explanation_incident", "explanation", ["project_id", "incident_id"], unique=False)


def downgrade() -> None:
    op.drop_index("explanation_incident", table_name="explanation")
    op.drop_table("explanation")
