"""What people and evaluators said: by name over time from profiles, and the comments themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, and_, or_, select

from monitor import tables
from monitor.clock import BlockLength, from_microseconds, to_microseconds
from monitor.contracts import WHOLE, Block, Kind, Segment
from monitor.identifiers import pack_identifier, unpack_identifier
from monitor.profile import Profile, merge
from monitor.queries.calls import FeedbackNote, note_of
from monitor.queries.conditions import FEEDBACK, FEEDBACK_PREFIX, SPAN, CallFilter, where
from monitor.store import Store, table_of

_PROFILE = table_of(tables.Profile)
COMMENTS = 50
JUDGE_ANNOTATOR = "judge:"
_STEP = 500
_SCAN = 20_000
_NAMES_CAP = 200


@dataclass(frozen=True)
class FeedbackSeries:
    """One name of feedback over a range: blocks in order, and all of them together."""

    name: str
    kind: Kind
    blocks: tuple[Block, ...]
    total: Profile

    @property
    def signal(self) -> str:
        """The name of its signal."""
        return FEEDBACK_PREFIX + self.name


@dataclass(frozen=True)
class CommentPage:
    """Comments, newest first. `following` is where to go on, None at the end."""

    notes: tuple[FeedbackNote, ...]
    following: tuple[int, int] | None


def feedback_series(
    store: Store, project_id: int, length: BlockLength, start: datetime, end: datetime, *, segment: Segment = WHOLE
) -> tuple[FeedbackSeries, ...]:
    """Every name of feedback that calls of the range got, in order of name."""
    with store.read() as connection:
        signals = _names(connection, project_id, length, segment)
        if not signals:
            return ()
        statement = select(_PROFILE).where(
            _PROFILE.c.project_id == project_id,
            _PROFILE.c.length == length.value,
            _PROFILE.c.dimension == segment.dimension,
            _PROFILE.c.value == segment.value,
            _PROFILE.c.signal.in_(signals),
            _PROFILE.c.start >= to_microseconds(start),
            _PROFILE.c.start < to_microseconds(end),
        )
        rows = connection.execute(statement).all()
    found: dict[tuple[str, Kind], list[Block]] = {}
    for row in sorted(rows, key=lambda row: row.start):
        profile = _profile(row)
        found.setdefault((row.signal, profile.kind), []).append(Block(from_microseconds(row.start), profile))
    return tuple(
        FeedbackSeries(
            signal.removeprefix(FEEDBACK_PREFIX), kind, tuple(blocks), merge((block.profile for block in blocks), kind)
        )
        for (signal, kind), blocks in sorted(found.items())
    )


def feedback_names(store: Store, project_id: int) -> tuple[str, ...]:
    """The names of all feedback that calls of a project ever got, in order."""
    with store.read() as connection:
        found = _names(connection, project_id, BlockLength.DAY, WHOLE)
    return tuple(signal.removeprefix(FEEDBACK_PREFIX) for signal in found)


def comments(
    store: Store,
    project_id: int,
    start: datetime,
    end: datetime,
    *,
    segment: Segment = WHOLE,
    name: str = "",
    before: tuple[int, int] | None = None,
    limit: int = COMMENTS,
) -> CommentPage:
    """What was written, newest first, about calls of the segment; `before` is the `following` of the page before."""
    condition = where(store, project_id, CallFilter(segment=segment)).clauses if segment != WHOLE else ()
    found: list[FeedbackNote] = []
    examined = 0
    place = before
    with store.read() as connection:
        while examined < _SCAN:
            rows = connection.execute(_said(project_id, start, end, name, before=place)).all()
            for row in rows:
                place = (row.time, row.id)
                if row.comment or row.correction:
                    found += _of_segment(connection, project_id, [note_of(row)], condition)
                    if len(found) > limit:
                        last = found[limit - 1]
                        return CommentPage(tuple(found[:limit]), (to_microseconds(last.time), last.id))
            examined += len(rows)
            if len(rows) < _STEP:
                return CommentPage(tuple(found), None)
    return CommentPage(tuple(found), place)


def _said(project_id: int, start: datetime, end: datetime, name: str, *, before: tuple[int, int] | None) -> Select[Any]:
    clauses = [
        FEEDBACK.c.project_id == project_id,
        FEEDBACK.c.time >= to_microseconds(start),
        FEEDBACK.c.time < to_microseconds(end),
    ]
    if name:
        clauses.append(FEEDBACK.c.name == name)
    else:  # the reasons of judges would bury what people write; they stand with their calls
        own = or_(FEEDBACK.c.annotator_id.is_(None), FEEDBACK.c.annotator_id.not_like(f"{JUDGE_ANNOTATOR}%"))
        clauses.append(own)
    if before:
        clauses.append(FEEDBACK.c.time <= before[0])
        clauses.append(or_(FEEDBACK.c.time < before[0], FEEDBACK.c.id < before[1]))
    return select(FEEDBACK).where(*clauses).order_by(FEEDBACK.c.time.desc(), FEEDBACK.c.id.desc()).limit(_STEP)


def _of_segment(
    connection: Connection, project_id: int, notes: list[FeedbackNote], condition: Sequence[Any]
) -> list[FeedbackNote]:
    """Those notes whose call is in the segment, with the call they are about where they name a trace only."""
    result = []
    for note in notes:
        target = _target(note)
        if target is None:
            result += [] if condition else [note]
            continue
        if not condition and note.span_id:
            result.append(note)
            continue
        statement = (
            select(SPAN.c.span_id, SPAN.c.trace_id)
            .where(SPAN.c.project_id == project_id, target, *(condition or (SPAN.c.kind == "llm",)))
            .order_by(SPAN.c.id.desc())
            .limit(1)
        )
        row = connection.execute(statement).first()
        if row is not None:
            result.append(_pointed(note, row))
        elif not condition:
            result.append(note)
    return result


def _target(note: FeedbackNote) -> Any:
    if note.trace_id and note.span_id:
        return and_(SPAN.c.trace_id == pack_identifier(note.trace_id), SPAN.c.span_id == pack_identifier(note.span_id))
    if note.trace_id:
        return SPAN.c.trace_id == pack_identifier(note.trace_id)
    if note.session_id:
        return SPAN.c.session_id == pack_identifier(note.session_id)
    return None


def _pointed(note: FeedbackNote, row: Any) -> FeedbackNote:
    return replace(note, trace_id=unpack_identifier(row.trace_id), span_id=unpack_identifier(row.span_id))


def _names(connection: Connection, project_id: int, length: BlockLength, segment: Segment) -> list[str]:
    """The feedback signals of a stream, by jumping from one to the next in the key."""
    found: list[str] = []
    last = FEEDBACK_PREFIX
    while len(found) < _NAMES_CAP:
        statement = (
            select(_PROFILE.c.signal)
            .where(
                _PROFILE.c.project_id == project_id,
                _PROFILE.c.length == length.value,
                _PROFILE.c.dimension == segment.dimension,
                _PROFILE.c.value == segment.value,
                _PROFILE.c.signal > last,
            )
            .order_by(_PROFILE.c.signal)
            .limit(1)
        )
        name = connection.execute(statement).scalar()
        if name is None or not name.startswith(FEEDBACK_PREFIX):
            return found
        found.append(name)
        last = name
    return found


def _profile(row: Any) -> Profile:
    sums = (row.total, row.total_square, row.user_total, row.user_total_square)
    return Profile.load(Kind(row.kind), row.n, row.users, sums, row.sketch)
