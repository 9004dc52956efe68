"""Themes of complaints, sentiment of comments, implicit signals and adoption; see monitor/tables.py."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "adoption",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("length", sa.String(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("sessions", sa.BigInteger(), nullable=False),
        sa.Column("users", sa.Float(), nullable=False),
        sa.Column("newcomers", sa.Float(), nullable=False),
        sa.Column("kept", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=True),
        sa.Column("rate", sa.Float(), nullable=False),
        sa.Column("sample", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("project_id", "length", "start"),
    )
    op.create_table(
        "reviewed_hour",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("following", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "start"),
    )
    op.create_table(
        "theme",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("first_found", sa.BigInteger(), nullable=False),
        sa.Column("complaints", sa.Integer(), nullable=False),
        sa.Column("users", sa.Integer(), nullable=False),
        sa.Column("recent", sa.Integer(), nullable=False),
        sa.Column("earlier", sa.Integer(), nullable=False),
        sa.Column("weeks", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("quotes", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("segments", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "id"),
    )
    op.create_table(
        "theme_comment",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("feedback_id", sa.BigInteger(), nullable=False),
        sa.Column("theme", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "feedback_id"),
    )
    op.create_index("theme_comment_theme", "theme_comment", ["project_id", "theme", "feedback_id"], unique=False)

    op.create_table(
        "theme_run",
        sa.Column("project_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("made", sa.BigInteger(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("recent", sa.BigInteger(), nullable=False),
        sa.Column("comments", sa.Integer(), nullable=False),
        sa.Column("complaints", sa.Integer(), nullable=False),
        sa.Column("stability", sa.Float(), nullable=False),
        sa.Column("seen", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("project_id"),
    )
    with op.batch_alter_table("feedback", schema=None) as batch_op:
        batch_op.add_column(sa.Column("sentiment", sa.Float(), nullable=True))
        batch_op.add_column(sa.Column("measured", sa.SmallInteger(), server_default="0", nullable=False))
        batch_op.create_index(
            "feedback_unmeasured",
            ["project_id", "id"],
            unique=False,
            sqlite_where=sa.text("comment IS NOT NULL AND measured = 0"),
            postgresql_where=sa.text("comment IS NOT NULL AND measured = 0"),
        )


def downgrade() -> None:
    with op.batch_alter_table("feedback", schema=None) as batch_op:
        batch_op.drop_index(
            "feedback_unmeasured",
            sqlite_where=sa.text("comment IS NOT NULL AND measured = 0"),
            postgresql_where=sa.text("comment IS NOT NULL AND measured = 0"),
        )
        batch_op.drop_column("measured")
        batch_op.drop_column("sentiment")

    op.drop_table("theme_run")
    op.drop_index("theme_comment_theme", table_name="theme_comment")
    op.drop_table("theme_comment")
    op.drop_table("theme")
    op.drop_table("reviewed_hour")
    op.drop_table("adoption")
