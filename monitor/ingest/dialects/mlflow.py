"""MLflow tracing `mlflow.*`: every value is JSON, also plain words.

Inputs and outputs are the objects of the library that was called. For Anthropic and Amazon Bedrock the token usage is
the provider's own, with cached tokens apart from the input. Source: mlflow/mlflow, mlflow/tracing/constant.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.contracts import Decoded, Dialect
from monitor.errors import InputError
from monitor.ingest.assemble import assemble
from monitor.ingest.messages import documents_of, messages_of
from monitor.ingest.raw_span import RawSpan
from monitor.ingest.replies import reply_of
from monitor.ingest.streams import first_event_s
from monitor.ingest.usage import usage_of
from monitor.ingest.values import decode_json
from monitor.ingest.vocabulary import Sorted, Vocabulary
from monitor.records import Message, SpanKind

VOCABULARY = Vocabulary(
    fields={
        "kind": ("mlflow.spanType",),
        "provider": ("mlflow.llm.provider",),
        "model": ("mlflow.llm.model",),
        "format": ("mlflow.message.format",),
        "session": ("session.id", "mlflow.trace.session"),
        "user": ("user.id", "mlflow.trace.user"),
        "prompts": ("mlflow.linkedPrompts",),
        "input": ("mlflow.spanInputs",),
        "output": ("mlflow.spanOutputs",),
        "usage": ("mlflow.chat.tokenUsage",),
        "costs": ("mlflow.llm.cost",),
        "feature": ("llmops.feature", "mlflow.traceTag.mlflow.traceName", "feature", "app.feature"),
    },
    groups={"mlflow.traceTag.": "tags"},
    kept=("mlflow.",),
    dropped=("mlflow.spanStartTimeNs",),
)

_KINDS: dict[str, SpanKind] = {
    "LLM": "llm",
    "CHAT_MODEL": "llm",
    "EMBEDDING": "embedding",
    "RETRIEVER": "retriever",
    "RERANKER": "reranker",
    "TOOL": "tool",
    "AGENT": "agent",
    "CHAIN": "chain",
    "WORKFLOW": "chain",
    "TASK": "chain",
    "PARSER": "chain",
    "MEMORY": "tool",
    "GUARDRAIL": "guardrail",
    "EVALUATOR": "evaluator",
}
_COUNTED_APART = frozenset(("anthropic", "bedrock"))
_FIRST_CHUNK = "mlflow.chunk.item.0"


def recognises(attributes: Mapping[str, Any]) -> bool:
    """True where a span has the attributes that MLflow writes on every span, or its inputs."""
    return "mlflow.spanType" in attributes or "mlflow.spanInputs" in attributes or "mlflow.traceRequestId" in attributes


def decode(raw: RawSpan) -> Decoded:
    """The span in the product's own terms."""
    found = VOCABULARY.sort(raw.attributes)
    fields = found.fields
    for name, value in fields.items():
        fields[name] = _plain(value)
    for entries in found.groups.values():
        entries[:] = [(name, _plain(value)) for name, value in entries if not name.startswith("mlflow.")]
    kind = _KINDS.get(found.text("kind").upper(), "chain" if not raw.parent_id else "unknown")
    fields |= usage_of(fields.get("usage"))
    if found.text("format") in _COUNTED_APART:
        fields["usage_rule"] = "exclusive"
    costs = fields.get("costs")
    if isinstance(costs, Mapping):
        fields.setdefault("cost", costs.get("total_cost"))
    reply = reply_of(fields.get("output")) if kind == "llm" else reply_of(_text(fields.get("output")))
    if reply.finish_reason:
        fields["finish_reasons"] = reply.finish_reason
    _models(found, reply.model)
    _prompt_version(found)
    fields["first_token_s"] = first_event_s(raw, _FIRST_CHUNK)
    context = documents_of(fields.get("output")) if kind == "retriever" else ()
    return assemble(raw, found, kind, prompt=_prompt(found), response=reply.response, context=context)


def _plain(value: Any) -> Any:
    """The value that a JSON text is of; other texts stay as they are."""
    if isinstance(value, str) and value[:1] in ('"', "{", "["):
        try:
            return decode_json(value)
        except InputError:
            return value
    return value


def _text(value: Any) -> Any:
    return {"content": value} if isinstance(value, str) else value


def _prompt(found: Sorted) -> tuple[Message, ...]:
    given = found.fields.get("input")
    if not isinstance(given, Mapping):
        return messages_of(given)
    system = messages_of(given.get("system"), "system")
    for name in ("messages", "input", "prompt", "contents", "query", "question"):
        if given.get(name):
            return (*system, *messages_of(given[name]))
    return messages_of(given)


def _models(found: Sorted, answered: str) -> None:
    fields = found.fields
    given = fields.get("input")
    asked = given.get("model") if isinstance(given, Mapping) else None
    if isinstance(asked, str):
        fields["requested_model"] = asked
    if answered:
        fields["model"] = answered


def _prompt_version(found: Sorted) -> None:
    prompts = found.fields.get("prompts")
    names = [
        f"{prompt['name']}:{prompt['version']}"
        for prompt in (prompts if isinstance(prompts, list) else ())
        if isinstance(prompt, Mapping) and "name" in prompt and "version" in prompt
    ]
    if names:
        found.fields.setdefault("prompt_version", ",".join(names))


DIALECT = Dialect("mlflow", 30, recognises, decode)
