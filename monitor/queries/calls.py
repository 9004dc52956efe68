"""Lists of calls: newest first, page by page, over any range and filter.

A range of time is a range of ids, so a list walks the primary key backwards and stops as soon as its page is full; the
cost does not depend on how many calls are stored. Where a filter is so narrow that the page does not fill, the walk
stops after a stated number of calls and says how far it got; the next page goes on from there. Texts are read for the
calls of the page only, but for a text search, which reads those it passes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Connection, and_, select

from monitor import tables
from monitor.clock import from_microseconds
from monitor.compression import decompress
from monitor.contracts import Kind
from monitor.identifiers import id_floor, id_time, unpack_identifier
from monitor.queries.conditions import ENRICHMENT, FEEDBACK, SPAN, CallFilter, Where, meets, where
from monitor.records import Body, Message
from monitor.signal_rows import SIGNAL_COLUMNS, layout_of, signals_of
from monitor.store import Store, table_of

BODY = table_of(tables.Body)
ENRICHED = tuple(column for column in SIGNAL_COLUMNS if column.table is ENRICHMENT)
"""The columns beside those of the span that a call's record needs."""

PAGE = 50
PREVIEW_CHARACTERS = 200
SCAN_LIGHT = 50_000
"""Calls a list walks past at most for one page, where the filter looks at the calls' own row only."""
SCAN_HEAVY = 10_000
"""The same where it looks at signals or feedback."""
SCAN_TEXT = 3_000
"""The same where it looks into texts."""
_FIRST_STEP = 200
_LARGEST_STEP = 25_000
_TEXT_STEP = 500
_NEWEST = 1 << 63
_FEEDBACK_CAP = 5_000


@dataclass(frozen=True)
class FeedbackNote:
    """What was said: `value` for thumbs, flags and ratings, `label` for a category; either may be absent."""

    id: int
    time: datetime
    name: str
    value: float | None
    is_flag: bool
    label: str | None
    comment: str | None
    correction: str | None
    annotator: str
    annotator_id: str
    trace_id: str
    span_id: str
    session_id: str

    @property
    def kind(self) -> Kind:
        """The kind of the signal `feedback.<name>` that this feedback counts for."""
        if self.is_flag:
            return Kind.FLAG
        return Kind.CATEGORY if self.value is None else Kind.NUMBER


@dataclass(frozen=True)
class CallRow:
    """A call in a list. Costs are US dollars, None where no price is known; previews are cut to 200 characters."""

    id: int
    time: datetime
    trace_id: str
    span_id: str
    session_id: str
    user: str
    name: str
    provider: str
    model: str
    environment: str
    release: str
    prompt_version: str
    feature: str
    latency_s: float | None
    input_tokens: int | None
    output_tokens: int | None
    status: str
    finish_reason: str
    cost_usd: float | None
    tags: Mapping[str, Any]
    masked: Mapping[str, int]
    signals: Mapping[str, Any]
    prompt: str = ""
    response: str = ""
    feedback: tuple[FeedbackNote, ...] = field(default=())


@dataclass(frozen=True)
class CallPage:
    """One page of a list, newest first.

    `following` is the id to go on `before`, None at the end. `searched_back_to` is how far the search got where it
    stopped early: older calls of the range may match too; `examined` is then the number of calls it walked past.
    """

    rows: tuple[CallRow, ...]
    following: int | None
    searched_back_to: datetime | None
    examined: int


def find_calls(
    store: Store, project_id: int, wanted: CallFilter, *, before: int | None = None, limit: int = PAGE
) -> CallPage:
    """The newest calls that match, older than `before`; raises InputError for a malformed condition."""
    condition = where(store, project_id, wanted)
    with store.read() as connection:
        walk = _Walk(connection, project_id, wanted, condition, newest_first=True)
        ids = walk.take(limit + 1, beyond=before)
        rows = _rows(connection, project_id, ids[:limit])
    if len(ids) > limit:
        return CallPage(rows, ids[limit - 1], None, walk.examined)
    if walk.finished:
        return CallPage(rows, None, None, walk.examined)
    return CallPage(rows, walk.position, id_time(walk.position), walk.examined)


def neighbours(
    store: Store, project_id: int, wanted: CallFilter, call_id: int
) -> tuple[CallRow | None, CallRow | None]:
    """The next newer and the next older call that match, as far as a bounded search finds them."""
    condition = where(store, project_id, wanted)
    with store.read() as connection:
        newer, older = (
            _rows(
                connection,
                project_id,
                _Walk(connection, project_id, wanted, condition, newest_first=direction).take(1, beyond=call_id),
            )
            for direction in (False, True)
        )
    return (newer[0] if newer else None), (older[0] if older else None)


