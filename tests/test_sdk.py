"""The SDK against real HTTP servers: what arrives, what is lost and counted, and that the host never notices."""

from __future__ import annotations

import logging
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from werkzeug.serving import make_server

import monitor
from monitor.ingest import Ingester, http
from monitor.queries.traces import call_of, trace_of
from monitor.sdk.sender import CALLS, Sender
from monitor.sdk.transport import Transport
from monitor.settings import Settings
from monitor.store import Store
from tests.benchmarks.sdk import measure
from tests.sink import Sink, free_port, own_client


@pytest.fixture(autouse=True)
def _own_client() -> Iterator[None]:
    with own_client():
        yield


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink() as made:
        yield made


def test_calls_and_feedback_arrive_with_the_project_and_the_key(sink: Sink) -> None:
    monitor.init(project="shop", endpoint=sink.url, api_key="mk_test", release="7.1")
    identifier = monitor.log_call(model="gpt-4", prompt="Hé?", response="Yes.", input_tokens=3, plan="pro")
    assert monitor.log_feedback("thumb", True, id=identifier, comment="good")
    assert monitor.flush(10) == 0
    [call] = sink.calls
    assert call["id"] == identifier
    assert call["prompt"] == "Hé?"
    assert (call["release"], call["plan"], call["input_tokens"]) == ("7.1", "pro", 3)
    assert call["time"].endswith("+00:00")
    [said] = sink.feedback
    assert (said["id"], said["name"], said["value"], said["comment"]) == (identifier, "thumb", True, "good")
    assert call["project"] == said["project"] == "shop"
    assert sink.headers[0]["Authorization"] == "Bearer mk_test"
    assert monitor.lost() == 0


def test_the_environment_counts_where_init_is_left_out(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONITOR_ENDPOINT", sink.url)
    monkeypatch.setenv("MONITOR_PROJECT", "from-environment")
    monitor.log_call(prompt="a", response="b")
    assert monitor.flush(10) == 0
    assert sink.calls[0]["project"] == "from-environment"


def test_large_batches_are_compressed_and_complete(sink: Sink) -> None:
    monitor.init(endpoint=sink.url)
    identifiers = [monitor.log_call(prompt="question " * 20, response=str(index)) for index in range(1500)]
    assert monitor.flush(20) == 0
    assert [call["id"] for call in sink.calls] == identifiers
    assert any(headers.get("Content-Encoding") == "gzip" for headers in sink.headers)


def test_a_record_is_a_copy_taken_at_once(sink: Sink) -> None:
    monitor.init(endpoint=sink.url)
    messages: list[Any] = [{"role": "user", "content": "first"}]
    circle: list[Any] = []
    circle.append(circle)
    monitor.log_call(prompt=messages, response="x", tags={"odd": float("nan"), "object": object, "circle": circle})
    messages.append({"role": "user", "content": "second"})
    assert monitor.flush(10) == 0
    [call] = sink.calls
    assert call["prompt"] == [{"role": "user", "content": "first"}]
    assert call["tags"]["odd"] is None
    assert "object" in call["tags"]["object"]


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError("never to be seen")


def test_nothing_is_raised_whatever_is_reported(sink: Sink) -> None:
    class Hostile(dict[str, Any]):
        def items(self) -> Any:
            raise RuntimeError("boom")

    monitor.init(endpoint=sink.url)
    assert monitor.log_call(prompt=Unprintable(), response="\ud800 half a character")
    assert monitor.log_call(tags=Hostile(a=1)) == ""
    assert monitor.flush(10) == 1
    assert monitor.lost() == 1
    assert sink.calls[0]["prompt"] == "<Unprintable>"
    assert sink.calls[0]["response"] == "? half a character"


def test_a_busy_server_is_asked_again(sink: Sink) -> None:
    sink.answers = [(429, {"Retry-After": "0"}, b""), (503, {}, b""), (502, {}, b"")]
    monitor.init(endpoint=sink.url)
    identifier = monitor.log_call(prompt="a", response="b")
    assert monitor.flush(20) == 0
    assert [call["id"] for call in sink.calls] == [identifier]
    assert len(sink.headers) == 4


def test_too_large_batches_are_halved(sink: Sink) -> None:
    sink.largest = 3
    monitor.init(endpoint=sink.url)
    identifiers = [monitor.log_call(prompt=str(index)) for index in range(10)]
    assert monitor.flush(20) == 0
    assert [call["id"] for call in sink.calls] == identifiers


def test_refused_records_are_counted_and_told(sink: Sink, caplog: pytest.LogCaptureFixture) -> None:
    sink.answers = [(401, {}, b""), (200, {}, b'{"rejected": [{"index": 0, "reason": "bad"}]}')]
    monitor.init(endpoint=sink.url)
    with caplog.at_level(logging.WARNING, "monitor.sdk"):
        monitor.log_call(prompt="text of a person")
        assert monitor.flush(10) == 1
        monitor.log_call(prompt="another")
        assert monitor.flush(10) == 1
    monitor.log_call(prompt="third", tags={"plan": "pro"})
    monitor.log_call(prompt="fourth")
    assert monitor.flush(10) == 0
    assert monitor.lost() == 2
    assert [call.get("tags") for call in sink.calls] == [{"sdk.lost": 1}, {"plan": "pro", "sdk.lost": 1}, None]
    assert "401" in caplog.text
    assert "text of a person" not in caplog.text


def test_a_dead_endpoint_costs_the_host_nothing() -> None:
    monitor.init(endpoint=f"http://127.0.0.1:{free_port()}", queue_records=100)
    started = time.thread_time()
    identifiers = [monitor.log_call(prompt="a") for _ in range(1000)]
    assert time.thread_time() - started < 1.0
    assert all(identifiers)
    started = time.perf_counter()
    left = monitor.flush(0.3)
    assert time.perf_counter() - started < 10
    assert left == 1000
    assert 0 < monitor.lost() <= 900


def test_what_waited_is_delivered_when_the_server_comes_back() -> None:
    port = free_port()
    monitor.init(endpoint=f"http://127.0.0.1:{port}")
    identifiers = [monitor.log_call(prompt="a") for _ in range(20)]
    assert monitor.flush(0.3) == 20
    with Sink(port) as sink:
        assert monitor.flush(20) == 0
        assert [call["id"] for call in sink.calls] == identifiers
        assert monitor.lost() == 0


def test_a_slow_endpoint_costs_the_host_nothing(sink: Sink) -> None:
    sink.delay_s = 0.5
    monitor.init(endpoint=sink.url)
    times = measure(lambda: monitor.log_call(prompt="a" * 1000, response="b" * 1000), 200)
    assert statistics.median(times) < 1000
    assert times[-1] < 400_000
    assert monitor.flush(20) == 0
    assert len(sink.calls) == 200


def test_an_endpoint_that_is_no_address_loses_everything_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "monitor.sdk"):
        monitor.init(endpoint="localhost:8050")
    assert "endpoint" in caplog.text
    monitor.log_call(prompt="a")
    assert monitor.flush(5) == 1
    assert monitor.lost() == 1


