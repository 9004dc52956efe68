"""Finds later answers that contradict earlier ones to the same question, and stores that as feedback `contradicts`.

A question is the same where all messages and documents that were sent are, but for case, blanks and punctuation, and
so are the family of the model and the version of the prompt. Each closed day is looked through once: an answer is
compared with the one before it (`monitor.text.contradiction`), on that day or in the four weeks before, and where that
can be told the later call gets a flag, set or not set. At most 20,000 calls of a day are read, spread over it, 20
answers a question compared, and 2,000 questions remembered, first those that come again.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import select

from monitor import tables
from monitor.clock import BlockLength, block_start, from_microseconds, to_microseconds
from monitor.identifiers import unpack_identifier
from monitor.ingest.feedback import write_feedback
from monitor.model_names import model_family
from monitor.queries.samples import bodies
from monitor.queries.series import first_block
from monitor.queries.spread import spread_rows
from monitor.records import HIDDEN, Body, Feedback
from monitor.settings import Settings
from monitor.signals import CONTRADICTS
from monitor.store import Store, table_of
from monitor.text.contradiction import contradicts

_SPAN = table_of(tables.Span)
_PROJECT = table_of(tables.Project)
_VALUE = table_of(tables.Value)

CALLS_A_DAY = 20_000
ANSWERS_COMPARED = 20
QUESTIONS = 2_000
REMEMBERED = timedelta(weeks=4)
DAYS_BACK = 7
_DAY = BlockLength.DAY.duration
_AT_ONCE = 500
_BETWEEN_WORDS = re.compile(r"[\W_]+")


class Memory(msgspec.Struct):
    """The newest day that was looked through (microseconds), and for each question its last call, day and repeats."""

    reached: int = -1
    questions: dict[str, tuple[int, int, int]] = {}


@dataclass(frozen=True)
class _Call:
    id: int
    time: int
    trace_id: bytes
    span_id: bytes
    question: str


def find_contradictions(store: Store, settings: Settings, now: datetime) -> int:
    """Looks through the closed days that are due, oldest first, at most seven back; answers how many."""
    if CONTRADICTS in settings.signals_off:
        return 0
    with store.read() as connection:
        projects = list(connection.execute(select(_PROJECT.c.id).order_by(_PROJECT.c.id)).scalars())
    done = 0
    for project_id in projects:
        first = first_block(store, project_id, BlockLength.DAY)
        if first is None:
            continue
        memory = _read(store, project_id)
        today = block_start(now, BlockLength.DAY)
        day = max(first, today - DAYS_BACK * _DAY)
        if memory.reached >= 0:
            day = max(day, from_microseconds(memory.reached) + _DAY)
        while day < today:
            memory = _look(store, project_id, day, memory, now)
            day += _DAY
            done += 1
    return done


def _look(store: Store, project_id: int, day: datetime, memory: Memory, now: datetime) -> Memory:
    asked: dict[str, list[_Call]] = {}
    for call in _calls(store, project_id, day):
        asked.setdefault(call.question, []).append(call)
    said: list[Feedback] = []
    again = {question: calls for question, calls in asked.items() if len(calls) > 1 or question in memory.questions}
    repeats = [(memory.questions.get(question), calls) for question, calls in again.items()]
    for start in range(0, len(repeats), _AT_ONCE):
        said += _compared(store, project_id, repeats[start : start + _AT_ONCE])
    moment = to_microseconds(day)
    oldest = moment - REMEMBERED // timedelta(microseconds=1)
    questions = {name: entry for name, entry in memory.questions.items() if entry[1] >= oldest}
    for question, calls in asked.items():
        before = questions.get(question, (0, 0, 0))[2]
        questions[question] = (calls[-1].id, moment, before + len(calls))
    kept = sorted(questions.items(), key=lambda item: (item[1][2] > 1, item[1][1], item[0]), reverse=True)[:QUESTIONS]
    memory = Memory(moment, dict(kept))
    data = msgspec.json.encode(memory).decode()
    with store.write() as connection:
        write_feedback(store, connection, project_id, said, now)
        store.upsert(connection, tables.Value, [{"name": _name(project_id), "data": data}])
    return memory


def _compared(
    store: Store, project_id: int, repeats: Sequence[tuple[tuple[int, int, int] | None, list[_Call]]]
) -> Iterator[Feedback]:
    """What is to be said of the later calls of some questions."""
    chosen = [([] if known is None else [known[0]], calls[:ANSWERS_COMPARED]) for known, calls in repeats]
    wanted = list(dict.fromkeys(one for earlier, calls in chosen for one in (*earlier, *(call.id for call in calls))))
    texts = dict(zip(wanted, bodies(store, project_id, wanted), strict=True))
    for earlier, calls in chosen:
        order = [*earlier, *(call.id for call in calls)]
        later = {call.id: call for call in calls}
        for one, other in itertools.pairwise(order):
            found = contradicts(_question(texts[other]), _answer(texts[one]), _answer(texts[other]))
            if found is not None and other in later and one != other:
                yield _flag(later[other], found)


def _flag(call: _Call, found: bool) -> Feedback:
    return Feedback(
        name=CONTRADICTS,
        time=from_microseconds(call.time),
        trace_id=unpack_identifier(call.trace_id),
        span_id=unpack_identifier(call.span_id),
        value=float(found),
        flag=True,
        annotator="implicit",
        identifier="repeats",
    )


def _calls(store: Store, project_id: int, day: datetime) -> Iterator[_Call]:
    """Successful calls of a day with the digest of what was asked, in order of time."""
    rows = sorted(_rows(store, project_id, day), key=lambda row: (row.time, row.id))
    for start in range(0, len(rows), _AT_ONCE):
        some = rows[start : start + _AT_ONCE]
        for row, body in zip(some, bodies(store, project_id, [row.id for row in some]), strict=True):
            if body.prompt and _answer(body) and _question(body):
                digest = _digest(row, body)
                yield _Call(row.id, row.time, bytes(row.trace_id), bytes(row.span_id), digest)


def _rows(store: Store, project_id: int, day: datetime) -> list[Any]:
    names = ("id", "time", "trace_id", "span_id", "model", "requested_model", "prompt_version")
    columns = [_SPAN.c[name] for name in names]
    mine = (_SPAN.c.project_id == project_id, _SPAN.c.kind == "llm", _SPAN.c.status == 0)
    with store.read() as connection:
        return spread_rows(connection, select(*columns).where(*mine), _SPAN.c.id, day, day + _DAY, most=CALLS_A_DAY)


def _digest(row: Any, body: Body) -> str:
    parts: Iterable[str] = (
        model_family(row.model or row.requested_model or ""),
        row.prompt_version or "",
        *(f"{message.role} {_plain(message.content)} {message.parts}" for message in body.prompt),
        *map(_plain, body.context),
    )
    text = "\x1f".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=8).hexdigest()


def _plain(text: str) -> str:
    return _BETWEEN_WORDS.sub(" ", text.casefold()).strip()


def _question(body: Body) -> str:
    text = next((message.content for message in reversed(body.prompt) if message.role == "user"), "")
    return "" if text == HIDDEN else text


def _answer(body: Body) -> str:
    return "" if body.response == HIDDEN else body.response


def _name(project_id: int) -> str:
    return f"repeats.{project_id}"


def _read(store: Store, project_id: int) -> Memory:
    with store.read() as connection:
        data = connection.execute(select(_VALUE.c.data).where(_VALUE.c.name == _name(project_id))).scalar()
    return msgspec.json.decode(data, type=Memory) if data else Memory()
