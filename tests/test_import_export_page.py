"""The page on import and export tells the truth: its commands run, its tables name what there is."""

from __future__ import annotations

import gzip
import json
import re
import shlex
from pathlib import Path

import pytest

from monitor import cli
from monitor.files.export_records import CALL_COLUMNS, OWN_COLUMNS
from monitor.files.mapping import parse_rule
from monitor.files.presets import presets
from tests.test_import_presets import BATCH, HELICONE, LANGFUSE_OBSERVATION, LITELLM_LOG, PHOENIX_ROW, write

PAGE = (Path(__file__).parent.parent / "docs" / "import-export.md").read_text()
CALL = {"id": "a", "time": "2026-03-02T08:00:00Z", "prompt": "Why?", "response": "Because."}


def test_the_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("calls.jsonl", "monday.csv"):
        write(tmp_path / name, CALL)
    import pyarrow
    import pyarrow.parquet

    (tmp_path / "tuesday.csv.gz").write_bytes(gzip.compress((tmp_path / "monday.csv").read_bytes()))
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([CALL]), tmp_path / "wednesday.parquet")
    (tmp_path / "log.csv").write_text("q,a,took_ms,at\nWhy?,Because.,900,1772438400\n")
    write(tmp_path / "langfuse.json", LANGFUSE_OBSERVATION)
    write(tmp_path / "phoenix.parquet", PHOENIX_ROW)
    write(tmp_path / "helicone.jsonl", HELICONE)
    write(tmp_path / "batch_output.jsonl", BATCH)
    write(tmp_path / "litellm.jsonl", LITELLM_LOG)
    commands = re.findall(r"^llmops-monitor (.*)$", PAGE, re.MULTILINE)
    assert len(commands) == 14
    for command in commands:
        arguments = shlex.split(command.partition(" > ")[0])
        assert cli.run(arguments) == 0, command
        out, _ = capfd.readouterr()
        if "jsonl" in command and arguments[0] == "export" and "--out" not in arguments:
            assert len(out.splitlines()) == 7
            assert all(json.loads(line)["response"] for line in out.splitlines())
    assert {path.name for path in tmp_path.iterdir()} >= {"march.csv.gz", "everything.parquet", "verdicts.jsonl"}


def test_the_tables_name_what_there_is() -> None:
    rules = re.findall(r"^\| `([^`]+=[^`]*)` \|", PAGE, re.MULTILINE)
    assert len(rules) == 7
    for rule in rules:
        parse_rule(rule.replace("\\|", "|"))
    named = re.search(r"\| preset \|.*?\n\n", PAGE, re.DOTALL)
    assert named
    assert set(re.findall(r"^\| `(\w+)` \|", named.group(), re.MULTILINE)) == set(presets())
    own = re.search(r"\| column \|.*?\n\n", PAGE, re.DOTALL)
    assert own
    titles = " ".join(line.split("|")[1] for line in own.group().strip().splitlines())
    assert set(re.findall(r"`(\w+)`", titles)) == set(OWN_COLUMNS)
    assert set(OWN_COLUMNS) <= set(CALL_COLUMNS)
