"""Back-tests of stored history, two ranges, and the pages that show them: what was planted is found, and told."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dashboards.app import Context, render
from monitor import cli
from monitor.contracts import WHOLE, Segment
from monitor.errors import Busy, InputError, NotFound
from monitor.hindsight.history import replay_history
from monitor.hindsight.running import Children, run_and_keep
from monitor.queries import backtests
from monitor.queries.backtests import Wanted, checked
from monitor.queries.ranges import compare_ranges
from monitor.settings import Settings
from monitor.store import Store
from monitor.web.gate import need_of
from tests import seeding
from tests.conftest import NOW
from tests.test_api import client_of
from tests.test_pages import PAGES, check, failed, texts
from tests.test_trials import fill as fill_trial

DAY = timedelta(days=1)
TWO_WEEKS = Wanted(weeks=2, block="day", budget=1.0)
ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For what is the same whatever the database."""


def nothing(_done: int, _days: int) -> None:
    """Progress that nobody watches."""


def shown(store: Store, settings: Settings, path: str, search: str = "") -> Any:
    tree = render(PAGES[path], Context(store, settings).request(path, search, NOW))
    check(tree)
    assert not failed(tree)
    return tree


def test_the_planted_change_is_raised_on_its_first_day_and_nothing_before(store: Store, settings: Settings) -> None:
    seeding.fill(store, settings, NOW, users=35)
    days: list[tuple[int, int]] = []
    found = replay_history(store, settings, "default", TWO_WEEKS, NOW, day_done=lambda *progress: days.append(progress))
    assert days == [(day, 14) for day in range(1, 15)]
    assert found.expected_false_alarms == pytest.approx(14 / 91)
    change = NOW.replace(hour=0, minute=0) - 3 * DAY
    assert {alarm.raised - timedelta(minutes=20) for alarm in found.alarms} <= {change + DAY, change + 2 * DAY}
    assert {alarm.alert.since for alarm in found.alarms} == {change}
    # Segments of the seeded store are as large as all traffic, so that they are not judged apart.
    raised = {alarm.alert.signal for alarm in found.alarms if alarm.alert.segment == WHOLE}
    assert raised == {"response_characters", "feedback.accuracy", "format"}
    assert len(found.alarms) == 3
    lead = found.alarms[0]
    assert ("model", "gpt-4-0613") in {(item.segment.dimension, item.segment.value) for item in lead.drivers}


def test_what_cannot_be_replayed_is_said(store: Store, settings: Settings, project: int) -> None:
    with pytest.raises(NotFound, match="no project 'nowhere'"):
        replay_history(store, settings, "nowhere", TWO_WEEKS, NOW, day_done=nothing)
    with pytest.raises(InputError, match="no past"):
        run_and_keep(store, settings, "default", TWO_WEEKS, NOW, day_done=nothing)
    standing = backtests.standing(store, project)
    assert standing is not None
    assert standing.state == "failed"
    assert "failed" in texts(PAGES["/backtest"].layout(Context(store, settings).request("/backtest", "", NOW)))
    for weeks, block, budget in ((0, "day", 1.0), (27, "day", 1.0), (2, "week", 1.0), (2, "day", 0.0)):
        with pytest.raises(InputError):
            checked(weeks, block, budget)


@ON_SQLITE
def test_one_back_test_at_a_time_and_its_result_stays_until_the_next(store: Store, settings: Settings) -> None:
    project = seeding.fill(store, settings, NOW, users=35)
    assert "No back-test has been made yet" in texts(shown(store, settings, "/backtest"))
    backtests.ask(store, project, TWO_WEEKS, NOW)
    assert backtests.asked(store) == [(project, "default")]
    assert "It begins within some seconds" in texts(shown(store, settings, "/backtest"))
    with pytest.raises(Busy):
        backtests.ask(store, project, TWO_WEEKS, NOW + timedelta(minutes=1))
    backtests.change(store, project, state="running", days=14, done_days=3)
    assert "3 of 14 days replayed" in texts(shown(store, settings, "/backtest"))
    run_and_keep(store, settings, "default", TWO_WEEKS, NOW, day_done=nothing)
    client = client_of(store, settings)
    answer = client.get("/api/v1/backtest").get_json()
    assert (answer["state"], answer["weeks"], answer["result"]["judged_days"]) == ("done", 2, 14)
    told = texts(shown(store, settings, "/backtest"))
    for part in ("≤ 0.15", "Response length", "one was open", "14 judged days"):
        assert part in told, part
    backtests.ask(store, project, TWO_WEEKS, NOW)
    assert "Response length" in texts(shown(store, settings, "/backtest"))
    silent = NOW + timedelta(minutes=6)
    standing = backtests.standing(store, project)
    assert standing is not None
    assert not standing.is_under_way(silent)
    backtests.ask(store, project, TWO_WEEKS, silent)


def test_the_worker_begins_it_in_a_process_of_its_own(tmp_path: Path, sqlite_template: Path) -> None:
    import shutil

    shutil.copy(sqlite_template, tmp_path / "store.db")
    settings = Settings(database_url=f"sqlite:///{tmp_path / 'store.db'}")
    store = Store.open(settings)
    project = seeding.fill(store, settings, NOW, users=35, days=14)
    children = Children()
    assert children.look_after(store, settings, NOW) == 0
    backtests.ask(store, project, Wanted(weeks=1, block="day", budget=2.0), NOW)
    assert children.look_after(store, settings, NOW) == 1
    children.wait()
    assert children.look_after(store, settings, NOW) == 0
    standing = backtests.standing(store, project)
    assert standing is not None
    assert (standing.state, standing.note) == ("done", "")
    assert standing.result is not None
    assert standing.result["judged_days"] == 7
    assert {alarm["signal"] for alarm in standing.result["alarms"]} >= {"response_characters", "format"}
    store.close()


