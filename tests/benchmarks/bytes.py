"""Bytes on disk a call, profiles apart, by table and index, after enrichment, on both engines.

Two kinds of calls with some 1,500 characters of text: those of the ingest benchmark (random words), and real chats of
the packaged demo that the shared dictionary was not trained on. `tests/test_bytes.py` holds the sum to its limit.
"""

from __future__ import annotations

import gzip
import json
import random
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from itertools import count, islice
from pathlib import Path
from typing import Any

from sqlalchemy import text as sql

import monitor
from monitor import duplicates, migrate, tables
from monitor.enrich import enrich_pending
from monitor.ingest import Ingester, otlp
from monitor.settings import Settings
from monitor.store import Store
from tests.benchmarks.ingest import attributes, postgresql
from tests.telemetry import NOW, START, body_of, otlp_span

CALLS = 10_000
_FIRST = 200
PROFILES = frozenset(("profile", "profile_block", "sqlite_autoindex_profile_1", "profile_stream", "segment"))
_DEMO = Path(monitor.__file__).parent / "demo" / "data" / "llmdrift.jsonl.gz"
_BATCH = 500

Attributes = Mapping[str, Any]


def random_words(count: int) -> Iterator[Attributes]:
    """Calls as the ingest benchmark sends them."""
    generator = random.Random(1)
    for number in range(count):
        yield attributes(generator, number)


def real_chats(count: int, path: Path = _DEMO) -> Iterator[Attributes]:
    """The same calls with real prompts and answers of 1,000 to 2,000 characters, again from the start at the end."""
    with gzip.open(path, "rt") as file:
        chats = [json.loads(line) for number, line in enumerate(file) if number % 16 or path != _DEMO]
    texts = [(str(chat["prompt"]), str(chat["response"])) for chat in chats if chat.get("prompt")]
    texts = [pair for pair in texts if 1_000 <= sum(map(len, pair)) <= 2_000]
    for number, call in enumerate(random_words(count)):
        question, answer = texts[number % len(texts)]
        yield {
            **call,
            "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": question}]}]),
            "gen_ai.output.messages": json.dumps(
                [{"role": "assistant", "parts": [{"type": "text", "content": answer}], "finish_reason": "stop"}]
            ),
        }


def fill(store: Store, calls: Iterable[Attributes], first: int = 0) -> int:
    """Takes the calls in as OTLP and enriches them; answers how many. They are numbered from `first` on.

    What is kept of calls for an hour or two (`monitor.duplicates`), or until they are enriched, is gone at the end.
    """
    settings = Settings(database_url=store.url.render_as_string(hide_password=False), secret_key="a key")
    generator = random.Random(first)
    ingester = Ingester(store, settings)
    spans = []
    for number, call in enumerate(calls, first):
        start = START + number * 1_000_000
        spans.append(
            otlp_span(
                attributes=call,
                traceId=generator.randbytes(16).hex(),
                spanId=generator.randbytes(8).hex(),
                startTimeUnixNano=str(start),
                endTimeUnixNano=str(start + 900_000_000 + generator.randrange(2_000_000_000)),
            )
        )
    for place in range(0, len(spans), _BATCH):
        body = body_of(*spans[place : place + _BATCH])
        ingester.submit_all(
            otlp.read_traces(body, otlp.JSON, lambda named: named or "default"), NOW + timedelta(hours=1)
        )
    ingester.close()
    assert enrich_pending(store, settings, NOW, limit=len(spans)) == len(spans)
    duplicates.forget(store, NOW + timedelta(milliseconds=first + len(spans)) + timedelta(hours=2))
    for model in (tables.Pending, tables.ResponseNumber):
        store.give_back(model, above=0)
    return len(spans)


def parts(store: Store) -> dict[str, int]:
    """Bytes on disk of every table and index but those of profiles, on either engine."""
    if store.is_sqlite:
        question = "SELECT name, sum(pgsize) FROM dbstat GROUP BY name"
    else:
        question = (
            "SELECT relname, pg_relation_size(oid) + CASE reltoastrelid WHEN 0 THEN 0 ELSE "
            "pg_total_relation_size(reltoastrelid) END FROM pg_class WHERE relkind IN ('r', 'i') "
            "AND relnamespace = 'public'::regnamespace"
        )
    with store.read() as connection:
        found: dict[str, int] = {row[0]: int(row[1]) for row in connection.execute(sql(question))}
    return {name: size for name, size in found.items() if name not in PROFILES}


def a_call(store: Store, calls: Iterable[Attributes]) -> dict[str, float]:
    """Bytes a call that these add to a store with some calls, by table and index, the largest first."""
    stream = iter(calls)
    first = fill(store, islice(stream, _FIRST))
    before = parts(store)
    more = fill(store, stream, first)
    added = {name: (size - before[name]) / more for name, size in parts(store).items()}
    return dict(sorted(added.items(), key=lambda item: -item[1]))


@contextmanager
def sqlite() -> Iterator[Callable[[], str]]:
    """Makes SQLite files, and answers their addresses."""
    with tempfile.TemporaryDirectory() as folder:
        numbers = count()
        yield lambda: f"sqlite:///{Path(folder) / str(next(numbers))}.db"


def run() -> list[dict[str, Any]]:
    """One row for each table and index; the last is the sum."""
    columns: dict[str, dict[str, float]] = {}
    for engine, databases in (("SQLite", sqlite), ("PostgreSQL", postgresql)):
        with databases() as fresh:
            for title, calls in (("random words", random_words), ("real chats", real_chats)):
                store = Store(fresh())
                migrate.upgrade(store)
                columns[f"{engine}, {title}"] = a_call(store, calls(CALLS))
                store.close()
    for column in columns.values():
        column["sum"] = sum(column.values())
    names = dict.fromkeys(name for column in columns.values() for name in column if name != "sum")
    return [
        {"table or index": name} | {title: column.get(name) for title, column in columns.items()}
        for name in (*names, "sum")
        if any(column.get(name, 0) >= 1 for column in columns.values())
    ]
