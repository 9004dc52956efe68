"""LiteLLM: library and proxy."""

from __future__ import annotations

import json

import pytest

from monitor.records import Message, Tokens
from tests.decoding import CACHED_COST, CLAUDE, as_json, cost_of, decode, record

LITELLM_USAGE = {
    "prompt_tokens": 10_000,
    "completion_tokens": 100,
    "total_tokens": 10_100,
    "prompt_tokens_details": {"cached_tokens": 8_000, "text_tokens": 500},
    "cache_creation_input_tokens": 1_500,
    "cache_read_input_tokens": 8_000,
}
LITELLM = {
    "metadata.user_api_key_hash": "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b",
    "metadata.user_api_key_alias": "shop-backend",
    "metadata.user_api_key_team_alias": "web",
    "metadata.user_api_key_user_id": "developer@example.com",
    "metadata.user_api_key_user_email": "developer@example.com",
    "metadata.user_api_key_end_user_id": "ann",
    "metadata.requester_ip_address": "203.0.113.7",
    "metadata.session_id": "s1",
    "hidden_params": as_json(model_id="m1", response_cost=0.0123, usage_object=LITELLM_USAGE),
    "gen_ai.cost.input_cost": 0.0108,
    "gen_ai.cost.output_cost": 0.0015,
    "gen_ai.cost.total_cost": 0.0123,
    "gen_ai.request.model": "claude-sonnet-4-5",
    "llm.request.type": "acompletion",
    "gen_ai.system": "anthropic",
    "llm.is_streaming": "False",
    "gen_ai.response.id": "chatcmpl-1",
    "gen_ai.response.model": CLAUDE,
    "gen_ai.usage.total_tokens": 10_100,
    "gen_ai.usage.output_tokens": 100,
    "gen_ai.usage.input_tokens": 10_000,
    "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": "What is a river?"}]}]),
    "gen_ai.operation.name": "acompletion",
    "gen_ai.output.messages": json.dumps(
        [
            {
                "role": "assistant",
                "parts": [{"type": "text", "content": "Water that flows."}],
                "tool_calls": [{"id": "t1", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}],
                "finish_reason": "tool_calls",
            }
        ]
    ),
    "gen_ai.response.finish_reasons": '["tool_calls"]',
    "gen_ai.completion.0.function_call.name": "look_up",
    "gen_ai.completion.0.function_call.arguments": "{}",
}


def test_litellm() -> None:
    decoded = decode(LITELLM, name="litellm_request")
    assert decoded.span == record(
        name="litellm_request",
        provider="anthropic",
        model=CLAUDE,
        requested_model="claude-sonnet-4-5",
        prompt=(Message("user", "What is a river?"),),
        response="Water that flows.",
        response_parts='[{"id":"t1","type":"function","function":{"name":"look_up","arguments":"{}"}}]',
        tokens=Tokens(
            input_uncached=500, input_cache_read=8_000, input_cache_write=1_500, output_text=100, rule="inclusive"
        ),
        cost_usd=0.0123,
        finish_reason="tool_calls",
        session_id="s1",
        user="ann",
        tags={"user_api_key_alias": "shop-backend", "user_api_key_team_alias": "web"},
        attributes=decoded.span.attributes,
    )
    kept = json.dumps([decoded.span.attributes, decoded.span.tags])
    assert "developer" not in kept
    assert "203.0.113.7" not in kept
    assert decoded.unmapped == ()


def test_litellm_without_a_cost_of_its_own() -> None:
    given = {name: value for name, value in LITELLM.items() if not name.startswith("gen_ai.cost.")}
    span = decode(given | {"hidden_params": as_json(usage_object=LITELLM_USAGE)}).span
    assert cost_of(span) == (pytest.approx(CACHED_COST), "catalogue")


def test_litellm_answers_from_its_own_cache_cost_nothing() -> None:
    given = {name: value for name, value in LITELLM.items() if not name.startswith("gen_ai.cost.")}
    span = decode(given | {"hidden_params": as_json(cache_key="k", response_cost=0.0, usage_object=LITELLM_USAGE)}).span
    assert cost_of(span) == (0.0, "sender")


@pytest.mark.parametrize(
    ("operation", "kind"),
    [("completion", "llm"), ("aembedding", "embedding"), ("rerank", "reranker"), ("anthropic_messages", "llm")],
)
def test_litellm_kinds(operation: str, kind: str) -> None:
    span = decode(LITELLM | {"gen_ai.operation.name": operation, "llm.request.type": operation}).span
    assert (span.kind, span.tokens.input) == (kind, 10_000)


def test_litellm_guardrails() -> None:
    given = {"guardrail_name": "presidio", "guardrail_mode": "pre_call", "guardrail_response": "masked"}
    span = decode(given, name="guardrail").span
    assert (span.kind, span.response, span.attributes) == ("guardrail", "masked", {"guardrail_mode": "pre_call"})


def test_the_request_below_a_call_counts_nothing_and_does_not_tell_who_asked() -> None:
    span = decode(
        {
            "llm.openai.messages": "[{'role': 'user', 'content': 'Why?'}]",
            "llm.openai.user": "ann@example.org",
            "llm.anthropic.metadata": "{'user_id': 'ann@example.org'}",
            "llm.openai.usage": "{'prompt_tokens': 5}",
        }
    ).span
    assert (span.kind, span.tokens, span.user) == ("chain", Tokens(), "")
    assert "ann@example.org" not in str(span)
    assert "llm.openai.usage" in span.attributes


def test_usage_as_python_writes_it_and_tools_beside_empty_messages() -> None:
    usage = {"prompt_tokens": 1_500, "completion_tokens": 80, "prompt_tokens_details": {"cached_tokens": 1_024}}
    span = decode(
        {
            "hidden_params": json.dumps({"usage_object": None}),
            "metadata.usage_object": str(usage | {"cost": None}),
            "gen_ai.operation.name": "chat",
            "gen_ai.usage.input_tokens": 1_500,
            "gen_ai.output.messages": '[{"role": "assistant", "parts": [], "finish_reason": "tool_calls"}]',
            "gen_ai.completion.0.function_call.name": "hours",
            "gen_ai.completion.0.function_call.arguments": '{"day": "Monday"}',
        }
    ).span
    assert (span.tokens.input_uncached, span.tokens.input_cache_read) == (476, 1_024)
    assert (span.response, span.finish_reason) == ("", "tool_calls")
    assert "hours" in span.response_parts
