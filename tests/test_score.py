"""`score`: the signals of each row of a file, without a store."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from pathlib import Path

import psutil
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


def test_exports_of_other_tools_and_foreign_columns(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text(
        json.dumps({"id": "a", "question": "Why?", "reply": "I'm sorry, but I can't help with that."}) + "\n"
    )
    done = CliRunner().invoke(cli.commands, ["score", str(path), "--map", "response=reply"], standalone_mode=False)
    assert json.loads(done.stdout)["signals"]["refusal"] is True
    assert cli.run(["score", str(path), "--preset", "other"]) == 2


@pytest.mark.slow
@pytest.mark.timeout(1_200)
def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """200,000 rows take no more memory than 5,000."""

    def peak(rows: int) -> int:
        path, out = tmp_path / f"{rows}.jsonl", tmp_path / f"{rows}.out"
        with path.open("w") as stream:
            for number in range(rows):
                row = {"id": str(number), "prompt": f"Where is parcel {number}?", "response": "It is near you."}
                stream.write(json.dumps(row) + "\n")
        process = subprocess.Popen([sys.executable, "-m", "monitor.cli", "score", str(path), "--out", str(out)])
        watched, largest = psutil.Process(process.pid), 0
        while process.poll() is None:
            with contextlib.suppress(psutil.NoSuchProcess):
                largest = max(largest, watched.memory_info().rss)
            time.sleep(0.05)
        assert process.returncode == 0
        with out.open() as stream:
            assert sum(1 for _ in stream) == rows
        return largest

    assert peak(200_000) < peak(5_000) + 40 * 1024 * 1024
