"""Exports: what is exported can be imported and is the same; tables are safe to open; files are complete or absent."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import subprocess
import sys
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor import cli, migrate, tables
from monitor.clock import to_microseconds
from monitor.errors import InputError
from monitor.files.export_records import CALL_COLUMNS, OWN_COLUMNS, call_record
from monitor.files.exporting import format_of, target, write_records
from monitor.files.guard import guarded, unguarded
from monitor.ingest import Batch, Ingester
from monitor.queries.export import stored_calls
from monitor.records import Feedback, Message, Span, Tokens
from monitor.settings import Settings
from monitor.store import Store
from tests.conftest import NOW
from tests.enrichments import put_signals

CALLS = 603


def span(number: int) -> Span:
    """A call with something in every field, and one in ten that is another sort of span."""
    return Span(
        trace_id=f"trace-{number // 2}",
        span_id=f"span-{number}",
        parent_id="root" if number % 3 else "",
        time=NOW - timedelta(days=3) + timedelta(seconds=number, microseconds=number),
        kind="tool" if number % 10 == 9 else "llm",
        name="chat",
        session_id=f"session-{number // 5}",
        user=f"user-{number % 7}",
        provider="openai",
        model="gpt-4o-mini",
        requested_model="gpt-4o",
        environment="production",
        release="1.2",
        prompt_version="7",
        feature="search",
        prompt=(
            Message("system", "Be brief."),
            Message("user", f'Frage "{number}", größer?\nZweite Zeile; mail a@b.org'),
        ),
        response=('=HYPERLINK("http://x")', '{"a": 1}', "'quoted", "[1, 2]", "plain, text")[number % 5],
        response_parts='[{"type":"tool_call","name":"search","arguments":{"q":"x"}}]' if number % 4 == 0 else "",
        context=("First document.", "[Second, in brackets]") if number % 2 else (),
        reference=("=1+1",) if number % 3 == 0 else (),
        tokens=Tokens(
            input_uncached=100 + number,
            input_cache_read=20 if number % 2 else None,
            input_cache_write=5 if number % 2 else None,
            output_text=40,
            output_reasoning=10 if number % 4 == 0 else None,
        ),
        cost_usd=0.001 * number,
        latency_s=0.25 + number,
        time_to_first_token_s=0.1,
        status="error" if number % 11 == 0 else "ok",
        error="timeout" if number % 11 == 0 else "",
        finish_reason="stop",
        service_tier="default",
        tags={"plan": "pro", "beta": True, "size": number},
        attributes={"nested": {"list": [1, "two", None]}},
        source="json",
    )


def fill(store: Store, settings: Settings, count: int = CALLS) -> None:
    """Calls, feedback on calls, on a trace and on a session."""
    ingester = Ingester(store, settings)
    try:
        for first in range(0, count, 500):
            spans = [span(number) for number in range(first, min(first + 500, count))]
            said = [
                Feedback(
                    name="thumb",
                    time=item.time + timedelta(minutes=1),
                    trace_id=item.trace_id,
                    span_id=item.span_id,
                    value=1.0,
                    flag=True,
                    comment="+1, very good",
                    annotator_id="anna",
                )
                for item in spans[::3]
            ]
            ingester.submit(Batch("default", spans, said, sender="test"), NOW)
        rest = [
            Feedback(name="rating", time=NOW, trace_id="trace-1", value=-2.0),
            Feedback(name="topic", time=NOW, session_id="session-1", label="@delivery"),
        ]
        ingester.submit(Batch("default", (), rest, sender="test"), NOW)
    finally:
        ingester.close()


def exported(store: Store, format_: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    records = map(call_record, stored_calls(store, store.project("default", 0), None, None, **options))
    write_records(stream, records, CALL_COLUMNS, format_, lambda rows: None)
    return stream.getvalue()


def comparable(data: bytes) -> list[dict[str, Any]]:
    """The calls of an export by id, without what the monitor itself knew and without pseudonyms of people."""
    rows = [json.loads(line) for line in data.splitlines()]
    for row in rows:
        for name in OWN_COLUMNS:
            row.pop(name, None)
        assert len(row.pop("user_id")) == 16
        for said in row.get("feedback", ()):
            said.pop("annotator_id", None)
    return sorted(rows, key=lambda row: str(row["id"]))


@pytest.mark.parametrize("format_", ["jsonl", "csv", "parquet"])
def test_what_is_exported_can_be_imported_and_is_the_same(
    store: Store, settings: Settings, tmp_path: Path, format_: str
) -> None:
    fill(store, settings)
    path = tmp_path / f"calls.{format_}"
    path.write_bytes(exported(store, format_, every_kind=True))
    url = f"sqlite:///{tmp_path / 'second.db'}"
    assert cli.run(["import", str(path), "--database-url", url, "--processes", "1"]) == 0
    second = Store(url)
    try:
        before = comparable(exported(store, "jsonl", every_kind=True))
        after = comparable(exported(second, "jsonl", every_kind=True))
        assert len(before) == CALLS
        assert [row for row, other in zip(before, after, strict=True) if row != other] == []
        users = [
            {row["id"]: json.loads(line)["user_id"] for line, row in zip(data, map(json.loads, data), strict=True)}
            for data in (exported(one, "jsonl", every_kind=True).splitlines() for one in (store, second))
        ]
        pairs = {(users[0][name], users[1][name]) for name in users[0]}
        assert len(pairs) == len({one for one, _ in pairs}) == len({other for _, other in pairs}) == 7
    finally:
        second.close()


def test_calls_only_and_in_order(store: Store, settings: Settings) -> None:
    fill(store, settings)
    rows = [json.loads(line) for line in exported(store, "jsonl").splitlines()]
    assert len(rows) == CALLS - CALLS // 10
    assert {row["kind"] for row in rows} == {"llm"}
    times = [datetime.fromisoformat(row["time"]) for row in rows]
    assert times == sorted(times)
    positions = {name: place for place, name in enumerate(CALL_COLUMNS)}
    assert all([positions[name] for name in row] == sorted(positions[name] for name in row) for row in rows)
    assert all("a@b.org" not in json.dumps(row) for row in rows), "texts are exported as stored, masked"
    start, end = times[100], times[200]
    part = list(stored_calls(store, store.project("default", 0), start, end))
    assert [call.span.time for call in part] == times[100:200]


def test_what_the_monitor_knows_of_a_call_is_exported(store: Store, settings: Settings, project: int) -> None:
    fill(store, settings, 3)
    identifier = next(stored_calls(store, project, None, None)).id
    with store.write() as connection:
        put_signals(store, connection, project, [(identifier, {"refusal": False, "cost_usd": 0.5, "language": "de"})])
    first = json.loads(exported(store, "jsonl").splitlines()[0])
    assert first["priced_usd"] == 0.5
    assert {name: first["signals"][name] for name in ("refusal", "language")} == {"refusal": False, "language": "de"}
    assert first["token_buckets"] == {"input_uncached": 100, "output_text": 40, "output_reasoning": 10}
    assert first["masked"] == {"email": 1} or sum(first["masked"].values()) == 1


def test_a_table_runs_no_formula(store: Store, settings: Settings) -> None:
    fill(store, settings, 20)
    rows = list(csv.reader(io.StringIO(exported(store, "csv").decode())))
    assert rows[0] == list(CALL_COLUMNS)
    assert len(rows) == 19
    cells = [cell for row in rows[1:] for cell in row]
    assert any("HYPERLINK" in cell for cell in cells)
    assert not [cell for cell in cells if cell[:1] in ("=", "+", "-", "@", "\t", "\r")]


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\tx", "'x", "'=1", "''", "plain", "", "a=1", "'"])
def test_the_guard_of_cells_can_be_taken_off(text: str) -> None:
    assert guarded(text)[:1] not in ("=", "+", "-", "@", "\t", "\r")
    assert unguarded(guarded(text)) == text


@pytest.fixture
def command(store: Store, settings: Settings, capfdbinary: pytest.CaptureFixture[bytes]) -> Any:
    """Runs `export` in this process: exit code, stdout."""
    fill(store, settings, 60)
    url = settings.database_url

    def run(*arguments: str) -> tuple[int, bytes, str]:
        capfdbinary.readouterr()
        code = cli.run(["export", *arguments, "--database-url", url])
        sys.stdout.flush()
        out, err = capfdbinary.readouterr()
        return code, out, err.decode()

    return run


def test_the_command_writes_to_stdout_and_to_files(command: Any, tmp_path: Path) -> None:
    code, out, err = command("calls")
    assert code == 0
    assert "54 calls of project default exported" in err
    lines = out.splitlines()
    assert len(lines) == 54
    path = tmp_path / "calls.csv.gz"
    assert command("calls", "--out", str(path))[:2] == (0, b"")
    rows = list(csv.DictReader(io.StringIO(gzip.decompress(path.read_bytes()).decode())))
    assert len(rows) == 54
    assert path.stat().st_mode & 0o077 == 0, "it holds people's texts"
    assert [name.name for name in tmp_path.iterdir() if name.name.startswith(".")] == []
    moment = json.loads(lines[10])["time"]
    assert len(command("calls", "--from", moment)[1].splitlines()) == 44
    assert len(command("calls", "--to", moment)[1].splitlines()) == 10
    assert command("calls", "--project", "nobody")[0] == 2
    assert command("calls", "--from", "yesterday")[0] == 2
    assert command("calls", "--format", "parquet")[0] == 2
    assert command("calls", "--out", str(tmp_path / "none" / "x.jsonl"))[0] == 2


def test_feedback_is_exported_with_what_it_is_about(command: Any) -> None:
    rows = [json.loads(line) for line in command("feedback")[1].splitlines()]
    assert len(rows) == 22
    assert rows[0]["value"] is True
    assert (rows[0]["trace_id"], rows[0]["span_id"], rows[0]["comment"]) == ("trace-0", "span-0", "+1, very good")
    assert rows[0]["annotator_id"] != "anna", "people are pseudonyms"
    by_name = {row["name"]: row for row in rows}
    assert by_name["rating"]["value"] == -2.0
    assert (by_name["topic"]["session_id"], by_name["topic"]["label"]) == ("session-1", "@delivery")
    table = list(csv.DictReader(io.StringIO(command("feedback", "--format", "csv")[1].decode())))
    assert {row["label"] for row in table} == {"", "'@delivery"}
    assert {row["value"] for row in table} == {"true", "-2.0", ""}


def test_verdicts_are_exported_in_order(store: Store, command: Any, project: int, tmp_path: Path) -> None:
    rows = [
        {
            "project_id": project,
            "indicator": "drift",
            "signal": signal,
            "dimension": "model",
            "value": "gpt",
            "start": to_microseconds(NOW + timedelta(days=day)),
            "end": to_microseconds(NOW + timedelta(days=day + 1)),
            "window_start": to_microseconds(NOW + timedelta(days=day)),
            "computed": to_microseconds(NOW),
            "state": "ok",
            "reason": "Nothing moved.",
            "number": 0.5,
            "n": 10,
            "effective_n": 9.5,
            "detail": {"psi": 0.1},
        }
        for day in (3, 1, 2)
        for signal in ("b", "a")
    ]
    with store.write() as connection:
        store.insert(connection, tables.Verdict, rows)
    found = [json.loads(line) for line in command("verdicts")[1].splitlines()]
    assert [(row["start"][:10], row["signal"]) for row in found] == [
        (f"2026-03-{day}", signal) for day in (12, 13, 14) for signal in ("a", "b")
    ]
    assert (found[0]["value"], found[0]["segment"], found[0]["detail"]) == (0.5, "gpt", {"psi": 0.1})
    path = tmp_path / "verdicts.parquet"
    assert command("verdicts", "--out", str(path), "--from", "2026-03-13")[0] == 0
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(path)
    assert table.num_rows == 4
    assert table.column("start")[0].as_py() == datetime(2026, 3, 13, 12, 30, tzinfo=UTC)


def test_a_file_is_complete_or_absent(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    path.write_text("old\n")
    with contextlib.suppress(RuntimeError), target(path, io.BytesIO(), packed=True) as stream:
        stream.write(b"half")
        raise RuntimeError
    assert path.read_text() == "old\n"
    assert [item.name for item in tmp_path.iterdir()] == ["calls.jsonl"]


def test_formats_follow_the_name(tmp_path: Path) -> None:
    assert format_of(Path("a.csv.gz"), None, packed=True) == "csv"
    assert format_of(Path("a.out"), None, packed=False) == "jsonl"
    assert format_of(Path("a.csv"), "jsonl", packed=False) == "jsonl"
    with pytest.raises(InputError, match="compressed by itself"):
        format_of(Path("a.parquet"), None, packed=True)


@pytest.mark.parametrize("format_", ["jsonl", "csv", "parquet"])
def test_memory_does_not_grow_with_the_export(tmp_path: Path, format_: str) -> None:
    """Three times as many records take no more memory."""
    record = {"id": "x", "time": NOW, "prompt": [{"role": "user", "content": "x" * 300}], "response": "y" * 300}

    def peak(count: int) -> int:
        tracemalloc.start()
        try:
            with (tmp_path / f"{count}.{format_}").open("wb") as stream:
                write_records(stream, (record for _ in range(count)), CALL_COLUMNS, format_, lambda rows: None)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    small = peak(4_000)
    assert peak(12_000) < small * 1.3 + 500_000


def test_a_pipe_that_is_closed_ends_the_export_quietly(tmp_path: Path, settings: Settings) -> None:
    url = f"sqlite:///{tmp_path / 'pipe.db'}"
    store = Store(url)
    migrate.upgrade(store)
    fill(store, settings)
    store.close()
    line = f"{sys.executable} -m monitor.cli export calls --database-url {url} | head -n 1"
    done = subprocess.run(line, shell=True, capture_output=True, text=True, timeout=120, check=False)
    assert len(done.stdout.splitlines()) == 1
    assert "Traceback" not in done.stderr
