"""Vercel AI SDK: calls of providers inside wrappers, in the versions in use."""

from __future__ import annotations

import json

import pytest

from monitor.records import Message, Tokens
from tests.decoding import (
    CLAUDE,
    FRESH,
    GPT_FRESH,
    GPT_OUT,
    GPT_READ,
    OUT,
    READ,
    WRITE,
    WRITE_1H,
    as_json,
    cost_of,
    decode,
    record,
)
from tests.telemetry import event

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
