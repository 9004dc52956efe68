"""Sampling: whole traces, all failures, and whatever people spoke about."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import monitor
from monitor.sdk import client
from monitor.sdk.sampling import HELD_RECORDS
from tests.sink import Sink, own_client


@pytest.fixture(autouse=True)
def _own_client() -> Iterator[None]:
    with own_client():
        yield


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink() as made:
        yield made


@monitor.observe(kind="chain")
def answer(question: str) -> str:
    monitor.log_call(prompt=question, response="first")
    monitor.log_call(prompt=question, response="second")
    return "done"


def test_about_a_tenth_of_the_traces_is_reported_each_whole(sink: Sink) -> None:
    monitor.init(endpoint=sink.url, sample=0.1)
    for number in range(2_000):
        answer(f"question {number}")
    assert monitor.flush(20) == 0
    traces: dict[str, int] = {}
    for record in sink.calls:
        traces[record["trace_id"]] = traces.get(record["trace_id"], 0) + 1
    assert set(traces.values()) == {3}
    # Binomial with mean 200 and deviation 13.4: four deviations either way.
    assert 146 <= len(traces) <= 254
    assert {record["tags"]["sdk.sample_rate"] for record in sink.calls} == {0.1}
    assert monitor.lost() == 0


def test_what_failed_is_always_reported_and_says_so(sink: Sink) -> None:
    monitor.init(endpoint=sink.url, sample=0.0)
    monitor.log_call(prompt="good", response="yes")
    monitor.log_call(prompt="bad", error="timeout")
    monitor.log_call(prompt="said", response="yes", feedback=[{"name": "thumb", "value": False}])
    assert monitor.flush(10) == 0
    assert [(record["prompt"], record["tags"]["sdk.sample_rate"]) for record in sink.calls] == [
        ("bad", 1.0),
        ("said", 1.0),
    ]


def test_feedback_fetches_a_call_that_was_left_out(sink: Sink) -> None:
    monitor.init(endpoint=sink.url, sample=0.0)
    first = monitor.log_call(prompt="first", response="yes")
    second = monitor.log_call(prompt="second", response="no")
    assert monitor.log_feedback("thumb", False, id=second)
    assert monitor.flush(10) == 0
    assert [record["prompt"] for record in sink.calls] == ["second"]
    assert sink.feedback[0]["id"] == second != first


def test_what_is_held_back_is_bounded(sink: Sink) -> None:
    monitor.init(endpoint=sink.url, sample=0.0)
    for number in range(HELD_RECORDS + 500):
        monitor.log_call(prompt=f"question {number}", response="x" * 20_000)
    sampling = client.get_client().sampling
    assert len(sampling._held) <= 400  # 8 million characters, 20,000 each
    assert sampling.left_out == HELD_RECORDS + 500
    assert monitor.flush(10) == 0
    assert sink.calls == []
