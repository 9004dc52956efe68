"""One call whole, one trace whole, one session.

A trace may have tens of thousands of spans: its tree is laid out from three columns of each, and everything else is
read for the part that is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, or_, select

from monitor.clock import from_microseconds
from monitor.compression import decompress
from monitor.errors import NotFound
from monitor.identifiers import pack_identifier, unpack_identifier
from monitor.queries.calls import BODY, ENRICHED, CallRow, FeedbackNote, note_of, row_of
from monitor.queries.conditions import ENRICHMENT, FEEDBACK, SPAN
from monitor.records import Body, Tokens
from monitor.rows import tokens_of
from monitor.store import Store

TRACE_CAP = 50_000
"""Spans of a trace that are laid out at most."""
TRACE_PAGE = 200
_FEEDBACK_CAP = 500


@dataclass(frozen=True)
class CallDetail:
    """A call with all that is known of it. `tokens` are disjoint buckets; `sender_cost_usd` is what the sender said."""

    row: CallRow
    kind: str
    body: Body
    tokens: Tokens
    sender_cost_usd: float | None
    time_to_first_token_s: float | None
    requested_model: str
    service_tier: str
    received: datetime
    source: str
    parent_id: str
    feedback: tuple[FeedbackNote, ...]
    enriched: bool


@dataclass(frozen=True)
class SpanNode:
    """One line of a trace: `depth` 0 is a root. `orphan` where the parent that it names was not received."""

    id: int
    span_id: str
    depth: int
    orphan: bool
    children: int
    kind: str
    name: str
    model: str
    time: datetime
    latency_s: float | None
    status: str
    input_tokens: int | None
    output_tokens: int | None


@dataclass(frozen=True)
class Trace:
    """A part of a trace in the order of a walk through its tree: `nodes` from `offset`, out of `total`.

    `capped` where the trace has more spans than are laid out.
    """

    trace_id: str
    nodes: tuple[SpanNode, ...]
    offset: int
    total: int
    capped: bool
    start: datetime
    feedback: tuple[FeedbackNote, ...]


def call_of(store: Store, project_id: int, trace_id: str, span_id: str) -> CallDetail:
    """One span with everything; raises NotFound."""
    wanted = and_(
        SPAN.c.project_id == project_id,
        SPAN.c.trace_id == pack_identifier(trace_id),
        SPAN.c.span_id == pack_identifier(span_id),
    )
    with store.read() as connection:
        return _detail(connection, project_id, wanted)


def trace_of(store: Store, project_id: int, trace_id: str, *, offset: int = 0, limit: int = TRACE_PAGE) -> Trace:
    """A part of a trace; raises NotFound where nothing of it is stored."""
    packed = pack_identifier(trace_id)
    skeleton = (
        select(SPAN.c.id, SPAN.c.span_id, SPAN.c.parent_id)
        .where(SPAN.c.project_id == project_id, SPAN.c.trace_id == packed)
        .limit(TRACE_CAP + 1)
    )
    with store.read() as connection:
        spans = sorted(tuple(row) for row in connection.execute(skeleton))
        if not spans:
            raise NotFound("No such trace is stored in this project.")
        capped = len(spans) > TRACE_CAP
        order = _walk(spans[:TRACE_CAP])
        shown = order[offset : offset + limit]
        columns = select(SPAN).where(SPAN.c.project_id == project_id, SPAN.c.id.in_([place.id for place in shown]))
        rows = {row.id: row for row in connection.execute(columns)}
        said = (
            select(FEEDBACK)
            .where(FEEDBACK.c.project_id == project_id, FEEDBACK.c.trace_id == packed)
            .limit(_FEEDBACK_CAP)
        )
        notes = sorted((note_of(row) for row in connection.execute(said)), key=lambda note: (note.time, note.id))
        first = connection.execute(
            select(SPAN.c.time).where(SPAN.c.project_id == project_id, SPAN.c.id == spans[0][0])
        ).scalar_one()
    nodes = tuple(_node(place, rows[place.id]) for place in shown if place.id in rows)
    return Trace(trace_id, nodes, offset, len(order), capped, from_microseconds(first), tuple(notes))


@dataclass(frozen=True)
class _Place:
    id: int
    depth: int
    orphan: bool
    children: int


def _walk(spans: list[tuple[Any, ...]]) -> list[_Place]:
    """Depth first, children in order of time; spans caught in a circle of parents come last, as roots."""
    known = {span_id for _, span_id, _ in spans}
    children: dict[bytes, list[tuple[Any, ...]]] = {}
    roots = []
    for span in spans:
        _, span_id, parent = span
        if parent is None or parent not in known or parent == span_id:
            roots.append(span)
        else:
            children.setdefault(parent, []).append(span)
    order: list[_Place] = []
    seen: set[int] = set()
    for root in (*roots, *spans):
        stack = [(root, 0)]
        while stack:
            (identifier, span_id, parent), depth = stack.pop()
            if identifier in seen:
                continue
            seen.add(identifier)
            below = children.get(span_id, [])
            orphan = depth == 0 and parent is not None and parent != span_id
            order.append(_Place(identifier, depth, orphan, len(below)))
            stack += [(child, depth + 1) for child in reversed(below)]
    return order


def _node(place: _Place, row: Any) -> SpanNode:
    return SpanNode(
        id=place.id,
        span_id=unpack_identifier(row.span_id),
        depth=place.depth,
        orphan=place.orphan,
        children=place.children,
        kind=row.kind,
        name=row.name or "",
        model=row.model or row.requested_model or "",
        time=from_microseconds(row.time),
        latency_s=row.latency_s,
        status="error" if row.status else "ok",
        input_tokens=row.input_tokens,
        output_tokens=row.output_tokens,
    )


def _detail(connection: Connection, project_id: int, wanted: Any) -> CallDetail:
    joined = SPAN.outerjoin(
        ENRICHMENT, and_(ENRICHMENT.c.project_id == SPAN.c.project_id, ENRICHMENT.c.id == SPAN.c.id)
    )
    statement = select(*SPAN.c, *ENRICHED).select_from(joined).where(wanted)
    stored = connection.execute(statement).first()
    if stored is None:
        raise NotFound("No such call is stored in this project.")
    text = connection.execute(
        select(BODY.c.codec, BODY.c.data).where(BODY.c.project_id == project_id, BODY.c.id == stored.id)
    ).first()
    about = [
        and_(
            FEEDBACK.c.trace_id == stored.trace_id,
            or_(FEEDBACK.c.span_id == stored.span_id, FEEDBACK.c.span_id.is_(None)),
        )
    ]
    if stored.session_id is not None:
        about.append(and_(FEEDBACK.c.trace_id.is_(None), FEEDBACK.c.session_id == stored.session_id))
    notes = []
    for part in about:  # one look-up each, so that each uses the index of targets
        said = select(FEEDBACK).where(FEEDBACK.c.project_id == project_id, part).limit(_FEEDBACK_CAP)
        notes += [note_of(row) for row in connection.execute(said)]
    return CallDetail(
        row=row_of(connection, stored),
        kind=stored.kind,
        body=decompress(text.codec, text.data) if text else Body(),
        tokens=tokens_of(dict(stored._mapping)),
        sender_cost_usd=stored.sender_cost_usd,
        time_to_first_token_s=stored.time_to_first_token_s,
        requested_model=stored.requested_model or "",
        service_tier=stored.service_tier or "",
        received=from_microseconds(stored.received),
        source=stored.source or "",
        parent_id=unpack_identifier(stored.parent_id) if stored.parent_id else "",
        feedback=tuple(sorted(notes, key=lambda note: (note.time, note.id))),
        enriched=stored.signals is not None,
    )


def buckets(tokens: Tokens) -> Mapping[str, int]:
    """The token counts that were reported, by name."""
    titles = {
        "input_uncached": "input",
        "input_cache_read": "input, read from cache",
        "input_cache_write": "input, written to cache",
        "input_cache_write_1h": "input, written to cache for an hour",
        "input_audio": "input, audio",
        "output_text": "output",
        "output_reasoning": "output, reasoning",
        "output_audio": "output, audio",
    }
    found = {title: getattr(tokens, name) for name, title in titles.items()}
    return {title: count for title, count in found.items() if count is not None}
