"""Vercel AI SDK `ai.*`: the calls of a provider inside wrappers that only sum them up.

`ai.generateText` and the like are wrappers; `doGenerate`, `doStream` and `doEmbed` are the calls. Times are in
milliseconds. Until version 5 the SDK passed on what the provider counted (Anthropic and Amazon Bedrock leave cached
tokens out of the input); since 6 the input includes them. Source: vercel/ai, 60-telemetry.mdx and packages/ai/src.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.contracts import Decoded, Dialect
from monitor.ingest.assemble import assemble
from monitor.ingest.messages import messages_of, parts_json
from monitor.ingest.raw_span import RawSpan
from monitor.ingest.usage import usage_of
from monitor.ingest.values import number, to_json, try_json, whole
from monitor.ingest.vocabulary import Sorted, Vocabulary
from monitor.records import Message, SpanKind

VOCABULARY = Vocabulary(
    fields={
        "operation": ("ai.operationId", "operation.name"),
        "provider": ("ai.model.provider", "gen_ai.provider.name", "gen_ai.system"),
        "model": ("ai.response.model", "gen_ai.response.model"),
        "requested_model": ("ai.model.id", "gen_ai.request.model"),
        "session": ("session.id", "gen_ai.conversation.id"),
        "feature": ("llmops.feature", "ai.telemetry.functionId", "resource.name", "feature", "app.feature"),
        "prompt_source": ("ai.telemetry.metadata.langfusePrompt",),
        "tag_list": ("ai.telemetry.metadata.tags", "tag.tags"),
        "finish_reasons": ("ai.response.finishReason", "ai.finishReason", "gen_ai.response.finish_reasons"),
        "first_token_ms": ("ai.response.msToFirstChunk", "ai.stream.msToFirstChunk"),
        "input_messages": ("ai.prompt.messages",),
        "input": ("ai.prompt", "ai.values", "ai.value", "ai.toolCall.args", "ai.documents"),
        "output": (
            "ai.response.text",
            "ai.result.text",
            "ai.response.object",
            "ai.result.object",
            "ai.toolCall.result",
        ),
        "output_calls": ("ai.response.toolCalls", "ai.result.toolCalls"),
        "output_reasoning": ("ai.response.reasoning",),
        "provider_metadata": ("ai.response.providerMetadata",),
        "input_tokens": (
            "ai.usage.inputTokens",
            "ai.usage.promptTokens",
            "ai.usage.tokens",
            "gen_ai.usage.input_tokens",
            "gen_ai.usage.prompt_tokens",
        ),
        "output_tokens": (
            "ai.usage.outputTokens",
            "ai.usage.completionTokens",
            "gen_ai.usage.output_tokens",
            "gen_ai.usage.completion_tokens",
        ),
        "total_tokens": ("ai.usage.totalTokens",),
        "uncached_tokens": ("ai.usage.inputTokenDetails.noCacheTokens",),
        "cache_read_tokens": (
            "ai.usage.inputTokenDetails.cacheReadTokens",
            "ai.usage.cachedInputTokens",
            "gen_ai.usage.cache_read.input_tokens",
        ),
        "cache_write_tokens": (
            "ai.usage.inputTokenDetails.cacheWriteTokens",
            "gen_ai.usage.cache_write.input_tokens",
            "gen_ai.usage.cache_creation.input_tokens",
        ),
        "reasoning_tokens": ("ai.usage.outputTokenDetails.reasoningTokens", "ai.usage.reasoningTokens"),
    },
    groups={"ai.telemetry.metadata.": "metadata"},
    kept=("ai.", "gen_ai."),
    dropped=("ai.usage.outputTokenDetails.textTokens", "gen_ai.response.id"),
)

_KINDS: tuple[tuple[str, SpanKind], ...] = (
    (".doGenerate", "llm"),
    (".doStream", "llm"),
    (".doEmbed", "embedding"),
    (".doRerank", "reranker"),
    ("ai.toolCall", "tool"),
)
_TELLING = frozenset(("ai.operationId", "ai.model.id", "ai.response.providerMetadata"))
# Providers whose own count of the input leaves cached tokens out.
_COUNTED_APART = ("anthropic", "bedrock")
_ONLY_HERE = ("cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens", "reasoning_tokens")


def recognises(attributes: Mapping[str, Any]) -> bool:
    """True where a span names the SDK's operation or model."""
    return not _TELLING.isdisjoint(attributes)


