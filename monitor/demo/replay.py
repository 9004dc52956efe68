"""Replays the sample as if live: each day's calls come in, then every job runs as of that evening."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from itertools import groupby

from monitor.clock import BlockLength, block_start, to_microseconds
from monitor.contracts import JobContext
from monitor.demo.sample import NOTE, Arrival, arrivals
from monitor.ingest import Batch, Ingester
from monitor.jobs import run_all
from monitor.settings import Settings
from monitor.store import Store

# The jobs of a day run once its block is closed: a little after midnight.
AFTER_MIDNIGHT = timedelta(minutes=20)
# How long after it began a call arrives here, with the verdict on it.
ON_THE_WAY = timedelta(minutes=2)


def replay(store: Store, settings: Settings, end: datetime, progress: Callable[[datetime, int], None]) -> int:
    """Loads all calls up to `end` and runs all jobs as of the end of each day; answers the number of calls.

    `progress` is told each day and how many calls came in so far.
    """
    project = settings.project
    first = arrivals(end)
    store.project(project, to_microseconds(first[0].span.time), note=NOTE)
    ingester = Ingester(store, settings)
    loaded = 0
    try:
        for day, of_day in groupby(first, key=lambda arrival: block_start(arrival.span.time, BlockLength.DAY)):
            loaded += _load(ingester, project, list(of_day))
            run_all(JobContext(store, settings, day + timedelta(days=1) + AFTER_MIDNIGHT))
            progress(day, loaded)
    finally:
        ingester.close()
    return loaded


def _load(ingester: Ingester, project: str, of_day: Iterable[Arrival]) -> int:
    accepted = 0
    for arrival in of_day:
        batch = Batch(project=project, spans=[arrival.span], feedback=arrival.feedback, sender="demo")
        accepted += ingester.submit(batch, now=arrival.span.time + ON_THE_WAY).accepted
    return accepted
