"""Time series of profiles: what charts and indicators read, never a scan of calls."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, or_, select

from monitor import tables
from monitor.clock import BlockLength, from_microseconds, to_microseconds
from monitor.contracts import Block, Kind, Segment
from monitor.profile import Profile
from monitor.store import Store, table_of

_PROFILE = table_of(tables.Profile)
_COLUMNS = (
    _PROFILE.c.dimension,
    _PROFILE.c.value,
    _PROFILE.c.signal,
    _PROFILE.c.start,
    _PROFILE.c.kind,
    _PROFILE.c.n,
    _PROFILE.c.users,
    _PROFILE.c.total,
    _PROFILE.c.total_square,
    _PROFILE.c.user_total,
    _PROFILE.c.user_total_square,
    _PROFILE.c.sketch,
)
_KINDS = {str(kind): kind for kind in Kind}
_ROWS_AT_ONCE = 1000

Stream = tuple[Segment, str]


def read_profiles(
    store: Store,
    project_id: int,
    length: BlockLength,
    start: datetime,
    end: datetime,
    *,
    signals: Sequence[str] | None = None,
    segments: Sequence[Segment] | None = None,
) -> dict[Stream, list[Block]]:
    """The blocks that begin in [start, end), oldest first, of the streams asked for (default: all).

    Where a signal changed its kind, only the blocks of the newest kind are given: they alone can be merged.
    """
    statement = _in_range(select(*_COLUMNS), project_id, length, start, end).order_by(_PROFILE.c.start)
    if signals is not None:
        statement = statement.where(_PROFILE.c.signal.in_(list(signals)))
    if segments is not None:
        statement = statement.where(
            or_(
                *(
                    and_(_PROFILE.c.dimension == segment.dimension, _PROFILE.c.value == segment.value)
                    for segment in segments
                )
            )
        )
    found: dict[tuple[str, str, str], list[Block]] = {}
    moments: dict[int, datetime] = {}
    with store.read() as connection:
        for rows in connection.execute(statement).partitions(_ROWS_AT_ONCE):
            for dimension, value, signal, begun, kind_name, n, users, one, two, three, four, sketch in rows:
                blocks = found.get((dimension, value, signal))
                if blocks is None:
                    blocks = found[dimension, value, signal] = []
                moment = moments.get(begun)
                if moment is None:
                    moment = moments[begun] = from_microseconds(begun)
                kind = _KINDS[kind_name]
                if blocks and blocks[-1].profile.kind is not kind:
                    blocks.clear()
                blocks.append(Block(moment, Profile.load(kind, n, users, (one, two, three, four), sketch)))
    return {(Segment(dimension, value), signal): blocks for (dimension, value, signal), blocks in found.items()}


def read_series(
    store: Store,
    project_id: int,
    length: BlockLength,
    start: datetime,
    end: datetime,
    *,
    signal: str,
    segment: Segment,
) -> list[Block]:
    """The blocks of one stream that begin in [start, end), oldest first."""
    return read_profiles(store, project_id, length, start, end, signals=[signal], segments=[segment]).get(
        (segment, signal), []
    )


def first_block(store: Store, project_id: int, length: BlockLength) -> datetime | None:
    """Start of the oldest block of a project; None where it has none."""
    return _bound(store, project_id, length, func.min)


def newest_block(store: Store, project_id: int, length: BlockLength) -> datetime | None:
    """Start of the newest block of a project; None where it has none."""
    return _bound(store, project_id, length, func.max)


def _bound(store: Store, project_id: int, length: BlockLength, function: Any) -> datetime | None:
    statement = select(function(_PROFILE.c.start)).where(
        _PROFILE.c.project_id == project_id, _PROFILE.c.length == str(length)
    )
    with store.read() as connection:
        found = connection.execute(statement).scalar()
    return None if found is None else from_microseconds(found)


def _in_range(statement: Any, project_id: int, length: BlockLength, start: datetime, end: datetime) -> Any:
    return statement.where(
        _PROFILE.c.project_id == project_id,
        _PROFILE.c.length == str(length),
        _PROFILE.c.start >= to_microseconds(start),
        _PROFILE.c.start < to_microseconds(end),
    )
