"""An import that is killed at random moments and repeated loses nothing and doubles nothing, however large the file."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import distinct, func, select

from monitor import tables
from monitor.store import Store, table_of
from tests.conftest import NOW

SPAN = table_of(tables.Span)
FEEDBACK = table_of(tables.Feedback)
MEGABYTE = 1 << 20


def write_calls(path: Path, count: int) -> None:
    """Compact calls: one in two has no id of its own, one in a hundred has feedback, all texts differ."""
    with path.open("w") as stream:
        for number in range(count):
            row: dict[str, Any] = {
                "time": f"2026-03-{1 + number % 9:02d}T08:{number % 60:02d}:00Z",
                "model": "gpt-4o",
                "prompt": f"question {number}",
                "response": "yes",
                "input_tokens": 3,
            }
            if number % 2:
                row["id"] = f"call-{number}"
            if number % 100 == 0:
                row["feedback"] = [{"name": "thumb", "value": True}]
            stream.write(json.dumps(row) + "\n")


def counted(store: Store) -> int:
    try:
        with store.read() as connection:
            return int(connection.execute(select(func.count()).select_from(SPAN)).scalar_one())
    except Exception:  # the schema is not made yet
        return 0


def killed_and_repeated(url: str, path: Path, count: int, *, kills: int, seed: int) -> tuple[int, int]:
    """Imports until it is done, but kills the process at random moments first; answers kills and the largest memory."""
    arguments = [sys.executable, "-m", "monitor.cli", "import", str(path), "--database-url", url, "--processes", "2"]
    generator = random.Random(seed)
    store = Store(url)
    done = largest = 0
    try:
        moments = sorted(generator.randrange(1, count) for _ in range(kills))
        for moment in moments:
            process = subprocess.Popen(arguments, cwd=path.parent, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            watched = psutil.Process(process.pid)
            while process.poll() is None and counted(store) < moment:
                largest = max(largest, memory(watched))
                time.sleep(generator.uniform(0.01, 0.1))
            process.send_signal(signal.SIGKILL)
            process.communicate()
            done += process.returncode == -signal.SIGKILL
        last = subprocess.run(arguments, cwd=path.parent, capture_output=True, text=True, check=False)
        assert last.returncode == 0, last.stderr
        check_complete(store, count)
    finally:
        store.close()
    return done, largest


def memory(process: psutil.Process) -> int:
    """Bytes that the process or one of its own uses, whichever is most."""
    try:
        return max(item.memory_info().rss for item in (process, *process.children(recursive=True)))
    except psutil.NoSuchProcess:
        return 0


def check_complete(store: Store, count: int) -> None:
    with store.read() as connection:
        spans, identifiers = connection.execute(
            select(func.count(), func.count(distinct(SPAN.c.span_id))).select_from(SPAN)
        ).one()
        bodies = connection.execute(select(func.count()).select_from(table_of(tables.Body))).scalar_one()
        waiting = connection.execute(select(func.count()).select_from(table_of(tables.Pending))).scalar_one()
        said = connection.execute(select(func.count()).select_from(FEEDBACK)).scalar_one()
    assert (spans, identifiers, bodies, waiting) == (count, count, count, count)
    assert said == len(range(0, count, 100))


def test_killed_at_random_moments(empty_database_url: str, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    write_calls(path, 20_000)
    kills, _ = killed_and_repeated(empty_database_url, path, 20_000, kills=1, seed=NOW.day)
    assert kills >= 1


@pytest.mark.slow
@pytest.mark.timeout(3_000)
def test_a_million_calls_killed_at_random_moments(empty_database_url: str, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    write_calls(path, 1_000_000)
    kills, largest = killed_and_repeated(empty_database_url, path, 1_000_000, kills=8, seed=1)
    assert kills >= 5
    assert largest < 300 * MEGABYTE


def test_several_processes_do_what_one_does(empty_database_url: str, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    write_calls(path, 5_000)
    with path.open("a") as stream:
        stream.write('{broken\n{"prompt": "x", "time": "yesterday"}\n')
    arguments = [
        sys.executable,
        "-m",
        "monitor.cli",
        "import",
        str(path),
        "--json",
        "--database-url",
        empty_database_url,
    ]
    for processes, imported in (("2", 5_000), ("1", 0)):
        done = subprocess.run(
            [*arguments, "--processes", processes], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        [summary] = json.loads(done.stdout)["files"]
        assert (summary["imported"], summary["duplicates"]) == (imported, 5_000 - imported)
        assert [problem["line"] for problem in summary["problems"]] == [5_001, 5_002]
        rejects = [json.loads(line) for line in Path(summary["rejects_file"]).read_text().splitlines()]
        assert [entry["line"] for entry in rejects] == [5_001, 5_002]


def test_a_process_that_dies_ends_the_import_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    write_calls(path, 20_000)
    url = f"sqlite:///{tmp_path / 'store.db'}"
    arguments = [sys.executable, "-m", "monitor.cli", "import", str(path), "--database-url", url, "--processes", "2"]
    process = subprocess.Popen(arguments, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    store = Store(url)
    try:
        while process.poll() is None and not counted(store):
            time.sleep(0.02)
        workers = [
            child for child in psutil.Process(process.pid).children() if "spawn_main" in " ".join(child.cmdline())
        ]
        workers[0].kill()
        _, error = process.communicate(timeout=120)
    finally:
        store.close()
    assert process.returncode == 2
    assert "A process of the import ended by itself; import again to go on." in " ".join(error.split())
    assert "Traceback" not in error
    assert subprocess.run(arguments, cwd=tmp_path, capture_output=True, check=False).returncode == 0
    store = Store(url)
    check_complete(store, 20_000)
    store.close()