def test_the_command_wants_a_file_or_a_project(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.run(["backtest"]) == 2
    assert "Name a FILE, or a --project" in capsys.readouterr().err
    assert cli.run(["backtest", "log.jsonl", "--project", "default"]) == 2


def test_ranges_tell_what_changed_and_what_did_not(store: Store, settings: Settings) -> None:
    project = seeding.fill(store, settings, NOW, users=35)
    end = NOW.replace(hour=0, minute=0)
    change = end - 3 * DAY
    found = {
        item.signal.name: item
        for item in compare_ranges(store, project, WHOLE, (change, end), (change - 14 * DAY, change))
    }
    assert found["feedback.accuracy"].state == "bad"
    assert found["response_characters"].state == "moved"
    assert found["format"].state == "moved"
    assert found["latency_s"].state == found["refusal"].state == "ok"
    assert found["response_characters"].distances["ks"] > 0.9
    assert found["latency_s"].distances["ks"] < 0.1
    calm = compare_ranges(store, project, WHOLE, (change - 7 * DAY, change), (change - 14 * DAY, change - 7 * DAY))
    assert {item.state for item in calm} == {"ok"}
    assert compare_ranges(store, project, Segment("feature", "none"), (change, end), (change - DAY, change)) == []


@ON_SQLITE
def test_the_page_compares_ranges(store: Store, settings: Settings) -> None:
    seeding.fill(store, settings, NOW, users=35)
    told = texts(shown(store, settings, "/compare", "?what=ranges&range=3d"))
    for part in ("Response length", "Worse", "without a relevant change", "PSI"):
        assert part in told, part
    told = texts(shown(store, settings, "/compare", "?what=ranges&before_from=1999-01-01&before_to=1999-01-09"))
    assert "choose other days" in told
    told = texts(shown(store, settings, "/compare", "?what=ranges&before_from=soon"))
    assert "is not a time" in told


@ON_SQLITE
def test_the_page_compares_variants(store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    from monitor.profiles import refresh

    fill_trial(store, settings)
    refresh(store, settings, NOW)
    asked = "?project=trial&by=prompt_version&first=v1&second=v2"
    assert "Choose two variants above" in texts(shown(store, settings, "/compare", "?project=trial"))
    told = texts(shown(store, settings, "/compare", asked))
    for part in ("v2 is better", "120 users", "Standardised", "segment=prompt_version%3Av1"):
        assert part in told, part
    assert "are the same" in texts(shown(store, settings, "/compare", asked.replace("v2", "v1")))
    assert "has prompt_version" in texts(shown(store, settings, "/compare", asked.replace("v2", "v9")))
    assert "one model only" in texts(shown(store, settings, "/compare", "?project=trial&by=model&first=a&second=b"))
    assert "not told apart by that" in texts(shown(store, settings, "/compare", "?project=trial&by=weather"))
    monkeypatch.setattr("dashboards.variants.MOST_CALLS", 100)
    told = texts(shown(store, settings, "/compare", asked))
    assert "llmops-monitor ab v1 v2 --dimension prompt_version --project trial --from" in told
    assert "v2 is better" not in told


def test_variants_need_two_values(store: Store, settings: Settings, project: int) -> None:
    tree = PAGES["/compare"].layout(Context(store, settings).request("/compare", "", NOW))
    assert "Nothing tells calls apart yet" in texts(tree)


def test_the_budget_page_has_the_ledger_and_the_marks(store: Store, settings: Settings) -> None:
    from monitor.queries import alerts
    from monitor.queries.ledger import mark_incident_false

    project = seeding.fill(store, settings, NOW)
    told = texts(shown(store, settings, "/budget"))
    for part in ("Worth a look today", "never mailed", "It was a false alarm", "in 2 incidents", "Nothing spent yet"):
        assert part in told, part
    (incident,) = alerts.open_incidents(store, project)
    mark_incident_false(store, project, incident.id, by="ann", now=NOW)
    told = texts(shown(store, settings, "/budget"))
    assert "Marked false by ann" in told
    assert "An assumption looks broken" in told
    assert "Take back" in texts(shown(store, settings, "/alerts", f"?incident={incident.id}"))
    with pytest.raises(NotFound):
        mark_incident_false(store, project, 1, by="", now=NOW)


def test_marks_need_a_person() -> None:
    assert need_of("POST", "/api/v1/incidents/1/false") == "login"
    assert need_of("POST", "/api/v1/declared") == "login"
    assert need_of("GET", "/api/v1/incidents") == "read"


@ON_SQLITE
def test_documents_are_json(store: Store, settings: Settings) -> None:
    from monitor.hindsight.history import as_document

    seeding.fill(store, settings, NOW, users=35, days=14)
    found = replay_history(store, settings, "default", Wanted(weeks=1, block="hour", budget=1), NOW, day_done=nothing)
    document = json.loads(json.dumps(as_document(found)))
    assert document["block"] == "hour"
    assert document["judged_days"] == 7
    assert document["alarms"]
