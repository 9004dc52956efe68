"""Keeps what stood out on each day beside its profiles, and finds the calls behind one of it again.

A day is counted once, when it is judged; the days of eight weeks before it are counted then too where they were not.
Late calls and feedback change the profiles of the day but not these counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from sqlalchemy import select

from monitor import tables
from monitor.clock import BlockLength, from_microseconds, to_microseconds
from monitor.poisoning.counting import Counted, count_documents, count_feedback, count_prompts
from monitor.settings import Settings
from monitor.signals import COUNTED
from monitor.stats.windows import LONG_WINDOW, REFERENCE
from monitor.store import Store, table_of

_PROFILE = table_of(tables.Profile)
_VALUE = table_of(tables.Value)

_COUNT: Mapping[str, Callable[[Store, int, datetime], Counted]] = {
    "feedback_burst": count_feedback,
    "prompt_flood": count_prompts,
    "document": count_documents,
}
_DAY = BlockLength.DAY.duration


def count_days(store: Store, settings: Settings, project_id: int, day: datetime, first: datetime) -> int:
    """Counts the days up to `day` that were not counted, from `first` on and eight weeks back; answers how many."""
    name = f"poisoning.{project_id}"
    with store.read() as connection:
        mark = connection.execute(select(_VALUE.c.data).where(_VALUE.c.name == name)).scalar()
    moment = max(first, day - REFERENCE - LONG_WINDOW)
    if mark is not None:
        moment = max(moment, from_microseconds(int(mark)) + _DAY)
    done = 0
    while moment <= day:
        rows = [
            _row(project_id, signal, moment, counted)
            for signal in COUNTED
            if signal not in settings.signals_off
            if (counted := _COUNT[signal](store, project_id, moment)).n
        ]
        with store.write() as connection:
            store.upsert(connection, tables.Profile, rows)
            store.upsert(connection, tables.Value, [{"name": name, "data": str(to_microseconds(moment))}])
        moment += _DAY
        done += 1
    return done


def examples_of(store: Store, project_id: int, signal: str, day: datetime, value: str) -> tuple[tuple[str, str], ...]:
    """Some calls, as trace and span, behind a value that stood out on a day; none where they are gone."""
    found = _COUNT[signal](store, project_id, day)
    return next((one.examples for one in found.values if one.name == value), ())


def _row(project_id: int, signal: str, moment: datetime, counted: Counted) -> dict[str, object]:
    profile = counted.profile
    total, total_square, user_total, user_total_square = profile.sums()
    return {
        "project_id": project_id,
        "length": str(BlockLength.DAY),
        "dimension": "",
        "value": "",
        "signal": signal,
        "start": to_microseconds(moment),
        "kind": str(profile.kind),
        "n": profile.n,
        "users": profile.users,
        "total": total,
        "total_square": total_square,
        "user_total": user_total,
        "user_total_square": user_total_square,
        "sketch": profile.to_sketch(),
    }
