"""Ingest over HTTP: spans a second that are durable, bytes on disk a call, and what the server needs for it.

The real server process (waitress, masking on, SQLite with `synchronous=FULL`) takes OTLP in protobuf encoding over four
connections; every call carries 1,500 characters of text. The baseline is measured in the same run: the same texts,
uncompressed, inserted by a bare `sqlite3` loop of the same batch size, with nothing else done to them.
"""

from __future__ import annotations

import gc
import http.client
import json
import random
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from sqlmodel import SQLModel

from monitor import tables
from monitor.store import Store

CONNECTIONS = 4
CHARACTERS = 1_500
BATCHES = {1: 2_000, 100: 20_000, 500: 40_000}
MEGABYTE = 1 << 20

_PROSE = """
river water flows through the valley and carries sand stone leaf light from mountain to sea while people build bridges
mills harbours write letters ask questions about weather price order invoice delivery refund account reset language
model answer table list code function error memory network server client request
"""
_WORDS = _PROSE.split()


def text(generator: random.Random, characters: int) -> str:
    """Words in random order: compresses about as well as prose."""
    words = generator.choices(_WORDS, k=characters // 5)
    return " ".join(words)[:characters]


def attributes(generator: random.Random, number: int) -> dict[str, Any]:
    """What an instrumentation of today sends of one chat call."""
    question, answer = text(generator, CHARACTERS // 3), text(generator, CHARACTERS - CHARACTERS // 3)
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.model": "gpt-4o-2024-08-06",
        "gen_ai.response.id": f"chatcmpl-{number:x}",
        "gen_ai.request.temperature": 0.2,
        "gen_ai.request.max_tokens": 1024,
        "gen_ai.usage.input_tokens": 120 + number % 50,
        "gen_ai.usage.output_tokens": 250 + number % 90,
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.conversation.id": f"conversation-{number // 5}",
        "user.id": f"user-{number % 997}",
        "server.address": "api.openai.com",
        "server.port": 443,
        "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": question}]}]),
        "gen_ai.output.messages": json.dumps(
            [{"role": "assistant", "parts": [{"type": "text", "content": answer}], "finish_reason": "stop"}]
        ),
    }


def requests_of(count: int, batch: int, seed: int) -> list[bytes]:
    """OTLP requests with `count` spans, `batch` in each."""
    generator = random.Random(seed)
    start = time.time_ns() - 3_600_000_000_000
    bodies = []
    for first in range(0, count, batch):
        request = ExportTraceServiceRequest()
        group = request.resource_spans.add()
        group.resource.attributes.add(key="service.name").value.string_value = "benchmark"
        scope = group.scope_spans.add()
        scope.scope.name = "opentelemetry.instrumentation.openai_v2"
        for number in range(first, min(first + batch, count)):
            span = scope.spans.add(
                trace_id=generator.randbytes(16),
                span_id=generator.randbytes(8),
                name="chat gpt-4o",
                start_time_unix_nano=start + number * 1_000_000,
                end_time_unix_nano=start + number * 1_000_000 + 900_000_000,
            )
            for name, value in attributes(generator, number).items():
                _set(span.attributes.add(key=name).value, value)
        bodies.append(request.SerializeToString())
    return bodies


def _set(target: Any, value: Any) -> None:
    if isinstance(value, list):
        for item in value:
            _set(target.array_value.values.add(), item)
    else:
        kind = {str: "string_value", int: "int_value", float: "double_value"}[type(value)]
        setattr(target, kind, value)


@contextmanager
def served(folder: Path) -> Iterator[tuple[int, psutil.Process, Path]]:
    """Port and process of a server with an empty store."""
    path = folder / "store.db"
    store = Store(f"sqlite:///{path}")
    assert tables.Span
    SQLModel.metadata.create_all(store.writer)
    store.close()
    command = [sys.executable, "-m", "tests.ingest_server", f"sqlite:///{path}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline().split()[1]), psutil.Process(process.pid), path
        finally:
            process.terminate()


def send(port: int, bodies: Sequence[bytes]) -> None:
    """Posts the bodies over one connection; every one must be taken."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for body in bodies:
        connection.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"the server answered {answer.status}")
    connection.close()


def measure(port: int, process: psutil.Process, batch: int, count: int) -> dict[str, Any]:
    """Sends `count` spans over the connections at once; answers rate and cost."""
    bodies = requests_of(count, batch, seed=batch)
    threads = [threading.Thread(target=send, args=(port, bodies[part::CONNECTIONS])) for part in range(CONNECTIONS)]
    before, started = process.cpu_times(), time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds, after = time.perf_counter() - started, process.cpu_times()
    cpu = after.user + after.system - before.user - before.system
    return {"spans/s": count / seconds, "server CPU ms/span": cpu / count * 1000}


def baseline(folder: Path, batch: int, count: int) -> float:
    """Rows a second of a bare `sqlite3` loop: the texts as they are, one transaction a batch, same durability."""
    generator = random.Random(1)
    rows = [
        (generator.randbytes(16), generator.randbytes(8), json.dumps(attributes(generator, number)))
        for number in range(count)
    ]
    connection = sqlite3.connect(folder / f"baseline-{batch}.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE call (trace BLOB, span BLOB, data TEXT, PRIMARY KEY (trace, span))")
    started = time.perf_counter()
    for first in range(0, count, batch):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO call VALUES (?, ?, ?)", rows[first : first + batch])
        connection.execute("COMMIT")
    seconds = time.perf_counter() - started
    connection.close()
    return count / seconds


def bytes_on_disk(path: Path) -> int:
    """Size of the database with its log folded in."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return path.stat().st_size


def run() -> list[dict[str, Any]]:
    """One row for each batch size; the last columns are of the whole run."""
    rows: list[dict[str, Any]] = []
    for batch, count in BATCHES.items():
        with tempfile.TemporaryDirectory() as name, served(Path(name)) as (port, process, path):
            send(port, requests_of(1, 1, seed=0))
            idle = process.memory_info().rss / MEGABYTE
            empty = bytes_on_disk(path)
            figures = measure(port, process, batch, count)
            gc.collect()
            bare = baseline(Path(name), batch, min(count, 10_000))
            rows.append(
                {
                    "batch": batch,
                    **figures,
                    "bare sqlite rows/s": bare,
                    "ratio": figures["spans/s"] / bare,
                    "bytes/call": (bytes_on_disk(path) - empty) / count,
                    "idle MB": idle,
                }
            )
    return rows


if __name__ == "__main__":
    for row in run():
        sys.stdout.write(json.dumps({name: round(value, 3) for name, value in row.items()}) + "\n")
