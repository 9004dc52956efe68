"""Reads the calls of one block with their signals and feedback, ready for `build`.

Feedback on a call counts for that call; feedback on a trace, or on an operation that is no call, for the trace's last
call; feedback on a session alone for the whole project at the time of the session's last call. Of the implicit signals
only what was found is stored; every other call of a reviewed hour that could be followed counts as not having them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

import msgspec
from sqlalchemy import Connection, Text, and_, cast, func, select
from sqlalchemy.sql import Select

from monitor import tables
from monitor.clock import BlockLength, to_microseconds
from monitor.contracts import Kind, Segment, SignalValue
from monitor.identifiers import id_floor
from monitor.profiles.build import CallSignals
from monitor.profiles.segments import capped, dimension_values
from monitor.signal_rows import SIGNAL_COLUMNS, signals_of
from monitor.signals import COMMENT_SENTIMENT, FEEDBACK_PREFIX, IMPLICIT
from monitor.store import table_of

_SPAN = table_of(tables.Span)
_ENRICHMENT = table_of(tables.Enrichment)
_FEEDBACK = table_of(tables.Feedback)
_REVIEWED = table_of(tables.ReviewedHour)
_CALL = "llm"
_CHUNK = 20_000
_HOUR = BlockLength.HOUR.duration // timedelta(microseconds=1)
_ABSENT = tuple((FEEDBACK_PREFIX + name, Kind.FLAG, False) for name in IMPLICIT)
# Ids before 2020 are all within the first sequence.
_SMALLEST_UPPER_ID = 1 << 22


@dataclass(frozen=True)
class BlockCalls:
    """The calls of a block, when each segment was first and last seen in it, and other blocks it makes stale.

    `stale` holds times (microseconds) of earlier calls whose trace's feedback now counts for a call of this block.
    """

    calls: list[CallSignals]
    seen: dict[Segment, tuple[int, int]]
    stale: set[int]


def read_calls(
    connection: Connection,
    project_id: int,
    start: datetime,
    end: datetime,
    *,
    dimensions: Sequence[str],
    known: Mapping[str, set[str]],
    condition: Any = None,
) -> BlockCalls:
    """All enriched calls that began in [start, end), or those of a condition on spans.

    `known` are the segment values admitted so far; it grows.
    """
    columns = (
        _SPAN.c.id,
        _SPAN.c.time,
        _SPAN.c.session_id,
        _SPAN.c.user,
        _SPAN.c.provider,
        _SPAN.c.model,
        _SPAN.c.requested_model,
        _SPAN.c.environment,
        _SPAN.c.release,
        _SPAN.c.prompt_version,
        _SPAN.c.feature,
        cast(_SPAN.c.tags, Text).label("tags"),
        *SIGNAL_COLUMNS,
    )
    statement = (
        _within(select(*columns), project_id, start, end)
        .join(_ENRICHMENT, and_(_ENRICHMENT.c.project_id == _SPAN.c.project_id, _ENRICHMENT.c.id == _SPAN.c.id))
        .order_by(_SPAN.c.id)
    )
    if condition is not None:
        statement = statement.where(condition)
    feedback, stale = _feedback(connection, project_id, start, end)
    reviewed = _reviewed(connection, project_id, start, end)
    users: list[bytes] = []
    times: list[int] = []
    values: list[tuple[str | None, ...]] = []
    signals: list[dict[str, SignalValue]] = []
    said: list[list[tuple[str, Kind, SignalValue]]] = []
    result = connection.execution_options(yield_per=_CHUNK).execute(statement)
    for row in result.mappings():
        measured = signals_of(connection, row)
        language = measured.get("language")
        tags = msgspec.json.decode(row["tags"]) if row["tags"] else None
        users.append(row["user"] or row["session_id"] or b"call" + int(row["id"]).to_bytes(8, "big"))
        times.append(row["time"])
        values.append(dimension_values(row, language if isinstance(language, str) else None, tags, dimensions))
        signals.append(measured)
        of_call = feedback.get(row["id"], [])
        if (row["user"] or row["session_id"]) and row["time"] // _HOUR in reviewed:
            of_call = of_call + _absent(of_call)
        said.append(of_call)
    columns_of_values = [
        capped((item[place] for item in values), known[dimension]) for place, dimension in enumerate(dimensions)
    ]
    seen: dict[Segment, tuple[int, int]] = {}
    calls: list[CallSignals] = []
    cache: dict[tuple[str, str], Segment] = {}
    for place, user in enumerate(users):
        own: list[Segment] = []
        for dimension, column in zip(dimensions, columns_of_values, strict=True):
            value = column[place]
            if value is not None:
                segment = cache.get((dimension, value))
                if segment is None:
                    segment = cache[(dimension, value)] = Segment(dimension, value)
                own.append(segment)
                first, last = seen.get(segment, (times[place], times[place]))
                seen[segment] = (min(first, times[place]), max(last, times[place]))
        calls.append(CallSignals(user, tuple(own), signals[place], said[place]))
    sessions, stale_sessions = _session_feedback(connection, project_id, start, end)
    calls.extend(sessions)
    stale |= stale_sessions
    return BlockCalls(calls, seen, stale)


def count_calls(connection: Connection, project_id: int, start: datetime, end: datetime) -> int:
    """How many calls `read_calls` would give for [start, end)."""
    statement = _within(select(func.count()).select_from(_SPAN), project_id, start, end)
    joined = statement.join(
        _ENRICHMENT, and_(_ENRICHMENT.c.project_id == _SPAN.c.project_id, _ENRICHMENT.c.id == _SPAN.c.id)
    )
    return int(connection.execute(joined).scalar_one())


def _within(statement: Select[Any], project_id: int, start: datetime, end: datetime) -> Select[Any]:
    return statement.where(
        _SPAN.c.project_id == project_id,
        _SPAN.c.id >= id_floor(start),
        _SPAN.c.id < max(id_floor(end), _SMALLEST_UPPER_ID),
        _SPAN.c.time >= to_microseconds(start),
        _SPAN.c.time < to_microseconds(end),
        _SPAN.c.kind == _CALL,
    )


def _reviewed(connection: Connection, project_id: int, start: datetime, end: datetime) -> set[int]:
    """The hours that were looked through for implicit signals, as numbers since 1970."""
    statement = select(_REVIEWED.c.start).where(
        _REVIEWED.c.project_id == project_id,
        _REVIEWED.c.start >= to_microseconds(start) // _HOUR * _HOUR,
        _REVIEWED.c.start < to_microseconds(end),
    )
    return {moment // _HOUR for moment in connection.execute(statement).scalars()}


def _absent(said: list[tuple[str, Kind, SignalValue]]) -> list[tuple[str, Kind, SignalValue]]:
    """The implicit signals that a reviewed call does not have."""
    present = {name for name, _, _ in said}
    return [item for item in _ABSENT if item[0] not in present]


def _all_said(row: Any) -> list[tuple[str, Kind, SignalValue]]:
    """The signals of a piece of feedback: its value, and the sentiment of its comment."""
    found = [] if (value := value_said(row)) is None else [value]
    if row.sentiment is not None:
        found.append((FEEDBACK_PREFIX + COMMENT_SENTIMENT, Kind.NUMBER, float(row.sentiment)))
    return found


def value_said(row: Any) -> tuple[str, Kind, SignalValue] | None:
    """The signal of a piece of feedback with its kind and value; None where it is a comment alone."""
    name = FEEDBACK_PREFIX + row.name
    if row.value is not None:
        return (name, Kind.FLAG, bool(row.value)) if row.flag else (name, Kind.NUMBER, float(row.value))
    return (name, Kind.CATEGORY, row.label) if row.label else None


def _feedback(
    connection: Connection, project_id: int, start: datetime, end: datetime
) -> tuple[dict[int, list[tuple[str, Kind, SignalValue]]], set[int]]:
    traces = _within(select(_SPAN.c.trace_id), project_id, start, end)
    statement = (
        select(
            _FEEDBACK.c.trace_id,
            _FEEDBACK.c.span_id,
            _FEEDBACK.c.name,
            _FEEDBACK.c.value,
            _FEEDBACK.c.flag,
            _FEEDBACK.c.label,
            _FEEDBACK.c.sentiment,
        )
        .where(_FEEDBACK.c.project_id == project_id, _FEEDBACK.c.trace_id.in_(traces))
        .order_by(_FEEDBACK.c.trace_id, _FEEDBACK.c.id)
    )
    rows = connection.execute(statement).all()
    if not rows:
        return {}, set()
    spans: dict[bytes, list[Any]] = {}
    with_feedback = sorted({row.trace_id for row in rows})
    for position in range(0, len(with_feedback), 500):
        chunk = with_feedback[position : position + 500]
        found = connection.execute(
            select(_SPAN.c.id, _SPAN.c.trace_id, _SPAN.c.span_id, _SPAN.c.time, _SPAN.c.kind)
            .where(_SPAN.c.project_id == project_id, _SPAN.c.trace_id.in_(chunk))
            .order_by(_SPAN.c.time, _SPAN.c.id)
        )
        for span in found:
            spans.setdefault(span.trace_id, []).append(span)
    result: dict[int, list[tuple[str, Kind, SignalValue]]] = {}
    stale: set[int] = set()
    first, last = to_microseconds(start), to_microseconds(end)
    for row in rows:
        observed = _all_said(row)
        if not observed:
            continue
        trace = spans.get(row.trace_id, [])
        target = next((span for span in trace if row.span_id and span.span_id == row.span_id), None)
        if row.span_id and target is None:
            continue
        if target is None or target.kind != _CALL:
            calls = [span for span in trace if span.kind == _CALL]
            target = calls[-1] if calls else None
            if target is not None and first <= target.time < last:
                stale.update(span.time for span in calls if not first <= span.time < last)
        if target is not None:
            result.setdefault(target.id, []).extend(observed)
    return result, stale


def _session_feedback(
    connection: Connection, project_id: int, start: datetime, end: datetime
) -> tuple[list[CallSignals], set[int]]:
    sessions = _within(select(_SPAN.c.session_id), project_id, start, end).where(_SPAN.c.session_id.is_not(None))
    rows = connection.execute(
        select(
            _FEEDBACK.c.session_id,
            _FEEDBACK.c.name,
            _FEEDBACK.c.value,
            _FEEDBACK.c.flag,
            _FEEDBACK.c.label,
            _FEEDBACK.c.sentiment,
        )
        .where(
            _FEEDBACK.c.project_id == project_id, _FEEDBACK.c.trace_id.is_(None), _FEEDBACK.c.session_id.in_(sessions)
        )
        .order_by(_FEEDBACK.c.session_id, _FEEDBACK.c.id)
    ).all()
    result: list[CallSignals] = []
    stale: set[int] = set()
    first, last = to_microseconds(start), to_microseconds(end)
    for session_id, said in groupby(rows, key=lambda row: bytes(row.session_id)):
        calls = connection.execute(
            select(_SPAN.c.time, _SPAN.c.user)
            .where(_SPAN.c.project_id == project_id, _SPAN.c.session_id == session_id, _SPAN.c.kind == _CALL)
            .order_by(_SPAN.c.time, _SPAN.c.id)
        ).all()
        if first <= calls[-1].time < last:
            stale.update(call.time for call in calls if call.time < first)
            observed = [item for row in said for item in _all_said(row)]
            result.append(CallSignals(calls[-1].user or session_id, (), {}, observed))
    return result, stale
