"""What the instrumentations in use send becomes whole records, with each token counted and paid once."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from monitor.contracts import Decoded
from monitor.enrich import enrich_span
from monitor.ingest import otlp
from monitor.records import Feedback, Message, Span, Tokens
from monitor.settings import Settings
from tests.telemetry import NOW, START, body_of, event, otlp_span

CLAUDE = "claude-sonnet-4-5-20250929"
# List prices of that model, in US dollars for a million tokens.
FRESH, READ, WRITE, WRITE_1H, OUT = 3.0, 0.3, 3.75, 6.0, 15.0
GPT_FRESH, GPT_READ, GPT_OUT = 2.5, 1.25, 10.0


def decode(attributes: dict[str, Any], **fields: Any) -> Decoded:
    fields = {"name": "call", "parentSpanId": "b" * 16} | fields
    (batch,) = otlp.read_traces(body_of(otlp_span(1, attributes, **fields)), otlp.JSON, lambda name: name or "default")
    assert not batch.rejected, batch.rejected
    return Decoded(batch.spans[0], tuple(batch.feedback), tuple(batch.unmapped))


def record(**values: Any) -> Span:
    """The record that a test expects, with what all spans of these tests have in common."""
    common: dict[str, Any] = {"trace_id": f"{1:032x}", "span_id": f"{1:016x}", "parent_id": "b" * 16, "name": "call"}
    common |= {"time": NOW - timedelta(seconds=5), "latency_s": 1.5, "source": "otlp test.scope 1.0"}
    tags = {"service": "shop"} | values.pop("tags", {})
    return Span(**(common | {"tags": tags} | values))


def cost_of(span: Span) -> tuple[Any, Any]:
    signals = enrich_span(span, Settings())
    cost = signals.get("cost_usd")
    return (round(float(cost) * 1e6, 3) if isinstance(cost, float | int) else None), signals["cost_source"]


def as_json(**values: Any) -> str:
    return json.dumps(values)


def conversation(*pairs: tuple[str, str]) -> str:
    return json.dumps([{"role": role, "content": content} for role, content in pairs])


# --- Langfuse ---------------------------------------------------------------------------------------------------------

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


# --- Vercel AI SDK ----------------------------------------------------------------------------------------------------

VERCEL = {
    "operation.name": "ai.streamText.doStream ask-geography",
    "ai.operationId": "ai.streamText.doStream",
    "ai.telemetry.functionId": "ask-geography",
    "resource.name": "ask-geography",
    "ai.telemetry.metadata.userId": "ann",
    "ai.telemetry.metadata.sessionId": "s1",
    "ai.telemetry.metadata.plan": "pro",
    "ai.telemetry.metadata.tags": ["beta"],
    "ai.telemetry.metadata.langfusePrompt": as_json(name="geography", version=4, isFallback=False),
    "ai.model.provider": "anthropic.messages",
    "ai.model.id": "claude-sonnet-4-5",
    "ai.settings.maxRetries": 2,
    "ai.prompt.messages": json.dumps(
        [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "What is a river?"}]},
        ]
    ),
    "ai.response.text": "Water that flows.",
    "ai.response.toolCalls": json.dumps([{"toolCallId": "t1", "toolName": "look_up", "input": '{"word":"river"}'}]),
    "ai.response.finishReason": "tool-calls",
    "ai.response.model": CLAUDE,
    "ai.response.msToFirstChunk": 412.5,
    "ai.response.msToFinish": 1490.2,
    "ai.usage.inputTokens": 2,
    "ai.usage.outputTokens": 714,
    "ai.usage.totalTokens": 716,
    "ai.usage.cachedInputTokens": 47_105,
    "ai.response.providerMetadata": json.dumps(
        {
            "anthropic": {
                "usage": {
                    "input_tokens": 2,
                    "cache_read_input_tokens": 47_105,
                    "cache_creation_input_tokens": 1_276,
                    "cache_creation": {"ephemeral_5m_input_tokens": 200, "ephemeral_1h_input_tokens": 1_076},
                    "output_tokens": 714,
                },
                "cacheCreationInputTokens": 1_276,
            }
        }
    ),
    "gen_ai.system": "anthropic.messages",
    "gen_ai.request.model": "claude-sonnet-4-5",
    "gen_ai.response.model": CLAUDE,
    "gen_ai.response.finish_reasons": ["tool-calls"],
    "gen_ai.usage.input_tokens": 2,
    "gen_ai.usage.output_tokens": 714,
}
VERCEL_TOKENS = Tokens(
    input_uncached=2,
    input_cache_read=47_105,
    input_cache_write=200,
    input_cache_write_1h=1_076,
    output_text=714,
    rule="exclusive",
)
VERCEL_COST = 2 * FRESH + 47_105 * READ + 200 * WRITE + 1_076 * WRITE_1H + 714 * OUT


def test_vercel() -> None:
    decoded = decode(VERCEL)
    assert decoded.span == record(
        provider="anthropic",
        model=CLAUDE,
        requested_model="claude-sonnet-4-5",
        prompt=(Message("system", "Be brief."), Message("user", "What is a river?")),
        response="Water that flows.",
        response_parts='[{"toolCallId":"t1","toolName":"look_up","input":"{\\"word\\":\\"river\\"}"}]',
        tokens=VERCEL_TOKENS,
        time_to_first_token_s=0.4125,
        finish_reason="tool-calls",
        prompt_version="geography:4",
        feature="ask-geography",
        session_id="s1",
        user="ann",
        tags={"plan": "pro", "beta": True},
        attributes=decoded.span.attributes,
    )
    assert not any("userId" in name or "usage" in name.lower() for name in decoded.span.attributes)
    assert decoded.unmapped == ()
    assert cost_of(decoded.span) == (pytest.approx(VERCEL_COST), "catalogue")


def test_vercel_since_version_6_counts_cached_tokens_as_input() -> None:
    newer = VERCEL | {
        "ai.usage.inputTokens": 48_383,
        "ai.usage.totalTokens": 49_097,
        "ai.usage.inputTokenDetails.noCacheTokens": 2,
        "ai.usage.inputTokenDetails.cacheReadTokens": 47_105,
        "ai.usage.inputTokenDetails.cacheWriteTokens": 1_276,
        "gen_ai.usage.input_tokens": 48_383,
    }
    span = decode(newer).span
    assert span.tokens.rule == "inclusive"
    assert (span.tokens.input, cost_of(span)) == (48_383, (pytest.approx(VERCEL_COST), "catalogue"))
    only_conventions = {name: value for name, value in newer.items() if not name.startswith("ai.usage.")}
    assert cost_of(decode(only_conventions).span)[0] == pytest.approx(VERCEL_COST)


def test_vercel_without_the_metadata_of_the_provider() -> None:
    small = {name: value for name, value in VERCEL.items() if name != "ai.response.providerMetadata"}
    # Version 5 passes Anthropic's count on, so a small cached part is on top of the input as well.
    span = decode(small | {"ai.usage.inputTokens": 900, "ai.usage.cachedInputTokens": 600}).span
    assert span.tokens == Tokens(input_uncached=900, input_cache_read=600, output_text=714, rule="exclusive")
    openai = {"ai.model.provider": "openai.responses", "ai.response.model": "gpt-4o-2024-08-06"}
    span = decode(small | openai | {"ai.usage.inputTokens": 900, "ai.usage.cachedInputTokens": 600}).span
    assert span.tokens == Tokens(input_uncached=300, input_cache_read=600, output_text=714, rule="inclusive")
    assert cost_of(span)[0] == pytest.approx(300 * GPT_FRESH + 600 * GPT_READ + 714 * GPT_OUT)


def test_vercel_version_4() -> None:
    metadata = {"openai": {"reasoningTokens": 10, "cachedPromptTokens": 64}}
    span = decode(
        {
            "operation.name": "ai.generateObject.doGenerate",
            "ai.operationId": "ai.generateObject.doGenerate",
            "ai.model.provider": "openai.chat",
            "ai.model.id": "gpt-4o",
            "ai.result.object": '{"city":"Paris"}',
            "ai.finishReason": "stop",
            "ai.usage.promptTokens": 100,
            "ai.usage.completionTokens": 30,
            "ai.response.providerMetadata": json.dumps(metadata),
        }
    ).span
    assert (span.kind, span.provider, span.model, span.response) == ("llm", "openai", "gpt-4o", '{"city":"Paris"}')
    assert span.tokens == Tokens(
        input_uncached=36, input_cache_read=64, output_text=20, output_reasoning=10, rule="inclusive"
    )
    assert span.finish_reason == "stop"


def test_vercel_wrappers_are_no_calls() -> None:
    wrapper = VERCEL | {
        "ai.operationId": "ai.streamText",
        "ai.prompt": as_json(system="Be brief.", messages=[{"role": "user", "content": "What is a river?"}]),
    }
    del wrapper["ai.prompt.messages"]
    span = decode(wrapper).span
    assert (span.kind, span.tokens, span.cost_usd) == ("chain", Tokens(), None)
    assert span.prompt == (Message("system", "Be brief."), Message("user", "What is a river?"))


def test_vercel_tools_and_embeddings() -> None:
    tool = decode(
        {
            "ai.operationId": "ai.toolCall",
            "ai.toolCall.name": "look_up",
            "ai.toolCall.id": "t1",
            "ai.toolCall.args": '{"word":"river"}',
            "ai.toolCall.result": '"water"',
        }
    ).span
    assert (tool.kind, tool.prompt, tool.response) == ("tool", (Message("user", '{"word":"river"}'),), '"water"')
    embedding = decode(
        {
            "ai.operationId": "ai.embedMany.doEmbed",
            "ai.model.id": "text-embedding-3-small",
            "ai.values": ['"a river"', '"a lake"'],
            "ai.usage.tokens": 4,
        }
    ).span
    assert (embedding.kind, embedding.tokens) == ("embedding", Tokens(input_uncached=4))
    assert [message.content for message in embedding.prompt] == ["a river", "a lake"]


def test_vercel_first_chunk_as_an_event_and_cost_of_a_gateway() -> None:
    given = {"ai.operationId": "ai.streamText.doStream", "ai.model.provider": "gateway", "ai.model.id": "openai/gpt-4o"}
    metadata = json.dumps({"gateway": {"cost": "0.0045405"}})
    span = decode(
        given | {"ai.response.providerMetadata": metadata},
        events=[event("ai.stream.firstChunk", **{"ai.stream.msToFirstChunk": 300})],
    ).span
    assert (span.time_to_first_token_s, span.cost_usd) == (0.3, 0.0045405)


# --- LiteLLM ----------------------------------------------------------------------------------------------------------

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
LITELLM_COST = 500 * FRESH + 8_000 * READ + 1_500 * WRITE + 100 * OUT


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
    assert cost_of(span) == (pytest.approx(LITELLM_COST), "catalogue")


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


# --- MLflow -----------------------------------------------------------------------------------------------------------

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


# --- Logfire and Pydantic AI ------------------------------------------------------------------------------------------

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
    assert cost_of(decode(without).span) == (pytest.approx(LITELLM_COST), "catalogue")


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


# --- OpenLLMetry and OpenLIT ------------------------------------------------------------------------------------------

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
    assert cost_of(decoded.span) == (pytest.approx(LITELLM_COST), "catalogue")


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


def test_openlit() -> None:
    decoded = decode(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.system": "openai",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.response.model": "gpt-4o-2024-08-06",
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 30,
            "gen_ai.usage.total_tokens": 130,
            "gen_ai.usage.prompt_tokens_details.cached_tokens": 64,
            "gen_ai.usage.cost": 0.00042,
            "gen_ai.server.ttft": 0.25,
            "gen_ai.server.tbt": 0.01,
            "gen_ai.environment": "staging",
            "gen_ai.application_name": "shop-bot",
            "gen_ai.request.user": "ann",
            "gen_ai.sdk.version": "1.2",
            "gen_ai.response.finish_reasons": ["stop"],
            "gen_ai.eval.groundedness": 0.9,
        },
        events=[
            event("gen_ai.content.prompt", **{"gen_ai.prompt": "user: What is a river?"}),
            event("gen_ai.content.completion", **{"gen_ai.completion": "Water."}),
            event(
                "guard.evaluation",
                **{
                    "guard.name": "pii",
                    "guard.verdict": "yes",
                    "guard.denied": True,
                    "guard.explanation": "an address",
                },
            ),
        ],
    )
    assert decoded.span == record(
        provider="openai",
        model="gpt-4o-2024-08-06",
        requested_model="gpt-4o",
        prompt=(Message("user", "user: What is a river?"),),
        response="Water.",
        tokens=Tokens(input_uncached=36, input_cache_read=64, output_text=30, rule="inclusive"),
        cost_usd=0.00042,
        time_to_first_token_s=0.25,
        finish_reason="stop",
        environment="staging",
        feature="shop-bot",
        user="ann",
    )
    place = {"trace_id": f"{1:032x}", "span_id": f"{1:016x}"}
    assert decoded.feedback == (
        Feedback(name="groundedness", time=NOW - timedelta(seconds=5), value=0.9, annotator="llm", **place),  # type: ignore[arg-type]
        Feedback(
            name="guard.pii",
            time=NOW - timedelta(seconds=4),
            value=1.0,
            flag=True,
            comment="an address",
            annotator="code",
            **place,
        ),
    )
    assert decoded.unmapped == ()


# --- The same tokens, however they are counted ------------------------------------------------------------------------


def langfuse(**usage: Any) -> dict[str, Any]:
    given = {"langfuse.observation.type": "generation", "langfuse.observation.model.name": CLAUDE}
    return given | {"langfuse.observation.usage_details": json.dumps(usage)}


def conventions(**usage: int) -> dict[str, Any]:
    given = {"gen_ai.operation.name": "chat", "gen_ai.system": "anthropic", "gen_ai.response.model": CLAUDE}
    return given | {f"gen_ai.usage.{name.replace('__', '.')}": count for name, count in usage.items()}


FULL = 500 * FRESH + 8_000 * READ + 1_500 * WRITE + 100 * OUT
LONG = 500 * FRESH + 8_000 * READ + 500 * WRITE + 1_000 * WRITE_1H + 100 * OUT
SMALL = 86 * FRESH + 17_817 * READ + 40 * OUT


@pytest.mark.parametrize(
    ("attributes", "cost", "rule"),
    [
        # The input includes what was read; with the total, only one reading adds up.
        (langfuse(input=17_903, input_cached_tokens=17_817, output=40, total=17_943), SMALL, "inclusive"),
        (langfuse(input=86, input_cached_tokens=17_817, output=40, total=17_943), SMALL, "exclusive"),
        (langfuse(input=86, input_cached_tokens=17_817, output=40), SMALL, "exclusive"),
        (
            langfuse(
                prompt_tokens=17_903,
                completion_tokens=40,
                total_tokens=17_943,
                prompt_tokens_details={"cached_tokens": 17_817, "audio_tokens": 0},
            ),
            SMALL,
            "inclusive",
        ),
        # Written tokens are still in the input, read ones are not.
        (
            langfuse(
                input=2_000, output=100, total=10_100, cache_read_input_tokens=8_000, cache_creation_input_tokens=1_500
            ),
            FULL,
            "inclusive",
        ),
        # Anthropic's own usage object: all apart, and never a remainder of zero.
        (
            langfuse(
                input_tokens=500, output_tokens=100, cache_read_input_tokens=8_000, cache_creation_input_tokens=1_500
            ),
            FULL,
            "exclusive",
        ),
        (
            langfuse(
                input_tokens=500,
                output_tokens=100,
                cache_read_input_tokens=8_000,
                cache_creation_input_tokens=1_500,
                cache_creation={"ephemeral_5m_input_tokens": 500, "ephemeral_1h_input_tokens": 1_000},
            ),
            LONG,
            "exclusive",
        ),
        (
            langfuse(
                input=500,
                output=100,
                input_cached_tokens=8_000,
                input_cache_creation=0,
                input_cache_creation_5m=500,
                input_cache_creation_1h=1_000,
            ),
            LONG,
            "exclusive",
        ),
        # After the conventions, whichever framework counted before.
        (
            conventions(
                input_tokens=10_000,
                output_tokens=100,
                cache_read__input_tokens=8_000,
                cache_creation__input_tokens=1_500,
            ),
            FULL,
            "inclusive",
        ),
        (
            conventions(
                input_tokens=10_000,
                output_tokens=100,
                details__cache_read_tokens=8_000,
                details__cache_write_tokens=1_500,
            ),
            FULL,
            "inclusive",
        ),
        (
            conventions(
                input_tokens=500, output_tokens=100, cache_read_input_tokens=8_000, cache_creation_input_tokens=1_500
            ),
            FULL,
            "exclusive",
        ),
    ],
)
def test_each_token_is_paid_once(attributes: dict[str, Any], cost: float, rule: str) -> None:
    span = decode(attributes).span
    assert cost_of(span) == (pytest.approx(cost), "catalogue")
    assert span.tokens.rule == rule


def test_reasoning_and_sound_are_counted_once() -> None:
    apart = decode(langfuse(input=75, input_cache_read=20, input_audio=5, output=40, output_reasoning=10)).span
    inside = decode(
        langfuse(
            prompt_tokens=100,
            completion_tokens=50,
            total_tokens=150,
            prompt_tokens_details={"cached_tokens": 20, "audio_tokens": 5},
            completion_tokens_details={"reasoning_tokens": 10},
        )
    ).span
    for span in (apart, inside):
        tokens = span.tokens
        assert (tokens.input_uncached, tokens.input_cache_read, tokens.input_audio) == (75, 20, 5)
        assert (tokens.output_text, tokens.output_reasoning, tokens.input, tokens.output) == (40, 10, 100, 50)
