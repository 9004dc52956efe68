"""Who sends to a project: what was taken and what was not, and why, and what nobody understands.

All of it comes from counters that ingest keeps per sender, and from the records of what was turned down, which hold
reasons and shapes and no text. Both are read in bounded pieces.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, select

from monitor import tables
from monitor.clock import from_microseconds
from monitor.store import Store, table_of

MOST_SENDERS = 200
MOST_NAMES = 200
LOOKED_AT = 20_000
"""The newest rejected records that are looked at when those of one sender are asked for."""

NEWEST_SPANS = 2_000
"""The newest spans among which calls inside another call are looked for."""

_SPAN = table_of(tables.Span)
_SENDER = table_of(tables.Sender)
_REJECT = table_of(tables.Reject)


@dataclass(frozen=True)
class SenderRow:
    """One sender since it was first seen. Counts are of records; `lost` is what its SDK says it could not send.

    `dialects` tells when each vocabulary was last heard (within an hour), `unmapped` counts the attribute names that
    none of them knows.
    """

    name: str
    accepted: int
    rejected: int
    duplicates: int
    lost: int
    first_seen: datetime
    last_seen: datetime
    dialects: Mapping[str, datetime] = field(default_factory=dict)
    unmapped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Senders:
    """The senders seen last, newest first; `whole` is how many there are."""

    rows: tuple[SenderRow, ...]
    whole: int


@dataclass(frozen=True)
class RejectRow:
    """A record that was turned down: when, from whom, why, and the names and types of its fields."""

    id: int
    time: datetime
    sender: str
    reason: str
    shape: str


@dataclass(frozen=True)
class RejectPage:
    """Some of the rejected records, newest first; `more` where older ones follow."""

    rows: tuple[RejectRow, ...]
    more: bool


@dataclass(frozen=True)
class UnmappedName:
    """An attribute name that no dialect knows: how many spans had it, and who sent them."""

    name: str
    spans: int
    senders: tuple[str, ...]


@dataclass(frozen=True)
class Nested:
    """Calls that stand right inside another call: how many, and which library traced the inner and the outer one."""

    calls: int
    inner: str
    outer: str


def nested_calls(store: Store, project_id: int) -> tuple[Nested, ...]:
    """Pairs of libraries that trace the same call, so that it counts twice; among the newest spans, most first."""
    columns = [_SPAN.c[name] for name in ("project_id", "trace_id", "parent_id", "kind", "source")]
    mine = select(*columns).where(_SPAN.c.project_id == project_id)
    newest = mine.order_by(_SPAN.c.id.desc()).limit(NEWEST_SPANS).subquery()
    outer = _SPAN.alias()
    inside = (
        (outer.c.project_id == newest.c.project_id)
        & (outer.c.trace_id == newest.c.trace_id)
        & (outer.c.span_id == newest.c.parent_id)
    )
    calls = func.count().label("calls")
    statement = (
        select(calls, newest.c.source.label("inner"), outer.c.source.label("outer"))
        .select_from(newest.join(outer, inside))
        .where(outer.c.kind == "llm", newest.c.kind == "llm")
        .group_by(newest.c.source, outer.c.source)
        .order_by(calls.desc(), newest.c.source, outer.c.source)
    )
    with store.read() as connection:
        return tuple(Nested(row.calls, row.inner or "", row.outer or "") for row in connection.execute(statement))


def read_senders(store: Store, project_id: int, limit: int = MOST_SENDERS) -> Senders:
    """The senders of a project."""
    mine = _SENDER.c.project_id == project_id
    statement = select(_SENDER).where(mine).order_by(_SENDER.c.last_seen.desc(), _SENDER.c.name).limit(limit)
    with store.read() as connection:
        found = connection.execute(statement).all()
        whole = connection.execute(select(func.count()).select_from(_SENDER).where(mine)).scalar_one()
    rows = tuple(
        SenderRow(
            name=row.name,
            accepted=row.accepted,
            rejected=row.rejected,
            duplicates=row.duplicates,
            lost=row.lost,
            first_seen=from_microseconds(row.first_seen),
            last_seen=from_microseconds(row.last_seen),
            dialects={name: from_microseconds(moment) for name, moment in (row.dialects or {}).items()},
            unmapped=row.unmapped or {},
        )
        for row in found
    )
    return Senders(rows, whole)


def read_rejects(
    store: Store, project_id: int, *, sender: str = "", before: int | None = None, limit: int = 50
) -> RejectPage:
    """Rejected records, newest first, from those older than the one with the id `before`; of one sender where named."""
    mine = [_REJECT.c.project_id == project_id]
    if before is not None:
        mine.append(_REJECT.c.id < before)
    statement = select(_REJECT).where(*mine)
    if sender:
        newest = select(_REJECT).where(*mine).order_by(_REJECT.c.id.desc()).limit(LOOKED_AT).subquery()
        statement = select(newest).where(newest.c.sender == sender)
    columns = statement.selected_columns
    with store.read() as connection:
        found = connection.execute(statement.order_by(columns.id.desc()).limit(limit + 1)).all()
    rows = tuple(
        RejectRow(row.id, from_microseconds(row.time), row.sender, row.reason, row.shape or "") for row in found[:limit]
    )
    return RejectPage(rows, len(found) > limit)


def unmapped_names(rows: Sequence[SenderRow], limit: int = MOST_NAMES) -> tuple[UnmappedName, ...]:
    """The attribute names that nobody knows, the most frequent first."""
    spans: dict[str, int] = {}
    senders: dict[str, list[str]] = {}
    for row in rows:
        for name, count in row.unmapped.items():
            spans[name] = spans.get(name, 0) + count
            senders.setdefault(name, []).append(row.name)
    ordered = sorted(spans, key=lambda name: (-spans[name], name))[:limit]
    return tuple(UnmappedName(name, spans[name], tuple(senders[name])) for name in ordered)
