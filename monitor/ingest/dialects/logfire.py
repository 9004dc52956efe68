"""Logfire and Pydantic AI: conversations as lists of events in one attribute, usage details, cost of the operation.

Cached tokens are part of the input; where the provider's own count is among the details, it tells. A streamed call is
two spans that do not know of each other: one for the request, which says nothing of the answer, and a record of the
answer when it is whole; the second is the call. Sources:
pydantic/pydantic-ai, models/instrumented.py, _agent_graph.py and usage.py; pydantic/logfire, integrations of providers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from monitor.contracts import Decoded, Dialect
from monitor.ingest.assemble import assemble
from monitor.ingest.messages import answer_of, message_of, messages_of
from monitor.ingest.raw_span import RawSpan
from monitor.ingest.replies import reply_of
from monitor.ingest.usage import usage_of
from monitor.ingest.values import number, try_json, whole
from monitor.ingest.vocabulary import Sorted, Vocabulary
from monitor.records import Message, SpanKind

_DETAILS = "gen_ai.usage.details."

VOCABULARY = Vocabulary(
    fields={
        "operation": ("gen_ai.operation.name",),
        "provider": ("gen_ai.provider.name", "gen_ai.system"),
        "model": ("gen_ai.response.model",),
        "requested_model": ("gen_ai.request.model", "model_name"),
        "session": ("session.id", "gen_ai.conversation.id"),
        "feature": ("llmops.feature", "gen_ai.agent.name", "agent_name", "feature", "app.feature"),
        "tag_list": ("logfire.tags", "tag.tags"),
        "cost": ("llmops.cost_usd", "operation.cost"),
        "events": ("events", "all_messages_events"),
        "messages": ("pydantic_ai.all_messages",),
        "request": ("request_data",),
        "reply": ("response_data",),
        "result": ("final_result",),
        "tool_input": ("gen_ai.tool.call.arguments", "tool_arguments"),
        "tool_output": ("gen_ai.tool.call.result", "tool_response"),
        "input_tokens": ("gen_ai.usage.input_tokens",),
        "output_tokens": ("gen_ai.usage.output_tokens",),
        "cache_read_tokens": (
            "gen_ai.usage.cache_read.input_tokens",
            "gen_ai.usage.details.cache_read_tokens",
            "gen_ai.usage.details.cache_read_input_tokens",
            "gen_ai.usage.details.cached_tokens",
            "gen_ai.usage.details.cached_content_tokens",
        ),
        "cache_write_tokens": (
            "gen_ai.usage.cache_write.input_tokens",
            "gen_ai.usage.cache_creation.input_tokens",
            "gen_ai.usage.details.cache_write_tokens",
            "gen_ai.usage.details.cache_creation_input_tokens",
        ),
        "reasoning_tokens": (
            "gen_ai.usage.reasoning.output_tokens",
            "gen_ai.usage.details.reasoning_tokens",
            "gen_ai.usage.details.thoughts_tokens",
        ),
        "input_audio_tokens": ("gen_ai.usage.details.input_audio_tokens",),
        "output_audio_tokens": ("gen_ai.usage.details.output_audio_tokens",),
        "uncached_tokens": ("gen_ai.usage.details.input_tokens",),
        "usage_raw": ("gen_ai.usage.raw",),
        "duration": ("duration",),
    },
    kept=(
        "gen_ai.",
        "logfire.",
        "pydantic_ai.",
        "model_request_parameters",
        "async",
        "stream_id",
        "operation.",
    ),
    dropped=("logfire.json_schema", "logfire.msg", "logfire.msg_template"),
)

_TELLING = frozenset(
    (
        "events",
        "all_messages_events",
        "pydantic_ai.all_messages",
        "request_data",
        "operation.cost",
        "tool_arguments",
        "model_request_parameters",
        "final_result",
    )
)
_SPAN_TYPE = "logfire.span_type"
_INTEGRATIONS = ("logfire.openai", "logfire.anthropic")
_ANSWERED = frozenset(("chat", "text_completion", "generate_content"))
_TOLD = frozenset(
    ("gen_ai.output.messages", "gen_ai.usage.input_tokens", "gen_ai.usage.raw", "response_data", "events")
)
_LONGEST_S = 86_400
_MARKS = ("gen_ai.", "logfire.", "agent_name", "model_name")


def recognises(attributes: Mapping[str, Any]) -> bool:
    """True where the names of Logfire or Pydantic AI stand beside others that show whose they are."""
    if any(name.startswith(_DETAILS) for name in attributes):
        return True
    return not _TELLING.isdisjoint(attributes) and any(name.startswith(_MARKS) for name in attributes)


def decode(raw: RawSpan) -> Decoded:
    """The span in the product's own terms; messages after the conventions are left to `gen_ai`."""
    found = VOCABULARY.sort(raw.attributes)
    fields = found.fields
    prompt, response = _conversation(found)
    request = try_json(fields.get("request"))
    if isinstance(request, Mapping):
        prompt = prompt or messages_of(request.get("messages", request.get("input", request.get("prompt"))))
        if isinstance(request.get("model"), str):
            fields.setdefault("requested_model", request["model"])
    answer = try_json(fields.get("reply"))
    if isinstance(answer, Mapping):
        reply = reply_of(answer)
        response = response if any(response) else reply.response
        if reply.finish_reason:
            fields.setdefault("finish_reasons", reply.finish_reason)
        for name, count in usage_of(answer.get("usage")).items():
            fields.setdefault(name, count)
    prompt = prompt or messages_of(fields.get("tool_input"))
    if not any(response):
        response = (found.text("result") or found.text("tool_output"), "")
    _rule(found)
    _usage_raw(found)
    kind: SpanKind = "chain" if _only_opens(raw, found) else _kind(found)
    return assemble(_whole_stream(raw, found), found, kind, prompt=prompt, response=response)