class _Walk:
    """Goes through the ids of a range, in one direction, until it has enough or has passed its limit."""

    def __init__(
        self, connection: Connection, project_id: int, wanted: CallFilter, condition: Where, *, newest_first: bool
    ) -> None:
        self._connection = connection
        self._condition = condition
        self._newest_first = newest_first
        self._own = SPAN.c.project_id == project_id
        self._project_id = project_id
        self._low = id_floor(wanted.start) if wanted.start else 0
        self._high = min(id_floor(wanted.end) if wanted.end else _NEWEST, _NEWEST - 1)
        self._needle = wanted.text.strip().casefold()
        self._indexed = bool(wanted.session) and not self._needle
        self._read = 0
        self.examined = 0
        self.finished = False
        self.position = 0

    def take(self, wanted: int, *, beyond: int | None) -> list[int]:
        """Up to so many ids that match, in the direction of the walk."""
        low, high = self._low, self._high
        if beyond is not None:
            low, high = (low, min(high, beyond)) if self._newest_first else (max(low, beyond + 1), high)
        found: list[int] = []
        budget = SCAN_HEAVY if self._condition.heavy else SCAN_LIGHT
        step = _TEXT_STEP if self._needle else _FIRST_STEP
        while low < high:
            if self.examined >= budget or self._read >= SCAN_TEXT:
                self.position = high if self._newest_first else low
                return found
            step = min(step, budget - self.examined)
            edge = None if self._indexed else self._edge(low, high, step)
            if self._newest_first:
                part_low, part_high = (low if edge is None else edge), high
                high = part_low
            else:
                part_low, part_high = low, (high if edge is None else edge + 1)
                low = part_high
            read = self._read
            found += self._matches(part_low, part_high, wanted - len(found))
            if len(found) >= wanted:
                return found
            if edge is None:
                break
            self.examined += step
            if not self._needle or (self._read - read) * 8 < step:
                step = min(step * 5, _LARGEST_STEP)
        self.finished = True
        return found

    def _edge(self, low: int, high: int, step: int) -> int | None:
        """The id that ends the next so many spans; None where fewer are left."""
        statement = (
            select(SPAN.c.id)
            .where(self._own, SPAN.c.id >= low, SPAN.c.id < high)
            .order_by(self._order)
            .offset(step - 1)
            .limit(1)
        )
        return self._connection.execute(statement).scalar()

    @property
    def _order(self) -> Any:
        return SPAN.c.id.desc() if self._newest_first else SPAN.c.id

    def _matches(self, low: int, high: int, wanted: int) -> list[int]:
        if not self._needle:
            return list(islice(self._candidates(low, high, wanted), wanted))
        ids = list(self._candidates(low, high, None))
        found = []
        for identifier, body in _bodies(self._connection, self._project_id, ids):
            self._read += 1
            if _contains(body, self._needle):
                found.append(identifier)
                if len(found) >= wanted:
                    break
        return found

    def _candidates(self, low: int, high: int, wanted: int | None) -> Iterator[int]:
        """The ids that match but for the text, `wanted` of them where that can be told beforehand."""
        within = (self._own, SPAN.c.id >= low, SPAN.c.id < high, *self._condition.clauses)
        tests = self._condition.tests
        if not tests:
            statement = select(SPAN.c.id).where(*within).order_by(self._order).limit(wanted)
            yield from self._connection.execute(statement).scalars()
            return
        joined = SPAN.join(ENRICHMENT, and_(ENRICHMENT.c.project_id == SPAN.c.project_id, ENRICHMENT.c.id == SPAN.c.id))
        columns = (SPAN.c.id, ENRICHMENT.c.layout, ENRICHMENT.c.signals)
        with self._connection.execute(
            select(*columns).select_from(joined).where(*within).order_by(self._order)
        ) as rows:
            for identifier, number, data in rows:
                layout = layout_of(self._connection, number)
                if all(meets(layout.value(data, test.name), test) for test in tests):
                    yield identifier


def _contains(body: Body, needle: str) -> bool:
    texts = (*(message.content for message in body.prompt), body.response, *body.context, body.error)
    return any(needle in text.casefold() for text in texts)


