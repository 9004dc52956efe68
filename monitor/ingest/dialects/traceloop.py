"""OpenLLMetry and the Traceloop SDK: `traceloop.*`, and the `llm.*` names that `gen_ai.*` has not replaced.

Spans of workflows, tasks, agents and tools carry what went in and came out as JSON `{"inputs": ..., "kwargs": ...}`.
Messages and tokens of calls are left to `gen_ai`; the input counts cached tokens, also those of Anthropic. Source:
traceloop/openllmetry, opentelemetry-semantic-conventions-ai and the instrumentations.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.contracts import Decoded, Dialect
from monitor.ingest.assemble import assemble
from monitor.ingest.messages import answer_of, messages_of
from monitor.ingest.raw_span import RawSpan
from monitor.ingest.values import try_json
from monitor.ingest.vocabulary import Sorted, Vocabulary
from monitor.records import SpanKind

VOCABULARY = Vocabulary(
    fields={
        "kind": ("traceloop.span.kind",),
        "operation": ("llm.request.type",),
        "session": ("gen_ai.conversation.id", "session.id"),
        "user": ("llm.user", "user.id", "enduser.id"),
        "feature": ("llmops.feature", "traceloop.workflow.name", "feature", "app.feature"),
        "prompt_key": ("traceloop.prompt.key",),
        "prompt_number": (
            "traceloop.prompt.version",
            "traceloop.prompt.version_name",
            "traceloop.prompt.version_hash",
        ),
        "finish_reasons": (
            "gen_ai.response.finish_reasons",
            "llm.response.finish_reason",
            "llm.response.stop_reason",
        ),
        "input": ("traceloop.entity.input",),
        "output": ("traceloop.entity.output",),
    },
    groups={"traceloop.association.properties.": "metadata"},
    kept=("gen_ai.", "llm.", "traceloop.", "pinecone.", "qdrant."),
    dropped=("traceloop.correlation.id",),
)

_KINDS: dict[str, SpanKind] = {
    "chat": "llm",
    "completion": "llm",
    "embedding": "embedding",
    "rerank": "reranker",
    "workflow": "chain",
    "task": "chain",
    "agent": "agent",
    "tool": "tool",
}
_BEGINNINGS = ("traceloop.", "llm.request.type", "llm.is_streaming", "llm.response.", "llm.request.functions.")


def recognises(attributes: Mapping[str, Any]) -> bool:
    """True where any attribute is OpenLLMetry's own."""
    return any(name.startswith(_BEGINNINGS) for name in attributes)


def decode(raw: RawSpan) -> Decoded:
    """The span in the product's own terms."""
    found = VOCABULARY.sort(raw.attributes)
    key, version = found.text("prompt_key"), found.text("prompt_number")
    if version:
        found.fields.setdefault("prompt_version", f"{key}:{version}" if key else version)
    prompt = messages_of(_entity(found.fields.get("input"), "inputs"))
    response = answer_of(messages_of(_entity(found.fields.get("output"), "outputs"), "assistant"))
    return assemble(raw, found, _kind(found), prompt=prompt, response=response)


def _kind(found: Sorted) -> SpanKind:
    for name in ("operation", "kind"):
        kind = _KINDS.get(found.text(name).lower())
        if kind is not None:
            return kind
    return "unknown"


def _entity(value: Any, key: str) -> Any:
    """What stands in `{"inputs": ..., "kwargs": ...}`."""
    inner = try_json(value)
    return inner.get(key, inner) if isinstance(inner, Mapping) else inner


DIALECT = Dialect("traceloop", 26, recognises, decode)
