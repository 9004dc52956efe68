"""Langfuse SDKs over OpenTelemetry: `langfuse.observation.*` and `langfuse.trace.*`.

Usage and cost are JSON. Langfuse's own names (`input`, `input_cached_tokens`) count each token once; usage objects of
OpenAI and Anthropic are passed on as they are; a total tells where senders mix this up. Source: langfuse/langfuse,
packages/shared/src/server/otel/attributes.ts and OtelIngestionProcessor.ts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.clock import to_microseconds
from monitor.contracts import Decoded, Dialect
from monitor.errors import InputError
from monitor.ingest.assemble import assemble
from monitor.ingest.messages import documents_of, messages_of
from monitor.ingest.raw_span import RawSpan
from monitor.ingest.record_fields import time_field
from monitor.ingest.replies import reply_of
from monitor.ingest.usage import usage_of
from monitor.ingest.values import decode_json, number, try_json
from monitor.ingest.vocabulary import Sorted, Vocabulary
from monitor.records import SpanKind

VOCABULARY = Vocabulary(
    fields={
        "kind": ("langfuse.observation.type",),
        "model": ("langfuse.observation.model.name",),
        "session": ("session.id", "langfuse.session.id"),
        "user": ("user.id", "langfuse.user.id"),
        "environment": ("langfuse.environment", "deployment.environment.name", "deployment.environment"),
        "release": ("langfuse.release", "service.version"),
        "feature": ("llmops.feature", "langfuse.trace.name", "feature", "app.feature"),
        "prompt_name": ("langfuse.observation.prompt.name",),
        "prompt_number": ("langfuse.observation.prompt.version",),
        "tag_list": ("langfuse.trace.tags", "tag.tags"),
        "metadata": ("langfuse.observation.metadata", "langfuse.trace.metadata", "metadata"),
        "level": ("langfuse.observation.level",),
        "status_message": ("langfuse.observation.status_message",),
        "input": ("langfuse.observation.input", "langfuse.trace.input"),
        "output": ("langfuse.observation.output", "langfuse.trace.output"),
        "usage": ("langfuse.observation.usage_details",),
        "costs": ("langfuse.observation.cost_details",),
        "parameters": ("langfuse.observation.model.parameters",),
        "first_token_time": ("langfuse.observation.completion_start_time",),
    },
    groups={"langfuse.observation.metadata.": "metadata", "langfuse.trace.metadata.": "metadata"},
    kept=("langfuse.",),
)

_KINDS: dict[str, SpanKind] = {
    "generation": "llm",
    "embedding": "embedding",
    "agent": "agent",
    "tool": "tool",
    "chain": "chain",
    "retriever": "retriever",
    "guardrail": "guardrail",
    "evaluator": "evaluator",
}
# A span or event is anything; where it says in another vocabulary what it is, that counts.
_SAID_ELSEWHERE = frozenset(
    ("gen_ai.operation.name", "openinference.span.kind", "ai.operationId", "traceloop.span.kind")
)
# Where the parts of the input stand in an object of their own, they are parts of it; Anthropic counts them apart.
_PARTS = frozenset(("input_tokens_details", "input_token_details", "prompt_tokens_details"))


def recognises(attributes: Mapping[str, Any]) -> bool:
    """True where any attribute is Langfuse's; its SDKs put some on every span."""
    return any(name.startswith("langfuse.") for name in attributes)


def decode(raw: RawSpan) -> Decoded:
    """The span in the product's own terms."""
    found = VOCABULARY.sort(raw.attributes)
    fields = found.fields
    kind = _kind(raw, found)
    _metadata(found)
    _parameters(found)
    _counts(found)
    _cost(found)
    _first_token(raw, found)
    name, version = found.text("prompt_name"), found.text("prompt_number")
    if version:
        fields.setdefault("prompt_version", f"{name}:{version}" if name else version)
    if found.text("level").upper() == "ERROR":
        fields.setdefault("error_message", found.text("status_message") or "ERROR")
    reply = reply_of(fields.get("output"))
    if reply.finish_reason:
        fields.setdefault("finish_reasons", reply.finish_reason)
    context = documents_of(fields.get("output")) if kind == "retriever" else ()
    return assemble(raw, found, kind, prompt=messages_of(fields.get("input")), response=reply.response, context=context)


