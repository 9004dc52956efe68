"""Looks through the conversations of closed hours and stores what users did as feedback of annotator `implicit`.

An hour is looked at half an hour after it closed, and again when its number of calls, or that of the hour after it,
changes: late calls, imports and erasures are followed. What was found before is replaced. Only what was found is
stored; profiles count every other call of the hour as not having it. Hours whose profiles are still to be made are
counted by their calls, so that this may come before them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, delete, select

from monitor import tables
from monitor.clock import BlockLength, from_microseconds, to_microseconds
from monitor.compression import decompress
from monitor.dirty import mark_times
from monitor.feedback.conversations import LEFT, Turn, what_users_did
from monitor.identifiers import id_floor, unpack_identifier
from monitor.ingest.feedback import write_feedback
from monitor.profiles.calls import count_calls
from monitor.records import HIDDEN, Body, Feedback, Message
from monitor.store import Store, table_of
from monitor.text.refusal import is_refusal

_DIRTY = table_of(tables.DirtyBlock)
_SPAN = table_of(tables.Span)
_BODY = table_of(tables.Body)
_FEEDBACK = table_of(tables.Feedback)
_PROFILE = table_of(tables.Profile)
_PROJECT = table_of(tables.Project)
_REVIEWED = table_of(tables.ReviewedHour)

HOURS_A_RUN = 2_000
CALLS_AN_HOUR = 100_000
_HOUR = timedelta(hours=1)
_AT_ONCE = 500


def review_conversations(store: Store, now: datetime) -> int:
    """Looks at every hour that is due, newest first, at most HOURS_A_RUN a project; answers how many."""
    with store.read() as connection:
        projects = list(connection.execute(select(_PROJECT.c.id)).scalars())
    done = 0
    for project_id in projects:
        for start, calls, following in _due(store, project_id, now):
            _review(store, project_id, start, now)
            row = {"project_id": project_id, "start": start, "calls": calls, "following": following}
            with store.write() as connection:
                store.upsert(connection, tables.ReviewedHour, [row])
                mark_times(store, connection, project_id, [from_microseconds(start)], now)
            done += 1
    return done


def _due(store: Store, project_id: int, now: datetime) -> list[tuple[int, int, int]]:
    """The hours whose calls are not those that were looked at: start, calls, and calls of the hour after."""
    last = to_microseconds(now - _HOUR - LEFT)
    hour = _HOUR // timedelta(microseconds=1)
    with store.read() as connection:
        statement = select(_PROFILE.c.start, _PROFILE.c.n).where(
            _PROFILE.c.project_id == project_id,
            _PROFILE.c.length == BlockLength.HOUR.value,
            _PROFILE.c.dimension == "",
            _PROFILE.c.value == "",
            _PROFILE.c.signal == "calls",
        )
        calls = {row.start: row.n for row in connection.execute(statement)}
        for start in _unsummed(connection, project_id, last + hour):
            first = from_microseconds(start)
            calls[start] = count_calls(connection, project_id, first, first + _HOUR)
        reviewed = {
            row.start: (row.calls, row.following)
            for row in connection.execute(select(_REVIEWED).where(_REVIEWED.c.project_id == project_id))
        }
    due = [
        (start, calls.get(start, 0), calls.get(start + hour, 0))
        for start in sorted({*calls, *reviewed}, reverse=True)
        if start <= last and reviewed.get(start) != (calls.get(start, 0), calls.get(start + hour, 0))
    ]
    return due[:HOURS_A_RUN]


def _unsummed(connection: Connection, project_id: int, last: int) -> list[int]:
    """The hours up to `last` whose profiles no longer match their calls, or are being made."""
    statement = select(_DIRTY.c.start).where(
        _DIRTY.c.project_id == project_id,
        _DIRTY.c.length.like(f"{BlockLength.HOUR}%"),
        _DIRTY.c.start <= last,
    )
    return sorted(set(connection.execute(statement).scalars()))


def _review(store: Store, project_id: int, start: int, now: datetime) -> None:
    first = from_microseconds(start)
    with store.read() as connection:
        rows = _calls(connection, project_id, first, first + _HOUR + LEFT)
        turns, targets = _turns(connection, project_id, rows)
    found = what_users_did(turns, to_microseconds(first + _HOUR + LEFT))
    said = [
        Feedback(
            name=name,
            time=from_microseconds(turn.time),
            trace_id=unpack_identifier(targets[turn.key][0]),
            span_id=unpack_identifier(targets[turn.key][1]),
            value=1.0,
            flag=True,
            annotator="implicit",
            identifier="implicit",
        )
        for turn, name in found
        if start <= turn.time < start + _HOUR // timedelta(microseconds=1)
    ]
    with store.write() as connection:
        connection.execute(
            delete(_FEEDBACK).where(
                _FEEDBACK.c.project_id == project_id,
                _FEEDBACK.c.time >= start,
                _FEEDBACK.c.time < to_microseconds(first + _HOUR),
                _FEEDBACK.c.annotator == "implicit",
                _FEEDBACK.c.name.in_(("repeated", "rephrased", "abandoned")),
            )
        )
        write_feedback(store, connection, project_id, said, now)


def _calls(connection: Connection, project_id: int, start: datetime, end: datetime) -> list[Any]:
    """The calls that can be followed, in order of time."""
    columns = [_SPAN.c[name] for name in ("id", "time", "trace_id", "span_id", "session_id", "user", "status")]
    statement = (
        select(*columns)
        .where(
            _SPAN.c.project_id == project_id,
            _SPAN.c.id >= id_floor(start),
            _SPAN.c.id < id_floor(end),
            _SPAN.c.kind == "llm",
            _SPAN.c.session_id.is_not(None) | _SPAN.c.user.is_not(None),
        )
        .order_by(_SPAN.c.id)
        .limit(CALLS_AN_HOUR)
    )
    return sorted(connection.execute(statement).all(), key=lambda row: (row.time, row.id))


def _turns(
    connection: Connection, project_id: int, rows: Sequence[Any]
) -> tuple[list[list[Turn]], dict[int, tuple[bytes, bytes]]]:
    """The conversations as turns, and the trace and last call of each turn by its key."""
    conversations: dict[bytes, dict[bytes, list[Any]]] = {}
    for row in rows:
        owner = b"s" + row.session_id if row.session_id else b"u" + row.user
        conversations.setdefault(owner, {}).setdefault(bytes(row.trace_id), []).append(row)
    targets: dict[int, tuple[bytes, bytes]] = {}
    result = []
    everything = list(conversations.values())
    for first in range(0, len(everything), _AT_ONCE):
        some = everything[first : first + _AT_ONCE]
        ends = {row.id for traces in some for calls in traces.values() for row in (calls[0], calls[-1])}
        bodies = _bodies(connection, project_id, sorted(ends))
        for traces in some:
            turns = []
            for trace_id, calls in traces.items():
                asked, answered = bodies.get(calls[0].id, _NOTHING), bodies.get(calls[-1].id)
                targets[calls[0].id] = trace_id, bytes(calls[-1].span_id)
                failed = bool(calls[-1].status) or (answered is not None and _is_no_answer(answered))
                turns.append(Turn(calls[0].id, calls[0].time, _question(asked.prompt), failed))
            result.append(sorted(turns, key=lambda turn: (turn.time, turn.key)))
    return result, targets


_NOTHING = Body()


def _bodies(connection: Connection, project_id: int, ids: Sequence[int]) -> dict[int, Body]:
    found: dict[int, Body] = {}
    for first in range(0, len(ids), _AT_ONCE):
        chosen = and_(_BODY.c.project_id == project_id, _BODY.c.id.in_(ids[first : first + _AT_ONCE]))
        for row in connection.execute(select(_BODY.c.id, _BODY.c.codec, _BODY.c.data).where(chosen)):
            found[row.id] = decompress(row.codec, row.data)
    return found


def _question(messages: Sequence[Message]) -> str:
    text = next((message.content for message in reversed(messages) if message.role == "user"), "")
    return "" if text == HIDDEN else text


def _is_no_answer(body: Body) -> bool:
    """An empty answer without a call of a tool, or a refusal; a hidden answer is not known to be either."""
    if body.response == HIDDEN:
        return False
    if not body.response.strip():
        return not body.response_parts
    return is_refusal(body.response)
