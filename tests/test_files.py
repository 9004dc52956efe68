"""Files of calls: every format gives the same records; imports lose and double nothing, whatever happens to them."""

from __future__ import annotations

import csv
import gzip
import io
import json
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from monitor import cli, tables
from monitor.clock import to_microseconds
from monitor.errors import InputError
from monitor.files import LogFile, json_array
from monitor.files import importing as file_import
from monitor.files.importing import Importer, Summary
from monitor.files.marks import read_mark
from monitor.ingest import Ingester
from monitor.ingest.call_record import read_call
from monitor.queries.traces import call_of
from monitor.settings import Settings
from monitor.store import Store, table_of

ROWS: list[dict[str, Any]] = [
    {
        "id": "a1",
        "time": "2026-03-02T08:00:00+00:00",
        "model": "gpt-4",
        "prompt": 'Is 7 "prime"?\nThink, step by step.',
        "response": "Yes; it is.",
        "input_tokens": 12,
        "cost_usd": 0.5,
        "plan": "pro",
        "feedback": [{"name": "thumb", "value": True}],
    },
    {
        "id": "a2",
        "time": "2026-03-02T09:00:00+00:00",
        "model": "gpt-4",
        "prompt": "Größe?",
        "response": "",
        "latency_s": 1.25,
        "status": "error",
        "error": "timeout",
    },
]


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> None:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


def write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns)
    writer.writeheader()
    for row in rows:
        writer.writerow({key: json.dumps(value) if isinstance(value, list) else value for key, value in row.items()})
    data = stream.getvalue().encode("utf-8-sig")
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def write_parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    import pyarrow
    import pyarrow.parquet

    stream = io.BytesIO()
    times = [{**row, "time": datetime.fromisoformat(row["time"])} for row in rows]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(_even(times)), stream)
    path.write_bytes(gzip.compress(stream.getvalue()) if path.suffix == ".gz" else stream.getvalue())


