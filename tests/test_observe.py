"""`@monitor.observe`: functions of every kind behave as before, and are reported with their place in the trace."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import monitor
from tests.sink import Sink, own_client


@pytest.fixture(autouse=True)
def _own_client() -> Iterator[None]:
    with own_client():
        yield


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink() as made:
        yield made


def test_observed_functions_share_a_trace(sink: Sink) -> None:
    monitor.init(endpoint=sink.url)
    feedback_ids = []

    @monitor.observe(kind="retriever")
    def look_up(question: str) -> list[str]:
        return ["document one"]

    @monitor.observe
    def ask(prompt: str, temperature: float = 0.0) -> str:
        feedback_ids.append(monitor.annotate(model="gpt-4", input_tokens=12, tags={"plan": "pro"}))
        monitor.log_feedback("grounded", 0.5, annotator="code")
        return f"answer to {prompt}"

    @monitor.observe(feature="support")
    def answer(question: str, limit: int) -> str:
        look_up(question)
        monitor.log_call(model="small", prompt="inner", response="call", name="logged")
        return ask(question, temperature=0.2)

    assert answer("why?", 3) == "answer to why?"
    assert monitor.log_feedback("thumb", False, id=feedback_ids[0])
    assert monitor.flush(10) == 0
    outer, inner, document, logged = (sink.call(name) for name in ("answer", "ask", "look_up", "logged"))
    assert (outer["kind"], inner["kind"], document["kind"]) == ("chain", "llm", "retriever")
    assert "parent_id" not in outer
    assert inner["parent_id"] == document["parent_id"] == logged["parent_id"] == outer["id"]
    assert {record["trace_id"] for record in sink.calls} == {outer["trace_id"]}
    assert json.loads(outer["prompt"]) == {"question": "why?", "limit": 3}
    assert inner["prompt"] == "why?"
    assert inner["response"] == "answer to why?"
    assert (inner["model"], inner["input_tokens"], inner["tags"]) == ("gpt-4", 12, {"plan": "pro"})
    assert outer["feature"] == "support"
    assert outer["latency_s"] >= inner["latency_s"] >= 0
    targets = [(said["trace_id"], said["id"]) for said in sink.feedback]
    assert targets == [(inner["trace_id"], inner["id"])] * 2


def test_errors_are_reported_and_raised_on(sink: Sink) -> None:
    monitor.init(endpoint=sink.url)

    @monitor.observe
    def broken(question: str) -> str:
        raise ValueError("no model")

    with pytest.raises(ValueError, match="no model"):
        broken("x")
    with pytest.raises(TypeError):
        broken()  # type: ignore[call-arg]
    assert monitor.flush(10) == 0
    assert sink.calls[0]["status"] == "error"
    assert sink.calls[0]["error"] == "ValueError: no model"
    assert sink.calls[1]["error"].startswith("TypeError")


def test_coroutines_keep_their_traces_apart(sink: Sink) -> None:
    monitor.init(endpoint=sink.url)

    @monitor.observe
    async def inner(prompt: str) -> str:
        await asyncio.sleep(0.01)
        return prompt.upper()

    @monitor.observe
    async def outer(prompt: str) -> str:
        return await inner(prompt)

    async def both() -> list[str]:
        return await asyncio.gather(outer("a"), outer("b"))

    assert asyncio.run(both()) == ["A", "B"]
    assert monitor.flush(10) == 0
    traces = {record["trace_id"] for record in sink.calls}
    assert len(traces) == 2
    for trace in traces:
        parts = {record["kind"]: record for record in sink.calls if record["trace_id"] == trace}
        assert parts["llm"]["parent_id"] == parts["chain"]["id"]
        assert parts["llm"]["prompt"] == parts["chain"]["prompt"]


def test_a_cancelled_coroutine_is_an_error(sink: Sink) -> None:
    monitor.init(endpoint=sink.url)

    @monitor.observe
    async def slow(prompt: str) -> str:
        await asyncio.sleep(60)
        return prompt

    async def cancel() -> None:
        task = asyncio.create_task(slow("x"))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert monitor.flush(10) == 0
    assert sink.calls[0]["error"].startswith("CancelledError")


def test_generators_behave_as_before(sink: Sink) -> None:
    monitor.init(endpoint=sink.url)

    @monitor.observe
    def stream(prompt: str) -> Iterator[str]:
        time.sleep(0.02)
        received = yield "one "
        try:
            yield f"{received} "
        except KeyError:
            yield "caught"
        return "returned"  # type: ignore[return-value]

    generator: Any = stream("count")
    assert next(generator) == "one "
    monitor.log_call(name="outside", prompt="the consumer's own call")
    assert generator.send("two") == "two "
    assert generator.throw(KeyError()) == "caught"
    with pytest.raises(StopIteration) as stop:
        next(generator)
    assert stop.value.value == "returned"
    assert monitor.flush(10) == 0
    record = sink.call("stream")
    assert record["response"] == "one two caught"
    assert 0.02 <= record["time_to_first_token_s"] <= record["latency_s"]
    assert sink.call("outside").get("trace_id") != record["trace_id"]


def test_a_generator_that_is_left_early_or_fails(sink: Sink) -> None:
    monitor.init(endpoint=sink.url)
    closed = []

    @monitor.observe
    def early(prompt: str) -> Iterator[str]:
        try:
            yield "a"
            yield "b"
        finally:
            closed.append(True)

    @monitor.observe
    def failing(prompt: str) -> Iterator[str]:
        yield "a"
        raise OSError("line cut")

    generator: Any = early("x")
    next(generator)
    generator.close()
    assert closed == [True]
    with pytest.raises(OSError, match="line cut"):
        list(failing("x"))
    assert monitor.flush(10) == 0
    assert sink.call("early")["response"] == "a"
    assert "status" not in sink.call("early")
    assert sink.call("failing")["error"] == "OSError: line cut"


def test_asynchronous_generators(sink: Sink) -> None:
    monitor.init(endpoint=sink.url)

    @monitor.observe
    async def stream(messages: list[dict[str, str]]) -> AsyncIterator[str]:
        monitor.log_call(name="inside", prompt="p", response="r")
        yield "a"
        await asyncio.sleep(0)
        yield "b"

    async def consume() -> list[str]:
        return [piece async for piece in stream([{"role": "user", "content": "hello"}])]

    assert asyncio.run(consume()) == ["a", "b"]
    assert monitor.flush(10) == 0
    record = sink.call("stream")
    assert record["response"] == "ab"
    assert record["prompt"] == [{"role": "user", "content": "hello"}]
    assert sink.call("inside")["parent_id"] == record["id"]


def test_capture_can_be_left_out(sink: Sink) -> None:
    monitor.init(endpoint=sink.url)

    @monitor.observe(capture=False)
    def private(secret: str) -> str:
        return "answer"

    private("do not report me")
    assert monitor.flush(10) == 0
    assert "do not report me" not in json.dumps(sink.calls)
    assert sink.calls[0]["response"] == ""
