"""The same tokens, however they are counted: each is counted and paid once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.decoding import CLAUDE, FRESH, OUT, READ, WRITE, WRITE_1H, cost_of, decode


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


# What users have reported of other tools, with the figures of the reports, and what is right.


def of_litellm(**usage: Any) -> dict[str, Any]:
    """A span of LiteLLM without a cost of its own."""
    return {
        "hidden_params": json.dumps({"response_cost": None, "usage_object": usage}),
        "gen_ai.response.model": CLAUDE,
        "gen_ai.operation.name": "chat",
        "gen_ai.usage.input_tokens": usage["prompt_tokens"],
        "gen_ai.usage.output_tokens": usage["completion_tokens"],
    }


def of_vercel(input_tokens: int, read: int, written: int, *, own_input: int) -> dict[str, Any]:
    """A call through Vercel's AI SDK; what the provider itself counted stands in its metadata."""
    usage = {"input_tokens": own_input, "cache_read_input_tokens": read, "cache_creation_input_tokens": written}
    return {
        "ai.operationId": "ai.generateText.doGenerate",
        "ai.model.provider": "anthropic.messages",
        "ai.response.model": CLAUDE,
        "ai.usage.inputTokens": input_tokens,
        "ai.usage.outputTokens": 100,
        "ai.usage.cachedInputTokens": read,
        "ai.response.providerMetadata": json.dumps({"anthropic": {"usage": usage}}),
    }


@pytest.mark.parametrize(
    ("attributes", "cost", "rule"),
    [
        pytest.param(
            langfuse(input=17_903, input_cached_tokens=17_817, output=40, total=17_943),
            SMALL,
            "inclusive",
            id="cached tokens stand in the input and again beside it: counted twice",
        ),
        pytest.param(
            conventions(
                input_tokens=10_000,
                output_tokens=100,
                cache_read__input_tokens=8_000,
                cache_write__input_tokens=1_500,
            ),
            FULL,
            "inclusive",
            id="Anthropic after the conventions, the name of August 2026: twice the cost",
        ),
        pytest.param(
            conventions(input_tokens=19, output_tokens=5, cache_read_input_tokens=39_000),
            19 * FRESH + 39_000 * READ + 5 * OUT,
            "exclusive",
            id="a small input beside a large cache: clamped to nothing, billed at nothing",
        ),
        pytest.param(
            langfuse(
                input_tokens=19,
                output_tokens=5,
                cache_read_input_tokens=38_000,
                cache_creation_input_tokens=1_000,
                cache_creation={"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 1_000},
            ),
            19 * FRESH + 38_000 * READ + 1_000 * WRITE_1H + 5 * OUT,
            "exclusive",
            id="written for an hour: the key misspelt, the hour paid as five minutes",
        ),
        pytest.param(
            of_litellm(
                total_tokens=103_925,
                prompt_tokens=98_805,
                completion_tokens=5_120,
                prompt_tokens_details={"cached_tokens": 66_360, "cache_creation_tokens": 32_435},
                cache_read_input_tokens=66_360,
                cache_creation_input_tokens=32_435,
                completion_tokens_details={"reasoning_tokens": 1_710},
            ),
            10 * FRESH + 66_360 * READ + 32_435 * WRITE + 5_120 * OUT,
            "inclusive",
            id="LiteLLM, Anthropic: reads and writes in the prompt and again beside it",
        ),
        pytest.param(
            of_litellm(
                total_tokens=1_010,
                prompt_tokens=1_000,
                completion_tokens=10,
                cache_read_input_tokens=200,
                cache_creation_input_tokens=700,
            ),
            100 * FRESH + 200 * READ + 700 * WRITE + 10 * OUT,
            "inclusive",
            id="LiteLLM, a price of one's own: 1,000 tokens billed as fresh instead of 100",
        ),
        pytest.param(
            of_vercel(2, 8_000, 1_500, own_input=2),
            2 * FRESH + 8_000 * READ + 1_500 * WRITE + 100 * OUT,
            "exclusive",
            id="a framework that passes on what Anthropic counts",
        ),
        pytest.param(
            of_vercel(9_502, 8_000, 1_500, own_input=2),
            2 * FRESH + 8_000 * READ + 1_500 * WRITE + 100 * OUT,
            "inclusive",
            id="the same framework two versions on, which normalises first",
        ),
    ],
)
def test_cached_tokens_that_other_tools_have_counted_wrong(attributes: dict[str, Any], cost: float, rule: str) -> None:
    span = decode(attributes).span
    assert cost_of(span) == (pytest.approx(cost), "catalogue")
    assert span.tokens.rule == rule


def test_an_answer_from_the_application_s_own_cache_costs_nothing() -> None:
    attributes = of_litellm(total_tokens=110, prompt_tokens=100, completion_tokens=10)
    span = decode(attributes | {"hidden_params": json.dumps({"response_cost": 0.0, "cache_hit": True})}).span
    assert cost_of(span) == (0.0, "sender")
