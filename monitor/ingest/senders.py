"""Counts what each sender sent, and keeps what could not be taken, so that nothing is dropped silently."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, select, update

from monitor import tables
from monitor.clock import to_microseconds
from monitor.identifiers import new_id
from monitor.ingest.batch import Receipt, Rejection
from monitor.store import Statement, Store, table_of

UNKNOWN_SENDER = "unknown"
MAX_REJECTS_KEPT = 100
MAX_UNMAPPED_NAMES = 200

MAX_DIALECTS = 50
_COUNTERS = ("accepted", "rejected", "duplicates", "lost")
_HOUR = 3_600_000_000
_MOST_NOTED = 10_000
_UNKNOWN_SECONDS = 5.0


class Entry(NamedTuple):
    """What a batch brought of one sender at a moment (microseconds); `lost` is what the sender says it lost."""

    project_id: int
    sender: str
    moment: int
    receipt: Receipt
    unmapped: Mapping[str, int] = {}
    dialects: Collection[str] = ()
    lost: int = 0


_Key = tuple[int, str]


def write_rejects(
    store: Store, connection: Connection, project_id: int, sender: str, *, rejected: Sequence[Rejection], now: datetime
) -> None:
    """Keeps the first rejected records of a batch: reason and shape, never text."""
    store.insert(
        connection,
        tables.Reject,
        [
            {
                "project_id": project_id,
                "id": new_id(now),
                "time": to_microseconds(now),
                "sender": sender or UNKNOWN_SENDER,
                "reason": item.reason,
                "shape": item.shape or None,
            }
            for item in rejected[:MAX_REJECTS_KEPT]
        ],
    )


class SenderCounts:
    """Adds to the counters of senders, once for each sender of a group of batches."""

    def __init__(self, store: Store) -> None:
        statement = store.insert_statement(tables.Sender)
        table = table_of(tables.Sender)
        self._unknown = _Unknown()
        self._noted: dict[tuple[int, str, str], int] = {}
        self._to_note: dict[tuple[int, str, str], int] = {}
        added = {name: table.c[name] + statement.excluded[name] for name in _COUNTERS}
        counting = statement.on_conflict_do_update(
            index_elements=["project_id", "name"], set_=added | {"last_seen": statement.excluded.last_seen}
        )
        self._store = store
        self._statement = store.prepare(counting, list(_row(0, "", 0)))

    def add(self, connection: Connection, entries: Sequence[Entry], before: Sequence[Statement] = ()) -> None:
        """Adds what a group of batches brought, after the statements `before`."""
        rows: dict[_Key, dict[str, Any]] = {}
        spoken: dict[_Key, dict[str, int]] = {}
        for entry in entries:
            receipt, moment = entry.receipt, entry.moment
            key = (entry.project_id, entry.sender or UNKNOWN_SENDER)
            row = rows.get(key)
            if row is None:
                row = rows[key] = _row(*key, moment)
            row["accepted"] += receipt.accepted + receipt.feedback
            row["rejected"] += len(receipt.rejected)
            row["duplicates"] += receipt.duplicates
            row["lost"] += entry.lost
            row["last_seen"] = max(row["last_seen"], moment)
            for dialect in entry.dialects:
                if moment - self._noted.get((*key, dialect), 0) >= _HOUR:
                    spoken.setdefault(key, {})[dialect] = moment
        # In one order everywhere, so that two processes never wait for each other.
        counted = [rows[key] for key in sorted(rows)]
        self._store.execute_together(connection, [*before, (self._statement, counted)])
        names = self._unknown.due(entries)
        for key in sorted(names):
            _add_unmapped(connection, *key, names[key])
        for key in sorted(spoken):
            _note_dialects(connection, *key, spoken[key])
        self._to_note = {(*key, dialect): moment for key, found in spoken.items() for dialect, moment in found.items()}

    @property
    def waiting(self) -> bool:
        """True where something has been counted and not been written."""
        return bool(self._unknown.rest())

    def finish(self, connection: Connection) -> None:
        """Writes what has been counted and not been written."""
        rest = self._unknown.rest()
        for key in sorted(rest):
            _add_unmapped(connection, *key, rest[key])

    def committed(self) -> None:
        """Remembers what the store now knows of dialects, so that they are written once an hour."""
        self._unknown.committed()
        if self._to_note:
            if len(self._noted) >= _MOST_NOTED:
                self._noted.clear()
            self._noted |= self._to_note
            self._to_note = {}


class _Unknown:
    """How often each sender used names that nobody knows.

    A name that is new is written at once. To count it again costs as much as to store a span: that is done with the
    sender's next records after a few seconds, and at the end; a crash loses what has been counted since. Used by one
    thread at a time.
    """

    def __init__(self) -> None:
        self._known: set[tuple[_Key, str]] = set()
        self._written: dict[_Key, float] = {}
        self._counted: dict[_Key, dict[str, int]] = {}
        self._fresh: dict[_Key, dict[str, int]] = {}
        self._due: set[_Key] = set()

    def due(self, entries: Sequence[Entry]) -> dict[_Key, dict[str, int]]:
        """What is to be written with these entries, for their senders alone; due again until `committed` is called."""
        self._fresh, self._due = {}, set()
        moment = time.monotonic()
        for entry in entries:
            key = (entry.project_id, entry.sender or UNKNOWN_SENDER)
            if not entry.unmapped and key not in self._counted:
                continue
            counts = self._fresh.setdefault(key, dict(self._counted.get(key, ())))
            for name, count in entry.unmapped.items():
                counts[name] = counts.get(name, 0) + count
                if (key, name) not in self._known:
                    self._due.add(key)
            if moment - self._written.get(key, 0.0) >= _UNKNOWN_SECONDS:
                self._due.add(key)
        return {key: self._fresh[key] for key in self._due}

    def rest(self) -> dict[_Key, dict[str, int]]:
        """All that has been counted and not been written."""
        self._fresh, self._due = self._counted, set(self._counted)
        return self._counted

    def committed(self) -> None:
        """What was due last is in the store."""
        if len(self._known) >= _MOST_NOTED:
            self._known.clear()
            self._written.clear()
        moment = time.monotonic()
        self._counted = self._counted | self._fresh
        for key in self._due:
            self._known.update((key, name) for name in self._counted.pop(key))
            self._written[key] = moment
        self._fresh, self._due = {}, set()


def _row(project_id: int, sender: str, moment: int) -> dict[str, Any]:
    counters = dict.fromkeys(_COUNTERS, 0)
    return {"project_id": project_id, "name": sender, "first_seen": moment, "last_seen": moment, **counters}


def _note_dialects(connection: Connection, project_id: int, sender: str, spoken: Mapping[str, int]) -> None:
    table = table_of(tables.Sender)
    chosen = (table.c.project_id == project_id, table.c.name == sender)
    stored = dict(connection.execute(select(table.c.dialects).where(*chosen)).scalar_one() or {})
    known = {name: moment for name, moment in spoken.items() if name in stored or len(stored) < MAX_DIALECTS}
    connection.execute(update(table).where(*chosen).values(dialects=stored | known))


def _add_unmapped(connection: Connection, project_id: int, sender: str, counts: Mapping[str, int]) -> None:
    table = table_of(tables.Sender)
    chosen = (table.c.project_id == project_id, table.c.name == sender)
    found = connection.execute(select(table.c.unmapped).where(*chosen)).first()
    if found is None:  # the project was erased meanwhile
        return
    stored = dict(found.unmapped or {})
    for name, count in counts.items():
        if name in stored or len(stored) < MAX_UNMAPPED_NAMES:
            stored[name] = stored.get(name, 0) + count
    connection.execute(update(table).where(*chosen).values(unmapped=stored))
