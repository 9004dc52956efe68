"""`backtest`: a log is replayed as if live, and the alarms are those that were planted."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from monitor import cli
from monitor.contracts import WHOLE
from monitor.files.day_spool import DaySpool
from monitor.identifiers import project_id
from monitor.indicators import judge, skip_days
from monitor.queries.verdicts import verdict_history
from monitor.records import Feedback, Span
from monitor.settings import Settings
from monitor.store import Store
from tests.verdicts import START as FIRST
from tests.verdicts import flags, write_profile

START = datetime(2026, 1, 5, tzinfo=UTC)
DAYS = 30
CALLS_A_DAY = 70
CHANGE = START + timedelta(days=22)
LEARNT = START + timedelta(days=18)


def rows(seed: int, change: datetime | None = None) -> list[dict[str, Any]]:
    """Four weeks of calls; from the change on a new release solves far fewer searches."""
    chance = random.Random(seed)
    found = []
    for number in range(DAYS * CALLS_A_DAY):
        moment = START + timedelta(days=number // CALLS_A_DAY, seconds=chance.randrange(86_400))
        feature = chance.choice(("search", "support"))
        changed = change is not None and moment >= change
        solved = chance.random() < (0.45 if changed and feature == "search" else 0.9)
        found.append(
            {
                "id": f"call-{number}",
                "time": moment.isoformat(),
                "user_id": f"user-{chance.randrange(2000)}",
                "model": "gpt-4-0613",
                "release": "2.1" if changed else "2.0",
                "feature": feature,
                "prompt": "Where is my parcel?",
                "response": f"It is on its way and should arrive in {chance.randrange(2, 9)} days.",
                "latency_s": round(chance.lognormvariate(0, 0.4), 3),
                "feedback": [{"name": "solved", "value": solved}],
            }
        )
    return found


def write(path: Path, records: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def run(*arguments: str) -> Any:
    return CliRunner().invoke(cli.commands, ["backtest", *arguments], standalone_mode=False)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log with a planted change, its rows in no order."""
    records = rows(1, CHANGE)
    random.Random(3).shuffle(records)
    return write(tmp_path_factory.mktemp("log") / "planted.jsonl", records)


@pytest.fixture(scope="module")
def report(planted: Path) -> dict[str, Any]:
    """What is found in it, from the one document on stdout."""
    done = run(str(planted), "--baseline-until", f"{LEARNT:%Y-%m-%d}", "--json")
    assert done.exception is None, done.output
    assert done.return_value == 0
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def test_the_planted_change_is_found_where_and_when_it_was(report: dict[str, Any]) -> None:
    alarms = report["alarms"]
    assert {alarm["signal"] for alarm in alarms} == {"feedback.solved"}
    assert {"dimension": "feature", "value": "search"} in [alarm["segment"] for alarm in alarms]
    assert {"dimension": "feature", "value": "support"} not in [alarm["segment"] for alarm in alarms]
    for alarm in alarms:
        assert alarm["indicator"] == "quality"
        assert alarm["severity"] in ("serious", "critical")
        assert alarm["direction"] == "down"
        assert alarm["after"] < alarm["before"]
        assert alarm["low"] <= alarm["after"] <= alarm["high"]
        assert alarm["effect_high"] < 0
        assert abs(datetime.fromisoformat(alarm["since"]) - CHANGE) <= timedelta(days=1)
        assert datetime.fromisoformat(alarm["time"]) > CHANGE
        assert alarm["reason"].startswith("Solved fell from")
    search = next(alarm for alarm in alarms if alarm["segment"]["value"] == "search")
    assert datetime.fromisoformat(search["time"]) <= CHANGE + timedelta(days=4)
    assert 0.85 < search["before"] < 0.95
    assert 0.3 < search["after"] < 0.65


def test_an_alarm_names_what_else_changed(report: dict[str, Any]) -> None:
    for alarm in report["alarms"]:
        assert [(item["dimension"], item["value"]) for item in alarm["drivers"]] == [("release", "2.1")]
        assert datetime.fromisoformat(alarm["drivers"][0]["first_seen"]) - CHANGE < timedelta(hours=2)


def test_the_report_says_what_was_watched(report: dict[str, Any]) -> None:
    assert report["calls"] == DAYS * CALLS_A_DAY
    assert report["days"] == DAYS
    assert report["judged_days"] == DAYS - 18
    assert report["budget"] == 1
    assert report["expected_false_alarms"] == pytest.approx(12 / 91, abs=1e-4)


