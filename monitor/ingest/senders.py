"""Counts what each sender sent, and keeps what could not be taken, so that nothing is dropped silently."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, select, update

from monitor import tables
from monitor.clock import to_microseconds
from monitor.identifiers import new_id
from monitor.ingest.batch import Receipt, Rejection
from monitor.store import Store, table_of

UNKNOWN_SENDER = "unknown"
MAX_REJECTS_KEPT = 100
MAX_UNMAPPED_NAMES = 200

MAX_DIALECTS = 50
_COUNTERS = ("accepted", "rejected", "duplicates", "lost")
_HOUR = 3_600_000_000
_MOST_NOTED = 10_000


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
        self._noted: dict[tuple[int, str, str], int] = {}
        self._to_note: dict[tuple[int, str, str], int] = {}
        added = {name: table.c[name] + statement.excluded[name] for name in _COUNTERS}
        counting = statement.on_conflict_do_update(
            index_elements=["project_id", "name"], set_=added | {"last_seen": statement.excluded.last_seen}
        )
        self._store = store
        self._statement = store.prepare(counting, list(_row(0, "", 0)))

    def add(self, connection: Connection, entries: Sequence[Entry]) -> None:
        """Adds what a group of batches brought."""
        rows: dict[_Key, dict[str, Any]] = {}
        names: dict[_Key, dict[str, int]] = {}
        spoken: dict[_Key, dict[str, int]] = {}
        for entry in entries:
            receipt, moment = entry.receipt, entry.moment
            key = (entry.project_id, entry.sender or UNKNOWN_SENDER)
            row = rows.setdefault(key, _row(*key, moment))
            row["accepted"] += receipt.accepted + receipt.feedback
            row["rejected"] += len(receipt.rejected)
            row["duplicates"] += receipt.duplicates
            row["lost"] += entry.lost
            row["last_seen"] = max(row["last_seen"], moment)
            for dialect in entry.dialects:
                if moment - self._noted.get((*key, dialect), 0) >= _HOUR:
                    spoken.setdefault(key, {})[dialect] = moment
            if entry.unmapped:
                counts = names.setdefault(key, {})
                for name, count in entry.unmapped.items():
                    counts[name] = counts.get(name, 0) + count
        # In one order everywhere, so that two processes never wait for each other.
        self._store.execute_prepared(connection, self._statement, [rows[key] for key in sorted(rows)])
        for key in sorted(names):
            _add_unmapped(connection, *key, names[key])
        for key in sorted(spoken):
            _note_dialects(connection, *key, spoken[key])
        self._to_note = {(*key, dialect): moment for key, found in spoken.items() for dialect, moment in found.items()}

    def committed(self) -> None:
        """Remembers what the store now knows of dialects, so that they are written once an hour."""
        if self._to_note:
            if len(self._noted) >= _MOST_NOTED:
                self._noted.clear()
            self._noted |= self._to_note
            self._to_note = {}


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
    stored = dict(connection.execute(select(table.c.unmapped).where(*chosen)).scalar_one() or {})
    for name, count in counts.items():
        if name in stored or len(stored) < MAX_UNMAPPED_NAMES:
            stored[name] = stored.get(name, 0) + count
    connection.execute(update(table).where(*chosen).values(unmapped=stored))
