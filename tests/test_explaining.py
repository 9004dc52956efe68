"""Explanations in the store: made after the alarm, from bounded samples, told in mails, pages and the API."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from dash._utils import to_json
from sqlalchemy import select

from dashboards.filters import Request
from dashboards.pages.alerts import PAGE
from monitor import tables
from monitor.alerts import HOLD, deliver, explain_alerts, explaining, update
from monitor.clock import to_microseconds
from monitor.contracts import WHOLE
from monitor.identifiers import Pseudonyms, new_id
from monitor.queries import alerts as queries
from monitor.queries.explanations import explanations_of
from monitor.queries.samples import bodies, sampled_calls
from monitor.records import Feedback, Message, Span
from monitor.rows import body_row, feedback_row, span_row
from monitor.settings import Settings
from monitor.store import Store, table_of
from monitor.vectors import text_vectors
from tests.enrichments import put_signals
from tests.verdicts import ACCURACY, DAY, SWITCH, evening, flags, pack, say, write_profile

DAYS = 11
LAST = DAYS - 1
CALLS = 1_800


def span(number: int, day: int, dice: random.Random) -> tuple[Span, Feedback]:
    """One call; since the switch the free plan in prime gets short refusals, which people dislike."""
    plan, feature = dice.choice(["free", "pro"]), dice.choice(["prime", "chat", "code"])
    worse = day >= 9 and plan == "free" and feature == "prime"
    moment = SWITCH + (day - 9) * DAY + timedelta(seconds=dice.randrange(86_000))
    user = f"user-{dice.randrange(150)}"
    trace = f"{number:032x}"
    call = Span(
        trace_id=trace,
        span_id=f"{number:016x}",
        time=moment,
        user=Pseudonyms(b"key").of(user),
        provider="openai",
        model="gpt-4-0613" if day >= 9 and feature == "prime" else "gpt-4-0314",
        feature=feature,
        tags={"plan": plan},
        prompt=(Message("user", dice.choice(["is this a prime number", "write a poem", "sort this list please"])),),
        response="sorry cannot help with that" if worse else dice.choice(["step one then two", "here you are"]),
    )
    good = dice.random() < (0.2 if worse else 0.85)
    return call, Feedback(
        name="accuracy", time=moment, trace_id=trace, span_id=call.span_id, value=float(good), flag=True
    )


@pytest.fixture
def told(store: Store, settings: Settings, project: int) -> Store:
    """A store with eleven days of calls and an alarm of all traffic that waits for its explanation."""
    dice = random.Random(5)
    received = to_microseconds(evening(LAST))
    spans, texts, signals, notes = [], [], [], []
    for number in range(1, CALLS):
        day = number * DAYS // CALLS
        call, note = span(number, day, dice)
        identifier = new_id(call.time)
        spans.append(span_row(project, identifier, call, received))
        texts.append(body_row(project, identifier, call))
        vectors = zip(
            ("prompt_meaning", "response_meaning"), text_vectors([call.prompt_text, call.response]), strict=True
        )
        signals.append((identifier, {"calls": True, "response_characters": len(call.response), **dict(vectors)}))
        notes.append(feedback_row(project, new_id(call.time), number.to_bytes(8, "big"), note, call.time))
    with store.write() as connection:
        store.insert_encoded(connection, tables.Span, spans)
        store.insert(connection, tables.Body, [row for row in texts if row])
        put_signals(store, connection, project, signals)
        store.insert(connection, tables.Feedback, notes)
    for day in range(DAYS):
        write_profile(store, day, "calls", WHOLE, flags(1.0, CALLS // DAYS))
        write_profile(store, day, ACCURACY, WHOLE, flags(0.85, CALLS // DAYS))
    say(store, LAST, "bad", segment=WHOLE, before=0.85, after=0.75, n=300)
    update(store, settings, evening(LAST), pack(), hold=HOLD)
    return store


def mail(store: Store) -> tuple[str, int]:
    notification = table_of(tables.Notification)
    with store.read() as connection:
        row = connection.execute(select(notification.c.text, notification.c.due)).one()
    return row.text, row.due


def test_an_alarm_explains_itself(told: Store, settings: Settings, project: int) -> None:
    assert mail(told)[1] == to_microseconds(evening(LAST) + HOLD)
    assert deliver(told, settings, evening(LAST)) == 0
    assert explain_alerts(told, settings, evening(LAST)) == 1
    (incident,) = queries.open_incidents(told, project)
    (found,) = explanations_of(told, project, incident.id).values()
    assert found.where[0].values == {"tag.plan": "free", "feature": "prime"}
    assert found.since is not None
    assert found.since.at == SWITCH
    assert found.mixture is not None
    assert found.mixture.verdict == "behaviour"
    assert found.mixture.mix + found.mixture.behaviour == pytest.approx(found.mixture.change, abs=1e-9)
    assert "sorry cannot help" in {one.text for one in found.response_words[:3]} | {
        " ".join(one.text.split()[:3]) for one in found.response_words[:3]
    }
    assert (found.suspects[0].dimension, found.suspects[0].value) == ("model", "gpt-4-0613")
    assert found.examples_before
    assert found.examples_after
    text, due = mail(told)
    assert due == to_microseconds(evening(LAST))
    assert "plan free" in text
    assert "Calls of the same kind behave differently" in text
    assert "sorry cannot help" in text
    assert deliver(told, settings, evening(LAST)) == 1
    # Nothing is new: nothing is explained again, until a newer day is judged.
    assert explain_alerts(told, settings, evening(LAST) + timedelta(minutes=1)) == 0
    say(told, LAST + 1, "bad", segment=WHOLE, before=0.85, after=0.74, n=300)
    update(told, settings, evening(LAST + 1), pack(), hold=HOLD)
    assert explain_alerts(told, settings, evening(LAST + 1)) == 1


def test_an_explanation_that_fails_stops_no_alarm(
    told: Store, settings: Settings, project: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(explaining, "explain", broken)
    assert explain_alerts(told, settings, evening(LAST)) == 1
    assert "WHAT EXPLAINS IT" not in mail(told)[0]
    assert deliver(told, settings, evening(LAST)) == 1


def test_a_message_goes_out_unexplained_when_its_hold_is_over(told: Store, settings: Settings) -> None:
    assert deliver(told, settings, evening(LAST) + HOLD) == 1


def test_samples_are_bounded_and_repeatable(told: Store, project: int) -> None:
    def read(limit: int, signal: str = "prompt_meaning") -> list[int]:
        start, end = SWITCH - 9 * DAY, SWITCH + 2 * DAY
        found = sampled_calls(told, project, start, end, segment=WHOLE, signal=signal, keep=(), limit=limit, seed=7)
        return [call.id for call in found]

    assert len(read(10_000)) == 1_799
    few = read(400)
    assert 300 <= len(few) <= 460
    assert few == read(400)
    assert len(read(10_000, "feedback.accuracy")) == 1_799
    assert read(10_000, "feedback.nobody_said") == []
    texts = bodies(told, project, few[:3])
    assert all(body.response for body in texts)
    assert bodies(told, project, [1])[0].response == ""


def test_pages_show_the_explanation(told: Store, settings: Settings, project: int) -> None:
    explain_alerts(told, settings, evening(LAST))
    (incident,) = queries.open_incidents(told, project)
    now = evening(LAST)
    for parameters in ({"incident": str(incident.id)}, {}):
        request = Request(told, settings, "/alerts", "default", project, now - 7 * DAY, now, now, parameters=parameters)
        shown = to_json(PAGE.layout(request))
        assert "plan free" in shown
        assert "sorry cannot help" in shown
        assert ("Adds by mix" in shown) == bool(parameters)
