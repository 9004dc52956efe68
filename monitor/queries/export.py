"""Everything of a kind in order, page by page: what exports are made of.

Each page is a query of its own, so that an export of any length keeps no transaction open and holds one page in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, select

from monitor import tables
from monitor.clock import from_microseconds, to_microseconds
from monitor.identifiers import id_floor
from monitor.queries.calls import BODY, ENRICHED
from monitor.queries.conditions import ENRICHMENT, FEEDBACK, SPAN
from monitor.queries.verdicts import VerdictRecord, verdict_of
from monitor.records import Feedback, Span
from monitor.rows import feedback_of, span_of
from monitor.signal_rows import signals_of
from monitor.store import Store, table_of

PAGE_ROWS = 500

_VERDICT = table_of(tables.Verdict)
_LAST = (1 << 63) - 1


@dataclass(frozen=True)
class StoredCall:
    """A span with what is known of it beside what was sent.

    `feedback` is what was said of this very span. `priced_usd` and `signals` are None where it has not been enriched.
    """

    id: int
    span: Span
    received: datetime
    priced_usd: float | None
    signals: dict[str, Any] | None
    feedback: tuple[Feedback, ...]


def stored_calls(
    store: Store, project_id: int, start: datetime | None, end: datetime | None, *, every_kind: bool = False
) -> Iterator[StoredCall]:
    """The calls that begin in [start, end), oldest first; with `every_kind` also spans that are no calls."""
    joined = SPAN.outerjoin(
        ENRICHMENT, and_(ENRICHMENT.c.project_id == SPAN.c.project_id, ENRICHMENT.c.id == SPAN.c.id)
    ).outerjoin(BODY, and_(BODY.c.project_id == SPAN.c.project_id, BODY.c.id == SPAN.c.id))
    statement = (
        select(SPAN, *ENRICHED, BODY.c.codec, BODY.c.data)
        .select_from(joined)
        .where(SPAN.c.project_id == project_id, SPAN.c.id < (id_floor(end) if end else _LAST))
        .order_by(SPAN.c.id)
        .limit(PAGE_ROWS)
    )
    if not every_kind:
        statement = statement.where(SPAN.c.kind == "llm")
    following = id_floor(start) if start else 0
    while True:
        with store.read() as connection:
            rows = connection.execute(statement.where(SPAN.c.id >= following)).mappings().all()
            said = _feedback_of(connection, project_id, sorted({row["trace_id"] for row in rows}))
            signals = [_signals(connection, row) for row in rows]
        for row, known in zip(rows, signals, strict=True):
            yield StoredCall(
                row["id"],
                span_of(dict(row), row["codec"], row["data"]),
                from_microseconds(row["received"]),
                row["cost_usd"],
                known,
                tuple(said.get((row["trace_id"], row["span_id"]), ())),
            )
        if len(rows) < PAGE_ROWS:
            return
        following = rows[-1]["id"] + 1


def stored_feedback(store: Store, project_id: int, start: datetime | None, end: datetime | None) -> Iterator[Feedback]:
    """Feedback of the time [start, end), in the order of the time under which it was first stored."""
    statement = select(FEEDBACK).where(FEEDBACK.c.project_id == project_id).order_by(FEEDBACK.c.id).limit(PAGE_ROWS)
    if start is not None:
        statement = statement.where(FEEDBACK.c.time >= to_microseconds(start))
    if end is not None:
        statement = statement.where(FEEDBACK.c.time < to_microseconds(end))
    following = 0
    while True:
        with store.read() as connection:
            rows = connection.execute(statement.where(FEEDBACK.c.id >= following)).mappings().all()
        for row in rows:
            yield feedback_of(dict(row))
        if len(rows) < PAGE_ROWS:
            return
        following = rows[-1]["id"] + 1


def stored_verdicts(
    store: Store, project_id: int, start: datetime | None, end: datetime | None
) -> Iterator[VerdictRecord]:
    """The verdicts on blocks that begin in [start, end), oldest block first."""
    own = _VERDICT.c.project_id == project_id
    order = (_VERDICT.c.indicator, _VERDICT.c.signal, _VERDICT.c.dimension, _VERDICT.c.value)
    following = to_microseconds(start) if start else 0
    last = to_microseconds(end) if end else _LAST
    while True:
        with store.read() as connection:
            block = connection.execute(
                select(_VERDICT.c.start)
                .where(own, _VERDICT.c.start >= following, _VERDICT.c.start < last)
                .order_by(_VERDICT.c.start)
                .limit(1)
            ).scalar()
            if block is None:
                return
            rows = connection.execute(select(_VERDICT).where(own, _VERDICT.c.start == block).order_by(*order)).all()
        yield from map(verdict_of, rows)
        following = block + 1


def _signals(connection: Connection, row: Any) -> dict[str, Any] | None:
    """The signals of a call without vectors, which are no signals for people to read."""
    if row["signals"] is None:
        return None
    return {name: value for name, value in signals_of(connection, row).items() if not isinstance(value, bytes)}


def _feedback_of(
    connection: Connection, project_id: int, traces: list[bytes]
) -> dict[tuple[bytes, bytes], list[Feedback]]:
    """What was said of single spans of these traces, oldest first."""
    if not traces:
        return {}
    statement = (
        select(FEEDBACK)
        .where(FEEDBACK.c.project_id == project_id, FEEDBACK.c.trace_id.in_(traces), FEEDBACK.c.span_id.is_not(None))
        .order_by(FEEDBACK.c.time, FEEDBACK.c.identity)
    )
    found: dict[tuple[bytes, bytes], list[Feedback]] = {}
    for row in connection.execute(statement).mappings():
        found.setdefault((row["trace_id"], row["span_id"]), []).append(feedback_of(dict(row)))
    return found
