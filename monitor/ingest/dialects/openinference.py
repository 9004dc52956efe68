"""OpenInference: `openinference.span.kind`, messages flattened by index, tokens and costs of the sender.

The response of the provider stands in `output.value` as it came: what of it changes the price and has no name of its
own (service tier, tokens kept in the cache for an hour) is read there.

Source: Arize-ai/openinference, spec/semantic_conventions.md and spec/annotations.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from monitor.contracts import Decoded, Dialect
from monitor.ingest.assemble import assemble
from monitor.ingest.messages import answer_of, documents_of, message_of, messages_of
from monitor.ingest.raw_span import RawSpan
from monitor.ingest.streams import first_event_s
from monitor.ingest.usage import usage_of
from monitor.ingest.values import try_json
from monitor.ingest.vocabulary import Sorted, Vocabulary, items_of
from monitor.records import Message, SpanKind

VOCABULARY = Vocabulary(
    fields={
        "kind": ("openinference.span.kind",),
        "provider": ("llm.provider", "llm.system"),
        "model": ("llm.response.model_name", "llm.model_name", "embedding.model_name", "reranker.model_name"),
        "requested_model": ("llm.request.model_name",),
        "session": ("session.id",),
        "user": ("user.id",),
        "prompt_version": ("llm.prompt_template.version", "prompt.id"),
        "finish_reasons": ("llm.finish_reason",),
        "input": ("input.value",),
        "output": ("output.value",),
        "query": ("reranker.query",),
        "input_tokens": ("llm.token_count.prompt",),
        "output_tokens": ("llm.token_count.completion",),
        "total_tokens": ("llm.token_count.total",),
        "cache_read_tokens": (
            "llm.token_count.prompt_details.cache_read",
            "llm.token_count.prompt_details.cache_input",
        ),
        "cache_write_tokens": ("llm.token_count.prompt_details.cache_write",),
        "input_audio_tokens": ("llm.token_count.prompt_details.audio",),
        "reasoning_tokens": ("llm.token_count.completion_details.reasoning",),
        "output_audio_tokens": ("llm.token_count.completion_details.audio",),
        "cost": ("llm.cost.total",),
        "parameters": ("llm.invocation_parameters", "embedding.invocation_parameters"),
    },
    groups={
        "llm.input_messages.": "input_messages",
        "llm.output_messages.": "output_messages",
        "llm.prompts.": "prompts",
        "llm.choices.": "choices",
        "retrieval.documents.": "documents",
        "reranker.output_documents.": "documents",
        "embedding.embeddings.": "embeddings",
    },
    kept=(
        "llm.tools.",
        "llm.function_call",
        "llm.prompt_template.",
        "llm.cost.",
        "reranker.",
        "tool.",
        "tool_call.",
        "agent.",
        "graph.",
        "prompt.",
        "embedding.",
        "image.",
        "audio.",
    ),
    dropped=("input.mime_type", "output.mime_type"),
)

_KINDS: dict[str, SpanKind] = {
    "LLM": "llm",
    "EMBEDDING": "embedding",
    "CHAIN": "chain",
    "RETRIEVER": "retriever",
    "RERANKER": "reranker",
    "TOOL": "tool",
    "AGENT": "agent",
    "GUARDRAIL": "guardrail",
    "EVALUATOR": "evaluator",
    "PROMPT": "prompt",
}


# Quotes within the texts of a response are escaped, so that this finds none of them.
_SERVICE_TIER = re.compile(r'"service_tier": ?"(\w{1,40})"')
_RESPONSE_NUMBER = re.compile(r'"id": ?"((?:chatcmpl-|resp_|msg_)[\w-]{6,100})"')
_FIRST_CHUNK = "First Token Stream Event"
_TELLING = (
    "openinference.span.kind",
    "llm.model_name",
    "llm.token_count.prompt",
    "llm.input_messages.0.message.role",
    "annotations.0.annotation.name",
    "trace.annotations.0.annotation.name",
    "session.annotations.0.annotation.name",
)


def recognises(attributes: Mapping[str, Any]) -> bool:
    """True where a span says its kind the OpenInference way, or carries its messages, tokens or annotations."""
    return any(name in attributes for name in _TELLING)


def decode(raw: RawSpan) -> Decoded:
    """The span in the product's own terms."""
    found = VOCABULARY.sort(raw.attributes)
    spoken = found.text("kind").upper()
    kind: SpanKind = _KINDS.get(spoken, "unknown")
    if not spoken and ("input_messages" in found.groups or "input_tokens" in found.fields):
        kind = "llm"
    context = tuple(
        text for item in items_of(found.groups.get("documents")) for text in documents_of([item.get("document", item)])
    )
    found.fields["first_token_s"] = first_event_s(raw, _FIRST_CHUNK)
    _parameters(found)
    if kind == "llm":
        _priced(found)
    return assemble(raw, found, kind, prompt=_prompt(found, kind), response=_response(found, kind), context=context)


