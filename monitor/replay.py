"""Replays calls as if live: what came in on a day comes in, then jobs run as of the end of that day.

Some jobs may run after each hour too in which something came in, as they would have.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitor.clock import BlockLength, block_start
from monitor.contracts import Job, JobContext
from monitor.ingest import Batch, Ingester
from monitor.jobs import run_now
from monitor.settings import Settings
from monitor.store import Store

# The jobs of a day run once its block is closed: a little after midnight; those of an hour a little after it.
AFTER_MIDNIGHT = timedelta(minutes=20)
AFTER_HOUR = timedelta(minutes=15)
_HOUR = BlockLength.HOUR.duration
_OBJECTS_BETWEEN_COLLECTIONS = 50_000


@dataclass(frozen=True)
class Hourly:
    """Jobs that run after each hour with arrivals; `after` is told the moment when they did."""

    jobs: Sequence[Job]
    after: Callable[[datetime], None]


@dataclass(frozen=True)
class Day:
    """The batches that come in on the day that begins at `start`, in order, each with the moment it arrives."""

    start: datetime
    arrivals: Iterable[tuple[datetime, Batch]]

    @property
    def judged_at(self) -> datetime:
        """The moment as of which the jobs of the day run."""
        return self.start + timedelta(days=1) + AFTER_MIDNIGHT


def replay(
    store: Store,
    settings: Settings,
    days: Iterable[Day],
    jobs: Sequence[Job],
    after: Callable[[Day, int], None],
    *,
    hourly: Hourly | None = None,
) -> int:
    """Takes the days in order and runs the jobs at the end of each; answers the number of calls.

    `after` is told each day when it is over, and how many calls came in so far. Raises what a job raises.
    """
    ingester = Ingester(store, settings)
    calls = 0
    try:
        with _seldom_collecting():
            for day in days:
                waiting: datetime | None = None
                for moment, batch in day.arrivals:
                    hour = block_start(moment, BlockLength.HOUR)
                    if hourly is not None and waiting is not None and hour > waiting:
                        _run(store, settings, hourly.jobs, waiting + _HOUR + AFTER_HOUR)
                        hourly.after(waiting + _HOUR + AFTER_HOUR)
                    waiting = hour
                    calls += ingester.submit(batch, moment).accepted
                _run(store, settings, jobs, day.judged_at)
                after(day, calls)
    finally:
        ingester.close()
    return calls


@contextmanager
def _seldom_collecting() -> Iterator[None]:
    """A replay makes millions of objects and hardly a cycle of them, so the collector need not look for these often."""
    usual = gc.get_threshold()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def _run(store: Store, settings: Settings, jobs: Sequence[Job], now: datetime) -> None:
    for job in jobs:
        run_now(job, JobContext(store, settings, now))
