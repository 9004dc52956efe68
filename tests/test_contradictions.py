"""Answers that contradict earlier ones: single pairs, the job on both databases, and what it remembers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from monitor import tables
from monitor.clock import BlockLength
from monitor.contracts import WHOLE, JobContext
from monitor.enrich import enrich_pending
from monitor.feedback import repeats
from monitor.identifiers import unpack_identifier
from monitor.ingest import Batch, Ingester
from monitor.profiles import refresh
from monitor.queries.series import read_profiles
from monitor.queries.spread import spread_rows
from monitor.records import Message, Span
from monitor.settings import Settings
from monitor.store import Store, table_of
from monitor.tasks.repeats import JOB
from monitor.text.contradiction import contradicts

DAY = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("question", "earlier", "later", "expected"),
    [
        ("Is 17077 a prime number?", "Yes, 17077 is prime.", "No, it is not a prime number.", True),
        ("Is 17077 a prime number?", "Yes, 17077 is prime.", "Let us see. The answer is: yes", False),
        ("Is 17077 a prime number?", "That is a hard question.", "No.", None),
        ("Which is larger?\nA) the sun\nB) the moon", "B", "The answer is A.", True),
        ("Which is larger?\nA) the sun\nB) the moon", "(A)", "A) the sun", False),
        ("How many people live in Utrecht?", "About 361,000 people.", "It has 367,000 inhabitants.", True),
        ("How many people live in Utrecht?", "361,000", "There are 361000.", False),
        ("In what year did the war end?", "In 1945.", "The war ended in 1945, in May.", False),
        ("Who wrote Hamlet?", "William Shakespeare", "Hamlet was written by Shakespeare around 1600.", False),
        ("Who wrote Hamlet?", "Christopher Marlowe", "Hamlet was written by Shakespeare around 1600.", True),
        ("Is it safe?", "I'm sorry, but I cannot help with that.", "Yes.", None),
        ("Is it safe?", "", "Yes.", None),
        (
            "Tell me a story.",
            "A fox crossed a frozen river at night, met a lantern maker and traded his tail for one steady flame.",
            "The queen of seven bridges lost her silver bell, so seven children searched every market until spring.",
            None,
        ),
    ],
)
def test_pairs_of_answers(question: str, earlier: str, later: str, expected: bool | None) -> None:
    assert contradicts(question, earlier, later) is expected
    assert contradicts(question, later, earlier) is expected


def ask(name: str, hours: float, question: str, answer: str, **changes: object) -> Span:
    fields: dict[str, object] = {
        "trace_id": name,
        "span_id": name,
        "time": DAY + timedelta(hours=hours),
        "model": "gpt-4o-mini",
        "prompt": (Message("system", "Answer briefly."), Message("user", question)),
        "response": answer,
    }
    return Span(**(fields | changes))  # type: ignore[arg-type]


PRIME = "Is 17077 a prime number?"


def run(store: Store, settings: Settings, spans: list[Span], now: datetime) -> int:
    ingester = Ingester(store, settings)
    ingester.submit(Batch("default", spans), now)
    ingester.close()
    while enrich_pending(store, settings, now):
        pass
    refresh(store, settings, now)
    return JOB.run(JobContext(store, settings, now))[0]


def flags(store: Store) -> dict[str, float]:
    feedback, span = table_of(tables.Feedback), table_of(tables.Span)
    statement = select(span.c.trace_id, feedback.c.value, feedback.c.name, feedback.c.annotator).join(
        feedback, (feedback.c.trace_id == span.c.trace_id) & (feedback.c.span_id == span.c.span_id)
    )
    with store.read() as connection:
        rows = connection.execute(statement).all()
    assert all((row.name, row.annotator) == ("contradicts", "implicit") for row in rows)
    return {unpack_identifier(row.trace_id): row.value for row in rows}


def test_later_answers_are_compared_with_earlier_ones(store: Store, settings: Settings) -> None:
    spans = [
        ask("a1", 1, PRIME, "Yes, it is."),
        ask("a2", 2, "is 17077 a prime  number ?", "Yes."),
        ask("a3", 3, PRIME, "No, it is not."),
        ask("other-model", 4, PRIME, "No.", model="claude-3-haiku"),
        ask("other-version", 5, PRIME, "No.", prompt_version="2"),
        ask("other-document", 6, PRIME, "Yes.", context=("A table of primes.",)),
        ask("failed", 7, PRIME, "", status="error"),
        ask("once", 8, "Who wrote Hamlet?", "Marlowe"),
    ]
    assert run(store, settings, spans, DAY + timedelta(days=1, hours=1)) == 1
    found = flags(store)
    assert sorted(found.values()) == [0.0, 1.0]
    # The next days are compared with what was said before.
    later = [ask("a4", 30, PRIME, "It is: yes."), ask("h2", 31, "Who wrote Hamlet?", "Shakespeare")]
    assert run(store, settings, later, DAY + timedelta(days=2, hours=1)) == 1
    assert sorted(flags(store).values()) == [0.0, 1.0, 1.0, 1.0]
    assert run(store, settings, [], DAY + timedelta(days=2, hours=2)) == 0
    refresh(store, settings, DAY + timedelta(days=2, hours=2))
    project = store.project("default", 0)
    profiles = read_profiles(store, project, BlockLength.DAY, DAY, DAY + timedelta(days=2), segments=[WHOLE])
    blocks = profiles[WHOLE, "feedback.contradicts"]
    assert [(block.profile.n, block.profile.total) for block in blocks] == [(2, 1.0), (2, 2.0)]


def test_it_can_be_switched_off(store: Store, settings: Settings) -> None:
    off = settings.model_copy(update={"signals_off": ("contradicts",)})
    spans = [ask("a1", 1, PRIME, "Yes, it is."), ask("a2", 2, PRIME, "No.")]
    assert run(store, off, spans, DAY + timedelta(days=1, hours=1)) == 0
    assert flags(store) == {}


def test_questions_that_come_again_are_remembered_first(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeats, "QUESTIONS", 1)
    spans = [
        ask("a1", 1, PRIME, "Yes."),
        ask("a2", 2, PRIME, "Yes."),
        *(ask(f"x{place}", 3 + place, f"What is {place} plus one?", "I add.") for place in range(5)),
    ]
    run(store, settings, spans, DAY + timedelta(days=1, hours=1))
    run(store, settings, [ask("a3", 30, PRIME, "No.")], DAY + timedelta(days=2, hours=1))
    assert sorted(flags(store).values()) == [0.0, 1.0]


def test_of_many_calls_some_are_read_spread_over_the_day(store: Store, settings: Settings) -> None:
    spans = [ask(f"c{place}", place / 10, f"Question {place}?", "Yes.") for place in range(230)]
    run(store, settings, spans, DAY + timedelta(hours=23, minutes=30))
    table = table_of(tables.Span)
    statement = select(table.c.id, table.c.time).where(table.c.project_id == store.project("default", 0))
    with store.read() as connection:
        everything = spread_rows(connection, statement, table.c.id, DAY, DAY + timedelta(days=1), most=230)
        some = spread_rows(connection, statement, table.c.id, DAY, DAY + timedelta(days=1), most=96)
    assert len(everything) == 230
    assert 80 <= len(some) <= 96
    assert some[0].id == everything[0].id
    assert some[-1].id >= everything[-5].id
    assert [row.id for row in some] == sorted(row.id for row in some)
