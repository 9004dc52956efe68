"""Marks on the hours and days whose profiles no longer match their calls."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection

from monitor import tables
from monitor.clock import BlockLength, block_start, to_microseconds
from monitor.store import Store, table_of

_DIRTY = table_of(tables.DirtyBlock)


def mark_times(store: Store, connection: Connection, project_id: int, times: Iterable[datetime], now: datetime) -> None:
    """Marks the hour and the day of each of these moments."""
    starts = {(length.value, to_microseconds(block_start(time, length))) for time in times for length in BlockLength}
    mark_blocks(store, connection, [(project_id, length, start) for length, start in starts], now)


def mark_blocks(store: Store, connection: Connection, blocks: Iterable[tuple[int, str, int]], now: datetime) -> None:
    """Marks blocks: project, length, start in microseconds.

    A mark that is there keeps its age, and is written all the same: on PostgreSQL a refresh that is about to take it
    then waits for this transaction, and so reads what this transaction wrote. All writers mark in one order, so that
    none waits for another in a circle.
    """
    since = to_microseconds(now)
    rows = [
        {"project_id": project_id, "length": length, "start": start, "since": since}
        for project_id, length, start in sorted(set(blocks), key=lambda block: (block[0], block[2], block[1]))
    ]
    if rows:
        statement = store.insert_statement(tables.DirtyBlock).on_conflict_do_update(
            index_elements=["project_id", "length", "start"], set_={"since": _DIRTY.c.since}
        )
        connection.execute(statement, rows)