def _only_opens(raw: RawSpan, found: Sorted) -> bool:
    """True for the span of a request whose answer is streamed and told by a record of its own."""
    return (
        raw.scope.startswith(_INTEGRATIONS)
        and not raw.error
        and raw.attributes.get(_SPAN_TYPE) == "span"
        and found.text("operation") in _ANSWERED
        and _TOLD.isdisjoint(raw.attributes)
    )


def _whole_stream(raw: RawSpan, found: Sorted) -> RawSpan:
    """The record of a streamed answer as the span that it tells of: it has a duration instead of a start."""
    seconds = number(found.fields.get("duration"))
    if not seconds or not raw.start or not 0 < seconds < _LONGEST_S or raw.attributes.get(_SPAN_TYPE) != "log":
        return raw
    return msgspec.structs.replace(raw, start=max(1, raw.start - int(seconds * 1e9)), end=raw.start)


def _usage_raw(found: Sorted) -> None:
    """What the provider's own usage object tells beyond the counts of input and output."""
    fields = found.fields
    given = try_json(fields.get("usage_raw"))
    if not isinstance(given, Mapping):
        return
    counts = usage_of(given)
    for name, count in counts.items():
        fields.setdefault(name, count)
    if "cache_read_input_tokens" in given or "cache_creation_input_tokens" in given:
        sent = whole(fields.get("input_tokens"))
        fields.setdefault("usage_rule", "exclusive" if sent == counts.get("input_tokens") else "inclusive")
    if isinstance(given.get("service_tier"), str):
        fields.setdefault("service_tier", given["service_tier"])


def _kind(found: Sorted) -> SpanKind:
    if "operation" in found.fields:
        return "unknown"  # `gen_ai` knows the operations
    if "tool_input" in found.fields:
        return "tool"
    if "result" in found.fields or "messages" in found.fields:
        return "agent"
    return "llm" if "request" in found.fields or "events" in found.fields else "unknown"


def _conversation(found: Sorted) -> tuple[tuple[Message, ...], tuple[str, str]]:
    """What was said before the answer, and the answer: the choice, or the assistant's last words."""
    listed = try_json(found.fields.get("events", found.fields.get("messages")))
    events = [event for event in listed if isinstance(event, dict)] if isinstance(listed, list) else []
    choices = [event for event in events if event.get("event.name") == "gen_ai.choice"]
    if not choices and events and _role(events[-1]) == "assistant":
        choices = events[-1:]
    reasons = [choice["finish_reason"] for choice in choices if isinstance(choice.get("finish_reason"), str)]
    if reasons:
        found.fields.setdefault("finish_reasons", reasons)
    asked = tuple(_message(event) for event in events if not any(event is choice for choice in choices))
    return asked, answer_of(_message(choice) for choice in choices)


def _role(event: Mapping[str, Any]) -> str:
    named = str(event.get("event.name", "")).removeprefix("gen_ai.").removesuffix(".message")
    role = event.get("role", named)
    return role if isinstance(role, str) and role else "user"


def _message(event: Mapping[str, Any]) -> Message:
    inner = event.get("message")
    if isinstance(inner, str):
        return Message("assistant", inner)
    given = inner if isinstance(inner, Mapping) else event
    role = _role(given) if given is event else str(given.get("role", "assistant"))
    chosen = {name: given[name] for name in ("content", "parts", "tool_calls") if name in given}
    return message_of({"content": "", **chosen, "role": role}, role)


def _rule(found: Sorted) -> None:
    fields = found.fields
    sent, own = whole(fields.get("input_tokens")), whole(fields.get("uncached_tokens"))
    cached = (whole(fields.get("cache_read_tokens")) or 0) + (whole(fields.get("cache_write_tokens")) or 0)
    if sent is not None and own is not None and cached:
        fields["usage_rule"] = "exclusive" if sent == own else "inclusive"


DIALECT = Dialect("logfire", 28, recognises, decode)
