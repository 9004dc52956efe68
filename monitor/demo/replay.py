"""Replays the sample as if live: each day's calls come in, then every job runs as of that evening."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from itertools import groupby

from monitor.clock import BlockLength, block_start, to_microseconds
from monitor.demo.sample import NOTE, Arrival, arrivals
from monitor.ingest import Batch
from monitor.jobs import all_jobs
from monitor.replay import Day
from monitor.replay import replay as replay_days
from monitor.settings import Settings
from monitor.store import Store

# How long after it began a call arrives here, with the verdict on it.
ON_THE_WAY = timedelta(minutes=2)


def replay(store: Store, settings: Settings, end: datetime, progress: Callable[[datetime, int], None]) -> int:
    """Loads all calls up to `end` and runs all jobs as of the end of each day; answers the number of calls.

    `progress` is told each day and how many calls came in so far.
    """
    first = arrivals(end)
    store.project(settings.project, to_microseconds(first[0].span.time), note=NOTE)
    days = _days(first, settings.project)
    return replay_days(store, settings, days, all_jobs(), lambda day, calls: progress(day.start, calls))


def _days(calls: Iterable[Arrival], project: str) -> Iterator[Day]:
    for start, of_day in groupby(calls, key=lambda call: block_start(call.span.time, BlockLength.DAY)):
        yield Day(start, (_arriving(call, project) for call in of_day))


def _arriving(call: Arrival, project: str) -> tuple[datetime, Batch]:
    return call.span.time + ON_THE_WAY, Batch(project, [call.span], call.feedback, sender="demo")
