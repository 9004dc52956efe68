"""Profiles: mergeable aggregates of every signal, by hour and day, for every segment.

A block is always made afresh from its stored calls, so late data only mark it dirty, and a rebuild gives what the
refreshes gave. Nothing here ever looks at a block that is not marked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Delete, Row, delete, select

from monitor import tables
from monitor.clock import BlockLength, block_start, from_microseconds, to_microseconds
from monitor.contracts import Kind, Segment
from monitor.dirty import mark_blocks
from monitor.profiles.build import build
from monitor.profiles.calls import read_calls
from monitor.profiles.segments import dimensions
from monitor.rows import profile_columns
from monitor.settings import Settings
from monitor.signals import COUNTED, registry
from monitor.store import Store, table_of

_DIRTY = table_of(tables.DirtyBlock)
_PROFILE = table_of(tables.Profile)
_SEGMENT = table_of(tables.Segment)

# A mark that is being worked on has another length, so that a new mark can be set meanwhile and a crash loses none.
_TAKEN = " taken"

# A block that is still filling and is already this large is brought up to date less often.
LARGE_BLOCK_CALLS = 20_000
LARGE_BLOCK_WAIT = timedelta(hours=1)


def refresh(
    store: Store, settings: Settings, now: datetime, lengths: Collection[BlockLength] = tuple(BlockLength)
) -> int:
    """Rebuilds every dirty block of these lengths, oldest first; answers how many.

    The day that is still running is rebuilt once an hour only where it is large, so that a call costs its share and
    not the whole day again.
    """
    done = 0
    visited: set[tuple[int, str, int]] = set()
    while True:
        marks = [mark for mark in _take(store, now, lengths) if mark not in visited]
        if not marks:
            return done
        for project_id, length, start in marks:
            stale = _rebuild_block(store, settings, project_id, BlockLength(length), from_microseconds(start))
            visited.add((project_id, length, start))
            _finish(store, (project_id, length, start), stale - visited, now)
            done += 1


def rebuild(store: Store, settings: Settings, project: str, start: datetime, end: datetime) -> int:
    """Makes all hour and day blocks of a project that begin in [start, end) afresh; answers how many."""
    project_id = store.project(project, to_microseconds(start))
    done = 0
    for length in BlockLength:
        moment = block_start(start, length)
        while moment < end:
            _rebuild_block(store, settings, project_id, length, moment)
            moment += length.duration
            done += 1
    return done


def _take(store: Store, now: datetime, lengths: Collection[BlockLength]) -> list[tuple[int, str, int]]:
    with store.write() as connection:
        rows = connection.execute(select(_DIRTY).order_by(_DIRTY.c.project_id, _DIRTY.c.start, _DIRTY.c.length)).all()
        taken: dict[tuple[int, str, int], None] = {}
        for row in rows:
            length = row.length.removesuffix(_TAKEN)
            key = (row.project_id, length, row.start)
            if length in lengths and (key in taken or row.length != length or not _may_wait(connection, row, now)):
                taken[key] = None
        mark_blocks(store, connection, [(key[0], key[1] + _TAKEN, key[2]) for key in taken], now)
        for key in taken:
            connection.execute(_mark_of(key))
    return list(taken)


def _may_wait(connection: Connection, mark: Row[Any], now: datetime) -> bool:
    start = from_microseconds(mark.start)
    if start + BlockLength(mark.length).duration <= now or from_microseconds(mark.since) <= now - LARGE_BLOCK_WAIT:
        return False
    size = connection.execute(
        select(_PROFILE.c.n).where(
            _PROFILE.c.project_id == mark.project_id,
            _PROFILE.c.length == mark.length,
            _PROFILE.c.dimension == "",
            _PROFILE.c.value == "",
            _PROFILE.c.signal == "calls",
            _PROFILE.c.start == mark.start,
        )
    ).scalar()
    return (size or 0) >= LARGE_BLOCK_CALLS


def _mark_of(key: tuple[int, str, int]) -> Delete:
    return delete(_DIRTY).where(_DIRTY.c.project_id == key[0], _DIRTY.c.length == key[1], _DIRTY.c.start == key[2])


def _finish(store: Store, key: tuple[int, str, int], stale: set[tuple[int, str, int]], now: datetime) -> None:
    with store.write() as connection:
        connection.execute(_mark_of((key[0], key[1] + _TAKEN, key[2])))
        mark_blocks(store, connection, stale, now)


def _rebuild_block(
    store: Store, settings: Settings, project_id: int, length: BlockLength, start: datetime
) -> set[tuple[int, str, int]]:
    wanted = dimensions(settings)
    declared: dict[str, Kind] = {name: signal.kind for name, signal in registry().items()}
    with store.read() as connection:
        stored = {
            Segment(row.dimension, row.value): (row.first_seen, row.last_seen)
            for row in connection.execute(select(_SEGMENT).where(_SEGMENT.c.project_id == project_id))
        }
        known: dict[str, set[str]] = {dimension: set() for dimension in wanted}
        for segment in stored:
            if segment.dimension in known:
                known[segment.dimension].add(segment.value)
        block = read_calls(connection, project_id, start, start + length.duration, dimensions=wanted, known=known)
    rows = [
        {
            "project_id": project_id,
            "length": str(length),
            "start": to_microseconds(start),
            **profile_columns(segment, name, profile),
        }
        for segment, name, profile in build(block.calls, declared)
    ]
    seen = [
        {
            "project_id": project_id,
            "dimension": segment.dimension,
            "value": segment.value,
            "first_seen": min(first, stored.get(segment, (first, last))[0]),
            "last_seen": max(last, stored.get(segment, (first, last))[1]),
        }
        for segment, (first, last) in block.seen.items()
        if segment not in stored or first < stored[segment][0] or last > stored[segment][1]
    ]
    with store.write() as connection:
        connection.execute(
            delete(_PROFILE).where(
                _PROFILE.c.project_id == project_id,
                _PROFILE.c.length == str(length),
                _PROFILE.c.start == to_microseconds(start),
                _PROFILE.c.signal.not_in(COUNTED),
                # Always true: of columns of the primary key alone SQLite would look through all blocks there are.
                _PROFILE.c.n >= 0,
            )
        )
        store.insert_encoded(connection, tables.Profile, rows)
        store.upsert(connection, tables.Segment, seen)
    return set(_blocks(project_id, length, block.stale))


def _blocks(project_id: int, length: BlockLength, times: Iterable[int]) -> Iterable[tuple[int, str, int]]:
    for time in times:
        yield project_id, str(length), to_microseconds(block_start(from_microseconds(time), length))
