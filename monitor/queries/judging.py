"""What judges have said, how far they got, what it cost, and how well they agree with people."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, or_, select

from monitor import tables
from monitor.clock import BlockLength, block_start, to_microseconds
from monitor.contracts import Judge, collect
from monitor.identifiers import id_floor
from monitor.settings import Settings
from monitor.store import Store, table_of

DONE, FAILED, WAITING = "done", "failed", "waiting"
MOST_LABELS = 20_000
MOST_VALUES = 100_000
_SPAN = table_of(tables.Span)
_FEEDBACK = table_of(tables.Feedback)
_JUDGEMENT = table_of(tables.Judgement)
_PROMPT = table_of(tables.JudgePrompt)
_VALUE = table_of(tables.Value)


@dataclass(frozen=True)
class Candidate:
    """A call that may be judged; `attempts` at it so far."""

    id: int
    trace_id: bytes
    span_id: bytes
    attempts: int = 0


@dataclass(frozen=True)
class Labelled:
    """A call that a person and a judge have both scored."""

    id: int
    trace_id: bytes
    span_id: bytes
    judge: float
    label: float


@dataclass(frozen=True)
class Progress:
    """How far a judge got with the calls of a range, as of now.

    `done`, `failed` and `waiting` (to be tried again) are counts of sampled calls, `backlog` about how many of those
    sampled were not looked at yet. Costs are in US dollars: of the range, and of today over all judges.
    """

    judge: Judge
    done: int
    failed: int
    waiting: int
    backlog: int
    mean: float | None
    cost_usd: float
    cost_today_usd: float
    models: tuple[str, ...]

    @property
    def coverage(self) -> float | None:
        """The share of the sampled calls that has a score; None where none was sampled."""
        asked = self.done + self.failed + self.waiting + self.backlog
        return self.done / asked if asked else None


def all_judges() -> dict[str, Judge]:
    """The judges there are, by name."""
    return collect(importlib.import_module("monitor.judges"), Judge)


def chosen_judges(settings: Settings) -> list[Judge]:
    """Those that the settings name; all where they name none."""
    known = all_judges()
    return [judge for name, judge in known.items() if not settings.judge_signals or name in settings.judge_signals]


def reached(store: Store, project_id: int, judge: Judge) -> int | None:
    """The id up to which calls have been looked at; None where the judge has not begun."""
    return read_number(store, mark_name(project_id, judge))


def read_number(store: Store, name: str) -> int | None:
    """A mark of how far something got."""
    with store.read() as connection:
        data = connection.execute(select(_VALUE.c.data).where(_VALUE.c.name == name)).scalar()
    return int(data) if data else None


def mark_name(project_id: int, judge: Judge) -> str:
    """The name of the mark of how far a judge got."""
    return f"judging.{judge.name}.{judge.version}.{project_id}"


def newest_id(store: Store, project_id: int) -> int | None:
    """The newest span of a project."""
    with store.read() as connection:
        return connection.execute(select(func.max(_SPAN.c.id)).where(_SPAN.c.project_id == project_id)).scalar()


def calls_after(store: Store, project_id: int, after: int, before: int, limit: int) -> list[Candidate]:
    """The calls with ids between two, oldest first."""
    statement = (
        select(_SPAN.c.id, _SPAN.c.trace_id, _SPAN.c.span_id)
        .where(_SPAN.c.project_id == project_id, _SPAN.c.kind == "llm", _SPAN.c.id > after, _SPAN.c.id < before)
        .order_by(_SPAN.c.id)
        .limit(limit)
    )
    with store.read() as connection:
        return [Candidate(row.id, bytes(row.trace_id), bytes(row.span_id)) for row in connection.execute(statement)]


def waiting_calls(store: Store, project_id: int, judge: Judge, tried_before: datetime, limit: int) -> list[Candidate]:
    """Calls to be tried again, the oldest first: those last tried before a moment."""
    statement = (
        select(_JUDGEMENT.c.id, _JUDGEMENT.c.attempts, _SPAN.c.trace_id, _SPAN.c.span_id)
        .join(_SPAN, and_(_SPAN.c.project_id == _JUDGEMENT.c.project_id, _SPAN.c.id == _JUDGEMENT.c.id))
        .where(
            *_of(project_id, judge),
            _JUDGEMENT.c.state == WAITING,
            _JUDGEMENT.c.made <= to_microseconds(tried_before),
        )
        .order_by(_JUDGEMENT.c.id)
        .limit(limit)
    )
    with store.read() as connection:
        rows = connection.execute(statement).all()
    return [Candidate(row.id, bytes(row.trace_id), bytes(row.span_id), row.attempts) for row in rows]


def known_answers(store: Store, project_id: int, digests: Sequence[bytes]) -> dict[bytes, float]:
    """Scores of questions that were asked before, in the same words, of the same model."""
    statement = select(_JUDGEMENT.c.digest, _JUDGEMENT.c.value).where(
        _JUDGEMENT.c.project_id == project_id, _JUDGEMENT.c.digest.in_(list(digests)), _JUDGEMENT.c.state == DONE
    )
    with store.read() as connection:
        return {bytes(row.digest): row.value for row in connection.execute(statement)}


def spent_today(store: Store, now: datetime) -> float:
    """US dollars that all judges of all projects have cost since midnight UTC."""
    day = to_microseconds(block_start(now, BlockLength.DAY))
    statement = select(func.coalesce(func.sum(_JUDGEMENT.c.cost_usd), 0.0)).where(_JUDGEMENT.c.made >= day)
    with store.read() as connection:
        return float(connection.execute(statement).scalar_one())


def progress(
    store: Store, settings: Settings, project_id: int, judge: Judge, *, start: datetime, end: datetime, now: datetime
) -> Progress:
    """How far a judge is with the calls that began in [start, end)."""
    inside = (*_of(project_id, judge), _JUDGEMENT.c.id >= id_floor(start), _JUDGEMENT.c.id < id_floor(end))
    counts = (
        select(
            _JUDGEMENT.c.state,
            _JUDGEMENT.c.model,
            func.count(),
            func.sum(_JUDGEMENT.c.value),
            func.sum(_JUDGEMENT.c.cost_usd),
        )
        .where(*inside)
        .group_by(_JUDGEMENT.c.state, _JUDGEMENT.c.model)
    )
    seen = reached(store, project_id, judge) if settings.judge_url else None
    with store.read() as connection:
        rows = connection.execute(counts).all()
        ahead = 0
        if seen is not None:
            statement = select(func.count()).where(
                _SPAN.c.project_id == project_id,
                _SPAN.c.kind == "llm",
                _SPAN.c.id > max(seen, id_floor(start)),
                _SPAN.c.id < id_floor(end),
            )
            ahead = connection.execute(statement).scalar_one()
    by_state = {state: sum(row[2] for row in rows if row[0] == state) for state in (DONE, FAILED, WAITING)}
    total = sum(row[3] or 0.0 for row in rows if row[0] == DONE)
    return Progress(
        judge=judge,
        done=by_state[DONE],
        failed=by_state[FAILED],
        waiting=by_state[WAITING],
        backlog=round(ahead * settings.judge_sample),
        mean=total / by_state[DONE] if by_state[DONE] else None,
        cost_usd=sum(row[4] or 0.0 for row in rows),
        cost_today_usd=spent_today(store, now),
        models=tuple(sorted({row[1] for row in rows})),
    )


def labelled_calls(
    store: Store,
    project_id: int,
    judge: Judge,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    received_from: int | None = None,
    spans: Sequence[int] = (),
) -> list[Labelled]:
    """Calls scored by the judge that a person has labelled under one of the judge's names, with a share from 0 to 1.

    `received_from` (microseconds): only labels that came since. Several labels of one call are averaged.
    The newest `MOST_LABELS` are read.
    """
    clauses: list[Any] = [
        *_of(project_id, judge),
        _JUDGEMENT.c.state == DONE,
        _FEEDBACK.c.annotator == "human",
        _FEEDBACK.c.name.in_(judge.labels),
        _FEEDBACK.c.value >= 0,
        _FEEDBACK.c.value <= 1,
    ]
    if start is not None:
        clauses.append(_JUDGEMENT.c.id >= id_floor(start))
    if end is not None:
        clauses.append(_JUDGEMENT.c.id < id_floor(end))
    if received_from is not None:
        clauses.append(_FEEDBACK.c.received >= received_from)
    if spans:
        clauses.append(_JUDGEMENT.c.id.in_(list(spans)))
    same_span = and_(_SPAN.c.project_id == _JUDGEMENT.c.project_id, _SPAN.c.id == _JUDGEMENT.c.id)
    about = and_(
        _FEEDBACK.c.project_id == _SPAN.c.project_id,
        _FEEDBACK.c.trace_id == _SPAN.c.trace_id,
        or_(_FEEDBACK.c.span_id.is_(None), _FEEDBACK.c.span_id == _SPAN.c.span_id),
    )
    statement = (
        select(
            _JUDGEMENT.c.id,
            _SPAN.c.trace_id,
            _SPAN.c.span_id,
            _JUDGEMENT.c.value.label("judged"),
            func.avg(_FEEDBACK.c.value).label("label"),
        )
        .select_from(_JUDGEMENT.join(_SPAN, same_span).join(_FEEDBACK, about))
        .where(*clauses)
        .group_by(_JUDGEMENT.c.id, _SPAN.c.trace_id, _SPAN.c.span_id, _JUDGEMENT.c.value)
        .order_by(_JUDGEMENT.c.id.desc())
        .limit(MOST_LABELS)
    )
    with store.read() as connection:
        return [
            Labelled(row.id, bytes(row.trace_id), bytes(row.span_id), float(row.judged), float(row.label))
            for row in connection.execute(statement)
        ]


def judged_values(store: Store, project_id: int, judge: Judge, start: datetime, end: datetime) -> dict[int, float]:
    """The scores of the newest `MOST_VALUES` judged calls of a range, by id."""
    statement = (
        select(_JUDGEMENT.c.id, _JUDGEMENT.c.value)
        .where(
            *_of(project_id, judge),
            _JUDGEMENT.c.state == DONE,
            _JUDGEMENT.c.id >= id_floor(start),
            _JUDGEMENT.c.id < id_floor(end),
        )
        .order_by(_JUDGEMENT.c.id.desc())
        .limit(MOST_VALUES)
    )
    with store.read() as connection:
        return {row.id: float(row.value) for row in connection.execute(statement)}


def prompts_of(store: Store, judge: str) -> list[tuple[int, str, str]]:
    """Version, digest and words of each prompt that a judge was asked with, the newest version first."""
    statement = select(_PROMPT).where(_PROMPT.c.judge == judge).order_by(_PROMPT.c.version.desc())
    with store.read() as connection:
        return [(row.version, row.digest, row.text) for row in connection.execute(statement)]


def _of(project_id: int, judge: Judge) -> tuple[Any, ...]:
    return (
        _JUDGEMENT.c.project_id == project_id,
        _JUDGEMENT.c.judge == judge.name,
        _JUDGEMENT.c.version == judge.version,
    )
