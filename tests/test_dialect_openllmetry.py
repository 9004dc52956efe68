"""OpenLLMetry and the Traceloop SDK."""

from __future__ import annotations

import pytest

from monitor.records import Message, Tokens
from tests.decoding import CACHED_COST, CLAUDE, as_json, cost_of, decode, record

OPENLLMETRY = {
    "llm.request.type": "chat",
    "gen_ai.system": "Anthropic",
    "gen_ai.request.model": "claude-sonnet-4-5",
    "gen_ai.response.model": CLAUDE,
    "gen_ai.prompt.0.role": "user",
    "gen_ai.prompt.0.content": "What is a river?",
    "gen_ai.completion.0.role": "assistant",
    "gen_ai.completion.0.content": "Water that flows.",
    "gen_ai.completion.0.finish_reason": "end_turn",
    "gen_ai.usage.input_tokens": 10_000,
    "gen_ai.usage.output_tokens": 100,
    "llm.usage.total_tokens": 10_100,
    "gen_ai.usage.cache_read_input_tokens": 8_000,
    "gen_ai.usage.cache_creation_input_tokens": 1_500,
    "llm.top_k": 5,
    "llm.is_streaming": False,
    "traceloop.workflow.name": "ask-geography",
    "traceloop.entity.path": "draft",
    "traceloop.prompt.key": "geography",
    "traceloop.prompt.version": 4,
    "traceloop.association.properties.session_id": "s1",
    "traceloop.association.properties.user_id": "ann",
    "traceloop.association.properties.plan": "pro",
}


def test_openllmetry() -> None:
    decoded = decode(OPENLLMETRY)
    assert decoded.span == record(
        provider="Anthropic",
        model=CLAUDE,
        requested_model="claude-sonnet-4-5",
        prompt=(Message("user", "What is a river?"),),
        response="Water that flows.",
        tokens=Tokens(
            input_uncached=500, input_cache_read=8_000, input_cache_write=1_500, output_text=100, rule="inclusive"
        ),
        finish_reason="end_turn",
        prompt_version="geography:4",
        feature="ask-geography",
        session_id="s1",
        user="ann",
        tags={"plan": "pro"},
        attributes=decoded.span.attributes,
    )
    assert decoded.unmapped == ()
    assert cost_of(decoded.span) == (pytest.approx(CACHED_COST), "catalogue")


def test_openllmetry_workflows_and_tools() -> None:
    span = decode(
        {
            "traceloop.span.kind": "tool",
            "traceloop.entity.name": "look_up",
            "traceloop.entity.input": as_json(inputs={"word": "river"}, kwargs={}),
            "traceloop.entity.output": as_json(outputs="water"),
        }
    ).span
    assert (span.kind, span.prompt, span.response) == ("tool", (Message("user", '{"word":"river"}'),), "water")
