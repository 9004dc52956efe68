"""Samples of the calls of a stream with their signals, and the texts of some of them: what explanations are made from.

A sample is bounded whatever the number of calls. Where a range holds more, it is cut into slices of time; each slice
gives calls from a random moment on, as many as is its share of the traffic by the profiles.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, Text, and_, cast, select

from monitor import tables
from monitor.clock import BlockLength, block_start
from monitor.compression import decompress
from monitor.contracts import Segment
from monitor.identifiers import id_floor, unpack_identifier
from monitor.queries import series
from monitor.queries.conditions import ENRICHMENT, FEEDBACK, FEEDBACK_PREFIX, SPAN, CallFilter, SignalCondition, where
from monitor.records import Body
from monitor.signal_rows import SIGNAL_COLUMNS, signals_of
from monitor.store import Store, table_of

SLICES = 120
_BODY = table_of(tables.Body)
_CHUNK = 500
_PLAIN = ("provider", "environment", "release", "prompt_version", "feature", "source")
_NO_BODY = Body()
_COLUMNS = (
    SPAN.c.id,
    SPAN.c.time,
    SPAN.c.trace_id,
    SPAN.c.span_id,
    SPAN.c.session_id,
    SPAN.c.user,
    SPAN.c.provider,
    SPAN.c.model,
    SPAN.c.requested_model,
    SPAN.c.environment,
    SPAN.c.release,
    SPAN.c.prompt_version,
    SPAN.c.feature,
    SPAN.c.source,
    cast(SPAN.c.tags, Text).label("tags"),
    *SIGNAL_COLUMNS,
)


@dataclass(frozen=True)
class SampledCall:
    """One call of a sample: who sent it, its plain columns, tags and signals; `said` is the feedback asked for."""

    id: int
    time: int
    trace_id: str
    span_id: str
    user: bytes
    columns: dict[str, str | None]
    tags: dict[str, Any]
    signals: dict[str, Any]
    said: Any = None


def sampled_calls(
    store: Store,
    project_id: int,
    start: datetime,
    end: datetime,
    *,
    segment: Segment,
    signal: str,
    keep: Collection[str],
    limit: int,
    seed: int,
) -> list[SampledCall]:
    """At most `limit` calls of a segment that began in [start, end), by chance, oldest first.

    For a signal of feedback these are calls that have it. Of the signals of a call only those of `keep` are given, so
    that a sample stays small.
    """
    is_feedback = signal.startswith(FEEDBACK_PREFIX)
    wanted = (SignalCondition(signal, measured=True),) if is_feedback else ()
    clauses = where(store, project_id, CallFilter(segment=segment, signals=wanted)).clauses
    statement = (
        select(*_COLUMNS)
        .join(ENRICHMENT, and_(ENRICHMENT.c.project_id == SPAN.c.project_id, ENRICHMENT.c.id == SPAN.c.id))
        .where(SPAN.c.project_id == project_id, *clauses)
        .order_by(SPAN.c.id)
    )
    counted = signal if is_feedback else "calls"
    blocks = series.read_series(
        store, project_id, BlockLength.DAY, block_start(start, BlockLength.DAY), end, signal=counted, segment=segment
    )
    traffic = {block.start: block.profile.n for block in blocks}
    decode = msgspec.json.decode
    rows: list[Any] = []
    slices = list(_slices(traffic, start, end, limit, random.Random(seed)))  # noqa: S311 - a sample, not a secret
    with store.read() as connection:
        for low, high, most in slices:
            inside = statement.where(SPAN.c.id >= low, SPAN.c.id < high).limit(most)
            rows += connection.execute(inside).mappings().all()
        measured = [
            {name: value for name, value in signals_of(connection, row).items() if name in keep} for row in rows
        ]
        said = _said(connection, project_id, signal, rows) if is_feedback else {}
    return [
        SampledCall(
            id=row["id"],
            time=row["time"],
            trace_id=unpack_identifier(row["trace_id"]),
            span_id=unpack_identifier(row["span_id"]),
            user=row["user"] or row["session_id"] or b"call" + int(row["id"]).to_bytes(8, "big"),
            columns={
                "model": row["model"] or row["requested_model"],
                **{name: row[name] for name in _PLAIN},
            },
            tags=decode(row["tags"]) if row["tags"] else {},
            signals=signals,
            said=said.get(row["id"]),
        )
        for row, signals in zip(rows, measured, strict=True)
    ]


def bodies(store: Store, project_id: int, identifiers: Sequence[int]) -> list[Body]:
    """The texts of calls, in the order asked for; empty where there are none."""
    found: dict[int, Body] = {}
    ordered = sorted(identifiers)
    with store.read() as connection:
        for place in range(0, len(ordered), _CHUNK):
            rows = connection.execute(
                select(_BODY.c.id, _BODY.c.codec, _BODY.c.data).where(
                    _BODY.c.project_id == project_id, _BODY.c.id.in_(ordered[place : place + _CHUNK])
                )
            )
            found |= {row.id: decompress(row.codec, row.data) for row in rows}
    return [found.get(identifier, _NO_BODY) for identifier in identifiers]


def _slices(
    traffic: Mapping[datetime, int], start: datetime, end: datetime, limit: int, dice: random.Random
) -> Iterator[tuple[int, int, int]]:
    """Ranges of ids with how many calls each is to give, by the calls of each day; one range where these are few."""
    total = sum(traffic.values())
    if total <= limit:
        # Where the profiles do not know the segment the bound still holds.
        yield id_floor(start), id_floor(end), limit
        return
    step = max((end - start) / SLICES, timedelta(seconds=1))
    count = max(round((end - start) / step), 1)
    weights = [max(traffic.get(block_start(start + place * step, BlockLength.DAY), 0), 1) for place in range(count)]
    for place, weight in enumerate(weights):
        most = round(limit * weight / sum(weights))
        if most:
            begin = start + place * step
            # From a random moment of the first half on, so that a slice hardly ever runs dry.
            yield id_floor(begin + step * dice.random() * 0.5), id_floor(begin + step), most


def _said(connection: Connection, project_id: int, signal: str, rows: Sequence[Any]) -> dict[int, Any]:
    """What feedback of one name says of each call: that on the call itself, else that on its trace or session."""
    by_span: dict[tuple[bytes, bytes], Any] = {}
    by_trace: dict[bytes, Any] = {}
    by_session: dict[bytes, Any] = {}
    name = signal.removeprefix(FEEDBACK_PREFIX)
    statement = select(
        FEEDBACK.c.trace_id, FEEDBACK.c.span_id, FEEDBACK.c.session_id, FEEDBACK.c.value, FEEDBACK.c.label
    ).where(FEEDBACK.c.project_id == project_id, FEEDBACK.c.name == name)
    for row in _of_keys(connection, statement, FEEDBACK.c.trace_id, {row["trace_id"] for row in rows}):
        value = row.label if row.value is None else row.value
        if row.span_id:
            by_span[bytes(row.trace_id), bytes(row.span_id)] = value
        else:
            by_trace[bytes(row.trace_id)] = value
    sessions = {row["session_id"] for row in rows if row["session_id"]}
    alone = statement.where(FEEDBACK.c.trace_id.is_(None))
    for row in _of_keys(connection, alone, FEEDBACK.c.session_id, sessions):
        by_session[bytes(row.session_id)] = row.label if row.value is None else row.value
    found: dict[int, Any] = {}
    for row in rows:
        trace, span = bytes(row["trace_id"]), bytes(row["span_id"])
        session = bytes(row["session_id"]) if row["session_id"] else b""
        value = by_span.get((trace, span), by_trace.get(trace, by_session.get(session)))
        if value is not None:
            found[row["id"]] = value
    return found


def _of_keys(connection: Connection, statement: Select[Any], column: Any, keys: set[bytes]) -> Iterator[Any]:
    ordered = sorted(map(bytes, keys))
    for place in range(0, len(ordered), _CHUNK):
        yield from connection.execute(statement.where(column.in_(ordered[place : place + _CHUNK])))
