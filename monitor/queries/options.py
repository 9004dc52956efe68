"""What there is to choose from: projects, segments, the extent of the data, and how fresh it is.

Everything here costs the same however many calls are stored: options come from the maintained segment table, the
extent from both ends of the key, counts are capped.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from monitor import tables
from monitor.clock import from_microseconds
from monitor.contracts import Segment
from monitor.store import Store, table_of

PENDING_CAP = 10_000
"""The backlog is counted up to here; more is told as "at least"."""
_PROJECT = table_of(tables.Project)
_SPAN = table_of(tables.Span)
_SEGMENT = table_of(tables.Segment)
_SENDER = table_of(tables.Sender)
_PENDING = table_of(tables.Pending)


@dataclass(frozen=True)
class ProjectOption:
    """A project; `note` says what people should know of its data (such as that arrival times are synthetic)."""

    id: int
    name: str
    note: str
    created: datetime


@dataclass(frozen=True)
class SegmentOption:
    """A segment that has been seen, since when and until when."""

    segment: Segment
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True)
class Freshness:
    """How far behind the store is: newest arrival, calls waiting for enrichment (capped), and since when they wait."""

    newest_received: datetime | None
    newest_call: datetime | None
    pending: int
    pending_since: datetime | None

    @property
    def pending_is_capped(self) -> bool:
        """True where `pending` means "at least so many"."""
        return self.pending >= PENDING_CAP


def projects(store: Store) -> tuple[ProjectOption, ...]:
    """All projects by name."""
    with store.read() as connection:
        rows = connection.execute(select(_PROJECT).order_by(_PROJECT.c.name)).all()
    return tuple(ProjectOption(row.id, row.name, row.note, from_microseconds(row.created)) for row in rows)


def project(store: Store, name: str) -> ProjectOption | None:
    """The project of that name, or None."""
    with store.read() as connection:
        row = connection.execute(select(_PROJECT).where(_PROJECT.c.name == name)).first()
    return ProjectOption(row.id, row.name, row.note, from_microseconds(row.created)) if row else None


def segments(store: Store, project_id: int, dimension: str = "") -> dict[str, tuple[SegmentOption, ...]]:
    """The segments seen so far by dimension, values in order; only one dimension where it is named."""
    statement = select(_SEGMENT).where(_SEGMENT.c.project_id == project_id, _SEGMENT.c.dimension != "")
    if dimension:
        statement = statement.where(_SEGMENT.c.dimension == dimension)
    with store.read() as connection:
        rows = connection.execute(statement).all()
    found: dict[str, list[SegmentOption]] = {}
    for row in rows:
        option = SegmentOption(
            Segment(row.dimension, row.value), from_microseconds(row.first_seen), from_microseconds(row.last_seen)
        )
        found.setdefault(row.dimension, []).append(option)
    return {name: tuple(sorted(found[name], key=lambda option: option.segment.value)) for name in sorted(found)}


def earliest(store: Store, project_id: int) -> datetime | None:
    """Time of the oldest span, or None where there is none."""
    with store.read() as connection:
        return _edge(connection, project_id, newest=False)


def latest(store: Store, project_id: int) -> datetime | None:
    """Time of the newest span, or None where there is none."""
    with store.read() as connection:
        return _edge(connection, project_id, newest=True)


def freshness(store: Store, project_id: int) -> Freshness:
    """How far behind the store is for one project."""
    waiting = select(_PENDING.c.received).where(_PENDING.c.project_id == project_id).limit(PENDING_CAP).subquery()
    with store.read() as connection:
        newest = connection.execute(
            select(func.max(_SENDER.c.last_seen)).where(_SENDER.c.project_id == project_id)
        ).scalar()
        count, oldest = connection.execute(
            select(func.count(), func.min(waiting.c.received)).select_from(waiting)
        ).one()
        call = _edge(connection, project_id, newest=True)
    return Freshness(_moment(newest), call, count, _moment(oldest))


def _edge(connection: Connection, project_id: int, *, newest: bool) -> datetime | None:
    order = _SPAN.c.id.desc() if newest else _SPAN.c.id
    statement = select(_SPAN.c.time).where(_SPAN.c.project_id == project_id).order_by(order).limit(1)
    return _moment(connection.execute(statement).scalar())


def _moment(value: int | None) -> datetime | None:
    return None if value is None else from_microseconds(value)
