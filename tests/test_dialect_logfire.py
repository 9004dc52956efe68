"""Logfire and Pydantic AI: conversations as events, usage as the provider sends it."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from monitor.records import Message, Tokens
from tests.decoding import CACHED_COST, CLAUDE, as_json, cost_of, decode, record
from tests.telemetry import NOW, START

PYDANTIC = {
    "gen_ai.operation.name": "chat",
    "gen_ai.system": "anthropic",
    "gen_ai.request.model": "claude-sonnet-4-5",
    "gen_ai.response.model": CLAUDE,
    "gen_ai.request.temperature": 0.2,
    "model_request_parameters": "{}",
    "logfire.json_schema": "{}",
    "logfire.msg": "chat claude-sonnet-4-5",
    "logfire.tags": ["beta"],
    "gen_ai.agent.name": "geographer",
    "operation.cost": 0.0123,
    "events": json.dumps(
        [
            {
                "content": "Be brief.",
                "role": "system",
                "gen_ai.system": "anthropic",
                "event.name": "gen_ai.system.message",
            },
            {"content": "What is a river?", "role": "user", "event.name": "gen_ai.user.message"},
            {
                "index": 0,
                "finish_reason": "tool_calls",
                "message": {
                    "role": "assistant",
                    "content": "Water that flows.",
                    "tool_calls": [
                        {"id": "t1", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}
                    ],
                },
                "event.name": "gen_ai.choice",
            },
        ]
    ),
    "gen_ai.usage.input_tokens": 10_000,
    "gen_ai.usage.output_tokens": 100,
    "gen_ai.usage.details.cache_read_input_tokens": 8_000,
    "gen_ai.usage.details.cache_creation_input_tokens": 1_500,
    "gen_ai.usage.details.input_tokens": 500,
    "gen_ai.usage.details.output_tokens": 100,
}


def test_pydantic_ai() -> None:
    decoded = decode(PYDANTIC)
    assert decoded.span == record(
        provider="anthropic",
        model=CLAUDE,
        requested_model="claude-sonnet-4-5",
        prompt=(Message("system", "Be brief."), Message("user", "What is a river?")),
        response="Water that flows.",
        response_parts='[{"id":"t1","type":"function","function":{"name":"look_up","arguments":"{}"}}]',
        tokens=Tokens(
            input_uncached=500, input_cache_read=8_000, input_cache_write=1_500, output_text=100, rule="inclusive"
        ),
        cost_usd=0.0123,
        finish_reason="tool_calls",
        feature="geographer",
        tags={"beta": True},
        attributes=decoded.span.attributes,
    )
    assert decoded.unmapped == ()
    without = {name: value for name, value in PYDANTIC.items() if name != "operation.cost"}
    assert cost_of(decode(without).span) == (pytest.approx(CACHED_COST), "catalogue")


def test_pydantic_ai_runs_of_agents_are_no_calls() -> None:
    said = [
        {"content": "What is a river?", "role": "user", "event.name": "gen_ai.user.message"},
        {"content": "Water.", "role": "assistant", "event.name": "gen_ai.assistant.message"},
    ]
    span = decode(
        {
            "agent_name": "geographer",
            "model_name": "gpt-4o",
            "all_messages_events": json.dumps(said),
            "final_result": "Water.",
            "gen_ai.usage.input_tokens": 900,
        }
    ).span
    assert (span.kind, span.feature, span.tokens, span.response) == ("agent", "geographer", Tokens(), "Water.")
    assert span.prompt == (Message("user", "What is a river?"),)


def test_logfire_of_openai() -> None:
    usage = {"prompt_tokens": 100, "completion_tokens": 30, "prompt_tokens_details": {"cached_tokens": 64}}
    span = decode(
        {
            "logfire.msg_template": "Chat Completion with {request_data[model]!r}",
            "logfire.span_type": "span",
            "gen_ai.system": "openai",
            "gen_ai.response.model": "gpt-4o-2024-08-06",
            "request_data": as_json(model="gpt-4o", messages=[{"role": "user", "content": "What is a river?"}]),
            "response_data": as_json(message={"role": "assistant", "content": "Water."}, usage=usage),
        }
    ).span
    assert (span.kind, span.model, span.requested_model) == ("llm", "gpt-4o-2024-08-06", "gpt-4o")
    assert (span.prompt_text, span.response) == ("What is a river?", "Water.")
    assert (span.tokens.input_uncached, span.tokens.input_cache_read, span.tokens.output) == (36, 64, 30)


STREAMED = {
    "request_data": '{"model":"claude-sonnet-4-5"}',
    "gen_ai.provider.name": "anthropic",
    "gen_ai.request.model": "claude-sonnet-4-5",
    "gen_ai.operation.name": "chat",
    "gen_ai.input.messages": '[{"role":"user","parts":[{"type":"text","content":"Why?"}]}]',
}


def test_a_streamed_call_of_logfire_is_the_record_of_its_answer() -> None:
    opening = decode(STREAMED | {"logfire.span_type": "span"}, scope="logfire.anthropic")
    assert (opening.span.kind, opening.span.tokens) == ("chain", Tokens())
    failed = decode(STREAMED | {"logfire.span_type": "span"}, scope="logfire.anthropic", status={"code": 2})
    assert (failed.span.kind, failed.span.status) == ("llm", "error")
    raw = {"input_tokens": 500, "output_tokens": 100, "cache_read_input_tokens": 8_000}
    raw |= {"cache_creation_input_tokens": 1_500, "service_tier": "standard"}
    told = {
        "logfire.span_type": "log",
        "duration": 0.75,
        "gen_ai.response.model": CLAUDE,
        "gen_ai.output.messages": '[{"role":"assistant","parts":[{"type":"text","content":"So."}]}]',
        "gen_ai.usage.raw": json.dumps(raw),
        "gen_ai.usage.input_tokens": 10_000,
        "gen_ai.usage.output_tokens": 100,
    }
    span = decode(STREAMED | told, scope="logfire.anthropic", endTimeUnixNano=str(START)).span
    assert (span.kind, span.latency_s, span.response, span.service_tier) == ("llm", 0.75, "So.", "standard")
    assert span.time == NOW - timedelta(seconds=5.75)
    assert cost_of(span) == (pytest.approx(CACHED_COST), "catalogue")
    apart = decode(STREAMED | told | {"gen_ai.usage.input_tokens": 500}, scope="logfire.anthropic").span
    assert (span.tokens.rule, apart.tokens.rule) == ("inclusive", "exclusive")
    assert cost_of(apart) == (pytest.approx(CACHED_COST), "catalogue")
