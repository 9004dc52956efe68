"""The back-test: what would have been alarmed on a log, had the monitor watched while it was written.

Nothing is imitated: the log goes through ingest, enrichment, profiles, indicators and alerts, day by day or hour by
hour, in a store of its own that is removed afterwards. By the hour both lanes watch, as they do live; by the day only
the slow one does, with its own part of the budget. Feedback counts from its own time on. What the monitor says of
itself (delay, silence, jobs) is left out, since a replay says nothing of it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

from monitor import migrate
from monitor.clock import BlockLength, block_start, to_microseconds
from monitor.contracts import Job, JobContext
from monitor.errors import InputError
from monitor.files import LogFile
from monitor.files.calls import Progress, read_calls
from monitor.files.day_spool import DaySpool
from monitor.hindsight.alarms import Alarm, Alarms, alarm_document
from monitor.indicators import WINDOWS_A_QUARTER, skip_days, skip_hours
from monitor.ingest import Batch
from monitor.jobs import named
from monitor.profiles import refresh
from monitor.records import Feedback, Span
from monitor.replay import Day, Hourly, replay
from monitor.settings import Settings
from monitor.store import Store

BATCH_RECORDS = 500
_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)

DayDone = Callable[[datetime, int, int], None]
"""Told the day, how many days there are, and how many calls came in so far."""


@dataclass(frozen=True)
class Report:
    """What a back-test found. `judged_days` are those that could have raised an alarm."""

    file: str
    block: BlockLength
    calls: int
    first: datetime
    last: datetime
    days: int
    judged_days: int
    budget: float
    alarms: tuple[Alarm, ...]

    @property
    def expected_false_alarms(self) -> float:
        """How many false alarms the budget allows in the days that were judged."""
        return self.budget * self.judged_days / WINDOWS_A_QUARTER


def backtest(
    log: LogFile,
    settings: Settings,
    now: datetime,
    *,
    block: BlockLength = BlockLength.DAY,
    timezone: tzinfo | None = None,
    baseline_until: datetime | None = None,
    reading: Progress,
    day_done: DayDone,
) -> Report:
    """Replays a log. Days that begin before `baseline_until` are learnt from and raise nothing.

    Raises InputError where a row cannot be read or has no time, or where nothing would be judged.
    """
    with tempfile.TemporaryDirectory(prefix="llmops-monitor-backtest-") as name:
        folder = Path(name)
        spool = DaySpool(folder)
        for call in read_calls(log, settings, now, timezone, reading):
            if not call.timed:
                raise InputError(f"{log.path}:{call.line}: has no time, which a back-test needs.")
            spool.add_call(call.span)
            for item in call.feedback:
                spool.add_feedback(item, max(item.time, call.span.time))
        assert spool.first is not None  # read_calls raises where there is no call  # noqa: S101
        assert spool.last is not None  # noqa: S101
        if baseline_until is not None and block_start(spool.last, BlockLength.DAY) < baseline_until:
            raise InputError(f"The log ends before {baseline_until:%Y-%m-%d %H:%M} UTC, so nothing would be judged.")
        own = settings.model_copy(
            update={"database_url": f"sqlite:///{folder / 'backtest.db'}", "database_durability": "relaxed"}
        )
        store = Store.open(own)
        try:
            migrate.upgrade(store)
            return _Backtest(store, own, spool, spool.first, spool.last, block=block).run(log, baseline_until, day_done)
        finally:
            store.close()


def _jobs(*lengths: BlockLength) -> list[Job]:
    """The jobs from calls to alerts, with profiles of these blocks only."""

    def profiles(context: JobContext) -> tuple[int, str]:
        return refresh(context.store, context.settings, context.now, lengths), ""

    return [named("enrich"), replace(named("profiles"), run=profiles), named("indicators"), named("alerts")]


class _Backtest:
    """One run over the days of a spool."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        spool: DaySpool,
        first: datetime,
        last: datetime,
        *,
        block: BlockLength,
    ) -> None:
        self._block = block
        self._store = store
        self._settings = settings
        self._spool = spool
        self._first, self._last = first, last
        self._first_day = block_start(first, BlockLength.DAY)
        self._last_day = block_start(last, BlockLength.DAY)
        self._project_id = store.project(settings.project, to_microseconds(first))
        # The log may end within its last day: that day's amounts say nothing.
        self._alarms = Alarms(store, self._project_id, unfinished=self._last_day)

    def run(self, log: LogFile, baseline_until: datetime | None, day_done: DayDone) -> Report:
        days = (self._last_day - self._first_day) // _DAY + 1
        learnt = 0
        if baseline_until is not None:
            skip_days(self._store, self._settings.project, baseline_until)
            learnt = max(0, -((self._first_day - baseline_until) // _DAY))
        if self._block is BlockLength.DAY:
            skip_hours(self._store, self._settings.project, self._last_day + days * _DAY)

        def after(day: Day, calls: int) -> None:
            self._alarms.note(day.start, day.judged_at)
            day_done(day.start, days, calls)

        by_hour = Hourly(_jobs(BlockLength.HOUR), lambda moment: self._alarms.note(moment - _HOUR, moment))
        calls = replay(
            self._store,
            self._settings,
            self._days(),
            _jobs(*((BlockLength.DAY,) if self._block is BlockLength.DAY else BlockLength)),
            after,
            hourly=by_hour if self._block is BlockLength.HOUR else None,
        )
        return Report(
            file=str(log.path),
            block=self._block,
            calls=calls,
            first=self._first,
            last=self._last,
            days=days,
            judged_days=days - learnt,
            budget=self._settings.alarm_budget,
            alarms=self._alarms.told(),
        )

    def _days(self) -> Iterator[Day]:
        start = self._first_day
        while start <= self._last_day:
            yield Day(start, self._arrivals(start))
            start += _DAY

    def _arrivals(self, start: datetime) -> Iterator[tuple[datetime, Batch]]:
        """What arrives on a day in order; by the day all feedback comes last, by the hour each at its own time."""
        spans, said = self._spool.day(start)
        if self._block is BlockLength.DAY:
            yield from self._batches(spans, said, start + _DAY)
            return
        by_hour: dict[datetime, tuple[list[Span], list[Feedback]]] = {}
        for span in spans:
            by_hour.setdefault(block_start(span.time, BlockLength.HOUR), ([], []))[0].append(span)
        for item in said:
            by_hour.setdefault(block_start(max(item.time, start), BlockLength.HOUR), ([], []))[1].append(item)
        for hour in sorted(by_hour):
            yield from self._batches(*by_hour[hour], hour + _HOUR - timedelta(microseconds=1))

    def _batches(
        self, spans: Sequence[Span], said: Sequence[Feedback], known: datetime
    ) -> Iterator[tuple[datetime, Batch]]:
        project = self._settings.project
        for place in range(0, len(spans), BATCH_RECORDS):
            some = spans[place : place + BATCH_RECORDS]
            yield some[-1].time, Batch(project, some, sender="backtest")
        for place in range(0, len(said), BATCH_RECORDS):
            items = said[place : place + BATCH_RECORDS]
            yield known, Batch(project, feedback=items, sender="backtest")


def as_document(report: Report) -> dict[str, Any]:
    """The report for programs; times are ISO 8601."""
    return {
        "file": report.file,
        "block": str(report.block),
        "calls": report.calls,
        "first": report.first.isoformat(),
        "last": report.last.isoformat(),
        "days": report.days,
        "judged_days": report.judged_days,
        "budget": report.budget,
        "expected_false_alarms": round(report.expected_false_alarms, 4),
        "alarms": [alarm_document(alarm) for alarm in report.alarms],
    }
