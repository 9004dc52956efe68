"""Erasure: calls with everything that was kept of them, of one user, session or trace, or from before a moment.

What belongs together goes in one transaction, whole traces at a time, and marks the hours and days it was part of, so
that the next refresh rebuilds their profiles from what is left. Erasing once more finds what an interruption left.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, delete, func, or_, select

from monitor import tables
from monitor.clock import BlockLength, block_start, from_microseconds, to_microseconds
from monitor.dirty import mark_times
from monitor.identifiers import Pseudonyms, id_floor, pack_identifier
from monitor.store import Store, table_of

_SPAN = table_of(tables.Span)
_FEEDBACK = table_of(tables.Feedback)
_OF_SPANS = {
    "texts": table_of(tables.Body),
    "waiting": table_of(tables.Pending),
    "judgements": table_of(tables.Judgement),
    "signals": table_of(tables.Enrichment),
    "spans": _SPAN,
}
_TRACES = 100
_IDS = 500


@dataclass(frozen=True)
class Scope:
    """What is erased: exactly one of these is given. `user` and `session` are as they were sent, or as stored."""

    user: str = ""
    session: str = ""
    trace: str = ""
    before: datetime | None = None


@dataclass
class Receipt:
    """How much was erased, or would be. `blocks` are hours and days whose profiles are rebuilt."""

    traces: int = 0
    spans: int = 0
    texts: int = 0
    signals: int = 0
    judgements: int = 0
    waiting: int = 0
    feedback: int = 0
    earliest: datetime | None = None
    latest: datetime | None = None
    blocks: int = 0
    _marked: set[tuple[BlockLength, datetime]] = field(default_factory=set, repr=False)

    def see(self, times: Sequence[datetime]) -> None:
        """Counts the blocks of these moments."""
        self._marked.update((length, block_start(time, length)) for time in times for length in BlockLength)
        self.blocks = len(self._marked)


def count(store: Store, project_id: int, scope: Scope, key: bytes) -> int:
    """How many spans an erasure would reach, counted without erasing."""
    with store.read() as connection:
        if scope.before is not None:
            wanted: Any = _SPAN.c.id < id_floor(scope.before)
        else:
            wanted = _SPAN.c.trace_id.in_(select(_SPAN.c.trace_id).where(*_chosen(project_id, scope, key)))
        statement = select(func.count()).select_from(_SPAN).where(_SPAN.c.project_id == project_id, wanted)
        return int(connection.execute(statement).scalar_one())


def erase(store: Store, project_id: int, scope: Scope, key: bytes, now: datetime) -> Receipt:
    """Erases, and answers how much that was."""
    eraser = _Eraser(store, project_id, now)
    if scope.before is not None:
        eraser.before(scope.before)
    else:
        for traces in _traces(store, project_id, scope, key):
            eraser.traces(traces)
    for condition in _other_feedback(scope, key):
        with eraser.transaction() as connection:
            eraser.feedback(connection, condition)
    if store.is_sqlite:  # what was erased must not stay in the log either
        driver = store.writer.raw_connection()
        try:
            driver.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            driver.close()
    return eraser.receipt


def _names(text: str, key: bytes) -> list[bytes]:
    """An identifier as it may be stored: as it is, or as its pseudonym."""
    return [pack_identifier(text), pack_identifier(Pseudonyms(key).of(text))]


def _chosen(project_id: int, scope: Scope, key: bytes) -> list[Any]:
    conditions = [_SPAN.c.project_id == project_id]
    if scope.user:
        conditions.append(_SPAN.c.user.in_(_names(scope.user, key)))
    elif scope.session:
        conditions.append(_SPAN.c.session_id.in_(_names(scope.session, key)))
    else:
        conditions.append(_SPAN.c.trace_id == pack_identifier(scope.trace))
    return conditions


def _traces(store: Store, project_id: int, scope: Scope, key: bytes) -> Iterator[list[bytes]]:
    """The traces that have a span of the scope: their other spans may hold the same person's words."""
    with store.read() as connection:
        chosen = select(_SPAN.c.trace_id).where(*_chosen(project_id, scope, key)).distinct()
        traces = list(connection.execute(chosen).scalars())
    for first in range(0, len(traces), _TRACES):
        yield traces[first : first + _TRACES]


