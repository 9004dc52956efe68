"""Asks judges about a sample of the calls, within a budget of money and of time, and stores what they say.

A call is chosen by a hash of its identifiers and the judge's name: always the same ones, whatever the process, and
independently of anything else. A question that was asked before in the same words of the same model is answered from
the store. What may go better later is tried up to three times; an endpoint that fails again and again, or asks for
patience, is left alone until the next run.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from monitor import tables
from monitor.clock import to_microseconds
from monitor.contracts import Judge
from monitor.errors import SettingsError
from monitor.identifiers import id_floor, id_time, unpack_identifier
from monitor.ingest.feedback import write_feedback
from monitor.judging.endpoint import Endpoint, Reply, address_of, ask
from monitor.judging.money import cost_of, tokens_at_most
from monitor.judging.prompts import Said, prompt_of, question_digest, read_answer, template_digest, template_of
from monitor.queries import judging as queries
from monitor.queries.judging import DONE, FAILED, WAITING, Candidate
from monitor.queries.options import projects
from monitor.queries.samples import bodies
from monitor.records import Feedback
from monitor.settings import Settings
from monitor.store import Store

MOST_SECONDS = 45.0
MOST_ATTEMPTS = 3
AT_ONCE = 4
BACK_AT_FIRST = timedelta(days=7)
SETTLES = timedelta(minutes=5)
RESTS = timedelta(minutes=10)
_PAGE = 2_000
_CHUNK = 8
_SHARES = 1 << 32


@dataclass(frozen=True)
class _Question:
    call: Candidate
    prompt: str
    digest: bytes


@dataclass
class _Run:
    """One run of the job: what may still be spent, and how it went."""

    store: Store
    settings: Settings
    endpoint: Endpoint
    now: datetime
    until: float
    left_usd: float
    done: int = 0
    failures: int = 0
    in_a_row: int = 0
    stopped: str = ""
    judged: dict[tuple[int, str], list[int]] = field(default_factory=dict)
    paid: set[bytes] = field(default_factory=set)

    def is_over(self) -> bool:
        if not self.stopped and time.monotonic() >= self.until:
            self.stopped = "out of time"
        return bool(self.stopped)


def endpoint_of(settings: Settings) -> Endpoint:
    """The configured endpoint. Raises SettingsError where it is not whole."""
    if not settings.judge_model:
        raise SettingsError("MONITOR_JUDGE_MODEL is missing: name the model that MONITOR_JUDGE_URL is to be asked for.")
    return Endpoint(
        address_of(settings.judge_url, "MONITOR_JUDGE_URL"),
        settings.judge_model,
        settings.judge_key.get_secret_value(),
        settings.judge_timeout_s,
    )


def is_sampled(judge: Judge, call: Candidate, share: float) -> bool:
    """True for the calls of a judge's sample."""
    digest = hashlib.blake2b(call.trace_id + call.span_id, digest_size=4, key=judge.name.encode()[:64]).digest()
    return int.from_bytes(digest, "big") < share * _SHARES


def judge_due(store: Store, settings: Settings, now: datetime, seconds: float = MOST_SECONDS) -> tuple[int, str]:
    """Judges what is due until time or money runs out; answers how many calls were judged, and a note for people."""
    if not settings.judge_url:
        return 0, "no judge is configured"
    left = settings.judge_budget_usd - queries.spent_today(store, now)
    run = _Run(store, settings, endpoint_of(settings), now, time.monotonic() + seconds, left)
    judges = queries.chosen_judges(settings)
    asked = [(project.id, judge) for project in projects(store) for judge in judges]
    for place, (project_id, judge) in enumerate(asked):
        if run.is_over():
            break
        # Nobody's backlog keeps the others waiting: what is left of the time is shared out.
        share = (run.until - time.monotonic()) / (len(asked) - place)
        _judge(run, project_id, judge, time.monotonic() + share)
    for project_id, judge in asked:
        _measure_gaps(run, project_id, judge)
    note = f"{run.done} judged, {run.failures} failed" + (f"; stopped: {run.stopped}" if run.stopped else "")
    return run.done, note


