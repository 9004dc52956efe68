"""Helper processes of ingest: the same rows as without, nothing lost when one is killed, none left behind."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from sqlalchemy import select

from monitor import clock, tables
from monitor.errors import InputError
from monitor.identifiers import unpack_identifier
from monitor.ingest import Ingester, helpers, otlp
from monitor.ingest.parcel import Destination, Packer, Parcel
from monitor.ingest.parcel_wire import decode_parcels, encode_parcels
from monitor.settings import Settings
from monitor.store import Store, table_of
from tests.benchmarks._workload import Line, requests_of

HERE = Destination("default")


@pytest.fixture
def store(tmp_path: Path, sqlite_template: Path) -> Iterator[Store]:
    """A store on SQLite: helpers know nothing of databases."""
    shutil.copy(sqlite_template, tmp_path / "store.db")
    opened = Store(f"sqlite:///{tmp_path / 'store.db'}")
    yield opened
    opened.close()


@pytest.fixture
def ingester(store: Store, settings: Settings) -> Iterator[Ingester]:
    one = Ingester(store, settings, helpers=1)
    yield one
    one.close()


def eventually(holds: Callable[[], Any], seconds: float = 60.0) -> Any:
    """What `holds` answers as soon as it is true."""
    end = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.01)
    return found


def submit(ingester: Ingester, body: bytes, encoding: str = otlp.PROTOBUF, destination: Destination = HERE) -> int:
    """Sends a body; answers how many spans were stored."""
    with ingester.packed_traces(body, encoding, destination, clock.now()) as parcels:
        (outcome,) = ingester.commit([parcels])
    if isinstance(outcome, Exception):
        raise outcome
    return sum(one.accepted for one in outcome)


def crowd(ingester: Ingester, bodies: list[bytes], senders: int = 4) -> int:
    """Sends bodies from several threads at once; answers how many spans were stored."""
    stored: list[int] = []
    failed: list[BaseException] = []

    def one(number: int) -> None:
        try:
            stored.extend(submit(ingester, body) for body in bodies[number::senders])
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(senders)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    return sum(stored)


def helped(ingester: Ingester) -> int:
    """Id of a helper that is ready; it is started by load."""

    def ready() -> bool:
        return any(one.alive and one._is_ready() for one in ingester.helpers._running)

    crowd(ingester, requests_of(1_600, 50, seed=1))
    eventually(ready)
    return ingester.helpers.processes[0]


def spans_of(store: Store) -> list[str]:
    """The span ids in the store."""
    with store.read() as connection:
        return [unpack_identifier(one) for one in connection.execute(select(table_of(tables.Span).c.span_id)).scalars()]


def comparable(parcels: list[Parcel]) -> list[Any]:
    """Parcels without the ids that each process draws."""
    return [
        (
            parcel.project,
            parcel.sender,
            dict(parcel.unmapped),
            sorted(parcel.dialects),
            parcel.feedback,
            parcel.rejected,
            parcel.positions,
            sorted(parcel.lost.values()),
            [row | {"id": 0} for row in parcel.spans],
            [body and body | {"id": 0} for body in (parcel.bodies.get(row["id"]) for row in parcel.spans)],
        )
        for parcel in parcels
    ]


def mixed() -> bytes:
    """A request in JSON: masked text, feedback, a lost count, a bad span, an unknown name, a span without text."""
    start = str(time.time_ns() - 60_000_000_000)

    def span(number: int, **attributes: Any) -> dict[str, Any]:
        values = [
            {"key": name, "value": {"intValue": value} if isinstance(value, int) else {"stringValue": value}}
            for name, value in attributes.items()
        ]
        times = {"startTimeUnixNano": start, "endTimeUnixNano": start}
        return {"traceId": f"{number:032x}", "spanId": f"{number:016x}", "name": "chat", "attributes": values} | times

    said = json.dumps([{"role": "user", "parts": [{"type": "text", "content": "Write to ada@example.com, é, 漢"}]}])
    spans = [
        span(1, **{"gen_ai.operation.name": "chat", "gen_ai.input.messages": said, "gen_ai.usage.input_tokens": 7}),
        span(2, **{"gen_ai.operation.name": "chat", "annotations.0.annotation.name": "good"}),
        span(3, **{"llmops.tag.sdk.lost": 4, "who.knows": "x" * 300, "user.id": "ada"}),
        span(0),
        span(4, **{"annotations.0.annotation.name": "helpful", "annotations.0.annotation.score": 1}),
        {"traceId": "f" * 32, "spanId": "f" * 16, "startTimeUnixNano": start},
    ]
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).encode()


@pytest.mark.parametrize(("encoding", "body"), [(otlp.JSON, mixed()), (otlp.PROTOBUF, requests_of(600, 600, 3)[0])])
def test_parcels_survive_the_way(settings: Settings, encoding: str, body: bytes) -> None:
    packer, now = Packer(settings, b"key"), clock.now()
    parcels = [packer.pack(batch, now) for batch in otlp.read_traces(body, encoding, HERE.project_of)]
    came = decode_parcels(encode_parcels(parcels), now)
    assert comparable(came) == comparable(parcels)
    assert [[row["id"] for row in parcel.spans] for parcel in came] == [
        [row["id"] for row in parcel.spans] for parcel in parcels
    ]
    if encoding == otlp.JSON:
        assert any(parcel.rejected for parcel in parcels)
        assert any(parcel.feedback for parcel in parcels)
        assert any(parcel.lost for parcel in parcels)


def test_a_helper_makes_the_same_parcels(ingester: Ingester) -> None:
    helped(ingester)
    now = clock.now()
    for encoding, body in ((otlp.JSON, mixed()), (otlp.PROTOBUF, requests_of(600, 600, 3)[0])):
        there = ingester.helpers.parcels(body, encoding, Destination("default", asked="shop"), now)
        read = otlp.read_traces(body, encoding, Destination("default", asked="shop").project_of)
        assert there is not None
        assert comparable(there) == comparable([ingester._packer.pack(batch, now) for batch in read])


def test_what_cannot_be_read_is_told_as_without_a_helper(ingester: Ingester, store: Store) -> None:
    number = helped(ingester)
    before = len(spans_of(store))
    for body in (b"\xff" * 100_000, b"{" * 100_000):
        for encoding in (otlp.PROTOBUF, otlp.JSON):
            with pytest.raises(InputError):
                submit(ingester, body, encoding)
    good = requests_of(100, 100, seed=8)[0]
    with pytest.raises(InputError, match="project"):
        submit(ingester, good, destination=Destination("default", asked="\n"))
    assert submit(ingester, good) == 100
    assert len(spans_of(store)) == before + 100
    assert ingester.helpers.processes == [number]


def test_nothing_is_lost_or_doubled_when_helpers_are_killed(ingester: Ingester, store: Store) -> None:
    killed: list[int] = []
    for seed in range(4):
        ingester.helpers._not_before = 0.0
        number = helped(ingester)
        before = len(spans_of(store))
        killer = threading.Timer(0.02 * seed, os.kill, (number, signal.SIGKILL))
        killer.start()
        assert crowd(ingester, requests_of(2_000, 100, seed=100 + seed)) == 2_000
        killer.join()
        eventually(lambda gone=number: not psutil.pid_exists(gone))
        killed.append(number)
        found = spans_of(store)
        assert len(found) == len(set(found)) == before + 2_000
    assert len(set(killed)) == 4


def test_a_helper_that_says_nothing_is_ended(ingester: Ingester, monkeypatch: pytest.MonkeyPatch) -> None:
    number = helped(ingester)
    helper = ingester.helpers._running[0]
    helper._channel.settimeout(0.2)
    os.kill(number, signal.SIGSTOP)
    assert submit(ingester, requests_of(100, 100, seed=9)[0]) == 100
    eventually(lambda: not psutil.pid_exists(number))
    assert not helper.alive


def test_where_no_process_can_be_made_all_is_done_here(
    ingester: Ingester, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(helpers.sys, "executable", "/nowhere/python")
    assert crowd(ingester, requests_of(1_600, 50, seed=1)) == 1_600
    assert ingester.helpers.processes == []
    assert len(spans_of(store)) == 1_600


def test_a_thin_stream_starts_no_helper(ingester: Ingester) -> None:
    for body in requests_of(1_600, 50, seed=1):
        submit(ingester, body)
    assert ingester.helpers._running == []


def test_no_helper_outlives_the_end(store: Store, settings: Settings) -> None:
    ingester = Ingester(store, settings, helpers=1)
    number = helped(ingester)
    ingester.close()
    eventually(lambda: not psutil.pid_exists(number))
    assert ingester.helpers.processes == []


def test_a_helper_ends_when_nobody_asks_or_the_server_is_gone() -> None:
    command = (
        "import pickle, socket, sys; from monitor.settings import Settings; from monitor.ingest import helper_process;"
        "from monitor.ingest.parcel_wire import send, receive; import threading;"
        "own, other = socket.socketpair(); Settings.model_config['env_file'] = None;"
        "send(own, pickle.dumps((Settings(), b'key')));"
        "{ending}"
        "helper_process.main(other.detach(), {idle})"
    )
    for ending, idle in (("", 0.2), ("own.shutdown(socket.SHUT_WR);", 60)):
        subprocess.run([sys.executable, "-c", command.format(ending=ending, idle=idle)], check=True, timeout=60)


def test_a_server_that_is_killed_leaves_no_helper_and_loses_nothing(tmp_path: Path, sqlite_template: Path) -> None:
    shutil.copy(sqlite_template, tmp_path / "killed.db")
    url = f"sqlite:///{tmp_path / 'killed.db'}"
    bodies = requests_of(20_000, 100, seed=1)
    acknowledged: list[int] = []

    def one(port: int, number: int) -> None:
        """Sends its part again and again, until the server is gone."""
        line = Line(port)
        for place in itertools.cycle(range(number, len(bodies), 4)):
            try:
                if line.post(bodies[place])[0] == 200:
                    acknowledged.append(place)
            except OSError:
                break
        line.close()

    command = [sys.executable, "-m", "tests.ingest_server", url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline().split()[1])
        threads = [threading.Thread(target=one, args=(port, number)) for number in range(4)]
        for thread in threads:
            thread.start()
        children = eventually(psutil.Process(process.pid).children) if helpers._usual_number() else []
        before = len(acknowledged)
        eventually(lambda: len(acknowledged) > before + 20)
        process.kill()
        for thread in threads:
            thread.join()
    eventually(lambda: not any(child.is_running() for child in children))
    store = Store(url)
    found = spans_of(store)
    store.close()
    sent = {
        span.span_id.hex()
        for place in acknowledged
        for span in ExportTraceServiceRequest.FromString(bodies[place]).resource_spans[0].scope_spans[0].spans
    }
    assert len(sent) == 100 * len(set(acknowledged)) > 0
    assert sent <= set(found)
    assert len(found) == len(set(found))