def _even(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return [{name: row.get(name) for name in columns} for row in rows]


WRITERS: dict[str, Callable[[Path, list[dict[str, Any]]], None]] = {
    ".jsonl": write_jsonl,
    ".csv": write_csv,
    ".parquet": write_parquet,
}


@pytest.mark.parametrize("packed", ["", ".gz"])
@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_every_format_means_the_same_calls(tmp_path: Path, now: datetime, suffix: str, packed: str) -> None:
    path = tmp_path / f"log{suffix}{packed}"
    WRITERS[suffix](path, ROWS)
    log = LogFile(path)
    rows = list(log.rows())
    assert [row.problem for row in rows] == ["", ""]
    read = [read_call(row.record, now) for row in rows]
    assert read == [read_call(row, now) for row in ROWS]
    assert log.position == log.size


def test_lines_are_those_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text('id,prompt\n1,"two\nlines"\n\n2,x,too many\n3,y\n')
    found = [(row.line, row.problem.partition(".")[0]) for row in LogFile(path).rows()]
    assert found == [(2, ""), (5, "3 cells where the first line names 2 columns"), (6, "")]
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"id": 1}\r\n\n{"id": \n[1]\n{"prompt": "\xff"}\n{"id": 2}')
    found = [(row.line, row.problem) for row in LogFile(path).rows()]
    assert found == [
        (1, ""),
        (3, "Not valid JSON at character 9."),
        (4, "Not a JSON object."),
        (5, "The line is not UTF-8."),
        (6, ""),
    ]


def test_bad_bytes_and_quotes_in_csv_spoil_their_row_only(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(b"id;prompt\n1;caf\xe9\n2;caf\xc3\xa9\n")
    rows = list(LogFile(path).rows())
    assert [row.problem for row in rows] == ["The row is not UTF-8.", ""]
    assert rows[1].record == {"id": "2", "prompt": "café"}


def test_numbers_with_a_decimal_comma_are_read_where_semicolons_separate(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("prompt;latency_s;cost_usd;prompt_tokens;feedback.stars\n1,5;0,8;1.234,50;12;4,5\n")
    [row] = LogFile(path).rows()
    assert row.record == {
        "prompt": "1,5",
        "latency_s": "0.8",
        "cost_usd": "1234.50",
        "input_tokens": "12",
        "feedback": [{"name": "stars", "value": "4.5"}],
    }
    assert row.raw["latency_s"] == "0,8"
    path.write_text('prompt,latency_s\nwhy,"0,8"\n')
    [row] = LogFile(path).rows()
    assert row.record == {"prompt": "why", "latency_s": "0,8"}, "a comma that separates columns is no decimal sign"


def test_columns_of_other_tools_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(
        "Timestamp,Question,answer,prompt_tokens,tags.plan,feedback.thumb,feedback.stars,user,Team\n"
        "2026-03-02T08:00:00Z,why?,because,7,pro,true,4.5,u1,blue\n"
    )
    [row] = LogFile(path).rows()
    assert row.record == {
        "time": "2026-03-02T08:00:00Z",
        "prompt": "why?",
        "response": "because",
        "input_tokens": "7",
        "user_id": "u1",
        "Team": "blue",
        "tags": {"plan": "pro"},
        "feedback": [{"name": "thumb", "value": "true"}, {"name": "stars", "value": "4.5"}],
    }


def test_the_own_name_of_a_field_wins(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    write_jsonl(path, [{"question": "the title", "prompt": "the prompt"}])
    [row] = LogFile(path).rows()
    assert row.record == {"question": "the title", "prompt": "the prompt"}


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("name", ["log.json", "log.json.gz"])
def test_an_array_of_objects_is_a_file_of_rows(tmp_path: Path, now: datetime, name: str, indent: int | None) -> None:
    path = tmp_path / name
    data = b"\n " + json.dumps([*ROWS, 7, {}], indent=indent, ensure_ascii=False).encode() + b"\n"
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    rows = list(LogFile(path).rows())
    assert [(row.line, row.problem) for row in rows] == [(1, ""), (2, ""), (3, "Not a JSON object."), (4, "")]
    assert [read_call(row.record, now) for row in rows[:2]] == [read_call(row, now) for row in ROWS]


values = st.recursive(
    st.none() | st.integers(-5, 5) | st.text('a"\\[]{},\n é', max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('k"\\]', max_size=3), inner, max_size=3),
    max_leaves=12,
)


@given(values=st.lists(values, max_size=5), indent=st.sampled_from([None, 1]), size=st.sampled_from([1, 2, 7, 1000]))
def test_elements_of_arrays_are_cut_right(values: list[Any], indent: int | None, size: int) -> None:
    data = json.dumps(values, indent=indent, ensure_ascii=False).encode()
    stream = io.BytesIO(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_array, "READ_BYTES", size)
        found = list(json_array.elements(stream, stream.read(1), 1000))
    assert [json.loads(text) for text in found] == values


def test_an_array_that_breaks_off_says_so(tmp_path: Path) -> None:
    path = tmp_path / "log.json"
    path.write_text(json.dumps(ROWS, indent=1)[:-60])
    rows = list(LogFile(path).rows())
    assert rows[0].problem == ""
    assert rows[-1].problem.startswith("Not valid JSON")


def test_memory_does_not_grow_with_an_array(tmp_path: Path) -> None:
    path = tmp_path / "log.json"
    with path.open("w") as stream:
        stream.write("[" + json.dumps({"prompt": "x" * 1000}))
        for _ in range(20_000):
            stream.write("," + json.dumps({"prompt": "x" * 1000}))
        stream.write("]")
    tracemalloc.start()
    try:
        assert sum(1 for _ in LogFile(path).rows()) == 20_001
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["log.jsonl.gz", "log.csv.gz", "log.parquet.gz", "log.parquet"])
def test_damaged_files_say_so_and_keep_what_was_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    WRITERS[path.suffixes[0]](path, [{**ROWS[1], "id": str(index)} for index in range(2000)])
    path.write_bytes(path.read_bytes()[:-60])
    rows = list(LogFile(path).rows())
    assert rows[-1].record is None
    assert rows[-1].problem
    assert all(row.record for row in rows[:-1])


def test_names_and_absence_are_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"must end in \.jsonl"):
        LogFile(tmp_path / "log.txt")
    with pytest.raises(InputError, match="no such file"):
        LogFile(tmp_path / "log.csv.gz")


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl.gz"
    line = json.dumps({"prompt": "x" * 1000}).encode() + b"\n"
    with gzip.open(path, "wb", 1) as stream:
        for _ in range(20_000):
            stream.write(line)
    tracemalloc.start()
    try:
        assert sum(1 for _ in LogFile(path).rows()) == 20_000
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()


def spans(store: Store) -> int:
    with store.read() as connection:
        return int(connection.execute(select(func.count()).select_from(table_of(tables.Span))).scalar_one())


def run_import(
    store: Store, settings: Settings, path: Path, now: datetime, progress: Any = None, **options: Any
) -> Summary:
    ingester = Ingester(store, settings)
    try:
        importer = Importer(store, ingester, "default", UTC, **options)
        return importer.run(LogFile(path), now, progress or (lambda position, rows: None))
    finally:
        ingester.close()


def test_an_import_stores_calls_and_feedback(store: Store, settings: Settings, tmp_path: Path, now: datetime) -> None:
    path = tmp_path / "log.jsonl"
    write_jsonl(path, ROWS)
    summary = run_import(store, settings, path, now)
    assert (summary.rows, summary.imported, summary.rejected) == (2, 2, 0)
    project = store.project("default", 0)
    call = call_of(store, project, "a1", "a1")
    assert call.body.response == "Yes; it is."
    assert call.row.tags == {"plan": "pro"}
    assert [(note.name, note.value) for note in call.feedback] == [("thumb", 1.0)]


def test_rows_without_ids_are_recognised_again(store: Store, settings: Settings, tmp_path: Path, now: datetime) -> None:
    path = tmp_path / "log.csv"
    path.write_text("prompt,response\n" + "same,row\n" * 50)
    assert run_import(store, settings, path, now).imported == 50
    again = run_import(store, settings, path, now)
    assert (again.imported, again.duplicates) == (0, 50)
    with path.open("a") as stream:
        stream.write("one,more\n")
    longer = run_import(store, settings, path, now)
    assert (longer.imported, longer.duplicates) == (1, 50)
    assert spans(store) == 51


def test_bad_rows_are_kept_with_their_line(store: Store, settings: Settings, tmp_path: Path, now: datetime) -> None:
    path = tmp_path / "log.jsonl"
    bad = [
        {"prompt": "x", "time": "yesterday"},
        {"nothing": 1},
        {"id": "old", "prompt": "x", "time": "1990-01-01T00:00Z"},
    ]
    write_jsonl(path, [ROWS[0], *bad, ROWS[1]])
    with path.open("a") as stream:
        stream.write("{broken\n")
    summary = run_import(store, settings, path, now)
    assert (summary.imported, summary.rejected) == (2, 4)
    kept = [json.loads(line) for line in (tmp_path / "log.jsonl.rejects.jsonl").read_text().splitlines()]
    assert sorted(entry["line"] for entry in kept) == [2, 3, 4, 6]
    assert {entry["line"]: entry["row"] for entry in kept}[2] == bad[0]
    assert (tmp_path / "log.jsonl.rejects.jsonl").stat().st_mode & 0o077 == 0
    assert all("yesterday" not in reason for _, reason in summary.problems)
    write_jsonl(path, ROWS)
    assert run_import(store, settings, path, now).rejected == 0
    assert not (tmp_path / "log.jsonl.rejects.jsonl").exists()


class Stop(Exception):
    """Ends an import in the middle."""


def stopped_at(rows: int) -> Callable[[int, int], None]:
    def progress(_position: int, done: int) -> None:
        if done >= rows:
            raise Stop

    return progress


def many(path: Path, count: int) -> None:
    write_jsonl(path, [{"prompt": f"question {index}", "time": "2026-03-02T08:00:00Z"} for index in range(count)])


def test_an_interrupted_import_goes_on_where_it_was(
    store: Store, settings: Settings, tmp_path: Path, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_import, "BATCH_ROWS", 100)
    monkeypatch.setattr(file_import, "MARK_EVERY_S", -1.0)
    path = tmp_path / "log.jsonl"
    many(path, 1000)
    with pytest.raises(Stop):
        run_import(store, settings, path, now, stopped_at(400))
    assert spans(store) == 400
    summary = run_import(store, settings, path, now)
    assert (summary.resumed_after, summary.rows, summary.imported, summary.duplicates) == (400, 600, 600, 0)
    assert spans(store) == 1000
    assert run_import(store, settings, path, now).resumed_after == 0


def test_a_mark_does_not_hide_rows_of_another_file_in_its_place(
    store: Store, settings: Settings, tmp_path: Path, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_import, "BATCH_ROWS", 100)
    monkeypatch.setattr(file_import, "MARK_EVERY_S", -1.0)
    path = tmp_path / "log.jsonl"
    for other in (["changed"] * 1000, ["short"]):
        many(path, 1000)
        with pytest.raises(Stop):
            run_import(store, settings, path, now, stopped_at(400), restart=True)
        before = spans(store)
        write_jsonl(path, [{"prompt": text, "time": "2026-03-02T08:00:00Z"} for text in other])
        summary = run_import(store, settings, path, now)
        assert (summary.resumed_after, summary.imported) == (0, len(other))
        assert spans(store) == before + len(other)


def command_line(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "monitor.cli", *arguments]


def test_killed_and_repeated_it_loses_and_doubles_nothing(empty_database_url: str, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    count = 12_000
    path.write_text("prompt,time\n" + "".join(f"question {index % 7},2026-03-02T08:00:00Z\n" for index in range(count)))
    arguments = command_line("import", str(path), "--database-url", empty_database_url)
    kills = 0
    store = Store(empty_database_url)
    try:
        for wanted in (1, count // 2):
            process = subprocess.Popen(arguments, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            deadline = time.monotonic() + 60
            while process.poll() is None and time.monotonic() < deadline and counted(store) < wanted:
                time.sleep(0.02)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            kills += process.returncode == -signal.SIGKILL
        assert kills >= 1
        assert counted(store) < count or kills < 2
        done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        assert counted(store) == count
    finally:
        store.close()


def counted(store: Store) -> int:
    try:
        return spans(store)
    except Exception:  # the schema is not made yet
        return 0


def test_the_command_reports_and_says_what_next(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    write_jsonl(path, [*ROWS, {"time": "2026-03-02T08:00:00", "prompt": "no zone", "id": "z"}])
    url = f"sqlite:///{tmp_path / 'new.db'}"
    arguments = [str(path), "--database-url", url, "--project", "shop"]
    done = CliRunner().invoke(cli.commands, ["import", *arguments], standalone_mode=False)
    assert done.return_value == 0
    assert "2 calls imported" in done.stdout
    assert "llmops-monitor up" in done.stdout
    assert f"{path}:3: time: has no time zone" in done.stderr
    done = CliRunner().invoke(
        cli.commands, ["import", *arguments, "--timezone", "Europe/Berlin", "--json"], standalone_mode=False
    )
    document = json.loads(done.stdout)
    assert document["project"] == "shop"
    assert document["files"][0]["imported"] == 1
    assert document["files"][0]["duplicates"] == 2
    store = Store(url)
    call = call_of(store, store.project("shop", 0), "z", "z")
    assert call.row.time == datetime(2026, 3, 2, 8, tzinfo=ZoneInfo("Europe/Berlin"))
    assert not read_mark(store, "import")
    store.close()


def test_the_command_says_where_history_only_teaches(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    write_jsonl(path, ROWS)
    url = f"sqlite:///{tmp_path / 'new.db'}"
    arguments = ["import", str(path), "--database-url", url]
    assert "teaches" not in CliRunner().invoke(cli.commands, arguments, standalone_mode=False).stdout
    store = Store(url)
    judged = to_microseconds(datetime(2026, 3, 2, 9, tzinfo=UTC))
    verdict = {
        "project_id": store.project("default", 0),
        "indicator": "drift",
        "signal": "calls",
        "dimension": "",
        "value": "",
        **dict.fromkeys(("start", "end", "window_start", "computed"), judged),
        "state": "ok",
        "reason": "",
        "n": 1,
        "effective_n": 1.0,
    }
    with store.write() as connection:
        store.insert(connection, tables.Verdict, [verdict])
    store.close()
    said = CliRunner().invoke(cli.commands, arguments, standalone_mode=False).stdout
    assert "imported from before 2026-03-02 09:00 UTC only teaches what is normal" in said


def test_the_command_fails_with_2_where_nothing_can_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    path = tmp_path / "log.jsonl"
    path.write_text("nonsense\n")
    for arguments in (
        [str(path)],
        [str(tmp_path / "absent.jsonl")],
        [str(path), "--timezone", "Mars/Olympus"],
    ):
        assert cli.run(["import", *arguments, "--database-url", url]) == 2
        message = capsys.readouterr().err
        assert message.strip()
        assert "Traceback" not in message
