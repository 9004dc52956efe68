"""The demo states what is known of its data: every published figure, the change, and nothing before it."""

from __future__ import annotations

import email
import email.policy
import os
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from monitor.clock import BlockLength, from_microseconds
from monitor.contracts import Kind, Segment
from monitor.demo.sample import WEEKS, switch_time
from monitor.identifiers import project_id
from monitor.profile import Profile, merge
from monitor.queries import alerts as alert_queries
from monitor.queries import options, series
from monitor.queries.calls import CallRow, find_calls
from monitor.queries.conditions import CallFilter
from monitor.queries.explanations import explanations_of
from monitor.store import Store
from tests.demo_store import END, demo_settings, replayed

SWITCH = switch_time(END)
START = END - timedelta(weeks=WEEKS)
PROJECT = project_id("default")

# As published: task, model, calls a snapshot, verdict, its share and the mean characters in March and June.
PUBLISHED = [
    ("prime", "gpt-4", 1000, "accuracy", 0.840, 0.511, 638.3, 3.9),
    ("prime", "gpt-3.5-turbo", 1000, "accuracy", 0.496, 0.762, 730.4, 891.2),
    ("sensitive_questions", "gpt-4", 100, "answered_directly", 0.21, 0.05, 652.4, 141.4),
    ("sensitive_questions", "gpt-3.5-turbo", 100, "answered_directly", 0.02, 0.08, 353.6, 298.4),
    ("leetcode_easy", "gpt-4", 50, "directly_executable", 0.52, 0.10, 401.4, 496.2),
    ("leetcode_easy", "gpt-3.5-turbo", 50, "directly_executable", 0.22, 0.02, 685.3, 698.0),
]
# Exact sums of the authors' bills, US dollars.
COSTS = {("prime", "gpt-4"): (13.82736, 1.07364), ("leetcode_easy", "gpt-4"): (1.05966, 1.12752)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    own = tmp_path_factory.getbasetemp()
    # A worker's folder lies in that of the run, which all workers share.
    return replayed((own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "demo")


@pytest.fixture(scope="module")
def demo(folder: Path) -> Iterator[Store]:
    store = Store.open(demo_settings(folder))
    yield store
    store.close()


def total(store: Store, segment: Segment, signal: str, start: datetime, end: datetime) -> Profile:
    read = series.read_profiles(store, PROJECT, BlockLength.DAY, start, end, signals=[signal], segments=[segment])
    blocks = read[(segment, signal)]
    return merge((block.profile for block in blocks), blocks[0].profile.kind)


@pytest.mark.parametrize(("task", "model", "calls", "verdict", "before", "after", "long", "short"), PUBLISHED)
def test_published_figures_come_out_of_the_store(
    demo: Store, task: str, model: str, calls: int, verdict: str, before: float, after: float, long: float, short: float
) -> None:
    segment = Segment("model_family+feature", f"{model} + {task}")
    for (start, end), share, characters in (((START, SWITCH), before, long), ((SWITCH, END), after, short)):
        judged = total(demo, segment, f"feedback.{verdict}", start, end)
        assert (judged.kind, judged.n) == (Kind.FLAG, calls)
        assert judged.mean == pytest.approx(share, abs=1e-9)
        length = total(demo, segment, "response_characters", start, end)
        assert length.n == calls
        assert round(length.mean or 0, 1) == characters


@pytest.mark.parametrize("case", ["prime", "composite"])
def test_the_swap_that_the_overall_accuracy_hides(demo: Store, case: str) -> None:
    published = {"prime": (0.976, 0.024), "composite": (0.704, 0.998)}
    for (start, end), share in zip(((START, SWITCH), (SWITCH, END)), published[case], strict=True):
        wanted = CallFilter(start, end, Segment("tag.case", case))
        answers = [call for call in all_calls(demo, wanted) if call.model.startswith("gpt-4")]
        right = [note.value for call in answers for note in call.feedback if note.name == "accuracy"]
        assert (len(right), sum(value or 0 for value in right) / 500) == (500, pytest.approx(share))


def all_calls(store: Store, wanted: CallFilter) -> Iterator[CallRow]:
    before = None
    while True:
        page = find_calls(store, PROJECT, wanted, before=before, limit=500)
        yield from page.rows
        before = page.following
        if before is None:
            return


@pytest.mark.parametrize(("task", "model"), list(COSTS))
def test_costs_are_exact(demo: Store, task: str, model: str) -> None:
    segment = Segment("model_family+feature", f"{model} + {task}")
    for (start, end), dollars in zip(((START, SWITCH), (SWITCH, END)), COSTS[task, model], strict=True):
        assert total(demo, segment, "cost_usd", start, end).total == pytest.approx(dollars, abs=1e-9)


def test_nothing_is_alarmed_before_the_switch_and_the_change_is_after_it(demo: Store) -> None:
    incidents = alert_queries.incidents(demo, PROJECT)
    assert incidents
    assert min(incident.opened for incident in incidents) > SWITCH
    alerts = [alert for incident in incidents for alert in incident.alerts]
    found = {(alert.segment.value, alert.signal): alert for alert in alerts}
    for signal, days in (("response_characters", 1), ("feedback.accuracy", 3)):
        alert = found["gpt-4 + prime", signal]
        assert abs(alert.since - SWITCH) <= timedelta(days=1)
        assert alert.opened - SWITCH <= timedelta(days=days, hours=1)
    assert len(incidents) == 1
    assert incidents[0].title == "gpt-4 + prime: accuracy 84.0% → 51.1%, response length 638 → 4 characters"


def test_the_explanation_names_the_snapshot_and_the_numbers_that_are_prime(demo: Store) -> None:
    (incident,) = alert_queries.incidents(demo, PROJECT)
    found = explanations_of(demo, PROJECT, incident.id)
    (alert,) = [
        alert
        for alert in incident.alerts
        if (alert.segment.value, alert.signal) == ("gpt-4 + prime", "feedback.accuracy")
    ]
    explanation = found[alert.id]
    assert explanation.since is not None
    # No call is made at night: by the hour, the first of the day are the first that can differ.
    assert SWITCH <= explanation.since.at < SWITCH + timedelta(hours=12)
    assert explanation.where[0].values == {"tag.case": "prime"}
    assert (explanation.where[0].before or 0) > 0.95
    assert (explanation.where[0].after or 1) < 0.05
    assert explanation.mixture is not None
    assert explanation.mixture.verdict == "behaviour"
    assert explanation.suspects[0].value == "gpt-4-0613"
    lead = next(found[one.id] for one in incident.alerts if one.id in found)
    assert {word.text for word in lead.response_words if word.score > 0} & {"no", "yes"}
    assert lead.examples_after


def mails(folder: Path) -> list[tuple[str, str, str]]:
    read = []
    for path in sorted((folder / "mails").glob("*.eml")):
        message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        text = message.get_body(("plain",))
        html = message.get_body(("html",))
        assert text is not None
        assert html is not None
        read.append((str(message["subject"]), text.get_content(), html.get_content()))
    return read


def test_mails_state_the_change(folder: Path) -> None:
    told = [mail for mail in mails(folder) if "gpt-4 + prime" in mail[0]]
    subject, text, html = told[0]
    assert "638 -> 4 characters" in subject
    for body in (text, html):
        assert "638" in body
        assert f"since {SWITCH:%-d %b}" in body.replace("Since", "since")
        assert "95% interval" in body
        assert "/explorer?" in body
        assert "gpt-4-0613 first seen" in " ".join(body.split())
    # Twenty-five calls of the first day are too few to say why; those of the third are enough.
    subject, text, html = next(mail for mail in told if "Worse" in mail[0])
    assert re.search(r"gpt-4 \+ prime: accuracy 8\d\.\d% -> [45]\d\.\d%", subject)
    assert "What explains it" in html
    assert "WHAT EXPLAINS IT" in text


def test_the_weekly_summary_has_the_figures_of_all_calls_since(folder: Path) -> None:
    last = mails(folder)[-1]
    assert "51.1" in last[1]
    assert "84.0" in last[1]


def test_every_time_is_told_once(folder: Path) -> None:
    subjects = [subject for subject, _, _ in mails(folder)]
    assert len(subjects) == len(set(subjects))
    assert len(subjects) <= 12


def test_the_page_says_that_arrival_times_are_synthetic(demo: Store) -> None:
    (project,) = [found for found in options.projects(demo) if found.id == PROJECT]
    assert "synthetic" in project.note
    assert from_microseconds(0) < END
