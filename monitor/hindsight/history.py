"""Replays a project's own history: its stored profiles are judged again, day by day or hour by hour, as if live.

Profiles are copied into a store of its own that is removed afterwards; calls and texts are not read, so that it is
quick. What differs from having watched: profiles are complete from the beginning (feedback and calls that came late are
in them), and signals and prices are today's.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import literal, select

from monitor import migrate, tables
from monitor.alerts import update
from monitor.clock import BlockLength, block_start, to_microseconds
from monitor.errors import InputError, NotFound
from monitor.hindsight.alarms import Alarm, Alarms, alarm_document
from monitor.indicators import WINDOWS_A_QUARTER, judge, skip_days, skip_hours
from monitor.queries import options
from monitor.queries.backtests import Wanted
from monitor.queries.series import first_block, newest_block
from monitor.settings import Settings
from monitor.stats.windows import LONG_WINDOW, REFERENCE
from monitor.store import Store, table_of

_PROFILE = table_of(tables.Profile)
_SEGMENT = table_of(tables.Segment)
_DECLARED = table_of(tables.DeclaredTime)
_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)
_AFTER_DAY = timedelta(minutes=20)
_CHUNK = 5_000

DayDone = Callable[[int, int], None]
"""Told how many days are done, and how many there are."""


@dataclass(frozen=True)
class History:
    """What a replay of stored history found; days in [first, end) were judged."""

    project: str
    wanted: Wanted
    first: datetime
    end: datetime
    alarms: tuple[Alarm, ...]

    @property
    def days(self) -> int:
        """The days that were judged."""
        return (self.end - self.first) // _DAY

    @property
    def expected_false_alarms(self) -> float:
        """How many false alarms the budget allows in these days."""
        return self.wanted.budget * self.days / WINDOWS_A_QUARTER


def replay_history(
    store: Store, settings: Settings, project: str, wanted: Wanted, now: datetime, *, day_done: DayDone
) -> History:
    """Replays the newest weeks of a project. Raises NotFound for no such project, InputError where it has no past."""
    known = options.project(store, project)
    if known is None:
        raise NotFound(f"There is no project {project[:100]!r}.")
    newest, oldest = (find(store, known.id, BlockLength.DAY) for find in (newest_block, first_block))
    if newest is None or oldest is None or newest == oldest:
        raise InputError(f"The project {project[:100]!r} has no past to replay yet.")
    end = min(newest + _DAY, block_start(now, BlockLength.DAY))
    first = max(end - timedelta(weeks=wanted.weeks), oldest + _DAY)
    if first >= end:
        raise InputError(f"The project {project[:100]!r} has no closed day to replay yet.")
    with tempfile.TemporaryDirectory(prefix="llmops-monitor-backtest-") as folder:
        own = settings.model_copy(
            update={
                "database_url": f"sqlite:///{Path(folder) / 'backtest.db'}",
                "database_durability": "relaxed",
                "alarm_budget": wanted.budget,
            }
        )
        scratch = Store.open(own)
        try:
            migrate.upgrade(scratch)
            _copy(store, scratch, known, wanted, start=first - REFERENCE - LONG_WINDOW, end=end)
            skip_days(scratch, project, first)
            if wanted.block == "day":
                skip_hours(scratch, project, end + LONG_WINDOW)
            alarms = Alarms(scratch, known.id)
            for day in range((end - first) // _DAY):
                start = first + day * _DAY
                for block, moment in _moments(start, wanted):
                    while judge(scratch, own, moment):
                        update(scratch, own, moment)
                    alarms.note(block, moment)
                day_done(day + 1, (end - first) // _DAY)
            return History(project, wanted, first, end, alarms.told())
        finally:
            scratch.close()


def _moments(day: datetime, wanted: Wanted) -> Iterator[tuple[datetime, datetime]]:
    """Blocks of a day with the moments at which they are looked at; the last one sees the day closed."""
    if wanted.block == "hour":
        for hour in range(23):
            yield day + hour * _HOUR, day + (hour + 1) * _HOUR + _AFTER_DAY
    yield day, day + _DAY + _AFTER_DAY


def _copy(
    store: Store, scratch: Store, project: options.ProjectOption, wanted: Wanted, *, start: datetime, end: datetime
) -> None:
    scratch.project(project.name, to_microseconds(project.created))
    lengths = [BlockLength.DAY] if wanted.block == "day" else list(BlockLength)
    statements: list[tuple[Any, Any]] = [(tables.Segment, select(_SEGMENT).where(_SEGMENT.c.project_id == project.id))]
    # Known from the beginning; what somebody accepted of an incident is not, since that is what a replay is to find.
    columns = [(literal(0) if column.name == "made" else column).label(column.name) for column in _DECLARED.c]
    of_project = (
        _DECLARED.c.project_id == project.id,
        _DECLARED.c.incident_id.is_(None),
        _DECLARED.c.removed.is_(None),
    )
    statements.append((tables.DeclaredTime, select(*columns).where(*of_project)))
    statements += [
        (
            tables.Profile,
            select(_PROFILE).where(
                _PROFILE.c.project_id == project.id,
                _PROFILE.c.length == str(length),
                _PROFILE.c.start >= to_microseconds(start),
                _PROFILE.c.start < to_microseconds(end),
            ),
        )
        for length in lengths
    ]
    for model, statement in statements:
        with store.read() as connection:
            found = connection.execution_options(yield_per=_CHUNK).execute(statement)
            for part in found.mappings().partitions():
                with scratch.write() as own:
                    scratch.insert(own, model, [dict(row) for row in part])


def as_document(history: History) -> dict[str, Any]:
    """The replay for programs; times are ISO 8601."""
    return {
        "project": history.project,
        "block": history.wanted.block,
        "weeks": history.wanted.weeks,
        "budget": history.wanted.budget,
        "first": history.first.isoformat(),
        "end": history.end.isoformat(),
        "judged_days": history.days,
        "expected_false_alarms": round(history.expected_false_alarms, 4),
        "alarms": [alarm_document(alarm) for alarm in history.alarms],
    }