def test_a_key_that_cannot_be_sent_loses_everything_and_says_so(sink: Sink, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "monitor.sdk"):
        monitor.init(endpoint=sink.url, api_key="key\r\nX-Injected: 店")
        monitor.log_call(prompt="a")
        assert monitor.flush(5) == 1
    assert sink.calls == []
    assert "Injected" not in caplog.text


def test_where_no_thread_can_start_records_are_lost_and_counted(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_thread: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monitor.init(endpoint=sink.url)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start)
        assert monitor.log_call(prompt="a")
    assert monitor.lost() == 1
    assert monitor.log_call(prompt="b")
    assert monitor.flush(10) == 1
    assert [call["prompt"] for call in sink.calls] == ["b"]


def test_characters_are_bounded_too() -> None:
    sender = Sender(Transport(f"http://127.0.0.1:{free_port()}", ""), 100, queue_characters=1000)
    assert not sender.submit(CALLS, {"prompt": "x" * 2000}, 2000)
    assert sender.lost == 1
    assert sender.close(0) == 1


FORKING = """
import multiprocessing, os, sys, threading
import monitor
monitor.init(endpoint=sys.argv[1], project="fork")
monitor.log_call(name="parent before", prompt="p")
child = os.fork()
if child == 0:
    monitor.log_call(name="child", prompt="p")
    os._exit(0 if monitor.flush(10) == 0 and monitor.lost() == 0 else 1)
status = os.waitpid(child, 0)[1]
monitor.log_call(name="parent after", prompt="p")
def work():
    monitor.log_call(name="worker", prompt="p")
for number in range(5):
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join()
sys.exit(status)
"""


def test_it_goes_on_after_a_fork_and_sends_at_exit(sink: Sink) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKING, sink.url], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    names = sorted(call["name"] for call in sink.calls)
    assert names == ["child", "parent after", "parent before", *["worker"] * 5]


def test_exit_is_not_held_up_by_a_dead_endpoint() -> None:
    code = f"import monitor; monitor.init(endpoint='http://127.0.0.1:{free_port()}'); monitor.log_call(prompt='a')"
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0
    assert time.perf_counter() - started < 15
    assert "Traceback" not in done.stderr
    assert "1 records for the monitor were not delivered" in done.stderr


