"""Runs of jobs: who does which slot of which job.

The key (job, slot) is the lease: whoever inserts it does that slot, so that each slot is done once whatever the number
of processes. The one who does it keeps its heartbeat fresh; a run whose heartbeat is older than `LEASE` belongs to a
process that died, and the next one who asks takes it over. No two runs of one job are under way at the same time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Update, case, delete, func, select, update

from monitor import tables
from monitor.clock import from_microseconds, to_microseconds
from monitor.store import Store, table_of

LEASE = timedelta(seconds=60)
HEARTBEAT = timedelta(seconds=10)

# How long runs are remembered: those that had nothing to do, and the others.
_KEEP_IDLE = timedelta(hours=6)
_KEEP = timedelta(days=30)

_RUN = table_of(tables.JobRun)


@dataclass(frozen=True)
class Run:
    """One slot of a job. `state` is `running`, `ok`, `failed` or `lost` (its process died); `done` counts things."""

    job: str
    slot: datetime
    process: str
    started: datetime
    heartbeat: datetime
    finished: datetime | None
    done: int
    state: str
    note: str

    @property
    def duration(self) -> timedelta | None:
        """How long it took; None where it has not finished."""
        return self.finished - self.started if self.finished else None


@dataclass(frozen=True)
class History:
    """What is known of a job: its newest run, its newest good one, its newest failure, failures of the last day."""

    latest: Run | None
    latest_ok: Run | None
    latest_failure: Run | None
    failures: int

    def lag(self, now: datetime, every: timedelta) -> timedelta | None:
        """How much later than due the next good run is; zero where it is in time, None where there never was one."""
        if self.latest_ok is None:
            return None
        return max(now - self.latest_ok.started - every, timedelta())


def claim(store: Store, job: str, slot: datetime, process: str, now: datetime, *, again: bool = False) -> bool:
    """True where this process is to do the slot: nobody did or does it, and no other slot of the job is under way.

    A slot whose process died is taken over; `again` also takes one that was done.
    """
    row = {
        "job": job,
        "slot": to_microseconds(slot),
        "process": process,
        "started": to_microseconds(now),
        "heartbeat": to_microseconds(now),
        "finished": None,
        "done": 0,
        "state": "running",
        "note": "",
    }
    with store.write() as connection:
        _lock(store, connection, job)
        lost = _mark_lost(connection, job, now)
        if connection.execute(select(_RUN.c.slot).where(_RUN.c.job == job, _RUN.c.state == "running")).first():
            return False
        if again or row["slot"] in lost:
            store.upsert(connection, tables.JobRun, [row])
            return True
        return store.insert_new(connection, tables.JobRun, [row]) == 1


def is_done(store: Store, job: str, slot: datetime) -> bool:
    """True where the slot was done, well or badly: a look that costs no write."""
    with store.read() as connection:
        state = connection.execute(
            select(_RUN.c.state).where(_RUN.c.job == job, _RUN.c.slot == to_microseconds(slot))
        ).scalar_one_or_none()
    return state in ("ok", "failed")


def beat(store: Store, job: str, slot: datetime, process: str, now: datetime) -> None:
    """Says that the run is alive."""
    with store.write() as connection:
        connection.execute(_own(job, slot, process).values(heartbeat=to_microseconds(now)))


def finish(
    store: Store, job: str, slot: datetime, process: str, now: datetime, *, state: str, done: int, note: str
) -> None:
    """Records how the run ended; nothing where another process has taken it over."""
    moment = to_microseconds(now)
    with store.write() as connection:
        connection.execute(
            _own(job, slot, process).values(state=state, done=done, note=note, heartbeat=moment, finished=moment)
        )


def history(store: Store, job: str, now: datetime) -> History:
    """What is known of a job as of `now`."""
    day_ago = to_microseconds(now - timedelta(days=1))
    with store.read() as connection:
        return History(
            latest=_newest(connection, job),
            latest_ok=_newest(connection, job, "ok"),
            latest_failure=_newest(connection, job, "failed", "lost"),
            failures=connection.execute(
                select(func.count())
                .select_from(_RUN)
                .where(_RUN.c.job == job, _RUN.c.state.in_(("failed", "lost")), _RUN.c.started >= day_ago)
            ).scalar_one(),
        )


def prune(store: Store, now: datetime) -> int:
    """Forgets old runs, but never the newest good one of a job; answers how many."""
    newest = (
        select(_RUN.c.job, func.max(_RUN.c.started).label("started"))
        .where(_RUN.c.state == "ok")
        .group_by(_RUN.c.job)
        .subquery()
    )
    keep = case((_RUN.c.done == 0, to_microseconds(now - _KEEP_IDLE)), else_=to_microseconds(now - _KEEP))
    old = _RUN.c.state.in_(("ok", "failed", "lost")) & (_RUN.c.started < keep)
    spared = select(newest.c.job).where(newest.c.job == _RUN.c.job, newest.c.started == _RUN.c.started).exists()
    with store.write() as connection:
        return connection.execute(delete(_RUN).where(old, ~spared)).rowcount


def _lock(store: Store, connection: Connection, job: str) -> None:
    """Keeps other claims of the job waiting until this transaction ends."""
    name = f"job {job}"
    table = table_of(tables.Value)
    store.insert_new(connection, tables.Value, [{"name": name, "data": ""}])
    connection.execute(update(table).where(table.c.name == name).values(data=""))


def _mark_lost(connection: Connection, job: str, now: datetime) -> set[int]:
    stale = (_RUN.c.job == job) & (_RUN.c.state == "running") & (_RUN.c.heartbeat < to_microseconds(now - LEASE))
    slots = set(connection.execute(select(_RUN.c.slot).where(stale)).scalars())
    if slots:
        connection.execute(
            update(_RUN).where(stale).values(state="lost", note="its process stopped without finishing it")
        )
    return slots


def _own(job: str, slot: datetime, process: str) -> Update:
    return update(_RUN).where(
        _RUN.c.job == job,
        _RUN.c.slot == to_microseconds(slot),
        _RUN.c.process == process,
        _RUN.c.state == "running",
    )


def _newest(connection: Connection, job: str, *states: str) -> Run | None:
    query = select(_RUN).where(_RUN.c.job == job).order_by(_RUN.c.started.desc()).limit(1)
    if states:
        query = query.where(_RUN.c.state.in_(states))
    row = connection.execute(query).first()
    if row is None:
        return None
    return Run(
        job=row.job,
        slot=from_microseconds(row.slot),
        process=row.process,
        started=from_microseconds(row.started),
        heartbeat=from_microseconds(row.heartbeat),
        finished=from_microseconds(row.finished) if row.finished is not None else None,
        done=row.done,
        state=row.state,
        note=row.note,
    )
