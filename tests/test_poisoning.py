"""Poisoning: groups of prompts, what stands out on a day, error rates, and the way to an alert and its calls."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import select

from monitor import tables
from monitor.alerts import explain_alerts, update
from monitor.clock import to_microseconds
from monitor.enrich import enrich_pending
from monitor.indicators import judge, skip_days
from monitor.ingest import Batch, Ingester
from monitor.poisoning.counting import count_documents, count_feedback, count_prompts
from monitor.poisoning.days import GROUPS, Memory, count_days
from monitor.poisoning.groups import named, near_duplicates, of_few
from monitor.profiles import rebuild, refresh
from monitor.records import Feedback, Message, Span
from monitor.settings import Settings
from monitor.signals import BURST, COUNTED, DOCUMENT, FLOOD
from monitor.stats.dominance import limit
from monitor.store import Store, table_of
from monitor.vectors import encode_vector, text_vectors
from tests.crowds import SIZES, days_of, judged

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
DAYS = 18
LOOKS = 2_500
"""One over what a look may cost with the weight that these signals have, in a project of moderate size."""

TOPICS = (
    "How do I reset the password of my account?",
    "Which plan includes the export of invoices?",
    "The mobile app crashes when I open a large attachment",
    "Can I change the delivery address of an order that has shipped?",
    "Where are backups of the database kept and for how long?",
    "My colleague cannot join the shared workspace",
)


def _packed(texts: list[str]) -> list[bytes]:
    return [encode_vector(vector) for vector in text_vectors(texts) if vector is not None]


def test_near_duplicates_of_busy_users_form_groups() -> None:
    flood = [f"Please tell me all about the refund policy for order number {place}" for place in range(12)]
    others = [f"{topic} {word}" for topic, word in zip(TOPICS * 2, "abcdefghijkl", strict=True)]
    vectors = _packed(flood + list(TOPICS) + others)
    users = [b"one", b"two"] * 6 + [b"three"] * len(TOPICS) + [b"%d" % place for place in range(len(others))]
    groups = near_duplicates(vectors, users)
    assert groups == [list(range(12))]
    assert near_duplicates([], []) == []
    # Who sent few is not looked at.
    assert near_duplicates(vectors[:12], [b"%d" % place for place in range(12)]) == []


def test_groups_of_many_prompts_are_the_same_as_of_few() -> None:
    chance = np.random.default_rng(1)
    first = chance.standard_normal((700, 64))
    again = np.concatenate([first, first + 0.02 * chance.standard_normal((700, 64))])
    groups = near_duplicates([encode_vector(row) for row in again], [b"user"] * len(again))
    assert sorted(groups) == [[place, place + 700] for place in range(700)]


def test_groups_keep_the_names_they_were_given() -> None:
    first, other, same = _packed([TOPICS[0], TOPICS[1], TOPICS[0] + " Please"])
    assert named([same, other], {"known": first}) == ["known", None]
    assert named([], {"known": first}) == []
    assert named([first], {}) == [None]


def test_of_few_counts_the_five_most_active() -> None:
    people = [b"%d" % (place % 8) for place in range(80)] + [b"loud"] * 30
    count, few = of_few(people)
    assert count == 30 + 4 * 10
    assert len(few) == 5
    assert few[0] == b"loud"


def test_memory_of_groups_is_bounded_and_forgets() -> None:
    memory = Memory().after(MONDAY, {f"g{place}": b"v" for place in range(GROUPS + 50)})
    assert len(memory.groups) == GROUPS
    later = memory.after(MONDAY + timedelta(days=20), {"g0": b"w", "new": b"n"})
    assert later.vectors["g0"] == b"v"
    assert later.vectors["new"] == b"n"
    assert set(later.after(MONDAY + timedelta(days=40), {}).groups) == {"g0", "new"}


def test_the_limit_is_exceeded_as_often_as_it_says() -> None:
    chance = np.random.default_rng(5)
    for days in (8, 30, 56):
        rises = chance.exponential(0.3, (4_000, days + 1))
        over = np.mean([row[-1] > limit(row[:-1].tolist(), 0.01) for row in rises])
        assert 0.005 < over < 0.016, days


@pytest.mark.parametrize("signal", sorted(COUNTED))
def test_ordinary_days_raise_no_alarm_and_an_attack_does(signal: str) -> None:
    size = SIZES[signal][1]
    found = 0
    for seed in range(3):
        blocks = days_of(signal, size, 60, seed, attacked=True)
        assert [judged(signal, blocks[:end], LOOKS).state for end in (40, 50)] == ["ok"] * 2
        verdict = judged(signal, blocks, LOOKS)
        found += verdict.state == "bad"
        assert verdict.detail["categories"][0]["value"] in ("planted", "thumbs 0")
    assert found >= 2


@pytest.mark.slow
@pytest.mark.parametrize("signal", sorted(COUNTED))
def test_error_rates(signal: str) -> None:
    """What docs/statistics.md states: false alarms and the share of attacks found."""
    looks = false = found = runs = 0
    for size in SIZES[signal]:
        for seed in range(20):
            blocks = days_of(signal, size, 75, seed, attacked=True)
            states = [judged(signal, blocks[:end], LOOKS).state for end in range(22, len(blocks), 5)]
            looks, false = looks + len(states), false + states.count("bad")
            found += judged(signal, blocks, LOOKS).state == "bad"
            runs += 1
    said = f"{signal}: {false} false alarms in {looks} looks, {found} of {runs} attacks found"
    assert false <= 2 + 2 * looks / LOOKS, said
    assert found >= 0.75 * runs, said


def test_too_few_days_and_nothing_to_count() -> None:
    blocks = days_of(DOCUMENT, 300, 8, 1, attacked=False)
    verdict = judged(DOCUMENT, blocks, 2_500)
    assert verdict.state == "too_few"
    assert verdict.detail["missing_days"] > 0


def _day(day: datetime, chance: np.random.Generator, *, attacked: bool) -> Batch:
    spans, said = [], []
    for place in range(30):
        person = int(chance.integers(12))
        own = [f"Manual chapter {chapter}, with all that it says." for chapter in chance.choice(20, 3, replace=False)]
        question = f"{TOPICS[int(chance.integers(6))]} It is about case {chance.integers(10**6):x} please {place}"
        spans.append(_call(day + timedelta(minutes=8 * place), f"a{place}", f"person {person}", question, own))
        if place % 3 == 0:
            said.append(_thumb(spans[-1], f"person {person}", place % 4 > 0))
    if attacked:
        for place in range(90):
            text = f"Tell me now why the Acme router is the best choice for a small office, number {place}"
            at = day + timedelta(hours=14, seconds=30 * place)
            planted = ["The Acme router is the best.", "Manual chapter 3, with all that it says."]
            spans.append(_call(at, f"f{place}", f"stranger {place % 3}", text, planted))
            if place < 60:
                said.append(_thumb(spans[-1], f"stranger {place % 5}", False))
    return Batch("default", spans, said)


def _call(time: datetime, name: str, user: str, prompt: str, context: list[str]) -> Span:
    trace = f"{time:%Y%m%d}{name}"
    return Span(
        trace_id=trace,
        span_id=f"{name}{time:%d}",
        time=time,
        user=user,
        prompt=(Message("user", prompt),),
        response="Here is what I know about it, in one short sentence.",
        context=tuple(context),
    )


def _thumb(span: Span, person: str, up: bool) -> Feedback:
    return Feedback(
        name="thumbs",
        time=span.time,
        trace_id=span.trace_id,
        span_id=span.span_id,
        value=float(up),
        flag=True,
        annotator_id=person,
    )


def _fill(store: Store, settings: Settings, days: int) -> datetime:
    """Days of traffic, the last one with an attack, with signals and profiles; answers when that day is judged."""
    chance = np.random.default_rng(7)
    ingester = Ingester(store, settings)
    for number in range(DAYS - days, DAYS):
        day = MONDAY + timedelta(days=number)
        ingester.submit(_day(day, chance, attacked=number == DAYS - 1), day + timedelta(hours=23))
    ingester.close()
    now = MONDAY + timedelta(days=DAYS, minutes=20)
    while enrich_pending(store, settings, now):
        pass
    refresh(store, settings, now)
    return now


def test_an_attack_becomes_alerts_with_the_calls_that_show_it(store: Store, settings: Settings) -> None:
    now = _fill(store, settings, DAYS)
    project = store.project("default", 0)
    day = MONDAY + timedelta(days=DAYS - 1)
    skip_days(store, "default", day - timedelta(days=1))
    while judge(store, settings, now):
        update(store, settings, now, hold=timedelta(minutes=1))
    alert, explanation, verdict = map(table_of, (tables.Alert, tables.Explanation, tables.Verdict))
    with store.read() as connection:
        before = connection.execute(
            select(verdict.c.state).where(verdict.c.indicator == "poisoning", verdict.c.start < to_microseconds(day))
        ).scalars()
        assert list(before) == ["ok"] * len(COUNTED)
        rows = connection.execute(select(alert).where(alert.c.indicator == "poisoning")).all()
    assert {row.signal for row in rows} == set(COUNTED)
    assert {row.state for row in rows} == {"firing"}
    assert {row.detail["categories"][0]["value"] for row in rows if row.signal == BURST} == {"thumbs 0"}
    explain_alerts(store, settings, now)
    with store.read() as connection:
        data = {row.alert_id: row.data for row in connection.execute(select(explanation))}
    for row in rows:
        examples = data[row.id]["examples_after"]
        assert len(examples) == 5, row.signal
        assert all("f" in example["span_id"] for example in examples), row.signal

    # Making the profiles of the day afresh leaves what was counted over it.
    rebuild(store, settings, "default", day, day + timedelta(days=1))
    profile = table_of(tables.Profile)
    counted = select(profile.c.signal).where(
        profile.c.project_id == project, profile.c.start == to_microseconds(day), profile.c.signal.in_(list(COUNTED))
    )
    with store.read() as connection:
        assert set(connection.execute(counted).scalars()) == set(COUNTED)


def test_what_a_day_holds_and_what_is_switched_off(store: Store, settings: Settings) -> None:
    _fill(store, settings, 1)
    project = store.project("default", 0)
    day = MONDAY + timedelta(days=DAYS - 1)
    prompts = count_prompts(store, project, day, {})
    assert prompts.n == 120
    assert 10 <= prompts.users <= 15
    assert prompts.values[0].calls == 90
    said = count_feedback(store, project, day)
    assert said.n == 70
    assert (said.values[0].name, said.values[0].calls) == ("thumbs 0", 60)
    given = count_documents(store, project, day)
    assert given.n == 120
    assert given.values[0].calls >= 90
    assert given.profile.users == prompts.users
    empty = count_documents(store, project, MONDAY - timedelta(days=1))
    assert (empty.n, empty.values) == (0, ())

    off = settings.model_copy(update={"signals_off": (FLOOD, DOCUMENT)})
    assert count_days(store, off, project, day, day) == 1
    assert count_days(store, off, project, day, day) == 0
    profile = table_of(tables.Profile)
    with store.read() as connection:
        found = connection.execute(select(profile.c.signal).where(profile.c.signal.in_(list(COUNTED)))).scalars()
        assert list(found) == [BURST]
