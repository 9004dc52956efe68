"""The monitor's own figures, over all projects: what Prometheus scrapes. Costs the same however much is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, select

from monitor import tables
from monitor.clock import from_microseconds
from monitor.store import Store, table_of

BACKLOG_CAP = 10_000
"""Backlogs are counted up to here; more is told as this many."""

_ALERT = table_of(tables.Incident)
_DIRTY = table_of(tables.DirtyBlock)
_NOTIFICATION = table_of(tables.Notification)
_PENDING = table_of(tables.Pending)
_PROJECT = table_of(tables.Project)
_RUN = table_of(tables.JobRun)
_SENDER = table_of(tables.Sender)


@dataclass(frozen=True)
class SenderCounts:
    """Records of all senders of a project since the beginning, and the newest arrival."""

    accepted: int
    rejected: int
    duplicates: int
    last_seen: datetime


@dataclass(frozen=True)
class Metrics:
    """Counts by project name, the backlog, and for each job when it last ended well."""

    records: Mapping[str, SenderCounts] = field(default_factory=dict)
    open_incidents: Mapping[str, int] = field(default_factory=dict)
    pending: int = 0
    pending_since: datetime | None = None
    dirty_blocks: int = 0
    notifications: Mapping[str, int] = field(default_factory=dict)
    jobs: Mapping[str, datetime] = field(default_factory=dict)


def metrics(store: Store) -> Metrics:
    """The figures as of now."""
    waiting = select(_PENDING.c.received).limit(BACKLOG_CAP).subquery()
    dirty = select(_DIRTY.c.start).limit(BACKLOG_CAP).subquery()
    counted = select(
        _PROJECT.c.name,
        func.sum(_SENDER.c.accepted),
        func.sum(_SENDER.c.rejected),
        func.sum(_SENDER.c.duplicates),
        func.max(_SENDER.c.last_seen),
    )
    with store.read() as connection:
        records = connection.execute(
            counted.join(_SENDER, _SENDER.c.project_id == _PROJECT.c.id).group_by(_PROJECT.c.name)
        ).all()
        incidents = connection.execute(
            select(_PROJECT.c.name, func.count())
            .join(_ALERT, _ALERT.c.project_id == _PROJECT.c.id)
            .where(_ALERT.c.state == "open")
            .group_by(_PROJECT.c.name)
        ).all()
        pending, since = connection.execute(
            select(func.count(), func.min(waiting.c.received)).select_from(waiting)
        ).one()
        blocks = connection.execute(select(func.count()).select_from(dirty)).scalar_one()
        notifications = connection.execute(
            select(_NOTIFICATION.c.state, func.count())
            .where(_NOTIFICATION.c.state != "delivered")
            .group_by(_NOTIFICATION.c.state)
        ).all()
        jobs = connection.execute(
            select(_RUN.c.job, func.max(_RUN.c.finished)).where(_RUN.c.state == "ok").group_by(_RUN.c.job)
        ).all()
    return Metrics(
        records={
            name: SenderCounts(int(accepted), int(rejected), int(duplicates), from_microseconds(int(seen)))
            for name, accepted, rejected, duplicates, seen in records
        },
        open_incidents={row[0]: row[1] for row in incidents},
        pending=pending,
        pending_since=None if since is None else from_microseconds(since),
        dirty_blocks=blocks,
        notifications={row[0]: row[1] for row in notifications},
        jobs={job: from_microseconds(finished) for job, finished in jobs if finished is not None},
    )
