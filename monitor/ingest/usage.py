"""Token usage objects as providers and frameworks write them, in the names of the dialects' fields.

Sources: the usage objects of OpenAI (chat completions, responses), Anthropic, Amazon Bedrock and Google Gemini;
Langfuse usage details; LangChain usage metadata; MLflow token usage.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.ingest.tokens import Counts
from monitor.ingest.values import try_json, whole

_NAMES: dict[str, tuple[str, ...]] = {
    "input_tokens": ("input", "prompt_tokens", "input_tokens", "inputTokens", "promptTokens", "promptTokenCount"),
    "output_tokens": (
        "output",
        "completion_tokens",
        "output_tokens",
        "outputTokens",
        "completionTokens",
        "candidatesTokenCount",
    ),
    "total_tokens": ("total", "total_tokens", "totalTokens", "totalTokenCount"),
    "cache_read_tokens": (
        "cache_read_input_tokens",
        "input_cached_tokens",
        "input_cache_read",
        "cache_read_tokens",
        "cache_read",
        "cacheReadInputTokens",
        "cachedInputTokens",
        "cachedContentTokenCount",
        "cachedPromptTokens",
        "promptCacheHitTokens",
        "prompt_cache_hit_tokens",
        "prompt_tokens_details.cached_tokens",
        "input_tokens_details.cached_tokens",
        "input_token_details.cache_read",
    ),
    "cache_write_tokens": (
        "cache_creation_input_tokens",
        "input_cache_creation",
        "cache_write_tokens",
        "cache_write",
        "cacheCreationInputTokens",
        "cacheWriteInputTokens",
        "prompt_tokens_details.cache_creation_tokens",
        "prompt_tokens_details.cache_write_tokens",
        "input_token_details.cache_creation",
    ),
    "cache_write_5m_tokens": (
        "cache_creation.ephemeral_5m_input_tokens",
        "input_cache_creation_5m",
        "prompt_tokens_details.cache_creation_token_details.ephemeral_5m_input_tokens",
        "input_token_details.ephemeral_5m_input_tokens",
    ),
    "cache_write_1h_tokens": (
        "cache_creation.ephemeral_1h_input_tokens",
        "input_cache_creation_1h",
        "prompt_tokens_details.cache_creation_token_details.ephemeral_1h_input_tokens",
        "input_token_details.ephemeral_1h_input_tokens",
    ),
    "input_audio_tokens": (
        "input_audio",
        "input_audio_tokens",
        "prompt_tokens_details.audio_tokens",
        "input_tokens_details.audio_tokens",
        "input_token_details.audio",
    ),
    "reasoning_tokens": (
        "output_reasoning_tokens",
        "output_reasoning",
        "reasoning_tokens",
        "reasoningTokens",
        "thoughtsTokenCount",
        "completion_tokens_details.reasoning_tokens",
        "output_tokens_details.reasoning_tokens",
        "output_token_details.reasoning",
    ),
    "output_audio_tokens": (
        "output_audio",
        "output_audio_tokens",
        "completion_tokens_details.audio_tokens",
        "output_tokens_details.audio_tokens",
        "output_token_details.audio",
    ),
}


def usage_of(value: Any) -> dict[str, int]:
    """The counts of a usage object (or its JSON) by field; empty for anything else.

    Tokens written to the cache for five minutes and for an hour, where only these two were sent, are summed up.
    """
    given = try_json(value)
    if not isinstance(given, Mapping):
        return {}
    flat = _flat(given, "", 0)
    found: dict[str, int] = {}
    for target, names in _NAMES.items():
        for name in names:
            count = whole(flat.get(name))
            if count is not None:
                found[target] = count
                break
    short = found.pop("cache_write_5m_tokens", 0)
    if short or "cache_write_1h_tokens" in found:
        # Langfuse keeps what has no lifetime apart from both; Anthropic's figure is the sum.
        apart = "input_cache_creation_5m" in flat or "input_cache_creation_1h" in flat
        both = short + found.get("cache_write_1h_tokens", 0)
        written = found.get("cache_write_tokens", 0)
        found["cache_write_tokens"] = written + both if apart else max(written, both)
    return found


def counts_of(value: Any) -> Counts:
    """The counts of a provider's own usage object, with how that provider counts cached tokens.

    Where they are named beside the input (Anthropic, Bedrock) they come on top of it; where they are a detail of it
    (OpenAI and those who copy its API, Gemini) they are part of it.
    """
    found = usage_of(value)
    given = try_json(value)
    on_top = isinstance(given, Mapping) and any(
        given.get(name) is not None
        for name in (
            "cache_read_input_tokens",
            "cache_creation_input_tokens",
            "cacheReadInputTokens",
            "cacheWriteInputTokens",
        )
    )
    return Counts(
        input=found.get("input_tokens"),
        output=found.get("output_tokens"),
        total=found.get("total_tokens"),
        cache_read=found.get("cache_read_tokens"),
        cache_write=found.get("cache_write_tokens"),
        cache_write_1h=found.get("cache_write_1h_tokens"),
        # Every answer of OpenAI counts audio; none of it says nothing of the call.
        input_audio=found.get("input_audio_tokens") or None,
        reasoning=found.get("reasoning_tokens"),
        output_audio=found.get("output_audio_tokens") or None,
        rule="exclusive" if on_top else "inclusive",
    )


def _flat(given: Mapping[str, Any], prefix: str, depth: int) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in given.items():
        if not isinstance(value, Mapping):
            flat[f"{prefix}{name}"] = value
        elif depth < 2:
            flat |= _flat(value, f"{prefix}{name}.", depth + 1)
    return flat
