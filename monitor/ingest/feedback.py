"""Stores feedback: a repeated report replaces the earlier one, and the profiles of the call it is about are marked."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from monitor import tables
from monitor.clock import from_microseconds
from monitor.dirty import mark_times
from monitor.identifiers import new_id, pack_identifier
from monitor.records import Feedback
from monitor.rows import feedback_row
from monitor.store import Store, table_of

MAX_TARGET_CALLS = 1_000


def identity_of(feedback: Feedback) -> bytes:
    """What makes two reports the same, as 16 bytes.

    Target and name, and then: the identifier where one was given; else the annotator, whose newer opinion replaces the
    older; else the content, so that an anonymous report sent twice counts once.
    """
    parts = [feedback.trace_id, feedback.span_id, feedback.session_id, feedback.name, feedback.annotator]
    if feedback.identifier:
        parts += ["identifier", feedback.annotator_id, feedback.identifier]
    elif feedback.annotator_id:
        parts += ["annotator", feedback.annotator_id]
    else:
        content = (feedback.value, feedback.label, feedback.comment, feedback.correction)
        parts += ["content", *(repr(item) for item in content)]
    text = "\x1f".join(part.replace("\x1f", " ") for part in parts)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def write_feedback(
    store: Store, connection: Connection, project_id: int, feedback: Sequence[Feedback], now: datetime
) -> None:
    """Inserts or replaces feedback (an older report never replaces a newer one) and marks the blocks of its calls."""
    if not feedback:
        return
    rows = [feedback_row(project_id, new_id(item.time), identity_of(item), item, now) for item in feedback]
    statement = store.insert_statement(tables.Feedback)
    table = table_of(tables.Feedback)
    changed = {name: statement.excluded[name] for name in rows[0] if name not in ("project_id", "id", "identity")}
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["project_id", "identity"], set_=changed, where=statement.excluded.time >= table.c.time
        ),
        rows,
    )
    mark_calls(store, connection, project_id, feedback, now)


def mark_calls(
    store: Store, connection: Connection, project_id: int, feedback: Sequence[Feedback], now: datetime
) -> None:
    """Marks the hour and the day of every stored call that the feedback is about."""
    targets = {(item.trace_id, item.span_id, item.session_id if not item.trace_id else "") for item in feedback}
    times = {
        from_microseconds(moment)
        for trace_id, span_id, session_id in targets
        for moment in _times_of(connection, project_id, trace_id, span_id, session_id)
    }
    mark_times(store, connection, project_id, times, now)


def _times_of(connection: Connection, project_id: int, trace_id: str, span_id: str, session_id: str) -> list[int]:
    table = table_of(tables.Span)
    query: Any = select(table.c.time).where(table.c.project_id == project_id)
    if trace_id:
        query = query.where(table.c.trace_id == pack_identifier(trace_id))
        if span_id:
            query = query.where(table.c.span_id == pack_identifier(span_id))
    else:
        query = query.where(table.c.session_id == pack_identifier(session_id), table.c.kind == "llm")
    return list(connection.execute(query.limit(MAX_TARGET_CALLS)).scalars())
