"""Finds the themes of complaints of every project and stores them: at most 5,000 of the newest complaints.

A project whose comments have not changed since the last search is left alone. Texts are not copied: themes name rows of
`feedback`, so that what is erased there is gone from the themes at once.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, delete, select

from monitor import tables
from monitor.clock import to_microseconds
from monitor.feedback.clustering import LEAST_COMMENTS, MOST_COMMENTS, NEVER_SEEN, NO_GROUP, Grouping, group_apart
from monitor.feedback.complaints import Said, is_complaint, scales
from monitor.feedback.trends import trend
from monitor.identifiers import new_id
from monitor.store import Store, table_of

_FEEDBACK = table_of(tables.Feedback)
_SPAN = table_of(tables.Span)
_PROJECT = table_of(tables.Project)
_RUN = table_of(tables.ThemeRun)
_THEME = table_of(tables.Theme)
_COMMENT = table_of(tables.ThemeComment)

WINDOW = timedelta(weeks=13)
RECENT = timedelta(weeks=2)
_SCAN = 20_000
_SAME_THEME = 0.3
_DIMENSIONS = ("prompt_version", "release", "feature", "model")
_LEAST_OF_SEGMENT = 5
_MORE_OFTEN = 1.25


@dataclass(frozen=True)
class _Complaint:
    """A comment, who wrote it, and of which call it was."""

    id: int
    time: int
    text: str
    writer: bytes
    segments: tuple[str | None, ...]


def find_themes(store: Store, now: datetime) -> int:
    """Looks for themes in every project with new comments; answers how many themes it stored."""
    with store.read() as connection:
        projects = list(connection.execute(select(_PROJECT.c.id)).scalars())
    return sum(_of_project(store, project_id, now) for project_id in projects)


def _of_project(store: Store, project_id: int, now: datetime) -> int:
    start = now - WINDOW
    with store.read() as connection:
        rows = _rows(connection, project_id, start)
        run = connection.execute(select(_RUN).where(_RUN.c.project_id == project_id)).first()
        said = [_said(row) for row in rows]
        scale = scales(said)
        worse = [row for row, one in zip(rows, said, strict=True) if is_complaint(one, scale)][:MOST_COMMENTS]
        seen = hashlib.blake2b(repr([(row.id, row.received) for row in rows]).encode(), digest_size=16).digest()
        if (run is None and not rows) or (run is not None and bytes(run.seen) == seen):
            return 0
        complaints = _complaints(connection, project_id, worse)
        earlier = _earlier(connection, project_id)
    writers: dict[bytes, int] = {}
    users = [writers.setdefault(one.writer, len(writers)) for one in complaints]
    numbers = {theme: place for place, theme in enumerate(sorted({*earlier.values()} - {NO_GROUP}))}
    before = [numbers.get(earlier.get(one.id, NEVER_SEEN), earlier.get(one.id, NEVER_SEEN)) for one in complaints]
    before = [number if number < len(numbers) else NO_GROUP for number in before]
    grouping = Grouping((), (NO_GROUP,) * len(complaints), 0.0)
    if len(complaints) >= LEAST_COMMENTS:
        grouping = group_apart([one.text for one in complaints], users, before)
    stability = grouping.stability if grouping.stability is not None else run.stability if run else 0.0
    recent = now - RECENT
    with store.write() as connection:
        first_found = {
            row.id: row.first_found
            for row in connection.execute(
                select(_THEME.c.id, _THEME.c.first_found).where(_THEME.c.project_id == project_id)
            )
        }
        for table in (_THEME, _COMMENT):
            connection.execute(delete(table).where(table.c.project_id == project_id))
        identifiers = _identifiers(grouping, complaints, earlier, now)
        store.insert(
            connection,
            tables.Theme,
            [
                {
                    "project_id": project_id,
                    "id": identifier,
                    "first_found": first_found.get(identifier, to_microseconds(now)),
                    **_described(grouping, place, complaints, users, (to_microseconds(start), to_microseconds(recent))),
                }
                for place, identifier in enumerate(identifiers)
            ],
        )
        store.insert(
            connection,
            tables.ThemeComment,
            [
                {
                    "project_id": project_id,
                    "feedback_id": one.id,
                    "theme": identifiers[label] if label >= 0 else NO_GROUP,
                }
                for one, label in zip(complaints, grouping.labels, strict=True)
            ],
        )
        run_row = {
            "project_id": project_id,
            "made": to_microseconds(now),
            "start": to_microseconds(start),
            "recent": to_microseconds(recent),
            "comments": len(rows),
            "complaints": len(complaints),
            "stability": stability,
            "seen": seen,
        }
        store.upsert(connection, tables.ThemeRun, [run_row])
    return len(identifiers)


def _rows(connection: Connection, project_id: int, start: datetime) -> list[Any]:
    """The newest comments of people."""
    statement = (
        select(_FEEDBACK)
        .where(
            _FEEDBACK.c.project_id == project_id,
            _FEEDBACK.c.time >= to_microseconds(start),
            _FEEDBACK.c.comment.is_not(None),
            _FEEDBACK.c.annotator == "human",
        )
        .order_by(_FEEDBACK.c.time.desc(), _FEEDBACK.c.id.desc())
        .limit(_SCAN)
    )
    return list(connection.execute(statement).all())


def _said(row: Any) -> Said:
    return Said(row.name, row.value, bool(row.flag), row.label or "", row.sentiment)


def _complaints(connection: Connection, project_id: int, rows: Sequence[Any]) -> list[_Complaint]:
    """The complaints with their writers: the annotator, else the user of the call, else nobody else's."""
    calls: dict[bytes, Any] = {}
    traces = sorted({bytes(row.trace_id) for row in rows if row.trace_id})
    columns = [_SPAN.c[name] for name in ("trace_id", "span_id", "user", *_DIMENSIONS)]
    for first in range(0, len(traces), 500):
        statement = select(*columns).where(
            and_(_SPAN.c.project_id == project_id, _SPAN.c.trace_id.in_(traces[first : first + 500])),
            _SPAN.c.kind == "llm",
        )
        for span in connection.execute(statement.order_by(_SPAN.c.id)):
            calls[bytes(span.trace_id)] = calls[bytes(span.trace_id) + bytes(span.span_id)] = span
    found = []
    for row in rows:
        key = bytes(row.trace_id or b"")
        call = calls.get(key + bytes(row.span_id or b""), calls.get(key))
        user = call.user if call is not None else None
        writer = (row.annotator_id or "").encode() or user or f"feedback {row.id}".encode()
        segments = tuple(getattr(call, name) if call is not None else None for name in _DIMENSIONS)
        found.append(_Complaint(row.id, row.time, row.comment, bytes(writer), segments))
    return found