@pytest.fixture(scope="module")
def outage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen days at 20 calls an hour; on the last one calls fail from noon on."""
    chance = random.Random(7)
    failing = START + timedelta(days=15, hours=12)
    records = []
    for number in range(16 * 24 * 20):
        moment = START + timedelta(hours=number // 20, seconds=chance.randrange(3600))
        fails = chance.random() < (0.6 if moment >= failing else 0.02)
        records.append(
            {
                "id": f"call-{number}",
                "time": moment.isoformat(),
                "user_id": f"user-{chance.randrange(5000)}",
                "model": "gpt-4-0613",
                "prompt": "Where is my parcel?",
                "response": "" if fails else "It is on its way.",
                "status": "error" if fails else "ok",
                "latency_s": 1.0,
            }
        )
    return write(tmp_path_factory.mktemp("log") / "outage.jsonl", records)


def test_by_the_hour_an_outage_is_raised_within_two_hours(outage: Path) -> None:
    done = run(str(outage), "--baseline-until", f"{START + timedelta(days=14):%Y-%m-%d}", "--block", "hour", "--json")
    assert done.exception is None, done.output
    report = json.loads(done.stdout)
    assert report["block"] == "hour"
    failing = START + timedelta(days=15, hours=12)
    (alarm,) = [item for item in report["alarms"] if item["signal"] == "error"]
    assert alarm["indicator"] == "errors"
    assert alarm["lane"] == "hour"
    assert alarm["evidence"] >= alarm["threshold"]
    assert failing < datetime.fromisoformat(alarm["time"]) <= failing + timedelta(hours=2, minutes=15)
    assert abs(datetime.fromisoformat(alarm["since"]) - failing) <= timedelta(hours=1)
    assert all(datetime.fromisoformat(item["time"]) > failing for item in report["alarms"])


def test_nothing_is_raised_while_learning(planted: Path) -> None:
    until = CHANGE + timedelta(days=3)
    done = run(str(planted), "--baseline-until", until.isoformat(), "--json")
    assert done.return_value == 0
    assert all(datetime.fromisoformat(alarm["time"]) > until for alarm in json.loads(done.stdout)["alarms"])


def test_a_stable_log_raises_nothing_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    log = write(tmp_path / "stable.jsonl", rows(2))
    done = run(str(log), "--baseline-until", f"{LEARNT:%Y-%m-%d}", "--budget", "2")
    assert done.return_value == 0
    assert "No alarm would have been raised." in done.stdout
    assert "The budget of 2 false alarms a quarter allows 0.26 in that time." in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["stable.jsonl"]


def test_the_table_is_for_people(planted: Path) -> None:
    done = run(str(planted), "--baseline-until", f"{CHANGE:%Y-%m-%d}")
    assert done.return_value == 0
    assert "release 2.1 (27 Jan 2026)" in done.stdout
    assert "Solved fell from" in done.stdout
    assert "2,100 calls, 5 Jan to 3 Feb 2026" in done.stdout


def edited(change: Callable[[dict[str, Any]], None]) -> list[dict[str, Any]]:
    records = rows(1)[:5]
    change(records[2])
    return records


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda row: row.pop("time"), "has no time"),
        (lambda row: row.update(time="2026-01-05T10:00:00"), "time: has no time zone"),
        (lambda row: row.update(latency_s="fast"), "latency_s"),
        (lambda row: row.update(feedback=[{"name": ""}]), "feedback"),
    ],
)
def test_a_bad_row_ends_it_with_its_line(
    change: Callable[[dict[str, Any]], None], problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = write(tmp_path / "bad.jsonl", edited(change))
    assert cli.run(["backtest", str(log), "--json"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    sentence = captured.err.strip().splitlines()[-1]
    assert "bad.jsonl:3: " in sentence
    assert problem in sentence


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--block", "week"], "--block"),
        (["--baseline-until", "soon"], "ISO 8601"),
        (["--baseline-until", "2026-06-01"], "ends before"),
        (["--budget", "0"], "--budget"),
    ],
)
def test_bad_options_are_told_in_a_sentence(
    options: list[str], problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = write(tmp_path / "log.jsonl", rows(1)[:5])
    assert cli.run(["backtest", str(log), *options]) == 2
    assert problem in capsys.readouterr().err.strip().splitlines()[-1]


def test_an_empty_or_absent_file_is_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = write(tmp_path / "empty.jsonl", [])
    assert cli.run(["backtest", str(empty)]) == 2
    assert "there is no call in it" in capsys.readouterr().err
    assert cli.run(["backtest", str(tmp_path / "absent.jsonl")]) == 2


def test_the_budget_of_the_settings_decides_how_sure_a_judgement_must_be(store: Store, settings: Settings) -> None:
    strengths = {}
    for budget in (0.1, 1.0, 10.0):
        project = f"budget {budget}"
        skip_days(store, project, FIRST + timedelta(days=14))
        for number in range(15):
            share = 0.55 if number == 14 else 0.9
            write_profile(store, number, "feedback.solved", WHOLE, flags(share, 60), project)
        judge(store, settings.model_copy(update={"alarm_budget": budget}), FIRST + timedelta(days=15, hours=1))
        (found,) = verdict_history(
            store,
            project_id(project),
            FIRST,
            FIRST + timedelta(days=16),
            indicator="quality",
            signal="feedback.solved",
            segment=WHOLE,
        )
        strengths[budget] = found.detail["strength"]
    assert strengths[0.1] < strengths[1.0] < strengths[10.0]


def test_days_come_back_in_order_whatever_the_order_they_were_added_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.files.day_spool.HELD_BYTES", 500)
    moments = [START + timedelta(hours=7 * number) for number in range(20)]
    spool = DaySpool(tmp_path)
    for moment in reversed(moments):
        spool.add_call(Span(trace_id="t", span_id=f"{moment:%d%H}", time=moment, response="line\nbreak", tags={"a": 1}))
    later = moments[0] + timedelta(days=2)
    spool.add_feedback(Feedback(name="late", time=later, trace_id="t"), later)
    assert (spool.first, spool.last) == (moments[0], moments[-1])
    read = [span for day in range(7) for span in spool.day(START + timedelta(days=day))[0]]
    assert [span.time for span in read] == moments
    assert {(span.response, span.tags["a"]) for span in read} == {("line\nbreak", 1)}
    assert [len(spool.day(START + timedelta(days=day))[1]) for day in range(4)] == [0, 0, 1, 0]
