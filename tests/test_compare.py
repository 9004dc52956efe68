"""`compare`: two files of calls, with and without a change between them."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from monitor import cli
from monitor.demo.sample import VERDICTS
from monitor.demo.sample import rows as sample_rows


def write(path: Path, records: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def calls(seed: int, *, count: int = 300, latency: float = 1.0, good: float = 0.8, users: int = 0) -> list[Any]:
    """Calls without a time or an id; the change, where there is one, is in `search` only."""
    chance = random.Random(seed)
    found: list[dict[str, Any]] = []
    for number in range(count):
        search = number % 2 == 0
        found.append(
            {
                "model": "gpt-4-0613",
                "feature": "search" if search else "support",
                "prompt": "Where is my parcel?",
                "response": f"It should arrive in {chance.randrange(2, 9)} days.",
                "latency_s": chance.lognormvariate(0, 0.5) * (latency if search else 1.0),
                "feedback": [{"name": "solved", "value": chance.random() < (good if search else 0.8)}],
            }
            | ({"user_id": f"user-{number * users // count}"} if users else {})
        )
    return found


def run(reference: Path, current: Path, *options: str) -> Any:
    return CliRunner().invoke(cli.commands, ["compare", str(reference), str(current), *options], standalone_mode=False)


def report(reference: Path, current: Path, *options: str) -> dict[str, Any]:
    done = run(reference, current, "--json", *options)
    assert done.exception is None, done.output
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def of(found: dict[str, Any], signal: str, value: str = "") -> dict[str, Any]:
    (item,) = [
        item
        for item in found["compared"]
        if item["signal"] == signal
        and item["segment"]["value"] == value
        and item["segment"]["dimension"] in ("", "feature", "model_family", "model_family+feature")
    ]
    return item  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The packaged answers of March and of June as two files of call records."""
    folder = tmp_path_factory.mktemp("sample")
    return {
        period: write(
            folder / f"{period}.jsonl",
            [
                {
                    "id": row["id"],
                    "model": row["model"],
                    "feature": row["task"],
                    "prompt": row["prompt"],
                    "response": row["response"],
                    "latency_s": row["latency_s"],
                    "output_tokens": row["response_tokens"],
                    "cost_usd": row["cost_usd"],
                    "feedback": [{"name": VERDICTS[row["task"]], "value": bool(row["label"])}],
                }
                for row in sample_rows()
                if row["period"] == period
            ],
        )
        for period in ("2023-03", "2023-06")
    }


@pytest.fixture(scope="module")
def drift(sample: dict[str, Path]) -> dict[str, Any]:
    return report(sample["2023-03"], sample["2023-06"])


def test_the_published_figures_of_the_sample(drift: dict[str, Any]) -> None:
    accuracy = of(drift, "feedback.accuracy", "gpt-4 + prime")
    assert accuracy["state"] == "bad"
    assert accuracy["direction"] == "down"
    assert accuracy["before"] == pytest.approx(0.840, abs=5e-4)
    assert accuracy["after"] == pytest.approx(0.511, abs=5e-4)
    assert accuracy["low"] < 0.511 < accuracy["high"]
    assert accuracy["effect_low"] < -0.329 < accuracy["effect_high"] < 0
    assert (accuracy["n"], accuracy["reference_n"]) == (1000, 1000)
    length = of(drift, "response_characters", "gpt-4 + prime")
    assert length["state"] == "moved"
    assert length["before"] == pytest.approx(638, abs=1)
    assert length["after"] == pytest.approx(3.9, abs=0.05)
    assert length["distances"]["wasserstein"] == pytest.approx(634, rel=0.01)
    assert length["distances"]["ks"] > 0.99
    better = of(drift, "feedback.accuracy", "gpt-3.5-turbo + prime")
    assert (better["state"], better["direction"]) == ("moved", "up")
    assert better["before"] == pytest.approx(0.496, abs=5e-4)
    assert better["after"] == pytest.approx(0.762, abs=5e-4)


def test_what_did_not_change_is_calm(drift: dict[str, Any]) -> None:
    for signal in ("prompt_characters", "prompt_meaning", "error", "language", "prompt_toxic"):
        assert of(drift, signal)["state"] == "ok", signal
    assert of(drift, "prompt_characters")["distances"] == {"psi": 0, "jensen_shannon": 0, "wasserstein": 0, "ks": 0}


def test_worst_first_with_all_that_was_compared(drift: dict[str, Any]) -> None:
    order = ["bad", "moved", "ok", "too_few"]
    states = [order.index(item["state"]) for item in drift["compared"]]
    assert states == sorted(states)
    assert drift["state"] == "bad"
    assert drift["counts"] == {state: states.count(place) for place, state in enumerate(order)}
    assert drift["comparisons"] == sum(item["state"] != "too_few" for item in drift["compared"])
    assert [item["value"] for item in drift["appeared"]] == ["gpt-3.5-turbo-0613", "gpt-4-0613"]
    assert {item["value"]: item["calls"] for item in drift["vanished"]} == {
        "gpt-3.5-turbo-0301": 1150,
        "gpt-4-0314": 1150,
    }


