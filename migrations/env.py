"""How migrations run: on the connection, and inside the transaction, that `monitor.migrate` hands over.

One transaction for all of them, so that an upgrade happens whole or not at all; on SQLite tables are rewritten where it
cannot alter them ("batch mode").
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import context
from sqlalchemy.dialects import postgresql
from sqlmodel import AutoString, SQLModel

from monitor import tables


def render_item(kind: str, item: Any, autogen_context: Any) -> str | bool:
    """Plain types in new migrations: they must not depend on what SQLModel calls its own."""
    if kind != "type":
        return False
    if isinstance(item, AutoString):
        return "sa.String()"
    if item is tables.Json:
        autogen_context.imports.add("from sqlalchemy.dialects import postgresql")
        return 'sa.JSON().with_variant(postgresql.JSONB(), "postgresql")'
    return False


def compare_type(_context: Any, _column: Any, _model_column: Any, stored: Any, declared: Any) -> bool | None:
    """JSON is JSONB on PostgreSQL, which is no difference; everything else is compared as usual."""
    if isinstance(declared, sa.JSON) and isinstance(stored, (sa.JSON, postgresql.JSONB)):
        return False
    return None


def include_object(item: Any, _name: str | None, _kind: str, _reflected: bool, _other: Any) -> bool:
    """Leaves out what only the other engine has."""
    here = context.config.attributes["connection"].dialect.name
    return bool(item.info.get("engine", here) == here)


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    render_as_batch=True,
    render_item=render_item,
    compare_type=compare_type,
    include_object=include_object,
)
context.run_migrations()
