"""Langfuse: observations as the SDKs send them."""

from __future__ import annotations

import json

import pytest

from monitor.records import Message, Tokens
from tests.decoding import as_json, conversation, decode, record

LANGFUSE = {
    "langfuse.observation.type": "generation",
    "langfuse.observation.model.name": "gpt-4o-2024-08-06",
    "langfuse.observation.model.parameters": '{"temperature": 0.2}',
    "langfuse.observation.input": conversation(("system", "Be brief."), ("user", "What is a river?")),
    "langfuse.observation.output": as_json(role="assistant", content="Water that flows."),
    "langfuse.observation.usage_details": as_json(input=86, output=40, input_cached_tokens=17_817, total=17_943),
    "langfuse.observation.cost_details": as_json(input=0.000215, input_cached_tokens=0.02227, output=0.0004),
    "langfuse.observation.completion_start_time": '"2026-03-11T12:29:55.250000Z"',
    "langfuse.observation.prompt.name": "geography",
    "langfuse.observation.prompt.version": 4,
    "langfuse.observation.metadata.step": "draft",
    "langfuse.trace.name": "ask-geography",
    "langfuse.trace.tags": ["beta", "eu"],
    "langfuse.trace.metadata.plan": "pro",
    "langfuse.environment": "production",
    "langfuse.release": "v2.1",
    "session.id": "s1",
    "user.id": "ann",
}


def test_langfuse() -> None:
    decoded = decode(LANGFUSE)
    assert decoded.span == record(
        model="gpt-4o-2024-08-06",
        prompt=(Message("system", "Be brief."), Message("user", "What is a river?")),
        response="Water that flows.",
        tokens=Tokens(input_uncached=86, input_cache_read=17_817, output_text=40, rule="exclusive"),
        cost_usd=pytest.approx(0.022885),
        time_to_first_token_s=0.25,
        prompt_version="geography:4",
        feature="ask-geography",
        environment="production",
        release="v2.1",
        session_id="s1",
        user="ann",
        tags={"beta": True, "eu": True, "plan": "pro", "step": "draft"},
        attributes={"langfuse.observation.model.parameters": '{"temperature": 0.2}'},
    )
    assert (decoded.unmapped, decoded.feedback) == ((), ())


def test_langfuse_observations_that_are_no_calls_count_nothing() -> None:
    said = {"langfuse.observation.usage_details": as_json(input=5), "langfuse.observation.input": as_json(city="Paris")}
    for kind in ("tool", "agent", "chain", "retriever", "guardrail", "evaluator"):
        span = decode(LANGFUSE | said | {"langfuse.observation.type": kind}).span
        assert (span.kind, span.tokens, span.cost_usd) == (kind, Tokens(), None)
    span = decode({"langfuse.observation.type": "span", "langfuse.observation.level": "ERROR"} | said).span
    assert (span.kind, span.status, span.error) == ("chain", "error", "ERROR")
    assert span.prompt == (Message("user", '{"city":"Paris"}'),)


def test_langfuse_on_the_span_of_another_instrumentation() -> None:
    span = decode(
        {
            "langfuse.environment": "staging",
            "langfuse.trace.name": "ask",
            "gen_ai.operation.name": "chat",
            "gen_ai.response.model": "gpt-4o",
            "gen_ai.usage.input_tokens": 9,
            "gen_ai.usage.output_tokens": 2,
        }
    ).span
    assert (span.kind, span.model, span.environment, span.feature) == ("llm", "gpt-4o", "staging", "ask")
    assert (span.tokens.input, span.tokens.output) == (9, 2)


def test_langfuse_metadata_is_what_it_was_before_it_became_json() -> None:
    said = {"langfuse.observation.metadata.finish_reason": '"stop"', "langfuse.observation.metadata.plan": '"pro"'}
    span = decode(LANGFUSE | said | {"langfuse.observation.model.parameters": as_json(service_tier="flex")}).span
    assert (span.finish_reason, span.tags["plan"], span.service_tier) == ("stop", "pro", "flex")
    copied = {"langfuse.observation.metadata.object": '"response"', "langfuse.observation.metadata.id": '"resp_1"'}
    span = decode(LANGFUSE | copied).span
    assert not {"object", "id"} & set(span.tags)
    assert span.attributes["langfuse.observation.metadata.id"] == '"resp_1"'


def test_langfuse_output_of_the_responses_api() -> None:
    output = [
        {"type": "reasoning", "id": "rs_1", "summary": [], "content": None},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "At nine."}]},
    ]
    span = decode(LANGFUSE | {"langfuse.observation.output": json.dumps(output)}).span
    assert span.response == "At nine."
    assert "rs_1" in span.response_parts