def test_importing_is_cheap_and_pulls_in_nothing_heavy() -> None:
    code = """
import sys, time
before = set(sys.modules)
started = time.process_time()
import monitor
elapsed = time.process_time() - started
first = sorted(name for name in set(sys.modules) - before)
monitor.log_call
new = sorted({name.partition('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names))
print(elapsed, first, new, sep=";")
"""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True, env=environment
    ).stdout
    elapsed, first, new = output.strip().split(";")
    assert new == "['monitor']"
    assert "'monitor.sdk'" not in first
    assert float(elapsed) < 0.25


def test_sending_imports_nothing_more() -> None:
    code = f"""
import sys
import monitor
monitor.init(endpoint="http://127.0.0.1:{free_port()}")
before = set(sys.modules)
monitor.log_call(prompt="a" * 5000)
monitor.flush(0.5)
print(sorted(set(sys.modules) - before))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]", "a fork during an import leaves it locked in the child"


def test_a_call_costs_the_caller_microseconds(sink: Sink) -> None:
    monitor.init(endpoint=sink.url, queue_records=100_000)
    texts = {"prompt": "question " * 150, "response": "answer " * 150}
    times = measure(lambda: monitor.log_call(model="gpt-4", input_tokens=5, **texts), 2000)
    # The figure to reach is 50 microseconds (benchmark `sdk`); a shared, busy machine gets five times that here.
    assert statistics.median(times) < 250
    assert monitor.flush(30) == 0


@pytest.fixture
def real_server(store: Store, settings: Settings) -> Iterator[str]:
    """The monitor's own ingest, served over HTTP."""
    ingester = Ingester(store, settings)
    server = make_server("127.0.0.1", 0, http.Endpoint(ingester, settings), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
    ingester.close()


def test_what_is_reported_is_what_the_monitor_stores(store: Store, real_server: str) -> None:
    monitor.init(project="shop магазин 店", endpoint=real_server, environment="production")

    @monitor.observe(kind="retriever")
    def look_up(question: str) -> list[str]:
        return ["document one"]

    @monitor.observe(model="gpt-4", provider="openai")
    def ask(messages: list[dict[str, str]]) -> Iterator[str]:
        monitor.annotate(input_tokens=20, output_tokens=5, user_id="ada", session_id="s1", tags={"plan": "pro"})
        yield "It "
        yield "is."

    @monitor.observe
    def answer(question: str) -> str:
        look_up(question)
        reply = "".join(ask([{"role": "system", "content": "Be brief."}, {"role": "user", "content": question}]))
        identifiers.append(monitor.annotate(feature="maths"))
        return reply

    identifiers: list[str] = []
    assert answer("Is 7 prime?") == "It is."
    single = monitor.log_call(prompt="x", response="y", time=datetime(2026, 11, 1, tzinfo=UTC))
    monitor.log_feedback("thumb", False, id=single, comment="no")
    monitor.log_feedback("stars", 4, id=identifiers[0])
    assert monitor.flush(20) == 0
    assert monitor.lost() == 0
    project = store.project("shop магазин 店", 0)
    trace_id, _, span_id = identifiers[0].partition(":")
    trace = trace_of(store, project, trace_id)
    assert [(node.depth, node.kind, node.name.rpartition(".")[2]) for node in trace.nodes] == [
        (0, "chain", "answer"),
        (1, "retriever", "look_up"),
        (1, "llm", "ask"),
    ]
    assert [(note.name, note.value, note.span_id) for note in trace.feedback] == [("stars", 4.0, span_id)]
    call = call_of(store, project, trace_id, trace.nodes[2].span_id)
    assert [message.role for message in call.body.prompt] == ["system", "user"]
    assert call.body.response == "It is."
    assert (call.row.model, call.row.input_tokens, call.row.output_tokens) == ("gpt-4", 20, 5)
    assert (call.row.session_id, call.row.environment, call.row.tags) == ("s1", "production", {"plan": "pro"})
    assert call.row.user not in ("", "ada")
    lone = call_of(store, project, single, single)
    assert lone.row.time == datetime(2026, 11, 1, tzinfo=UTC)
    assert [(note.name, note.value, note.comment) for note in lone.feedback] == [("thumb", 0.0, "no")]


def test_public_names() -> None:
    assert set(monitor.__all__) >= {"init", "observe", "log_call", "log_feedback", "flush", "lost", "annotate"}
    for name in monitor.__all__:
        assert getattr(monitor, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        monitor.nothing  # noqa: B018
