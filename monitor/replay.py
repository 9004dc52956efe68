"""Replays calls as if live: what came in on a day comes in, then jobs run as of the end of that day."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitor.contracts import Job, JobContext
from monitor.ingest import Batch, Ingester
from monitor.jobs import run_now
from monitor.settings import Settings
from monitor.store import Store

# The jobs of a day run once its block is closed: a little after midnight.
AFTER_MIDNIGHT = timedelta(minutes=20)


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
    store: Store, settings: Settings, days: Iterable[Day], jobs: Sequence[Job], after: Callable[[Day, int], None]
) -> int:
    """Takes the days in order and runs the jobs at the end of each; answers the number of calls.

    `after` is told each day when it is over, and how many calls came in so far. Raises what a job raises.
    """
    ingester = Ingester(store, settings)
    calls = 0
    try:
        for day in days:
            for moment, batch in day.arrivals:
                calls += ingester.submit(batch, moment).accepted
            for job in jobs:
                run_now(job, JobContext(store, settings, day.judged_at))
            after(day, calls)
    finally:
        ingester.close()
    return calls