def _kind(raw: RawSpan, found: Sorted) -> SpanKind:
    spoken = found.text("kind").lower()
    kind = _KINDS.get(spoken)
    if kind is not None:
        return kind
    if not _SAID_ELSEWHERE.isdisjoint(raw.attributes):
        return "unknown"
    if not spoken and ("model" in found.fields or "usage" in found.fields):
        return "llm"
    return "chain" if spoken or not raw.parent_id else "unknown"


def _metadata(found: Sorted) -> None:
    """Metadata as it was before the SDK made JSON of each value; that of a provider's response is kept apart."""
    entries = found.groups.get("metadata")
    if not entries:
        return
    plain = [(name, _plain(value)) for name, value in entries]
    # The wrapper of OpenAI's responses copies the response: nothing that an application has tagged its call with.
    if ("object", "response") in plain:
        found.rest |= {f"langfuse.observation.metadata.{name}": value for name, value in entries}
        plain = []
    reasons = [value for name, value in plain if name == "finish_reason"]
    if reasons:
        found.fields.setdefault("finish_reasons", reasons[0])
    found.groups["metadata"] = [(name, value) for name, value in plain if name != "finish_reason"]


def _plain(value: Any) -> Any:
    if isinstance(value, str) and value[:1] == '"':
        try:
            return decode_json(value)
        except InputError:
            return value
    return value


def _parameters(found: Sorted) -> None:
    """Keeps the parameters of the model; the service tier among them changes the price."""
    value = found.fields.get("parameters")
    if value is None:
        return
    found.rest["langfuse.observation.model.parameters"] = value
    if isinstance(value, str) and "service_tier" in value:
        given = try_json(value)
        if isinstance(given, Mapping) and isinstance(given.get("service_tier"), str):
            found.fields.setdefault("service_tier", given["service_tier"])


def _counts(found: Sorted) -> None:
    """The usage details in the fields. Langfuse's own names are disjoint, others are as their provider counts."""
    given = try_json(found.fields.get("usage"))
    counts = usage_of(given)
    if not counts:
        return
    fields = found.fields
    fields |= counts
    total, entered, left = counts.get("total_tokens"), counts.get("input_tokens", 0), counts.get("output_tokens", 0)
    reasoning, audio = counts.get("reasoning_tokens", 0), counts.get("input_audio_tokens", 0)
    if "output" in given and (total is None or total >= entered + left + reasoning):
        fields["output_tokens"] = left + reasoning
    if "input" in given:
        if total is None or total >= entered + left + audio:
            fields["input_tokens"] = entered + audio
        if total is None:
            fields["usage_rule"] = "exclusive"
    elif "input_tokens" in given and _PARTS.isdisjoint(given):
        fields["usage_rule"] = "exclusive"


def _cost(found: Sorted) -> None:
    costs = try_json(found.fields.get("costs"))
    if not isinstance(costs, Mapping):
        return
    total = number(costs.get("total", costs.get("total_cost")))
    parts = [cost for cost in map(number, costs.values()) if cost is not None]
    if total is not None or parts:
        found.fields.setdefault("cost", sum(parts) if total is None else total)


def _first_token(raw: RawSpan, found: Sorted) -> None:
    spoken = found.text("first_token_time").strip('"')  # older SDKs encode the text twice
    if not spoken or not raw.start:
        return
    try:
        seconds = to_microseconds(time_field("completion_start_time", spoken, None)) / 1e6 - raw.start / 1e9
    except InputError:
        return
    if seconds >= 0:
        found.fields["first_token_s"] = round(seconds, 6)


DIALECT = Dialect("langfuse", 60, recognises, decode)
