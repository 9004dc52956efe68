"""How far the judgement of a project has got."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select

from monitor import tables
from monitor.clock import from_microseconds
from monitor.store import Store, table_of

_VERDICT = table_of(tables.Verdict)


def judged_from(store: Store, project_id: int) -> datetime | None:
    """Where the newest block begins that has been judged; None where none has."""
    with store.read() as connection:
        start = connection.execute(
            select(func.max(_VERDICT.c.start)).where(_VERDICT.c.project_id == project_id)
        ).scalar()
    return None if start is None else from_microseconds(start)
