"""Wrapped clients and callbacks: real libraries against a stand-in of their provider, with no network beyond it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from monitor.clock import now
from monitor.ingest.call_record import read_call
from tests.client_runs import ANTHROPIC_TOKENS, OPENAI_TOKENS, python_of_clients
from tests.provider import ANSWER, ANTHROPIC_MODEL, FIRST_TOKEN_S, OPENAI_MODEL, provider
from tests.sink import Sink

ROOT = Path(__file__).parents[1]
Record = Mapping[str, Any]


def sent_by(script: str) -> Sink:
    """What a script sent, after it ended well."""
    with provider() as address, Sink() as sink:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "PYTHON"))}
        environment |= {"PROVIDER_ADDRESS": address, "MONITOR_ADDRESS": sink.url, "MONITOR_KEY": "key"}
        done = subprocess.run(
            [python_of_clients(), ROOT / "tests" / "clients_sdk" / f"{script}.py"],
            env=environment | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-4_000:]
    return sink


def asking(records: list[Any], words: str, kind: str = "llm") -> list[Any]:
    """The calls whose prompt has these words."""
    return [record for record in records if record["kind"] == kind and words in str(record["prompt"])]


@pytest.fixture(scope="module")
def wrapped() -> Sink:
    return sent_by("wrapped")


@pytest.fixture(scope="module")
def frameworks() -> Sink:
    return sent_by("frameworks")


pytestmark = pytest.mark.timeout(600)


def test_each_call_is_reported_once(wrapped: Sink) -> None:
    identifiers = [record["id"] for record in wrapped.calls]
    assert len(identifiers) == len(set(identifiers))
    assert len(asking(wrapped.calls, "When do you open?")) == 3  # chat, responses, messages
    for words in ("typed", "raw", "other options", "helper", "broken off", "async stream", "nested"):
        assert len(asking(wrapped.calls, f"'{words}'")) == 1, words


def test_tokens_models_and_answers_are_read_by_ingest(wrapped: Sink) -> None:
    for record in asking(wrapped.calls, "When do you open?"):
        span = read_call(record, now()).span
        anthropic = record["provider"] == "anthropic"
        expected = msgspec.structs.replace(ANTHROPIC_TOKENS, rule="exclusive") if anthropic else OPENAI_TOKENS
        assert span.tokens == expected
        assert span.model == (ANTHROPIC_MODEL if anthropic else OPENAI_MODEL)
        assert span.response == ANSWER
        assert (span.session_id, span.user) == ("session-7", "user-42")
        assert [message.role for message in span.prompt] == ["system", "user"]
        assert span.finish_reason in ("stop", "end_turn")


def test_streams_are_timed_and_put_together(wrapped: Sink) -> None:
    streamed = asking(wrapped.calls, "And on Sunday?")
    assert len(streamed) == 3
    for record in streamed:
        span = read_call(record, now()).span
        assert span.response == ANSWER
        assert span.time_to_first_token_s is not None
        assert FIRST_TOKEN_S <= span.time_to_first_token_s < (span.latency_s or 0)
        assert span.tokens.input


def test_a_stream_that_is_broken_off_is_reported_with_what_came(wrapped: Sink) -> None:
    [record] = asking(wrapped.calls, "broken off")
    assert read_call(record, now()).span.response == "The "
    assert record.get("status", "ok") == "ok"


def test_calls_of_tools_and_errors_arrive(wrapped: Sink) -> None:
    tools = asking(wrapped.calls, "Look it up.")
    assert [("opening_hours" in str(record["response"]), record["finish_reason"]) for record in tools] == [
        (True, "tool_calls"),
        (True, "tool_use"),
    ]
    failures = asking(wrapped.calls, "Please fail")
    assert len(failures) == 3
    assert all(record["status"] == "error" and "asked to fail" in record["error"] for record in failures)


def test_inside_an_observed_function_they_share_its_trace(wrapped: Sink) -> None:
    [chain] = [record for record in wrapped.calls if record["name"] == "answering"]
    assert chain["kind"] == "chain"
    inside = [record for record in wrapped.calls if record.get("parent_id") == chain["id"]]
    assert {record["name"] for record in inside} == {"chat.completions.create", "streamed by hand"}
    assert {record["trace_id"] for record in inside} == {chain["trace_id"]}
    [by_hand] = asking(wrapped.calls, "by hand")
    assert (by_hand["response"], by_hand["tags"]) == ("so it is", {"hand": True})
    assert by_hand["time_to_first_token_s"] >= 0
    assert wrapped.feedback[0]["id"] == by_hand["id"]


def test_an_embedding_is_no_call_of_a_model_that_answers(wrapped: Sink) -> None:
    [record] = asking(wrapped.calls, "opening hours", "embedding")
    assert read_call(record, now()).span.tokens.input == 12


def test_langchain_reports_models_chains_and_tools(frameworks: Sink) -> None:
    [chain] = [
        record
        for record in frameworks.calls
        if record["name"] == "RunnableSequence" and "When do you open?" in str(record["prompt"])
    ]
    [model] = asking(frameworks.calls, "When do you open?")
    assert (model["parent_id"], model["trace_id"]) == (chain["id"], chain["trace_id"])
    span = read_call(model, now()).span
    assert (span.tokens.input_cache_read, span.tokens.output_reasoning) == (1_024, 30)
    assert (span.model, span.provider, span.response) == (OPENAI_MODEL, "openai", ANSWER)
    assert (span.session_id, span.user, span.feature) == ("session-7", "user-42", "chain")
    [streamed] = asking(frameworks.calls, "And on Sunday?")
    assert streamed["time_to_first_token_s"] >= FIRST_TOKEN_S
    assert [record["response"] for record in frameworks.calls if record["kind"] == "tool"] == ["nine to five on Monday"]
    assert len(asking(frameworks.calls, "And later?")) == 1
    [failed] = asking(frameworks.calls, "fail 429")
    assert failed["status"] == "error"


def test_litellm_reports_calls_streams_and_failures(frameworks: Sink) -> None:
    calls = [record for record in frameworks.calls if record["name"] == "litellm"]
    assert [record.get("status", "ok") for record in calls] == ["ok", "ok", "error", "ok"]
    for record in calls[:2]:
        span = read_call(record, now()).span
        assert span.tokens == OPENAI_TOKENS
        assert span.cost_usd == pytest.approx((476 * 0.25 + 1_024 * 0.025 + 80 * 2.0) / 1e6)
        assert (span.response, span.session_id, span.user) == (ANSWER, "session-7", "user-42")
    assert calls[1]["time_to_first_token_s"] >= FIRST_TOKEN_S
