"""Import of a file: rows a second, end to end, beside a bare `sqlite3` loop over the same lines.

The command itself is measured, with its start, on JSON Lines with 1,500 characters of text a call and on compact ones;
masking is on and SQLite syncs each commit. CPU time is that of all its processes: on a machine that others use, rows by
CPU second say more than rows by second. The baseline parses the same lines with `json` and inserts them as they are,
with the same durability and 2,000 rows a transaction.
"""

from __future__ import annotations

import json
import random
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.ingest import text

ROWS = {"1,500 characters": 60_000, "compact": 200_000}
BATCH = 2_000


def write(path: Path, count: int, characters: int) -> None:
    """So many calls; texts repeat after a thousand."""
    generator = random.Random(1)
    texts = [(text(generator, characters // 3), text(generator, characters - characters // 3)) for _ in range(1_000)]
    with path.open("w") as stream:
        for number in range(count):
            prompt, response = texts[number % len(texts)]
            row = {
                "id": f"{generator.getrandbits(64):016x}",
                "time": f"2026-03-{1 + number % 20:02d}T{number % 24:02d}:{number % 60:02d}:00Z",
                "provider": "openai",
                "model": "gpt-4o",
                "prompt": f"{number} {prompt}",
                "response": response,
                "input_tokens": 120,
                "output_tokens": 250,
                "latency_s": 0.9,
                "user_id": f"user-{number % 997}",
            }
            stream.write(json.dumps(row) + "\n")


def measure(path: Path, processes: int) -> tuple[float, float]:
    """Seconds and CPU seconds of the command with an empty store."""
    url = f"sqlite:///{path.with_suffix('.db')}"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    subprocess.run(
        [
            sys.executable,
            "-m",
            "monitor.cli",
            "import",
            str(path),
            "--database-url",
            url,
            "--processes",
            str(processes),
        ],
        check=True,
        capture_output=True,
    )
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    for name in path.parent.glob(f"{path.stem}.db*"):
        name.unlink()
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def baseline(path: Path) -> tuple[float, float]:
    """Seconds and CPU seconds of a bare loop."""
    connection = sqlite3.connect(path.with_suffix(".bare"), isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE call (id TEXT PRIMARY KEY, time TEXT, prompt TEXT, response TEXT, data TEXT)")
    started, cpu = time.perf_counter(), time.process_time()
    held: list[tuple[str, str, str, str, str]] = []

    def flush() -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO call VALUES (?, ?, ?, ?, ?)", held)
        connection.execute("COMMIT")
        held.clear()

    with path.open() as stream:
        for line in stream:
            row = json.loads(line)
            held.append((row["id"], row["time"], row["prompt"], row["response"], line))
            if len(held) == BATCH:
                flush()
    flush()
    result = time.perf_counter() - started, time.process_time() - cpu
    connection.close()
    return result


def run() -> list[dict[str, Any]]:
    """One row for each sort of file and number of processes."""
    rows: list[dict[str, Any]] = []
    for title, count in ROWS.items():
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "log.jsonl"
            write(path, count, 1_500 if title.startswith("1") else 40)
            bare, bare_cpu = baseline(path)
            for processes in (1, 2):
                seconds, cpu = measure(path, processes)
                rows.append(
                    {
                        "file": title,
                        "rows": count,
                        "processes": processes,
                        "rows/s": count / seconds,
                        "rows/CPU s": count / cpu,
                        "bare sqlite rows/s": count / bare,
                        "bare rows/CPU s": count / bare_cpu,
                        "ratio": bare / seconds,
                        "CPU ratio": bare_cpu / cpu,
                    }
                )
    return rows
