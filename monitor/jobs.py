"""The scheduler: work done at set intervals, each slot once whatever the number of processes.

A job's time is cut into slots of its interval. `monitor.runs` hands each slot to one process; APScheduler only asks now
and then whether there is a slot to do. Jobs work on whatever is pending, so after a downtime one run catches up, and
slots that nobody saw are not done one by one. A job that fails says so in its run and is tried again in its next slot.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from monitor import clock, runs
from monitor.allocation import give_back_free_memory
from monitor.contracts import Job, JobContext, collect
from monitor.errors import Busy, NotFound, describe
from monitor.settings import Settings
from monitor.store import Store

log = logging.getLogger(__name__)

# Slots of slow jobs are asked for this often, so that one whose process died is taken over soon.
_LONGEST_WAIT = 30
# Jobs wait for the database most of the time; more threads would only take the processor from the requests.
_THREADS = 3
# A job that ran for longer leaves memory behind that others do not need.
_LONG_SECONDS = 1.0


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    job: str
    state: str
    done: int
    note: str
    seconds: float


def all_jobs() -> list[Job]:
    """All jobs, in the order in which a record passes through them."""
    import monitor.tasks

    return sorted(collect(monitor.tasks, Job).values(), key=lambda job: (job.order, job.name))


def named(name: str) -> Job:
    """The job of that name. Raises NotFound, with the names there are."""
    jobs = all_jobs()
    for job in jobs:
        if job.name == name:
            return job
    raise NotFound(f"There is no job {name!r}; there are {', '.join(job.name for job in jobs)}.")


def slot_of(job: Job, now: datetime) -> datetime:
    """Start of the slot that `now` falls into."""
    seconds = clock.to_microseconds(now) // 1_000_000
    return clock.from_microseconds(seconds // job.every_seconds * job.every_seconds * 1_000_000)


def process_name() -> str:
    """A name that no other process has: host, process number, and some chance."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


def run_due(job: Job, context: JobContext, process: str) -> Outcome | None:
    """Does the present slot of a job, if it falls to this process."""
    slot = slot_of(job, context.now)
    if runs.is_done(context.store, job.name, slot) or not runs.claim(
        context.store, job.name, slot, process, context.now
    ):
        return None
    return _run(job, context, slot, process)[0]


def run_now(job: Job, context: JobContext) -> Outcome:
    """Does a job at once, beside its slots. Raises Busy while it runs elsewhere, and whatever the job raises."""
    process = process_name()
    if not runs.claim(context.store, job.name, context.now, process, context.now, again=True):
        raise Busy(f"The job {job.name} is running just now.", retry_after=int(runs.LEASE.total_seconds()))
    outcome, error = _run(job, context, context.now, process)
    if error is not None:
        raise error
    return outcome


def run_all(context: JobContext) -> list[Outcome]:
    """Does all jobs once, in order, as of `context.now`. Raises what the first one that fails raises."""
    return [run_now(job, context) for job in all_jobs()]


def _run(job: Job, context: JobContext, slot: datetime, process: str) -> tuple[Outcome, Exception | None]:
    started = time.monotonic()

    def as_of() -> datetime:
        return context.now + timedelta(seconds=time.monotonic() - started)

    error: Exception | None = None
    with _heartbeat(context.store, job.name, slot, process, as_of):
        try:
            done, note = job.run(context)
            state = "ok"
        except Exception as raised:  # a job may fail in any way; the others go on
            error, state, done, note = raised, "failed", 0, describe(raised)
            log.error("job %s failed: %s", job.name, note)
    runs.finish(context.store, job.name, slot, process, as_of(), state=state, done=done, note=note)
    return Outcome(job.name, state, done, note, time.monotonic() - started), error


@contextmanager
def _heartbeat(store: Store, job: str, slot: datetime, process: str, as_of: Callable[[], datetime]) -> Iterator[None]:
    stopped = threading.Event()

    def work() -> None:
        while not stopped.wait(runs.HEARTBEAT.total_seconds()):
            try:
                runs.beat(store, job, slot, process, as_of())
            except Exception as error:  # one missed beat is no harm, the lease is longer
                log.warning("no heartbeat of job %s: %s", job, describe(error))

    thread = threading.Thread(target=work, name=f"heartbeat of {job}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


class Scheduler:
    """Asks for the slots of all jobs in background threads, until it is stopped."""

    def __init__(self, store: Store, settings: Settings, jobs: list[Job] | None = None) -> None:
        from apscheduler.executors.pool import ThreadPoolExecutor
        from apscheduler.schedulers.background import BackgroundScheduler

        self._store = store
        self._settings = settings
        self._process = process_name()
        self._stopping = False
        self._busy: set[str] = set()
        self._seen: dict[str, datetime] = {}
        self._scheduler: Any = BackgroundScheduler(
            timezone=UTC,
            executors={"default": ThreadPoolExecutor(_THREADS)},
            # A late job is done late rather than not at all, several late ones are one, and none overtakes itself.
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )
        for place, job in enumerate(jobs if jobs is not None else all_jobs()):
            self._scheduler.add_job(
                self._tick,
                "interval",
                args=[job],
                id=job.name,
                seconds=min(job.every_seconds, _LONGEST_WAIT),
                next_run_time=clock.now() + timedelta(seconds=0.2 * place),
            )

    def start(self) -> None:
        """Begins; returns at once."""
        self._scheduler.start()

    def stop(self, patience: float = 20.0) -> bool:
        """Begins no further run and waits for those under way; False where one was still busy after so many seconds."""
        self._stopping = True
        self._scheduler.shutdown(wait=False)
        end = time.monotonic() + patience
        while self._busy and time.monotonic() < end:
            time.sleep(0.02)
        return not self._busy

    def _tick(self, job: Job) -> None:
        now = clock.now()
        slot = slot_of(job, now)
        if self._stopping or self._seen.get(job.name) == slot:
            return
        self._busy.add(job.name)
        try:
            outcome = run_due(job, JobContext(self._store, self._settings, now), self._process)
        except Exception as error:  # the store may be away for a while; the next look may find it
            log.error("job %s could not be started or recorded: %s", job.name, describe(error))
            return
        finally:
            self._busy.discard(job.name)
        if outcome is not None:
            self._seen[job.name] = slot
            if outcome.seconds > _LONG_SECONDS:
                give_back_free_memory()
            if outcome.done:
                log.info("job %s: %s (%.2f s)", job.name, outcome.note or f"{outcome.done} done", outcome.seconds)
