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


def write_senders(store: Store, connection: Connection, entries: Sequence[Entry]) -> None:
    """Adds to the counters of the senders of a group."""
    totals: dict[tuple[int, str], dict[str, int]] = {}
    names: dict[tuple[int, str], dict[str, int]] = {}
    for project_id, sender, moment, receipt, unmapped in entries:
        key = (project_id, sender or UNKNOWN_SENDER)
        total = totals.setdefault(key, {"accepted": 0, "rejected": 0, "duplicates": 0, "seen": 0})
        total["accepted"] += receipt.accepted + receipt.feedback
        total["rejected"] += len(receipt.rejected)
        total["duplicates"] += receipt.duplicates
        total["seen"] = max(total["seen"], moment)
        if unmapped:
            counts = names.setdefault(key, {})
            for name, count in unmapped.items():
                counts[name] = counts.get(name, 0) + count
    statement = store.insert_statement(tables.Sender)
    table = table_of(tables.Sender)
    added: dict[str, Any] = {
        name: table.c[name] + statement.excluded[name] for name in ("accepted", "rejected", "duplicates")
    }
    statement = statement.on_conflict_do_update(
        index_elements=["project_id", "name"], set_=added | {"last_seen": statement.excluded.last_seen}
    )
    rows = [
        {
            "project_id": project_id,
            "name": sender,
            "first_seen": total["seen"],
            "last_seen": total["seen"],
            "accepted": total["accepted"],
            "rejected": total["rejected"],
            "duplicates": total["duplicates"],
        }
        # In one order everywhere, so that two processes never wait for each other.
        for (project_id, sender), total in sorted(totals.items())
    ]
    if rows:
        connection.execute(statement, rows)
    for (project_id, sender), counts in sorted(names.items()):
        _add_unmapped(connection, project_id, sender, counts)


def _add_unmapped(connection: Connection, project_id: int, sender: str, counts: Mapping[str, int]) -> None:
    table = table_of(tables.Sender)
    chosen = (table.c.project_id == project_id, table.c.name == sender)
    stored = dict(connection.execute(select(table.c.unmapped).where(*chosen)).scalar_one() or {})
    for name, count in counts.items():
        if name in stored or len(stored) < MAX_UNMAPPED_NAMES:
            stored[name] = stored.get(name, 0) + count
    connection.execute(update(table).where(*chosen).values(unmapped=stored))
