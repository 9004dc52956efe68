"""Signals are packed. Those stored before are dropped, and all calls wait to be enriched again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "signal_layout",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.drop_table("enrichment")
    op.create_table(
        "enrichment",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("layout", sa.Integer(), nullable=False),
        sa.Column("cost_usd", sa.Float(), nullable=True),
        sa.Column("language", sa.String(), nullable=True),
        sa.Column("signals", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "id"),
        sqlite_with_rowid=False,
    )
    _enrich_again()


def downgrade() -> None:
    op.drop_table("enrichment")
    op.create_table(
        "enrichment",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("cost_usd", sa.Float(), nullable=True),
        sa.Column("signals", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "id"),
    )
    op.drop_table("signal_layout")
    _enrich_again()


def _enrich_again() -> None:
    op.execute(
        "INSERT INTO pending (project_id, id, received) SELECT project_id, id, received FROM span WHERE kind = 'llm' "
        "AND NOT EXISTS (SELECT 1 FROM pending AS other "
        "WHERE other.project_id = span.project_id AND other.id = span.id)"
    )