def decode(raw: RawSpan) -> Decoded:
    """The span in the product's own terms."""
    found = VOCABULARY.sort(raw.attributes)
    if "first_token_ms" not in found.fields:
        found.fields["first_token_ms"] = next(
            (event.attributes.get("ai.stream.msToFirstChunk") for event in raw.events if event.name.startswith("ai.")),
            None,
        )
    if "ai.usage.inputTokens" in raw.attributes or "ai.usage.promptTokens" in raw.attributes:
        # What follows from the attributes of the SDK; those of the conventions follow the conventions.
        found.fields["own_input_tokens"] = True
    _provider_metadata(found)
    provider = found.text("provider")
    found.fields["provider"] = provider if provider[:3] in ("az.", "aws", "gcp") else provider.split(".")[0]
    source = try_json(found.fields.get("prompt_source"))
    if isinstance(source, Mapping) and source.get("version") is not None:
        found.fields.setdefault("prompt_version", f"{source.get('name', '')}:{source['version']}".lstrip(":"))
    return assemble(raw, found, _kind(found), prompt=_prompt(found), response=_response(found))


def _kind(found: Sorted) -> SpanKind:
    operation = found.text("operation").split(" ")[0]
    for end, kind in _KINDS:
        if operation.endswith(end):
            return kind
    return "chain" if operation.startswith("ai.") else "unknown"


def _provider_metadata(found: Sorted) -> None:
    """What only the provider's own data tells: cache lifetimes, cost, service tier, and how it counts."""
    fields = found.fields
    uncached = whole(fields.get("uncached_tokens"))
    given = try_json(fields.get("provider_metadata"))
    for data in given.values() if isinstance(given, Mapping) else ():
        if not isinstance(data, Mapping):
            continue
        inner = data.get("usage", data.get("usageMetadata"))
        own = usage_of(data) | usage_of(inner)
        if uncached is None and found.text("provider").startswith("anthropic"):
            uncached = own.get("input_tokens")
        for target in _ONLY_HERE:
            if target in own:
                fields.setdefault(target, own[target])
        if data.get("serviceTier"):
            fields.setdefault("service_tier", data["serviceTier"])
        cost = number(data.get("cost", inner.get("cost") if isinstance(inner, Mapping) else None))
        if cost is not None:
            fields.setdefault("cost", cost)
    fields["usage_rule"] = _rule(found, uncached)


def _rule(found: Sorted, uncached: int | None) -> str:
    sent = whole(found.fields.get("input_tokens"))
    if uncached is not None and sent is not None:
        return "exclusive" if sent == uncached else "inclusive"
    apart = any(name in found.text("provider") for name in _COUNTED_APART)
    return "exclusive" if apart and "own_input_tokens" in found.fields else ""


def _prompt(found: Sorted) -> tuple[Message, ...]:
    messages = messages_of(found.fields.get("input_messages"))
    if messages:
        return messages
    value = try_json(found.fields.get("input"))
    if isinstance(value, Mapping) and ("prompt" in value or "messages" in value):
        system = value.get("system")
        asked = messages_of(value.get("messages") or value.get("prompt"))
        return (Message("system", system if isinstance(system, str) else to_json(system)), *asked) if system else asked
    if isinstance(value, list):
        # Each text of an embedding is JSON of its own.
        value = [_unquoted(item) for item in value]
    return messages_of(_unquoted(value))


def _unquoted(value: Any) -> Any:
    return value[1:-1] if isinstance(value, str) and len(value) > 1 and value[0] == value[-1] == '"' else value


def _response(found: Sorted) -> tuple[str, str]:
    text = found.fields.get("output", "")
    calls = try_json(found.fields.get("output_calls"))
    parts: list[Any] = list(calls) if isinstance(calls, list) else [calls] if calls else []
    if found.fields.get("output_reasoning"):
        parts.insert(0, {"type": "reasoning", "content": found.fields["output_reasoning"]})
    return text if isinstance(text, str) else to_json(text), parts_json(parts)


DIALECT = Dialect("vercel", 50, recognises, decode)