def _parameters(found: Sorted) -> None:
    """Keeps the parameters; a call that failed names its model only there."""
    value = found.fields.get("parameters")
    if value in (None, ""):
        return
    found.rest["llm.invocation_parameters"] = value
    if "model" not in found.fields and "requested_model" not in found.fields:
        given = try_json(value)
        if isinstance(given, Mapping) and isinstance(given.get("model"), str):
            found.fields["requested_model"] = given["model"]


def _priced(found: Sorted) -> None:
    """What only the provider's own response tells of the price."""
    value = found.fields.get("output")
    if not isinstance(value, str):
        return
    number = _RESPONSE_NUMBER.search(value)
    if number is not None:
        found.rest["llm.response.id"] = number.group(1)
    tier = _SERVICE_TIER.search(value)
    if tier is not None:
        found.fields["service_tier"] = tier.group(1)
    if "cache_write_tokens" in found.fields and "ephemeral_1h_input_tokens" in value:
        given = try_json(value)
        counts = usage_of(given.get("usage")) if isinstance(given, Mapping) else {}
        if "cache_write_1h_tokens" in counts:
            found.fields["cache_write_1h_tokens"] = counts["cache_write_1h_tokens"]


def _prompt(found: Sorted, kind: SpanKind) -> tuple[Message, ...]:
    messages = _messages(found, "input_messages", "user")
    if messages:
        return messages
    for group, outer, inner in (("prompts", "prompt", "text"), ("embeddings", "embedding", "text")):
        texts = [item.get(outer, {}) for item in items_of(found.groups.get(group))]
        spoken = tuple(
            Message("user", text[inner])
            for text in texts
            if isinstance(text, dict) and isinstance(text.get(inner), str)
        )
        if spoken:
            return spoken
    value = found.fields.get("input", found.fields.get("query"))
    if kind == "llm":
        return messages_of(value)
    return (Message("user", str(value)),) if value not in (None, "") else ()


def _response(found: Sorted, kind: SpanKind) -> tuple[str, str]:
    messages = _messages(found, "output_messages", "assistant")
    if messages:
        return answer_of(messages)
    choices = [item.get("completion", {}) for item in items_of(found.groups.get("choices"))]
    texts = [choice["text"] for choice in choices if isinstance(choice, dict) and isinstance(choice.get("text"), str)]
    if texts:
        return "\n\n".join(texts), ""
    value = found.fields.get("output")
    if kind == "llm":
        return answer_of(messages_of(value, "assistant"))
    return ("" if value is None else str(value)), ""


def _messages(found: Sorted, group: str, role: str) -> tuple[Message, ...]:
    return tuple(
        message_of(_unwrapped(item["message"]), role)
        for item in items_of(found.groups.get(group))
        if isinstance(item.get("message"), dict)
    )


def _unwrapped(message: dict[str, Any]) -> dict[str, Any]:
    plain = {name: value for name, value in message.items() if name not in ("contents", "tool_calls")}
    contents = message.get("contents")
    calls = message.get("tool_calls")
    if isinstance(contents, list):
        if calls:  # the calls again, as the provider's content blocks
            contents = [part for part in contents if not (isinstance(part, dict) and "tool_call" in part)]
        parts = [part.get("message_content", part) if isinstance(part, dict) else part for part in contents]
        plain["content"] = [*([plain["content"]] if plain.get("content") else []), *parts]
    if isinstance(calls, list):
        plain["tool_calls"] = [call.get("tool_call", call) if isinstance(call, dict) else call for call in calls]
    return plain


DIALECT = Dialect("openinference", 20, recognises, decode)