def _judge(run: _Run, project_id: int, judge: Judge, until: float) -> None:
    again = queries.waiting_calls(run.store, project_id, judge, run.now - RESTS, _CHUNK * AT_ONCE)
    for calls in _chunks(again):
        if run.is_over() or time.monotonic() >= until:
            return
        _ask_about(run, project_id, judge, calls)
    for calls, last in _new_calls(run, project_id, judge):
        if run.is_over() or time.monotonic() >= until:
            return
        reached = _ask_about(run, project_id, judge, calls) if calls else None
        with run.store.write() as connection:
            mark = {"name": queries.mark_name(project_id, judge), "data": str(last if reached is None else reached)}
            run.store.upsert(connection, tables.Value, [mark])


def _chunks(calls: Sequence[Candidate]) -> Iterator[Sequence[Candidate]]:
    for first in range(0, len(calls), _CHUNK):
        yield calls[first : first + _CHUNK]


def _new_calls(run: _Run, project_id: int, judge: Judge) -> Iterator[tuple[Sequence[Candidate], int]]:
    """Sampled calls that were not looked at, in chunks with the id up to which calls were looked at then."""
    after = queries.reached(run.store, project_id, judge)
    if after is None:
        newest = queries.newest_id(run.store, project_id)
        after = None if newest is None else id_floor(id_time(newest) - BACK_AT_FIRST)
    before = id_floor(run.now - SETTLES)
    while after is not None:
        page = queries.calls_after(run.store, project_id, after, before, _PAGE)
        chosen = [call for call in page if is_sampled(judge, call, run.settings.judge_sample)]
        chunks = list(_chunks(chosen))
        for calls in chunks[:-1]:
            yield calls, calls[-1].id
        if page:
            yield chunks[-1] if chunks else (), page[-1].id
        if len(page) < _PAGE:
            return
        after = page[-1].id


def _ask_about(run: _Run, project_id: int, judge: Judge, calls: Sequence[Candidate]) -> int | None:
    """Asks about some calls; where the money ended amid them, the id of the last one that was still asked about."""
    texts = bodies(run.store, project_id, [call.id for call in calls])
    model = run.endpoint.model
    questions = [
        _Question(call, prompt, question_digest(judge, model, prompt))
        for call, body in zip(calls, texts, strict=True)
        if (prompt := prompt_of(judge, body)) is not None
    ]
    known = queries.known_answers(run.store, project_id, [question.digest for question in questions])
    asked: list[_Question] = []
    reached: int | None = None
    promised = 0.0
    for place, question in enumerate(questions):
        if question.digest in known or any(other.digest == question.digest for other in asked):
            continue
        most = cost_of(run.settings, model, tokens_at_most(question.prompt, run.endpoint.most_tokens), run.now)
        if promised + most > run.left_usd:
            run.stopped = "the budget of today is spent"
            reached = questions[place - 1].call.id if place else calls[0].id - 1
            questions = questions[:place]
            break
        promised += most
        asked.append(question)
    replies = dict(zip((question.digest for question in asked), _replies(run, asked), strict=True))
    rows, said = [], []
    for question in questions:
        reply = replies.get(question.digest, Reply())
        row, feedback = _outcome(run, project_id, judge, question, known=known.get(question.digest), reply=reply)
        rows.append(row)
        said += feedback
    _save(run, project_id, judge, rows, said)
    return reached


def _replies(run: _Run, asked: Sequence[_Question]) -> Iterable[Reply]:
    if not asked:
        return []
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="judge") as pool:
        return list(pool.map(lambda question: ask(run.endpoint, question.prompt), asked))