def test_one_period_against_itself_is_calm(sample: dict[str, Path], tmp_path: Path) -> None:
    lines = sample["2023-03"].read_text().splitlines(keepends=True)
    random.Random(5).shuffle(lines)
    (tmp_path / "one.jsonl").write_text("".join(lines[:1150]))
    (tmp_path / "two.jsonl").write_text("".join(lines[1150:]))
    done = run(tmp_path / "one.jsonl", tmp_path / "two.jsonl", "--fail-on", "moved")
    assert done.return_value == 0, done.stdout


def test_a_change_for_the_worse_is_found_in_its_segment(tmp_path: Path) -> None:
    reference = write(tmp_path / "reference.jsonl", calls(1))
    current = write(tmp_path / "current.jsonl", calls(2, latency=2.0, good=0.4))
    found = report(reference, current)
    slow = of(found, "latency_s", "search")
    assert (slow["state"], slow["direction"]) == ("bad", "up")
    assert slow["after"] > 1.5 * slow["before"]
    solved = of(found, "feedback.solved", "search")
    assert (solved["state"], solved["direction"]) == ("bad", "down")
    for signal in ("latency_s", "feedback.solved"):
        assert of(found, signal, "support")["state"] == "ok"
    assert of(found, "response_characters", "search")["state"] == "ok"


@pytest.mark.parametrize(
    ("change", "fail_on", "code"),
    [
        ({}, "moved", 0),
        ({"good": 0.4}, None, 0),
        ({"good": 0.4}, "bad", 1),
        ({"good": 0.4}, "moved", 1),
        ({"latency": 0.3}, "bad", 0),
        ({"latency": 0.3}, "moved", 1),
    ],
)
def test_the_exit_code_is_for_pipelines(
    change: dict[str, float], fail_on: str | None, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    reference, current = write(tmp_path / "a.jsonl", calls(1)), write(tmp_path / "b.jsonl", calls(2, **change))  # type: ignore[arg-type]
    assert run(reference, current, *(["--fail-on", fail_on] if fail_on else [])).return_value == code
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "b.jsonl"], "no store was made"


def test_calls_of_one_user_are_no_proof_for_all(tmp_path: Path) -> None:
    reference = write(tmp_path / "reference.jsonl", calls(1, users=100))
    current = write(tmp_path / "current.jsonl", calls(2, users=20, good=0.1, latency=5.0))
    found = report(reference, current)
    solved = of(found, "feedback.solved")
    assert solved["state"] == "too_few"
    assert (solved["n"], solved["users"], solved["reference_users"]) == (300, 20, 100)
    assert "20 now" in solved["reason"]
    assert found["comparisons"] == 0


def test_columns_of_a_csv_file_and_json_lines_are_the_same(tmp_path: Path) -> None:
    records = calls(1)
    reference = write(tmp_path / "reference.jsonl", records)
    current = tmp_path / "current.csv"
    with current.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["model", "feature", "prompt", "response", "latency_s"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(records)
    found = report(reference, current)
    assert found["counts"]["ok"] == found["comparisons"] > 0
    assert of(found, "latency_s")["distances"]["wasserstein"] == 0


def test_the_table_is_for_people(tmp_path: Path) -> None:
    reference = write(tmp_path / "reference.jsonl", calls(1))
    current = write(tmp_path / "current.jsonl", calls(2, good=0.3))
    done = run(reference, current)
    lines = done.stdout.splitlines()
    assert "300 calls against" in lines[0]
    assert lines[1].split()[:2] == ["state", "where"]
    assert lines[2].startswith("bad")
    assert "search" in lines[2]
    assert "→" in lines[2]


def test_a_bad_row_ends_it_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = write(tmp_path / "good.jsonl", calls(1, count=3))
    bad = tmp_path / "bad.jsonl"
    bad.write_text(good.read_text() + "{broken\n")
    assert cli.run(["compare", str(good), str(bad), "--json"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.strip().splitlines()[-1].endswith("bad.jsonl:4: Not valid JSON at character 2.")
    write(bad, [*calls(1, count=3), {"prompt": "When?", "time": "2026-01-05T10:00:00"}])
    assert cli.run(["compare", str(bad), str(good)]) == 2
    assert "bad.jsonl:4: time: has no time zone" in capsys.readouterr().err
    assert cli.run(["compare", str(bad), str(good), "--timezone", "Europe/Berlin"]) == 0


def test_bad_usage_is_told_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = write(tmp_path / "good.jsonl", calls(1, count=3))
    empty = write(tmp_path / "empty.jsonl", [])
    for arguments, problem in (
        ([str(good), str(empty)], "there is no call in it"),
        ([str(good), str(tmp_path / "absent.jsonl")], "there is no such file"),
        ([str(good), str(good), "--fail-on", "ok"], "--fail-on"),
        ([str(good)], "CURRENT"),
    ):
        assert cli.run(["compare", *arguments]) == 2
        assert problem in capsys.readouterr().err.strip().splitlines()[-1]
