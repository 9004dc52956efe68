"""OpenTelemetry `gen_ai.*`, now and before, and the names built on it.

Messages come as JSON in attributes, as an event with the same attributes, as one event a message (until 1.36), or
flattened (`gen_ai.prompt.0.content`). Sources: open-telemetry/semantic-conventions 1.41 and semantic-conventions-genai;
traceloop/openllmetry, opentelemetry-semantic-conventions-ai; openlit semcov.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.contracts import Decoded, Dialect
from monitor.ingest.assemble import assemble
from monitor.ingest.messages import answer_of, documents_of, message_of, messages_of
from monitor.ingest.raw_span import RawEvent, RawSpan
from monitor.ingest.streams import first_event_s
from monitor.ingest.values import to_json, try_json
from monitor.ingest.vocabulary import Sorted, Vocabulary, items_of
from monitor.records import Message, SpanKind

VOCABULARY = Vocabulary(
    fields={
        "operation": ("gen_ai.operation.name", "llm.request.type"),
        "provider": ("gen_ai.provider.name", "gen_ai.system"),
        "model": ("gen_ai.response.model",),
        "requested_model": ("gen_ai.request.model",),
        "session": ("gen_ai.conversation.id", "session.id"),
        "user": (
            "user.id",
            "enduser.id",
            "gen_ai.user",
            "gen_ai.request.user",
        ),
        "environment": ("deployment.environment.name", "deployment.environment", "gen_ai.environment"),
        "feature": ("llmops.feature", "gen_ai.workflow.name", "feature", "app.feature"),
        "prompt_version": (
            "llmops.prompt_version",
            "gen_ai.prompt.version",
        ),
        "finish_reasons": (
            "gen_ai.response.finish_reasons",
            "gen_ai.response.finish_reason",
            "llm.response.finish_reason",
            "anthropic.message.stop_reason",
        ),
        "service_tier": (
            "openai.response.service_tier",
            "gen_ai.openai.response.service_tier",
            "openai.request.service_tier",
            "gen_ai.openai.request.service_tier",
            "anthropic.response.service_tier",
            "anthropic.request.service_tier",
        ),
        "first_token_s": (
            "gen_ai.response.time_to_first_chunk",
            "gen_ai.server.time_to_first_token",
            "gen_ai.server.ttft",
        ),
        "system": ("gen_ai.system_instructions",),
        "input_messages": ("gen_ai.input.messages", "gen_ai.prompt"),
        "output_messages": ("gen_ai.output.messages", "gen_ai.completion"),
        "input": ("gen_ai.tool.call.arguments", "gen_ai.retrieval.query.text"),
        "output": ("gen_ai.tool.call.result",),
        "documents": ("gen_ai.retrieval.documents",),
        "input_tokens": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.usage.prompt_tokens"),
        "output_tokens": (
            "gen_ai.usage.output_tokens",
            "gen_ai.usage.completion_tokens",
            "llm.usage.completion_tokens",
        ),
        "total_tokens": ("gen_ai.usage.total_tokens", "llm.usage.total_tokens"),
        "cache_read_tokens": (
            "gen_ai.usage.cache_read.input_tokens",
            "gen_ai.usage.cache_read_input_tokens",
            "gen_ai.usage.details.cache_read_tokens",
            "gen_ai.usage.prompt_tokens_details.cached_tokens",
            "gen_ai.usage.input_tokens.cached",
        ),
        "cache_write_tokens": (
            "gen_ai.usage.cache_write.input_tokens",
            "gen_ai.usage.cache_creation.input_tokens",
            "gen_ai.usage.cache_creation_input_tokens",
            "gen_ai.usage.details.cache_write_tokens",
            "gen_ai.usage.prompt_tokens_details.cache_creation_tokens",
            "gen_ai.usage.input_tokens.cache_write",
        ),
        "cache_write_1h_tokens": ("anthropic.usage.cache_creation.ephemeral_1h_input_tokens",),
        "reasoning_tokens": (
            "gen_ai.usage.reasoning.output_tokens",
            "gen_ai.usage.reasoning_tokens",
            "gen_ai.usage.details.reasoning_tokens",
            "llm.usage.reasoning_tokens",
            "gen_ai.usage.output_tokens.reasoning",
        ),
        "input_audio_tokens": ("gen_ai.usage.audio.input_tokens",),
        "output_audio_tokens": ("gen_ai.usage.audio.output_tokens",),
        "cost": ("gen_ai.usage.cost", "gen_ai.token.cost.total"),
    },
    groups={
        "gen_ai.prompt.": "prompts",
        "gen_ai.completion.": "completions",
        "llm.prompts.": "prompts",
        "llm.completions.": "completions",
    },
    kept=(
        "gen_ai.request.",
        "gen_ai.response.id",
        "gen_ai.response.",
        "gen_ai.agent.",
        "gen_ai.tool.",
        "gen_ai.data_source.",
        "gen_ai.retrieval.",
        "gen_ai.output.type",
        "gen_ai.embeddings.",
        "gen_ai.prompt.name",
        "gen_ai.memory.",
        "gen_ai.evaluation.",
        "gen_ai.openai.",
        "gen_ai.token.",
        "gen_ai.application_name",
        "gen_ai.sdk.",
        "gen_ai.usage.details.",
        "gen_ai.usage.raw",
        "gen_ai.usage.text.",
        "gen_ai.usage.image.",
        "gen_ai.usage.audio.",
        "gen_ai.usage.video.",
        "gen_ai.is_streaming",
        "openai.",
        "anthropic.",
        "mcp.",
        "llm.request.",
        "llm.headers",
        "llm.is_streaming",
    ),
)

_OPERATIONS: dict[str, SpanKind] = {
    "chat": "llm",
    "generate_content": "llm",
    "text_completion": "llm",
    "completion": "llm",
    "embeddings": "embedding",
    "embedding": "embedding",
    "rerank": "reranker",
    "retrieval": "retriever",
    "search_memory": "retriever",
    "vectordb": "retriever",
    "execute_tool": "tool",
    "create_memory": "tool",
    "update_memory": "tool",
    "upsert_memory": "tool",
    "delete_memory": "tool",
    "create_memory_store": "tool",
    "delete_memory_store": "tool",
    "create_agent": "agent",
    "invoke_agent": "agent",
    "agent_step": "agent",
    "plan": "agent",
    "invoke_workflow": "chain",
    "execute_task": "chain",
    "fetch_response": "chain",
}

DETAILS_EVENT = "gen_ai.client.inference.operation.details"
_MESSAGE_EVENTS = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}
_CHUNK_EVENTS = ("gen_ai.content.completion.chunk", "llm.content.completion.chunk")
_BEGINNINGS = ("gen_ai.", "llm.usage.", "llm.request.type", "llm.prompts.", "llm.completions.")


def recognises(attributes: Mapping[str, Any]) -> bool:
    """True where any attribute belongs to the vocabulary."""
    return any(name.startswith(_BEGINNINGS) for name in attributes)


def decode(raw: RawSpan) -> Decoded:
    """The span in the product's own terms."""
    attributes: Mapping[str, Any] = raw.attributes
    for event in raw.events:
        if event.name == DETAILS_EVENT:
            attributes = {**event.attributes, **attributes}
    found = VOCABULARY.sort(attributes)
    kind = _kind(found)
    prompt, response = _prompt(raw, found), _response(raw, found)
    if "first_token_s" not in found.fields:
        found.fields["first_token_s"] = first_event_s(raw, *_CHUNK_EVENTS)
    context: tuple[str, ...] = ()
    if "documents" in found.fields:
        context = documents_of(found.fields["documents"])
    return assemble(raw, found, kind, prompt=prompt, response=response, context=context)


