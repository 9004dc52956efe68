"""What stood out on a day: feedback of few people, near-duplicate prompts of few users, documents by how often given.

At most 20,000 prompts and 5,000 retrievals of a day are looked at, spread over the day; counts are of those.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select

from monitor import tables
from monitor.clock import BlockLength, to_microseconds
from monitor.contracts import WHOLE, Kind
from monitor.identifiers import unpack_identifier
from monitor.poisoning.groups import named, near_duplicates, of_few
from monitor.profile import CategoryCount, Profile
from monitor.queries.samples import bodies, sampled_calls
from monitor.queries.spread import spread_rows
from monitor.records import HIDDEN
from monitor.store import Store, table_of

_SPAN = table_of(tables.Span)
_FEEDBACK = table_of(tables.Feedback)

PROMPTS = 20_000
RETRIEVALS = 5_000
EXAMPLES = 5
_GROUPS = 20
_DOCUMENTS = 59
_PASSAGES = 50
_LEAST_CHARACTERS = 40
_FEEDBACK_READ = 200_000
_AT_ONCE = 500
_DAY = BlockLength.DAY.duration
_HOUR = BlockLength.HOUR.duration // timedelta(microseconds=1)


@dataclass(frozen=True)
class Value:
    """A value that stood out: its name, on how many of those counted it is, and some calls as trace and span.

    `vector` is that of the first prompt of a group.
    """

    name: str
    calls: int
    examples: tuple[tuple[str, str], ...]
    vector: bytes = b""


@dataclass(frozen=True)
class Counted:
    """Of how many acts and users the values are, the most frequent value first."""

    n: int
    users: int
    values: tuple[Value, ...]

    @property
    def profile(self) -> Profile:
        """The values as a profile. It counts acts alone: the share among users is taken to be that of acts."""
        profile = Profile(Kind.CATEGORY, self.n, self.users)
        for value in self.values:
            share = value.calls / self.n
            profile.categories[value.name] = CategoryCount(value.calls, share * self.users, share**2 * self.users)
        return profile


def count_prompts(store: Store, project_id: int, day: datetime, known: Mapping[str, bytes]) -> Counted:
    """Groups of near-duplicate prompts by what the five most active users of each sent.

    A group is named as the one of the `known` groups that it is like, else after its first call. Calls without user and
    session are nobody's: they are looked at but in no group.
    """
    calls = sampled_calls(
        store,
        project_id,
        day,
        day + _DAY,
        segment=WHOLE,
        signal="prompt_meaning",
        keep=("prompt_meaning",),
        limit=PROMPTS,
        seed=day.toordinal(),
    )
    calls = [call for call in calls if "prompt_meaning" in call.signals]
    vectors = [bytes(call.signals["prompt_meaning"]) for call in calls]
    users = [bytes(call.user) for call in calls]
    groups = near_duplicates(vectors, users)
    values: dict[str, Value] = {}
    for group, old in zip(groups, named([vectors[group[0]] for group in groups], known), strict=True):
        count, people = of_few([users[place] for place in group])
        own = [calls[place] for place in group if users[place] in people]
        name = old or f"prompts like trace {own[0].trace_id[:8]}"
        if name not in values or values[name].calls < count:
            examples = tuple((call.trace_id, call.span_id) for call in own[:EXAMPLES])
            values[name] = Value(name, count, examples, vectors[group[0]])
    return Counted(len(calls), len(set(users)), _largest(values.values(), _GROUPS))


def count_feedback(store: Store, project_id: int, day: datetime) -> Counted:
    """Of all that people said alike, the hour of the day in which five of them said most; not what evaluators said.

    A person is the annotator, else the user or session of the call.
    """
    statement = (
        select(_FEEDBACK)
        .where(
            _FEEDBACK.c.project_id == project_id,
            _FEEDBACK.c.time >= to_microseconds(day),
            _FEEDBACK.c.time < to_microseconds(day + _DAY),
            _FEEDBACK.c.annotator == "human",
        )
        .order_by(_FEEDBACK.c.time, _FEEDBACK.c.id)
        .limit(_FEEDBACK_READ)
    )
    with store.read() as connection:
        rows = connection.execute(statement).all()
        users = _users_of(connection, project_id, {bytes(row.trace_id) for row in rows if row.trace_id})
    people = [_person(row, users) for row in rows]
    alike: dict[tuple[str, int], list[int]] = {}
    for place, row in enumerate(rows):
        if row.value is not None or row.label:
            said = row.label if row.value is None else f"{row.value:g}"
            alike.setdefault((f"{row.name} {said}", row.time // _HOUR), []).append(place)
    values: dict[str, Value] = {}
    for (name, _hour), places in alike.items():
        count, few = of_few([people[place] for place in places])
        if name not in values or values[name].calls < count:
            own = [rows[place] for place in places if people[place] in few and rows[place].trace_id]
            examples = tuple((unpack_identifier(row.trace_id), _identifier(row.span_id)) for row in own[:EXAMPLES])
            values[name] = Value(name, count, examples)
    return Counted(len(rows), len(set(people)), _largest(values.values(), _GROUPS))


def count_documents(store: Store, project_id: int, day: datetime) -> Counted:
    """How often each document was given to a model or found by a retriever, named by a fingerprint of its text.

    A context that came as one text is taken apart where it has blank lines.
    """
    rows = _retrievals(store, project_id, day)
    texts = bodies(store, project_id, [row.id for row in rows])
    found: dict[str, list[Any]] = {}
    users: set[bytes] = set()
    n = 0
    for row, body in zip(rows, texts, strict=True):
        names = {_fingerprint(text) for text in _passages(body.context)}
        if names:
            n += 1
            users.add(bytes(row.user or row.session_id or row.trace_id))
        for name in names:
            found.setdefault(name, []).append(row)
    values = [
        Value(
            name,
            len(own),
            tuple((unpack_identifier(row.trace_id), unpack_identifier(row.span_id)) for row in own[:EXAMPLES]),
        )
        for name, own in found.items()
    ]
    return Counted(n, len(users), _largest(values, _DOCUMENTS))


def _largest(values: Iterable[Value], most: int) -> tuple[Value, ...]:
    return tuple(sorted(values, key=lambda value: (-value.calls, value.name))[:most])


def _person(row: Any, users: dict[bytes, bytes]) -> bytes:
    if row.annotator_id:
        return b"a" + str(row.annotator_id).encode("utf-8", "surrogatepass")
    trace = bytes(row.trace_id) if row.trace_id else b""
    return users.get(trace) or (b"s" + bytes(row.session_id) if row.session_id else b"f" + bytes(row.identity))


def _users_of(connection: Connection, project_id: int, traces: set[bytes]) -> dict[bytes, bytes]:
    """The user, else the session, of each trace that has one."""
    found: dict[bytes, bytes] = {}
    ordered = sorted(traces)
    for start in range(0, len(ordered), _AT_ONCE):
        statement = select(_SPAN.c.trace_id, _SPAN.c.user, _SPAN.c.session_id).where(
            _SPAN.c.project_id == project_id, _SPAN.c.trace_id.in_(ordered[start : start + _AT_ONCE])
        )
        for row in connection.execute(statement):
            if row.user or row.session_id:
                found.setdefault(bytes(row.trace_id), b"u" + bytes(row.user or row.session_id))
    return found


def _identifier(packed: bytes | None) -> str:
    return unpack_identifier(packed) if packed else ""


def _retrievals(store: Store, project_id: int, day: datetime) -> list[Any]:
    columns = [_SPAN.c[name] for name in ("id", "trace_id", "span_id", "session_id", "user")]
    statement = select(*columns).where(_SPAN.c.project_id == project_id, _SPAN.c.kind.in_(("llm", "retriever")))
    with store.read() as connection:
        return spread_rows(connection, statement, _SPAN.c.id, day, day + _DAY, most=RETRIEVALS)


def _passages(context: Sequence[str]) -> Sequence[str]:
    if len(context) == 1:
        parts = [part for part in context[0].split("\n\n") if len(part.strip()) >= _LEAST_CHARACTERS]
        context = parts[:_PASSAGES] or context
    return [text for text in context if text.strip() and text != HIDDEN]


def _fingerprint(text: str) -> str:
    words = " ".join(text.lower().split())
    return hashlib.blake2b(words.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
