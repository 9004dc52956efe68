"""Calls that two libraries trace: of two spans with one response of the provider, one counts and one is only shown.

A provider numbers its responses. Two calls of a project that have the same number, come from different libraries and
began within ten minutes of each other are one call. The one that says more (tokens, texts, cost, who asked) counts; the
other becomes a span of kind `duplicate`, which profiles, costs and lists of calls leave out and traces show. Which one
that is does not depend on which came first.

The numbers of the calls of the last hours are remembered by their hashes. It misses calls whose library does not tell
the number, and spans that come later than that. Two spans of one library are two calls: answers of a cache have the
number of the answer that they repeat.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import Connection, delete, select, update

from monitor import tables
from monitor.dirty import mark_times
from monitor.identifiers import id_floor
from monitor.records import Span
from monitor.rows import span_of
from monitor.store import Store, table_of

WITHIN = timedelta(minutes=10)
"""Two spans of one call begin at most so far apart."""
REMEMBERED = timedelta(hours=1)

_SPAN = table_of(tables.Span)
_BODY = table_of(tables.Body)
_ENRICHMENT = table_of(tables.Enrichment)
_NUMBER = table_of(tables.ResponseNumber)
_NAMES = ("gen_ai.response.id", "ai.response.id", "llm.response.id")
_AT_ONCE = 500


@dataclass(frozen=True)
class _Known:
    """A call by its id and what it says."""

    id: int
    span: Span

    @property
    def rank(self) -> tuple[object, ...]:
        """What the call that counts has more of; the last parts only make it certain which one that is."""
        span = self.span
        told = sum(bool(value) for value in (span.user, span.session_id, span.feature, span.release, span.environment))
        return (
            span.tokens.input is not None,
            span.tokens.output is not None,
            bool(span.response),
            bool(span.prompt),
            span.cost_usd is not None,
            told,
            span.source,
            span.span_id,
        )


def response_number(span: Span) -> str:
    """The provider's number of the response, as the sender told it; empty where it told none."""
    return next((str(value) for name in _NAMES if (value := span.attributes.get(name))), "")


def set_aside(
    store: Store, connection: Connection, project_id: int, calls: Mapping[int, Span], now: datetime
) -> set[int]:
    """Turns calls that count already into duplicates; answers which of these are, so that they get no signals.

    `calls` are new calls by id. A call that counted before may be the one that becomes a duplicate: it loses its
    signals, and its blocks are marked.
    """
    numbered: dict[int, list[int]] = {}
    for identifier, call in calls.items():
        if told := response_number(call):
            numbered.setdefault(_hash(told), []).append(identifier)
    if not numbered:
        return set()
    rows = [{"project_id": project_id, "number": number, "id": numbered[number][0]} for number in sorted(numbered)]
    store.insert_new(connection, tables.ResponseNumber, rows)
    owners = _owners(connection, project_id, sorted(numbered))
    contested = {number: owners[number] for number, own in numbered.items() if own != [owners[number]]}
    stored = _stored(connection, project_id, [owner for owner in contested.values() if owner not in calls])
    new_owners: dict[int, int] = {}
    losers: set[int] = set()
    for number, owner in contested.items():
        span = calls.get(owner) or stored.get(owner)
        counting = None if span is None else _Known(owner, span)
        for identifier in numbered[number]:
            counting, loser = _decided(counting, _Known(identifier, calls[identifier]))
            if loser is not None:
                losers.add(loser)
        if counting is not None and counting.id != owner:
            new_owners[number] = counting.id
    _write(connection, project_id, losers, new_owners)
    mark_times(store, connection, project_id, [stored[loser].time for loser in losers if loser in stored], now)
    return losers & calls.keys()


def forget(store: Store, now: datetime) -> int:
    """Forgets the numbers of calls that began more than an hour ago; answers how many."""
    with store.write() as connection:
        gone = connection.execute(delete(_NUMBER).where(_NUMBER.c.id < id_floor(now - REMEMBERED))).rowcount
    store.give_back(tables.ResponseNumber)
    return gone


def _hash(number: str) -> int:
    digest = hashlib.blake2b(number.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _decided(counting: _Known | None, new: _Known) -> tuple[_Known, int | None]:
    """Which of two calls with one number counts, and the id of the one that does not; None where both do."""
    if counting is None or counting.id == new.id:
        return new, None
    if abs(counting.span.time - new.span.time) > WITHIN:
        return max(counting, new, key=lambda known: known.span.time), None
    if counting.span.source == new.span.source:
        return counting, None
    if new.rank > counting.rank:
        return new, counting.id
    return counting, new.id


def _owners(connection: Connection, project_id: int, numbers: Sequence[int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for start in range(0, len(numbers), _AT_ONCE):
        chosen = _NUMBER.c.number.in_(numbers[start : start + _AT_ONCE])
        rows = connection.execute(
            select(_NUMBER.c.number, _NUMBER.c.id).where(_NUMBER.c.project_id == project_id, chosen)
        )
        found |= {row.number: row.id for row in rows}
    return found


def _stored(connection: Connection, project_id: int, identifiers: Sequence[int]) -> dict[int, Span]:
    found: dict[int, Span] = {}
    for start in range(0, len(identifiers), _AT_ONCE):
        statement = (
            select(_SPAN, _BODY.c.codec, _BODY.c.data)
            .select_from(
                _SPAN.outerjoin(_BODY, (_BODY.c.project_id == _SPAN.c.project_id) & (_BODY.c.id == _SPAN.c.id))
            )
            .where(
                _SPAN.c.project_id == project_id,
                _SPAN.c.id.in_(identifiers[start : start + _AT_ONCE]),
                _SPAN.c.kind == "llm",
            )
        )
        for row in connection.execute(statement).mappings():
            found[row["id"]] = span_of(cast("Mapping[str, Any]", row), row["codec"], row["data"])
    return found


def _write(connection: Connection, project_id: int, losers: set[int], new_owners: Mapping[int, int]) -> None:
    ordered = sorted(losers)
    for start in range(0, len(ordered), _AT_ONCE):
        chosen = ordered[start : start + _AT_ONCE]
        connection.execute(
            update(_SPAN).where(_SPAN.c.project_id == project_id, _SPAN.c.id.in_(chosen)).values(kind="duplicate")
        )
        connection.execute(
            delete(_ENRICHMENT).where(_ENRICHMENT.c.project_id == project_id, _ENRICHMENT.c.id.in_(chosen))
        )
    for number in sorted(new_owners):
        connection.execute(
            update(_NUMBER)
            .where(_NUMBER.c.project_id == project_id, _NUMBER.c.number == number)
            .values(id=new_owners[number])
        )
