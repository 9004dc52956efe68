"""Pages of verdicts, profiles, alerts and incidents by key, for programs that read everything.

A page begins after the key of the last row of the page before, so a page costs the same wherever it is, and rows that
arrive meanwhile neither repeat nor hide others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, or_, select, tuple_

from monitor import tables
from monitor.clock import BlockLength, from_microseconds, to_microseconds
from monitor.contracts import Kind, Segment
from monitor.profile import Profile
from monitor.queries.alerts import AlertRecord, IncidentRecord, alert_record, read_incidents
from monitor.queries.verdicts import VerdictRecord, verdict_of
from monitor.store import Store, table_of

_ALERT = table_of(tables.Alert)
_INCIDENT = table_of(tables.Incident)
_PROFILE = table_of(tables.Profile)
_VERDICT = table_of(tables.Verdict)

Key = Sequence[Any]


@dataclass(frozen=True)
class Wanted:
    """Which rows: of blocks or troubles from `start` up to before `end`, with these names; None or empty is any."""

    start: datetime | None = None
    end: datetime | None = None
    segment: Segment | None = None
    indicator: str = ""
    signal: str = ""
    state: str = ""


@dataclass(frozen=True)
class ProfileRow:
    """A stored profile; `key` is where the next page goes on."""

    start: datetime
    segment: Segment
    signal: str
    profile: Profile

    @property
    def key(self) -> Key:
        """Start (microseconds), dimension, value, signal."""
        return (to_microseconds(self.start), self.segment.dimension, self.segment.value, self.signal)


def verdict_page(
    store: Store, project_id: int, wanted: Wanted, *, after: Key | None, limit: int
) -> list[VerdictRecord]:
    """Verdicts, the newest block first; in a block by indicator, signal and segment."""
    table = _VERDICT
    names = (table.c.indicator, table.c.signal, table.c.dimension, table.c.value)
    conditions = [table.c.project_id == project_id, *_in_range(table.c.start, wanted), *_named(table, wanted)]
    if after is not None:
        conditions.append(
            or_(table.c.start < after[0], and_(table.c.start == after[0], tuple_(*names) > tuple_(*after[1:5])))
        )
    statement = select(table).where(*conditions).order_by(table.c.start.desc(), *names).limit(limit)
    with store.read() as connection:
        return [verdict_of(row) for row in connection.execute(statement)]


def profile_page(
    store: Store, project_id: int, length: BlockLength, wanted: Wanted, *, after: Key | None, limit: int
) -> list[ProfileRow]:
    """Profiles of hours or days, the oldest block first; in a block by segment and signal."""
    table = _PROFILE
    order = (table.c.start, table.c.dimension, table.c.value, table.c.signal)
    conditions = [
        table.c.project_id == project_id,
        table.c.length == length.value,
        *_in_range(table.c.start, wanted),
        *_named(table, wanted),
    ]
    if after is not None:
        conditions.append(tuple_(*order) > tuple_(*after[:4]))
    statement = select(table).where(*conditions).order_by(*order).limit(limit)
    with store.read() as connection:
        return [_profile(row) for row in connection.execute(statement)]


def alert_page(store: Store, project_id: int, wanted: Wanted, *, after: Key | None, limit: int) -> list[AlertRecord]:
    """Alerts, the last opened first; of a range those that were open in it."""
    statement = (
        select(_ALERT)
        .where(
            _ALERT.c.project_id == project_id,
            *_open_in_range(_ALERT, wanted),
            *_named(_ALERT, wanted),
            *_opened_before(_ALERT, after),
        )
        .order_by(_ALERT.c.opened.desc(), _ALERT.c.id.desc())
        .limit(limit)
    )
    with store.read() as connection:
        return [alert_record(row) for row in connection.execute(statement).mappings()]


def incident_page(
    store: Store, project_id: int, wanted: Wanted, *, after: Key | None, limit: int
) -> list[IncidentRecord]:
    """Incidents, the last opened first; of a range those that were open in it, of a segment those that have it."""
    conditions = [*_open_in_range(_INCIDENT, wanted), *_opened_before(_INCIDENT, after)]
    if wanted.state:
        conditions.append(_INCIDENT.c.state == wanted.state)
    if wanted.segment is not None:
        touched = select(_ALERT.c.incident_id).where(
            _ALERT.c.project_id == project_id,
            _ALERT.c.dimension == wanted.segment.dimension,
            _ALERT.c.value == wanted.segment.value,
        )
        conditions.append(_INCIDENT.c.id.in_(touched))
    with store.read() as connection:
        return read_incidents(connection, project_id, and_(_INCIDENT.c.project_id == project_id, *conditions), limit)


def opened_key(record: AlertRecord | IncidentRecord) -> Key:
    """Where the page after this alert or incident goes on."""
    return (to_microseconds(record.opened), record.id)


def verdict_key(record: VerdictRecord) -> Key:
    """Where the page after this verdict goes on."""
    segment = record.segment
    return (to_microseconds(record.start), record.indicator, record.signal, segment.dimension, segment.value)


def _in_range(column: Any, wanted: Wanted) -> list[ColumnElement[bool]]:
    conditions = []
    if wanted.start is not None:
        conditions.append(column >= to_microseconds(wanted.start))
    if wanted.end is not None:
        conditions.append(column < to_microseconds(wanted.end))
    return conditions


def _open_in_range(table: Table, wanted: Wanted) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.start is not None:
        conditions.append(or_(table.c.resolved.is_(None), table.c.resolved >= to_microseconds(wanted.start)))
    if wanted.end is not None:
        conditions.append(table.c.opened < to_microseconds(wanted.end))
    return conditions


def _opened_before(table: Table, after: Key | None) -> list[ColumnElement[bool]]:
    return [] if after is None else [tuple_(table.c.opened, table.c.id) < tuple_(*after[:2])]


def _named(table: Table, wanted: Wanted) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [
        table.c[name] == value
        for name, value in (("indicator", wanted.indicator), ("signal", wanted.signal), ("state", wanted.state))
        if value
    ]
    if wanted.segment is not None:
        conditions += [table.c.dimension == wanted.segment.dimension, table.c.value == wanted.segment.value]
    return conditions


def _profile(row: Any) -> ProfileRow:
    sums = (row.total, row.total_square, row.user_total, row.user_total_square)
    profile = Profile.load(Kind(row.kind), row.n, row.users, sums, row.sketch)
    return ProfileRow(from_microseconds(row.start), Segment(row.dimension, row.value), row.signal, profile)
