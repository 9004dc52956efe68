"""MLflow tracing: objects of the libraries that were called."""

from __future__ import annotations

import json

import pytest

from monitor.records import Message, Tokens
from tests.decoding import CLAUDE, as_json, decode, record
from tests.telemetry import START

MLFLOW = {
    "mlflow.traceRequestId": '"tr-1"',
    "mlflow.spanType": '"CHAT_MODEL"',
    "mlflow.message.format": '"anthropic"',
    "mlflow.llm.model": f'"{CLAUDE}"',
    "mlflow.llm.provider": '"anthropic"',
    "mlflow.spanInputs": as_json(
        model="claude-sonnet-4-5", system="Be brief.", messages=[{"role": "user", "content": "What is a river?"}]
    ),
    "mlflow.spanOutputs": as_json(
        model=CLAUDE,
        role="assistant",
        content=[
            {"type": "text", "text": "Water that flows."},
            {"type": "tool_use", "id": "t1", "name": "look_up", "input": {"word": "river"}},
        ],
        stop_reason="tool_use",
    ),
    "mlflow.chat.tokenUsage": as_json(
        input_tokens=1_000,
        output_tokens=100,
        total_tokens=1_100,
        cache_read_input_tokens=600,
        cache_creation_input_tokens=200,
    ),
    "mlflow.llm.cost": as_json(input_cost=0.00393, output_cost=0.0015, total_cost=0.00543),
    "mlflow.linkedPrompts": json.dumps([{"name": "geography", "version": "4"}]),
    "mlflow.traceTag.plan": '"pro"',
    "session.id": "s1",
    "user.id": "ann",
}


def test_mlflow() -> None:
    decoded = decode(
        MLFLOW,
        events=[{"name": "mlflow.chunk.item.0", "timeUnixNano": str(START + 300_000_000), "attributes": []}],
    )
    assert decoded.span == record(
        provider="anthropic",
        model=CLAUDE,
        requested_model="claude-sonnet-4-5",
        prompt=(Message("system", "Be brief."), Message("user", "What is a river?")),
        response="Water that flows.",
        response_parts='[{"type":"tool_use","id":"t1","name":"look_up","input":{"word":"river"}}]',
        tokens=Tokens(
            input_uncached=1_000, input_cache_read=600, input_cache_write=200, output_text=100, rule="exclusive"
        ),
        cost_usd=0.00543,
        time_to_first_token_s=0.3,
        finish_reason="tool_use",
        prompt_version="geography:4",
        session_id="s1",
        user="ann",
        tags={"plan": "pro"},
        attributes={"mlflow.traceRequestId": '"tr-1"'},
    )
    assert decoded.unmapped == ()


def test_mlflow_of_openai_counts_cached_tokens_as_input() -> None:
    span = decode(
        MLFLOW
        | {
            "mlflow.message.format": '"openai"',
            "mlflow.spanOutputs": as_json(
                choices=[{"message": {"role": "assistant", "content": "Water."}, "finish_reason": "stop"}]
            ),
        }
    ).span
    assert (span.tokens.input_uncached, span.tokens.rule) == (200, "inclusive")
    assert (span.response, span.finish_reason) == ("Water.", "stop")


@pytest.mark.parametrize(("kind", "ours"), [("TOOL", "tool"), ("RETRIEVER", "retriever"), ("AGENT", "agent")])
def test_mlflow_kinds(kind: str, ours: str) -> None:
    documents = json.dumps([{"page_content": "Rivers flow.", "metadata": {}, "id": "d1"}])
    span = decode(MLFLOW | {"mlflow.spanType": f'"{kind}"', "mlflow.spanOutputs": documents}).span
    assert (span.kind, span.tokens, span.cost_usd) == (ours, Tokens(), None)
    assert span.context == (("Rivers flow.",) if ours == "retriever" else ())