def _other_feedback(scope: Scope, key: bytes) -> list[Any]:
    """What was said by the user of anything, of the session as a whole, or before the moment."""
    if scope.user:
        pseudonym = Pseudonyms(key).of(scope.user)
        return [and_(_FEEDBACK.c.annotator == "human", _FEEDBACK.c.annotator_id.in_([scope.user, pseudonym]))]
    if scope.session:
        return [_FEEDBACK.c.session_id.in_(_names(scope.session, key))]
    if scope.before is not None:
        return [_FEEDBACK.c.time < to_microseconds(scope.before)]
    return []


class _Eraser:
    """Deletes in one project, and counts."""

    def __init__(self, store: Store, project_id: int, now: datetime) -> None:
        self._store = store
        self._project_id = project_id
        self._now = now
        self.receipt = Receipt()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction in which what is deleted is overwritten, not only let go."""
        with self._store.write() as connection:
            if self._store.is_sqlite:
                connection.exec_driver_sql("PRAGMA secure_delete = ON")
            yield connection

    def traces(self, traces: list[bytes]) -> None:
        """Erases whole traces."""
        chosen = and_(_SPAN.c.project_id == self._project_id, _SPAN.c.trace_id.in_(traces))
        with self.transaction() as connection:
            spans = connection.execute(select(_SPAN.c.id, _SPAN.c.time).where(chosen)).all()
            self.feedback(connection, _FEEDBACK.c.trace_id.in_(traces))
            self._spans(connection, [(row.id, row.time) for row in spans])
        self.receipt.traces += len(traces)

    def before(self, moment: datetime) -> None:
        """Erases all spans that began before a moment, and what was said of them."""
        page = (
            select(_SPAN.c.id, _SPAN.c.time, _SPAN.c.trace_id, _SPAN.c.span_id)
            .where(_SPAN.c.project_id == self._project_id, _SPAN.c.id < id_floor(moment))
            .order_by(_SPAN.c.id)
            .limit(_IDS)
        )
        traces: set[bytes] = set()
        while True:
            with self.transaction() as connection:
                spans = connection.execute(page).all()
                if not spans:
                    break
                for first in range(0, len(spans), _TRACES):
                    about = (
                        and_(_FEEDBACK.c.trace_id == row.trace_id, _FEEDBACK.c.span_id == row.span_id)
                        for row in spans[first : first + _TRACES]
                    )
                    self.feedback(connection, or_(*about))
                self._spans(connection, [(row.id, row.time) for row in spans])
            traces.update(row.trace_id for row in spans)
        self.receipt.traces += len(traces)

    def feedback(self, connection: Connection, condition: Any) -> None:
        """Erases feedback, and marks the blocks of the calls that it was about."""
        own = and_(_FEEDBACK.c.project_id == self._project_id, condition)
        about = and_(
            _SPAN.c.project_id == _FEEDBACK.c.project_id,
            _SPAN.c.trace_id == _FEEDBACK.c.trace_id,
            or_(_FEEDBACK.c.span_id.is_(None), _SPAN.c.span_id == _FEEDBACK.c.span_id),
        )
        calls = select(_SPAN.c.time).select_from(_FEEDBACK.join(_SPAN, about)).where(own).distinct()
        times = [from_microseconds(time) for time in connection.execute(calls).scalars()]
        self.receipt.feedback += max(connection.execute(delete(_FEEDBACK).where(own)).rowcount, 0)
        self._mark(connection, times)

    def _spans(self, connection: Connection, spans: Sequence[tuple[int, int]]) -> None:
        receipt = self.receipt
        for first in range(0, len(spans), _IDS):
            some = [identifier for identifier, _ in spans[first : first + _IDS]]
            for name, table in _OF_SPANS.items():
                chosen = and_(table.c.project_id == self._project_id, table.c.id.in_(some))
                gone = connection.execute(delete(table).where(chosen)).rowcount
                setattr(receipt, name, getattr(receipt, name) + max(gone, 0))
        times = [from_microseconds(time) for _, time in spans]
        if times:
            receipt.earliest = min([*times, *([receipt.earliest] if receipt.earliest else [])])
            receipt.latest = max([*times, *([receipt.latest] if receipt.latest else [])])
        self._mark(connection, times)

    def _mark(self, connection: Connection, times: Sequence[datetime]) -> None:
        self.receipt.see(times)
        mark_times(self._store, connection, self._project_id, times, self._now)
