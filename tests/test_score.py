"""`score`: the signals of each row of a file, without a store."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from monitor import cli

ROWS = [
    {
        "id": "a",
        "prompt": "Is the number seven a prime number? Think about it step by step, and then answer.",
        "response": "[Yes] It is a prime number.",
        "latency_s": 2,
    },
    {"prompt": "My mail is ada@example.org", "response": "I'm sorry, but I can't help with that."},
    {"prompt": "no zone", "time": "2026-03-02T08:00:00"},
]


def write(path: Path) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS) + "{broken\n")
    return path


def test_one_object_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli.commands, ["score", str(write(tmp_path / "log.jsonl"))], standalone_mode=False)
    assert done.return_value == 0
    scored = [json.loads(line) for line in done.stdout.splitlines()]
    assert [entry["id"] for entry in scored] == ["a", "2"]
    first, second = (entry["signals"] for entry in scored)
    assert first["latency_s"] == 2
    assert first["language"] == "en"
    assert first["response_characters"] == len(ROWS[0]["response"])  # type: ignore[arg-type]
    assert first["refusal"] is False
    assert second["refusal"] is True
    assert second["prompt_personal_data"] is True
    assert "log.jsonl:3: time: has no time zone" in done.stderr
    assert "log.jsonl:4: Not valid JSON" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["log.jsonl"], "no store was made"


def test_into_a_file(tmp_path: Path) -> None:
    out = tmp_path / "scores.jsonl"
    arguments = ["score", str(write(tmp_path / "log.jsonl")), "--out", str(out), "--timezone", "+02:00"]
    done = CliRunner().invoke(cli.commands, arguments, standalone_mode=False)
    assert done.return_value == 0
    assert done.stdout == ""
    assert len(out.read_text().splitlines()) == 3


def test_nothing_to_read_is_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = tmp_path / "empty.csv"
    empty.write_text("prompt,response\n")
    assert cli.run(["score", str(empty)]) == 2
    assert cli.run(["score", str(tmp_path / "absent.csv")]) == 2
    assert cli.run(["score", str(write(tmp_path / "log.jsonl")), "--out", str(tmp_path / "no" / "folder")]) == 2
    assert "cannot be written" in capsys.readouterr().err
