"""Keeps what stood out on each day beside its profiles, and finds the calls behind one of it again.

A day is counted once, when it is judged; the days of eight weeks before it are counted then too where they were not.
Late calls and feedback change the profiles of the day but not these counts.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import select

from monitor import tables
from monitor.clock import BlockLength, from_microseconds, to_microseconds
from monitor.contracts import WHOLE
from monitor.poisoning.counting import Counted, count_documents, count_feedback, count_prompts
from monitor.rows import profile_columns
from monitor.settings import Settings
from monitor.signals import BURST, COUNTED, FLOOD
from monitor.stats.windows import LONG_WINDOW, REFERENCE
from monitor.store import Store, table_of

_PROFILE = table_of(tables.Profile)
_VALUE = table_of(tables.Value)

GROUPS = 200
"""So many groups of prompts are remembered, those seen last."""

_REMEMBERED = timedelta(weeks=4)
_DAY = BlockLength.DAY.duration


class Memory(msgspec.Struct):
    """The newest day that was counted (microseconds), and known groups: name to vector (base64) and day last seen."""

    reached: int = -1
    groups: dict[str, tuple[str, int]] = {}

    @property
    def vectors(self) -> dict[str, bytes]:
        """The vector of the first prompt of each group."""
        return {name: b64decode(vector) for name, (vector, _) in self.groups.items()}

    def after(self, moment: datetime, found: Mapping[str, bytes]) -> Memory:
        """The memory after a day on which these groups were found."""
        day = to_microseconds(moment)
        oldest = day - _REMEMBERED // timedelta(microseconds=1)
        groups = {name: entry for name, entry in self.groups.items() if entry[1] >= oldest}
        for name, vector in found.items():
            groups[name] = (groups[name][0] if name in groups else b64encode(vector).decode("ascii"), day)
        newest = sorted(groups, key=lambda name: (-groups[name][1], name))[:GROUPS]
        return Memory(day, {name: groups[name] for name in newest})


def count_days(store: Store, settings: Settings, project_id: int, day: datetime, first: datetime) -> int:
    """Counts the days up to `day` that were not counted, from `first` on and eight weeks back; answers how many."""
    memory = _read(store, project_id)
    moment = max(first, day - REFERENCE - LONG_WINDOW)
    if memory.reached >= 0:
        moment = max(moment, from_microseconds(memory.reached) + _DAY)
    done = 0
    while moment <= day:
        counts = {
            name: _count(store, project_id, name, moment, memory)
            for name in COUNTED
            if name not in settings.signals_off
        }
        flood = counts.get(FLOOD)
        memory = memory.after(moment, {value.name: value.vector for value in flood.values} if flood else {})
        rows = [_row(project_id, name, moment, counted) for name, counted in counts.items() if counted.n]
        data = msgspec.json.encode(memory).decode()
        with store.write() as connection:
            store.upsert(connection, tables.Profile, rows)
            store.upsert(connection, tables.Value, [{"name": _name(project_id), "data": data}])
        moment += _DAY
        done += 1
    return done


def examples_of(store: Store, project_id: int, signal: str, day: datetime, value: str) -> tuple[tuple[str, str], ...]:
    """Some calls, as trace and span, behind a value that stood out on a day; none where they are gone."""
    found = _count(store, project_id, signal, day, _read(store, project_id))
    return next((one.examples for one in found.values if one.name == value), ())


def _count(store: Store, project_id: int, signal: str, day: datetime, memory: Memory) -> Counted:
    if signal == FLOOD:
        return count_prompts(store, project_id, day, memory.vectors)
    return (count_feedback if signal == BURST else count_documents)(store, project_id, day)


def _name(project_id: int) -> str:
    return f"poisoning.{project_id}"


def _read(store: Store, project_id: int) -> Memory:
    with store.read() as connection:
        data = connection.execute(select(_VALUE.c.data).where(_VALUE.c.name == _name(project_id))).scalar()
    return msgspec.json.decode(data, type=Memory) if data else Memory()


def _row(project_id: int, signal: str, moment: datetime, counted: Counted) -> dict[str, object]:
    block = {"project_id": project_id, "length": str(BlockLength.DAY), "start": to_microseconds(moment)}
    return block | profile_columns(WHOLE, signal, counted.profile)
