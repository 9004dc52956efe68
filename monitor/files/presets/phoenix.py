"""Phoenix: spans as its data frames have them (Parquet, CSV, JSON Lines), attributes as columns or as one object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.files.mapping import look_up
from monitor.files.presets import Preset
from monitor.ingest.values import try_json

_KINDS = frozenset(("llm", "embedding", "retriever", "reranker", "tool", "agent", "chain", "guardrail", "evaluator"))


def _finish(record: dict[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    kind = str(record.get("kind", "")).lower()
    record["kind"] = kind if kind in _KINDS else "unknown"
    for field in ("prompt", "response"):
        messages = try_json(record.get(field))
        if isinstance(messages, list):
            record[field] = [_message(message) for message in messages]
    documents = try_json(record.get("context"))
    if isinstance(documents, list):
        record["context"] = [_document(document) for document in documents]
    if str(look_up(row, "status_code") or "").upper() == "ERROR":
        record["status"] = "error"
    else:
        record.pop("error", None)
        record["status"] = "ok"
    return record


def _message(message: Any) -> Any:
    """An OpenInference message, `message.role` or `{message: {role}}`, as one with a role and content."""
    if not isinstance(message, Mapping):
        return message
    inner = message.get("message")
    flat = dict(inner) if isinstance(inner, Mapping) else {}
    flat |= {str(name).removeprefix("message."): value for name, value in message.items() if name != "message"}
    parts = flat.pop("contents", None)
    if parts and "content" not in flat:
        flat["content"] = [_part(part) for part in parts if isinstance(part, Mapping)]
    return flat


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    inner = part.get("message_content")
    named = inner if isinstance(inner, Mapping) else part
    return {str(name).removeprefix("message_content."): value for name, value in named.items()}


def _document(document: Any) -> Any:
    if not isinstance(document, Mapping):
        return document
    return look_up(document, "document.content") or document


PRESET = Preset(
    "phoenix",
    "Arize Phoenix (spans)",
    (
        frozenset({"context.span_id", "span_kind", "start_time"}),
        frozenset({"context.trace_id", "span_kind", "start_time"}),
        frozenset({"context", "span_kind", "start_time", "attributes"}),
    ),
    (
        "id=context.span_id",
        "trace_id=context.trace_id",
        "parent_id=parent_id",
        "time=utc(start_time)",
        "latency_s=seconds(start_time,end_time)",
        "kind=span_kind|attributes.openinference.span.kind",
        "name=name",
        "session_id=attributes.session.id",
        "user_id=attributes.user.id",
        "model=attributes.llm.model_name|attributes.embedding.model_name",
        "provider=attributes.llm.provider|attributes.llm.system",
        "prompt=attributes.llm.input_messages|attributes.input.value",
        "response=attributes.llm.output_messages|attributes.output.value",
        "context=attributes.retrieval.documents",
        "prompt_version=attributes.llm.prompt_template.version",
        "input_tokens=attributes.llm.token_count.prompt",
        "output_tokens=attributes.llm.token_count.completion",
        "cached_input_tokens=attributes.llm.token_count.prompt_details.cache_read",
        "cache_write_input_tokens=attributes.llm.token_count.prompt_details.cache_write",
        "reasoning_tokens=attributes.llm.token_count.completion_details.reasoning",
        "cost_usd=attributes.llm.cost.total",
        "error=status_message",
    ),
    _finish,
)
