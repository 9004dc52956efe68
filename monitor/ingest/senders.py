"""Counts what each sender sent, and keeps what could not be taken, so that nothing is dropped silently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from monitor import tables
from monitor.clock import to_microseconds
from monitor.identifiers import new_id
from monitor.ingest.batch import Receipt, Rejection
from monitor.store import Store, table_of

UNKNOWN_SENDER = "unknown"
MAX_REJECTS_KEPT = 100
MAX_UNMAPPED_NAMES = 200

Entry = tuple[int, str, int, Receipt, Mapping[str, int]]


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
    """Adds to the counters of senders; its statement is made once, since making it costs more than running it."""

    def __init__(self, store: Store) -> None:
        statement = store.insert_statement(tables.Sender)
        table = table_of(tables.Sender)
        added = {name: table.c[name] + statement.excluded[name] for name in ("accepted", "rejected", "duplicates")}
        self._statement = statement.on_conflict_do_update(
            index_elements=["project_id", "name"], set_=added | {"last_seen": statement.excluded.last_seen}
        )

    def add(self, connection: Connection, entries: Sequence[Entry]) -> None:
        """Adds what a group of batches brought."""
        rows: dict[tuple[int, str], dict[str, Any]] = {}
        names: dict[tuple[int, str], dict[str, int]] = {}
        for project_id, sender, moment, receipt, unmapped in entries:
            key = (project_id, sender or UNKNOWN_SENDER)
            row = rows.setdefault(key, _row(*key, moment))
            row["accepted"] += receipt.accepted + receipt.feedback
            row["rejected"] += len(receipt.rejected)
            row["duplicates"] += receipt.duplicates
            row["last_seen"] = max(row["last_seen"], moment)
            if unmapped:
                counts = names.setdefault(key, {})
                for name, count in unmapped.items():
                    counts[name] = counts.get(name, 0) + count
        # In one order everywhere, so that two processes never wait for each other.
        connection.execute(self._statement, [rows[key] for key in sorted(rows)])
        for key in sorted(names):
            _add_unmapped(connection, *key, names[key])


def _row(project_id: int, sender: str, moment: int) -> dict[str, Any]:
    counters = {"accepted": 0, "rejected": 0, "duplicates": 0}
    return {"project_id": project_id, "name": sender, "first_seen": moment, "last_seen": moment, **counters}


def _add_unmapped(connection: Connection, project_id: int, sender: str, counts: Mapping[str, int]) -> None:
    table = table_of(tables.Sender)
    chosen = (table.c.project_id == project_id, table.c.name == sender)
    stored = dict(connection.execute(select(table.c.unmapped).where(*chosen)).scalar_one() or {})
    for name, count in counts.items():
        if name in stored or len(stored) < MAX_UNMAPPED_NAMES:
            stored[name] = stored.get(name, 0) + count
    connection.execute(update(table).where(*chosen).values(unmapped=stored))