def _earlier(connection: Connection, project_id: int) -> dict[int, int]:
    """The theme of each comment as of the last search."""
    statement = select(_COMMENT.c.feedback_id, _COMMENT.c.theme).where(_COMMENT.c.project_id == project_id)
    return {row.feedback_id: row.theme for row in connection.execute(statement)}


def _identifiers(
    grouping: Grouping, complaints: Sequence[_Complaint], earlier: dict[int, int], now: datetime
) -> list[int]:
    """The theme of each group: the one that most of its comments were in before, else a new one; none twice."""
    found: list[int] = []
    for place in range(len(grouping.groups)):
        inside = [one.id for one, label in zip(complaints, grouping.labels, strict=True) if label == place]
        counts = Counter(earlier[one] for one in inside if earlier.get(one, NO_GROUP) != NO_GROUP)
        theme, count = counts.most_common(1)[0] if counts else (0, 0)
        known = count >= _SAME_THEME * len(inside) and theme not in found
        found.append(theme if known else new_id(now))
    return found


def _described(
    grouping: Grouping, place: int, complaints: Sequence[_Complaint], users: Sequence[int], bounds: tuple[int, int]
) -> dict[str, Any]:
    """What is stored of a group; `bounds` are the starts of the window and of its recent part."""
    start, recent = bounds
    labels = grouping.labels
    inside = [index for index, label in enumerate(labels) if label == place]
    own = [complaints[index] for index in inside]

    def writers(indices: Sequence[int], *, lately: bool) -> int:
        return len({users[index] for index in indices if (complaints[index].time >= recent) == lately})

    everyone = range(len(complaints))
    counts = [writers(part, lately=lately) for lately in (True, False) for part in (inside, everyone)]
    weeks = Counter((one.time - start) // (7 * 86_400_000_000) for one in own)
    return {
        "name": ", ".join(grouping.groups[place].phrases),
        "state": trend(counts[0], counts[1], counts[2], counts[3], len(grouping.groups)),
        "complaints": len(own),
        "users": len({users[index] for index in inside}),
        "recent": sum(one.time >= recent for one in own),
        "earlier": sum(one.time < recent for one in own),
        "weeks": [weeks.get(week, 0) for week in range(WINDOW // timedelta(weeks=1))],
        "quotes": [complaints[index].id for index in grouping.groups[place].typical],
        "segments": _segments(own, complaints),
    }


def _segments(own: Sequence[_Complaint], everything: Sequence[_Complaint]) -> list[dict[str, Any]]:
    """Where a theme is raised clearly more often than complaints in general, by share of the theme."""
    found: list[dict[str, Any]] = []
    for place, dimension in enumerate(_DIMENSIONS):
        values = Counter(one.segments[place] for one in own if one.segments[place])
        whole = Counter(one.segments[place] for one in everything if one.segments[place])
        for value, count in values.most_common(3):
            share, usual = count / len(own), whole[value] / len(everything)
            if count >= _LEAST_OF_SEGMENT and share > _MORE_OFTEN * usual:
                found.append({"dimension": dimension, "value": value, "share": share, "usual": usual})
    return sorted(found, key=lambda item: (-item["share"] / item["usual"], item["dimension"]))[:2]
