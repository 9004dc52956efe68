"""The monitor's own numbers, as of a moment: what the indicators of the pulse judge."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from statistics import median

from sqlalchemy import Connection, and_, case, func, select

from monitor import tables
from monitor.clock import BlockLength, to_microseconds
from monitor.identifiers import id_floor
from monitor.stats.budget import QUARTER_DAYS
from monitor.store import Store, table_of

_SPAN = table_of(tables.Span)
_PENDING = table_of(tables.Pending)
_ENRICHMENT = table_of(tables.Enrichment)
_PROFILE = table_of(tables.Profile)
_JOB_RUN = table_of(tables.JobRun)
_REJECT = table_of(tables.Reject)
_ALERT = table_of(tables.Alert)
_ALLOWANCE = table_of(tables.Allowance)

_SECOND = 1_000_000
_HOUR = timedelta(hours=1)
_NEWEST = 500
_CAP = 10_000
_SETTLED = timedelta(minutes=15)
_HISTORY = timedelta(days=28)
_STUCK_AFTER = timedelta(minutes=10)
_JOB_HISTORY = timedelta(days=2)


def pulse_facts(store: Store, project_id: int, now: datetime) -> dict[str, float]:
    """Facts by name; one that cannot be told is left out.

    `lag_s` median seconds between a call and its arrival, over the newest calls of a day (a backfill of older ones is
    left out); `backlog_calls`, `backlog_s` calls that wait for signals and how long the oldest has; `coverage`,
    `coverage_calls` share of the newest calls that have signals; `jobs_known`, `jobs_failed`, `jobs_stuck`; `rejected`,
    `received` records of the last hour; `silent_hours` since the newest call, `usual_gap_hours` the longest pause of
    four weeks, `history_days`; `alarms_raised`, `alarms_false` and `alarms_allowed` of a quarter: incidents
    raised, marked false, and alarms at most expected to be false.
    """
    with store.read() as connection:
        return {
            **_arrival(connection, project_id, now),
            **_backlog(connection, project_id, now),
            **_coverage(connection, project_id, now),
            **_jobs(connection, now),
            **_records(connection, project_id, now),
            **_pauses(connection, project_id, now),
            **_alarms(connection, project_id, now),
        }


def _arrival(connection: Connection, project_id: int, now: datetime) -> dict[str, float]:
    rows = connection.execute(
        select(_SPAN.c.time, _SPAN.c.received)
        .where(
            _SPAN.c.project_id == project_id,
            _SPAN.c.id >= id_floor(now - timedelta(days=1)),
            _SPAN.c.id < id_floor(now),
        )
        .order_by(_SPAN.c.id.desc())
        .limit(_NEWEST)
    ).all()
    lags = [(row.received - row.time) / _SECOND for row in rows]
    lags = [lag for lag in lags if lag < 86_400]
    return {"lag_s": max(0.0, median(lags))} if lags else {}


def _backlog(connection: Connection, project_id: int, now: datetime) -> dict[str, float]:
    waiting = select(_PENDING.c.received).where(_PENDING.c.project_id == project_id).limit(_CAP).subquery()
    row = connection.execute(select(func.count(), func.min(waiting.c.received)).select_from(waiting)).one()
    seconds = max(0.0, (to_microseconds(now) - row[1]) / _SECOND) if row[1] is not None else 0.0
    return {"backlog_calls": float(row[0]), "backlog_s": seconds}


def _coverage(connection: Connection, project_id: int, now: datetime) -> dict[str, float]:
    newest = (
        select(_SPAN.c.id)
        .where(
            _SPAN.c.project_id == project_id,
            _SPAN.c.id >= id_floor(now - timedelta(days=1)),
            _SPAN.c.id < id_floor(now - _SETTLED),
            _SPAN.c.kind == "llm",
        )
        .order_by(_SPAN.c.id.desc())
        .limit(_NEWEST)
        .subquery()
    )
    joined = newest.outerjoin(
        _ENRICHMENT, and_(_ENRICHMENT.c.project_id == project_id, _ENRICHMENT.c.id == newest.c.id)
    )
    calls, enriched = connection.execute(select(func.count(), func.count(_ENRICHMENT.c.id)).select_from(joined)).one()
    return {"coverage": enriched / calls, "coverage_calls": float(calls)} if calls else {}


def _jobs(connection: Connection, now: datetime) -> dict[str, float]:
    rows = connection.execute(
        select(_JOB_RUN.c.job, _JOB_RUN.c.state, _JOB_RUN.c.finished, _JOB_RUN.c.heartbeat)
        .where(_JOB_RUN.c.started >= to_microseconds(now - _JOB_HISTORY), _JOB_RUN.c.started <= to_microseconds(now))
        .order_by(_JOB_RUN.c.started)
    )
    latest = {row.job: row for row in rows}
    overdue = to_microseconds(now - _STUCK_AFTER)
    return {
        "jobs_known": float(len(latest)),
        "jobs_failed": float(sum(1 for row in latest.values() if row.state == "failed")),
        "jobs_stuck": float(sum(1 for row in latest.values() if row.finished is None and row.heartbeat < overdue)),
    }


def _records(connection: Connection, project_id: int, now: datetime) -> dict[str, float]:
    result: dict[str, float] = {}
    for name, table in (("rejected", _REJECT), ("received", _SPAN)):
        rows = (
            select(table.c.id)
            .where(table.c.project_id == project_id, table.c.id >= id_floor(now - _HOUR), table.c.id < id_floor(now))
            .limit(_CAP)
            .subquery()
        )
        result[name] = float(connection.execute(select(func.count()).select_from(rows)).scalar_one())
    return result


def _pauses(connection: Connection, project_id: int, now: datetime) -> dict[str, float]:
    newest = connection.execute(
        select(_SPAN.c.time)
        .where(_SPAN.c.project_id == project_id, _SPAN.c.id < id_floor(now))
        .order_by(_SPAN.c.id.desc())
        .limit(1)
    ).scalar()
    if newest is None:
        return {}
    starts = list(
        connection.execute(
            select(_PROFILE.c.start)
            .where(
                _PROFILE.c.project_id == project_id,
                _PROFILE.c.length == str(BlockLength.HOUR),
                _PROFILE.c.dimension == "",
                _PROFILE.c.value == "",
                _PROFILE.c.signal == "calls",
                _PROFILE.c.start >= to_microseconds(now - _HISTORY),
                _PROFILE.c.start < to_microseconds(now),
            )
            .order_by(_PROFILE.c.start)
        ).scalars()
    )
    hour = 3600 * _SECOND
    facts = {"silent_hours": max(0.0, (to_microseconds(now) - newest) / hour)}
    if starts:
        facts["usual_gap_hours"] = max((later - one for one, later in itertools.pairwise(starts)), default=0) / hour
        facts["history_days"] = (starts[-1] - starts[0]) / hour / 24
    return facts


def _alarms(connection: Connection, project_id: int, now: datetime) -> dict[str, float]:
    start = to_microseconds(now - timedelta(days=QUARTER_DAYS))
    # One false cause is one, in however many segments it shows.
    trouble = func.coalesce(_ALERT.c.incident_id, _ALERT.c.id)
    marked_false = case((_ALERT.c.marked_false.is_not(None), trouble))
    raised, marked = connection.execute(
        select(func.count(trouble.distinct()), func.count(marked_false.distinct())).where(
            _ALERT.c.project_id == project_id, _ALERT.c.opened >= start, _ALERT.c.signal != ""
        )
    ).one()
    spent = connection.execute(
        select(func.sum(_ALLOWANCE.c.spent)).where(_ALLOWANCE.c.project_id == project_id, _ALLOWANCE.c.day >= start)
    ).scalar()
    return {"alarms_raised": float(raised), "alarms_false": float(marked), "alarms_allowed": float(spent or 0.0)}