def _bodies(connection: Connection, project_id: int, ids: Sequence[int]) -> Iterator[tuple[int, Body]]:
    """The texts of these spans, in their order, read a hundred at a time; spans without text are left out."""
    for first in range(0, len(ids), 100):
        some = ids[first : first + 100]
        statement = select(BODY.c.id, BODY.c.codec, BODY.c.data).where(
            BODY.c.project_id == project_id, BODY.c.id.in_(some)
        )
        stored = {row.id: row for row in connection.execute(statement)}
        for identifier in some:
            if row := stored.get(identifier):
                yield identifier, decompress(row.codec, row.data)


def _rows(connection: Connection, project_id: int, ids: Sequence[int]) -> tuple[CallRow, ...]:
    if not ids:
        return ()
    joined = SPAN.outerjoin(
        ENRICHMENT, and_(ENRICHMENT.c.project_id == SPAN.c.project_id, ENRICHMENT.c.id == SPAN.c.id)
    )
    statement = (
        select(*SPAN.c, *ENRICHED).select_from(joined).where(SPAN.c.project_id == project_id, SPAN.c.id.in_(ids))
    )
    stored = {row.id: row for row in connection.execute(statement)}
    bodies = dict(_bodies(connection, project_id, ids))
    said = feedback_of_traces(connection, project_id, {row.trace_id for row in stored.values()})
    result = []
    for identifier in ids:
        if identifier not in stored:
            continue
        row = row_of(connection, stored[identifier])
        body = bodies.get(identifier, Body())
        notes = tuple(note for note in said.get(row.trace_id, ()) if note.span_id in ("", row.span_id))
        prompt, response = preview(last_user_text(body.prompt)), preview(body.response)
        result.append(replace(row, prompt=prompt, response=response, feedback=notes))
    return tuple(result)


def row_of(connection: Connection, row: Any) -> CallRow:
    """The record of a row of the span table joined with `ENRICHED`; vectors are no signals for people to read."""
    known = signals_of(connection, row._mapping)
    signals = {name: value for name, value in known.items() if not isinstance(value, bytes)}
    return CallRow(
        id=row.id,
        time=from_microseconds(row.time),
        trace_id=unpack_identifier(row.trace_id),
        span_id=unpack_identifier(row.span_id),
        session_id=_identifier(row.session_id),
        user=_identifier(row.user),
        name=row.name or "",
        provider=row.provider or "",
        model=row.model or row.requested_model or "",
        environment=row.environment or "",
        release=row.release or "",
        prompt_version=row.prompt_version or "",
        feature=row.feature or "",
        latency_s=row.latency_s,
        input_tokens=row.input_tokens,
        output_tokens=row.output_tokens,
        status="error" if row.status else "ok",
        finish_reason=row.finish_reason or "",
        cost_usd=row.cost_usd,
        tags=row.tags or {},
        masked=row.masked or {},
        signals=signals,
    )


def feedback_of_traces(
    connection: Connection, project_id: int, traces: set[bytes]
) -> dict[str, tuple[FeedbackNote, ...]]:
    """Feedback on these traces and their spans by trace id, oldest first."""
    statement = (
        select(FEEDBACK)
        .where(FEEDBACK.c.project_id == project_id, FEEDBACK.c.trace_id.in_(traces))
        .limit(_FEEDBACK_CAP)
    )
    found: dict[str, list[FeedbackNote]] = {}
    for row in connection.execute(statement):
        note = note_of(row)
        found.setdefault(note.trace_id, []).append(note)
    return {trace: tuple(sorted(notes, key=lambda note: (note.time, note.id))) for trace, notes in found.items()}


def note_of(row: Any) -> FeedbackNote:
    """The record of a row of the feedback table."""
    return FeedbackNote(
        id=row.id,
        time=from_microseconds(row.time),
        name=row.name,
        value=row.value,
        is_flag=bool(row.flag),
        label=row.label,
        comment=row.comment,
        correction=row.correction,
        annotator=row.annotator,
        annotator_id=row.annotator_id or "",
        trace_id=_identifier(row.trace_id),
        span_id=_identifier(row.span_id),
        session_id=_identifier(row.session_id),
    )


def last_user_text(messages: Sequence[Message]) -> str:
    """The last message of the user; all messages together where there is none."""
    for message in reversed(messages):
        if message.role == "user":
            return message.content
    return " ".join(message.content for message in messages)


def preview(text: str) -> str:
    """The beginning of a text in one line."""
    line = " ".join(text[: PREVIEW_CHARACTERS * 4].split())
    return line if len(line) <= PREVIEW_CHARACTERS else line[: PREVIEW_CHARACTERS - 1].rstrip() + "…"


def _identifier(packed: bytes | None) -> str:
    return unpack_identifier(packed) if packed else ""
