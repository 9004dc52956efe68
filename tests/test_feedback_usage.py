"""What users do: questions asked again, conversations given up; who is active, who is new, who comes back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from monitor.clock import BlockLength
from monitor.contracts import JobContext
from monitor.enrich import enrich_pending
from monitor.feedback.adoption import Users, count_users, overlap, union, week_start
from monitor.feedback.conversations import Turn, what_users_did
from monitor.feedback.implicit import review_conversations
from monitor.ingest import Batch, Ingester
from monitor.profiles import refresh
from monitor.queries.adoption import periods
from monitor.queries.feedback import feedback_series
from monitor.records import Message, Span
from monitor.settings import Settings
from monitor.store import Store
from monitor.tasks import adoption, implicit

MINUTE = 60_000_000
DAY = timedelta(days=1)


def turn(key: int, minute: float, question: str, *, failed: bool = False) -> Turn:
    return Turn(key, int(minute * MINUTE), question, failed)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("How do I reset my password?", "how do i reset my password", "repeated"),
        ("How do I reset my password?", "How can I reset my account password?", "rephrased"),
        ("What does the visa for Canada cost?", "What are the costs of the visa for Canada?", "rephrased"),
        ("How do I reset my password?", "Which countries do you ship to?", None),
        ("Is 17077 a prime number?", "Is 17078 a prime number?", None),
        ("yes", "no", None),
        ("Sales of 2023 by region, please", "Sales of 2024 by region, please", None),
    ],
)
def test_a_question_asked_again(first: str, second: str, expected: str | None) -> None:
    found = [name for _, name in what_users_did([[turn(1, 0, first), turn(2, 3, second)]], 100 * MINUTE)]
    assert found == ([expected] if expected else [])
    assert what_users_did([[turn(1, 0, first), turn(2, 11, second)]], 100 * MINUTE) == [], "eleven minutes are too long"


def test_a_template_around_every_question_does_not_make_them_alike() -> None:
    frame = "You are the assistant of our shop. Answer politely and briefly, using the catalogue below. Question: "
    subjects = ["bicycle tyres", "garden chairs", "winter jackets", "coffee machines", "desk lamps", "running shoes"]
    talks = [
        [turn(10 * i + j, j, f"{frame}{subject} {other}") for j, other in enumerate(("delivery", "warranty"))]
        for i, subject in enumerate(subjects * 10)
    ]
    names = [name for _, name in what_users_did(talks, 100 * MINUTE)]
    assert "repeated" not in names
    other = [[turn(10 * i + j, j, frame + subjects[(i + j) % 6]) for j in range(2)] for i in range(60)]
    assert not what_users_did(other, 100 * MINUTE)


def test_a_conversation_given_up() -> None:
    failed = [turn(1, 0, "a b c"), turn(2, 1, "d e f", failed=True)]
    assert [(one.key, name) for one, name in what_users_did([failed], 32 * MINUTE)] == [(2, "abandoned")]
    assert not what_users_did([failed], 30 * MINUTE), "the half hour is not over"
    assert not what_users_did([[turn(1, 0, "a b c", failed=True), turn(2, 5, "d e f")]], 90 * MINUTE)


def _send(
    store: Store,
    settings: Settings,
    now: datetime,
    calls: list[tuple[str, datetime, str, str]],
    *,
    is_summed: bool = True,
) -> None:
    ingester = Ingester(store, settings)
    spans = [
        Span(
            trace_id=f"{abs(hash((user, moment))):032x}"[:32],
            span_id=f"{place + 1:016x}",
            time=moment,
            user=user,
            session_id=f"{user} {moment:%Y-%m-%d}",
            model="gpt-4",
            prompt=(Message("user", question),),
            response=answer,
        )
        for place, (user, moment, question, answer) in enumerate(calls)
    ]
    ingester.submit(Batch(project="default", spans=spans, sender="tests"), now=now)
    ingester.close()
    enrich_pending(store, settings, now, limit=10_000)
    if is_summed:
        refresh(store, settings, now)


def test_implicit_signals_are_stored_once_and_counted(
    store: Store, settings: Settings, project: int, now: datetime
) -> None:
    start = datetime(2026, 3, 11, 8, 5, tzinfo=UTC)
    refused = "I'm sorry, but I can't help with that."
    calls = [
        ("anna", start, "How do I reset my password?", "Ask someone."),
        ("anna", start + timedelta(minutes=2), "How can I reset my account password?", "Press the button."),
        ("ben", start, "Which colours are there?", refused),
        ("cleo", start, "What time is it?", "Noon."),
    ]
    _send(store, settings, now, calls)
    assert implicit.run(JobContext(store, settings, start + timedelta(minutes=70))) == (0, "0 hours"), "too early"
    assert review_conversations(store, now) == 1
    assert review_conversations(store, now) == 0
    refresh(store, settings, now)

    def shares() -> dict[str, tuple[float | None, int]]:
        found = feedback_series(store, project, BlockLength.HOUR, start - DAY, start + DAY)
        return {one.name: (one.total.mean, one.total.n) for one in found}

    assert shares() == {"rephrased": (0.25, 4), "repeated": (0.0, 4), "abandoned": (0.25, 4)}
    _send(store, settings, now, [("ben", start + timedelta(minutes=9), "And which sizes?", "Two.")])
    assert review_conversations(store, now) == 1, "a late call: the hour is looked at again"
    refresh(store, settings, now)
    assert shares() == {"rephrased": (0.2, 5), "repeated": (0.0, 5), "abandoned": (0.0, 5)}


def test_conversations_are_reviewed_before_the_sums_of_their_hour_are_made(
    store: Store, settings: Settings, project: int, now: datetime
) -> None:
    start = datetime(2026, 3, 11, 8, 5, tzinfo=UTC)
    calls = [("anna", start, "How do I pay?", "By card."), ("anna", start + timedelta(minutes=1), "How do I pay?", "")]
    _send(store, settings, now, calls, is_summed=False)
    assert review_conversations(store, now) == 1
    assert refresh(store, settings, now) == 2, "the hour and the day, once"
    assert review_conversations(store, now) == 0, "the sums say what the calls said"
    found = feedback_series(store, project, BlockLength.HOUR, start - DAY, start + DAY)
    assert {one.name: one.total.mean for one in found}["repeated"] == 0.5
    _send(store, settings, now, [("ben", start, "And why?", "So.")], is_summed=False)
    assert review_conversations(store, now) == 1, "a late call whose hour is not summed anew"


def test_samples_of_users() -> None:
    everybody = [f"user {number}".encode() for number in range(30_000)]
    first, second = Users.of(everybody[:20_000]), Users.of(everybody[10_000:])
    assert Users.of(everybody[:4000] * 2).count == 4000
    assert first.count == pytest.approx(20_000, rel=0.06)
    assert union([first, second]).count == pytest.approx(30_000, rel=0.06)
    assert overlap(first, second) == pytest.approx(10_000, rel=0.1)
    small = Users.of(everybody[:50])
    assert overlap(small, Users.of(everybody[40:90])) == 10


def test_adoption_by_day_week_and_month(store: Store, settings: Settings, project: int) -> None:
    monday = datetime(2026, 2, 2, tzinfo=UTC)
    now = monday + 29 * DAY + timedelta(hours=1)
    visits = {"anna": (0, 1, 8, 22), "ben": (0, 15), "cleo": (7, 8)}
    calls = [
        (user, monday + day * DAY + timedelta(hours=9, minutes=place), "What?", "That.")
        for user, days in visits.items()
        for day in days
        for place in range(2)
    ]
    _send(store, settings, now, calls)
    assert count_users(store, now) == 6
    assert adoption.run(JobContext(store, settings, now)) == (0, "0 days")
    days = periods(store, project, "day", monday, now)
    assert [(day.start, day.users, day.newcomers, day.calls, day.sessions) for day in days][:3] == [
        (monday, 2, 2, 4, 2),
        (monday + DAY, 1, 0, 2, 1),
        (monday + 7 * DAY, 1, 1, 2, 1),
    ]
    weeks = periods(store, project, "week", monday, now)
    assert [(week.users, week.newcomers, week.returning) for week in weeks] == [
        (2, 2, 0),
        (2, 1, 1),
        (1, 0, 1),
        (1, 0, 1),
    ]
    assert weeks[0].kept == (1, 1, 1), "anna, ben and anna of the two came back"
    assert weeks[1].kept == (0, 0)
    (month,) = periods(store, project, "month", monday - DAY, now) or periods(
        store, project, "month", monday - 9 * DAY, now
    )
    assert (month.start.day, month.users, month.calls) == (1, 3, 16)
    assert week_start(monday + 3 * DAY) == monday
    _send(store, settings, now, [("dora", monday + timedelta(hours=11), "What?", "That.")])
    assert count_users(store, now) == 1
    assert periods(store, project, "day", monday, now)[0].users == 3