def _kind(found: Sorted) -> SpanKind:
    kind = _OPERATIONS.get(found.text("operation").lower())
    if kind is not None:
        return kind
    asked = any(name in found.fields for name in ("requested_model", "input_messages", "input_tokens"))
    return "llm" if asked or "prompts" in found.groups else "unknown"


def _prompt(raw: RawSpan, found: Sorted) -> tuple[Message, ...]:
    messages = messages_of(found.fields.get("input_messages"))
    if not messages:
        messages = _flattened(found, "prompts", "user")
    if not messages:
        messages = tuple(
            _event_message(event, _MESSAGE_EVENTS[event.name]) for event in raw.events if event.name in _MESSAGE_EVENTS
        )
    if not messages:
        messages = _content_events(raw, "gen_ai.content.prompt", "gen_ai.prompt", "user")
    if not messages:
        messages = messages_of(found.fields.get("input"))
    system = found.fields.get("system")
    if system:
        messages = (_system(system), *messages)
    return messages


def _response(raw: RawSpan, found: Sorted) -> tuple[str, str]:
    given = try_json(found.fields.get("output_messages"))
    messages = messages_of(given, "assistant")
    reasons: list[Any] = []
    if not any(message.content or message.parts for message in messages) and "completions" in found.groups:
        messages = _flattened(found, "completions", "assistant")
        reasons = [item.get("finish_reason") for item in items_of(found.groups.get("completions"))]
    if not messages:
        choices = [event for event in raw.events if event.name == "gen_ai.choice"]
        messages = tuple(_event_message(event, "assistant") for event in choices)
        reasons = [_event_data(event).get("finish_reason") for event in choices]
    if not messages:
        messages = _content_events(raw, "gen_ai.content.completion", "gen_ai.completion", "assistant")
    if not messages:
        messages = messages_of(found.fields.get("output"), "assistant")
    if isinstance(given, list) and not any(reasons):
        reasons = [item.get("finish_reason") for item in given if isinstance(item, dict)]
    if any(reasons) and "finish_reasons" not in found.fields:
        found.fields["finish_reasons"] = [reason for reason in reasons if isinstance(reason, str)]
    return answer_of(messages)


def _flattened(found: Sorted, group: str, role: str) -> tuple[Message, ...]:
    return tuple(
        message_of({**item, "content": try_json(item.get("content", item.get("user", "")))}, role)
        for item in items_of(found.groups.get(group))
    )


def _event_data(event: RawEvent) -> Mapping[str, Any]:
    body = try_json(event.attributes.get("gen_ai.event.content", event.body))
    inner = {name.removeprefix("gen_ai.event."): value for name, value in event.attributes.items()}
    return {**inner, **body} if isinstance(body, Mapping) else {**inner, **({"content": body} if body else {})}


def _event_message(event: RawEvent, role: str) -> Message:
    data = _event_data(event)
    message = try_json(data.get("message"))
    if isinstance(message, Mapping):
        data = message
    elif isinstance(message, str):
        data = {"content": message}
    chosen = {name: data[name] for name in ("role", "content", "parts") if name in data}
    calls = try_json(data.get("tool_calls"))
    if calls:
        chosen["tool_calls"] = calls
    chosen.setdefault("content", "")
    return message_of(chosen, role)


def _content_events(raw: RawSpan, name: str, attribute: str, role: str) -> tuple[Message, ...]:
    return tuple(
        message
        for event in raw.events
        if event.name == name
        for message in messages_of(event.attributes.get(attribute, event.body), role)
    )


def _system(value: Any) -> Message:
    value = try_json(value)
    if isinstance(value, list):
        return message_of({"role": "system", "parts": value}, "system")
    return Message("system", value if isinstance(value, str) else to_json(value))


DIALECT = Dialect("gen_ai", 10, recognises, decode)
