"""Marks: small texts in the store that say how far something got, so that it can go on from there."""

from __future__ import annotations

from sqlalchemy import delete, select

from monitor import tables
from monitor.store import Store, table_of

_VALUE = table_of(tables.Value)


def read_mark(store: Store, name: str) -> str:
    """The mark of that name; empty where there is none."""
    with store.read() as connection:
        return str(connection.execute(select(_VALUE.c.data).where(_VALUE.c.name == name)).scalar() or "")


def write_mark(store: Store, name: str, data: str) -> None:
    """Sets a mark; an empty text removes it."""
    with store.write() as connection:
        if data:
            store.upsert(connection, tables.Value, [{"name": name, "data": data}])
        else:
            connection.execute(delete(_VALUE).where(_VALUE.c.name == name))