def _outcome(
    run: _Run,
    project_id: int,
    judge: Judge,
    question: _Question,
    *,
    known: float | None,
    reply: Reply,
) -> tuple[dict[str, Any], list[Feedback]]:
    said = Said(known, "") if known is not None else read_answer(reply.text) if not reply.problem else None
    attempts = question.call.attempts + 1
    state = DONE
    note = "the same question was answered before" if known is not None else ""
    cost = 0.0
    if known is None and question.digest not in run.paid:
        run.paid.add(question.digest)
        tokens = reply.tokens
        if not reply.problem and tokens is None:
            tokens = tokens_at_most(question.prompt, run.endpoint.most_tokens)
        cost = 0.0 if tokens is None else cost_of(run.settings, run.endpoint.model, tokens, run.now)
        run.left_usd -= cost
    if said is None:
        note = reply.problem or "the answer holds no score from 0 to 1"
        if reply.stop:  # that is about the endpoint, not about this call
            attempts = question.call.attempts
        state = WAITING if reply.stop or (reply.retry and attempts < MOST_ATTEMPTS) else FAILED
        run.failures += 1
        run.in_a_row = run.in_a_row + 1 if reply.problem else 0
        if reply.stop or run.in_a_row >= _CHUNK:
            run.stopped = note
    else:
        run.in_a_row = 0
        run.done += 1
        run.judged.setdefault((project_id, judge.name), []).append(question.call.id)
    row = {
        "project_id": project_id,
        "judge": judge.name,
        "id": question.call.id,
        "version": judge.version,
        "model": run.endpoint.model,
        "prompt": template_digest(judge),
        "digest": question.digest,
        "made": to_microseconds(run.now),
        "state": state,
        "attempts": attempts,
        "value": None if said is None else said.score,
        "cost_usd": cost,
        "note": note,
    }
    if said is None:
        return row, []
    feedback = Feedback(
        name=f"judge.{judge.name}",
        time=run.now,
        trace_id=unpack_identifier(question.call.trace_id),
        span_id=unpack_identifier(question.call.span_id),
        value=said.score,
        comment=said.reason or None,
        annotator="llm",
        annotator_id=f"judge:{judge.name}@{judge.version}",
    )
    return row, [feedback]


def _save(run: _Run, project_id: int, judge: Judge, rows: list[dict[str, Any]], said: list[Feedback]) -> None:
    if not rows:
        return
    words = {
        "digest": template_digest(judge),
        "judge": judge.name,
        "version": judge.version,
        "text": template_of(judge),
        "first_used": to_microseconds(run.now),
    }
    with run.store.write() as connection:
        run.store.insert_new(connection, tables.JudgePrompt, [words])
        run.store.upsert(connection, tables.Judgement, rows)
        write_feedback(run.store, connection, project_id, said, run.now)


def _measure_gaps(run: _Run, project_id: int, judge: Judge) -> None:
    """Label less score, as feedback `judge_gap.<name>`, for calls that were judged or labelled since the last run."""
    mark = f"{queries.mark_name(project_id, judge)}.gaps"
    since = queries.read_number(run.store, mark)
    found = queries.labelled_calls(run.store, project_id, judge, received_from=since or 0)
    just_now = run.judged.get((project_id, judge.name), [])
    if just_now:
        found = [*found, *queries.labelled_calls(run.store, project_id, judge, spans=just_now)]
    gaps = {
        item.id: Feedback(
            name=f"judge_gap.{judge.name}",
            time=run.now,
            trace_id=unpack_identifier(item.trace_id),
            span_id=unpack_identifier(item.span_id),
            value=item.label - item.judge,
            annotator="code",
            annotator_id=f"judge_gap:{judge.name}@{judge.version}",
        )
        for item in found
    }
    with run.store.write() as connection:
        write_feedback(run.store, connection, project_id, list(gaps.values()), run.now)
        row = {"name": mark, "data": str(to_microseconds(run.now))}
        run.store.upsert(connection, tables.Value, [row])
