"""From sorted attributes to a span: what all dialects have in common."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from monitor.contracts import Decoded
from monitor.ingest.raw_span import RawEvent, RawSpan, moment
from monitor.ingest.tokens import Counts, disjoint
from monitor.ingest.values import number, to_json, try_json, whole
from monitor.ingest.vocabulary import Sorted, unflatten
from monitor.records import Feedback, Message, Scalar, Span, SpanKind

COUNTING = frozenset(("llm", "embedding", "reranker"))
"""Kinds whose token counts and costs are their own; on the others they are sums over the calls inside."""

_TOKEN_FIELDS = {
    "input_tokens": "input",
    "output_tokens": "output",
    "total_tokens": "total",
    "cache_read_tokens": "cache_read",
    "cache_write_tokens": "cache_write",
    "cache_write_1h_tokens": "cache_write_1h",
    "input_audio_tokens": "input_audio",
    "reasoning_tokens": "reasoning",
    "output_audio_tokens": "output_audio",
}

_TEXT_FIELDS = {
    "session": "session_id",
    "user": "user",
    "provider": "provider",
    "model": "model",
    "requested_model": "requested_model",
    "environment": "environment",
    "release": "release",
    "prompt_version": "prompt_version",
    "feature": "feature",
    "service_tier": "service_tier",
}

# What applications write into free metadata and what we have a field for. User ids must never stay among the tags.
_IN_METADATA = {
    "session_id": "session",
    "sessionId": "session",
    "thread_id": "session",
    "threadId": "session",
    "conversation_id": "session",
    "conversationId": "session",
    "user_id": "user",
    "userId": "user",
    "feature": "feature",
    "environment": "environment",
    "release": "release",
    "prompt_version": "prompt_version",
    "promptVersion": "prompt_version",
}

_ANNOTATORS = {"HUMAN": "human", "LLM": "llm", "CODE": "code"}
_EXCEPTIONS = frozenset(("exception", "gen_ai.client.operation.exception"))
EVALUATION_EVENT = "gen_ai.evaluation.result"


def assemble(
    raw: RawSpan,
    found: Sorted,
    kind: SpanKind,
    *,
    prompt: tuple[Message, ...] = (),
    response: tuple[str, str] = ("", ""),
    context: tuple[str, ...] = (),
    feedback: tuple[Feedback, ...] = (),
) -> Decoded:
    """The span with its common fields filled in, and the feedback that came as annotations or evaluation events."""
    resource, fields = raw.resource, found.fields
    tags, attributes = _tags(found)
    counts = Counts()
    may_count = kind in COUNTING or kind == "unknown"
    texts: dict[str, Any] = {}
    for name, value in fields.items():
        if name in _TEXT_FIELDS:
            texts[_TEXT_FIELDS[name]] = value if isinstance(value, str) else "" if value is None else str(value)
        elif name in _TOKEN_FIELDS:
            if may_count:
                setattr(counts, _TOKEN_FIELDS[name], whole(value))
            else:
                attributes[f"usage.{name}"] = value
    if may_count and fields.get("usage_rule") in ("inclusive", "exclusive"):
        counts.rule = fields["usage_rule"]
    texts["model"] = texts.get("model") or texts.get("requested_model", "")
    texts["environment"] = texts.get("environment") or resource.environment
    texts["release"] = texts.get("release") or resource.release
    span = Span(
        trace_id=raw.trace_id,
        span_id=raw.span_id,
        parent_id=raw.parent_id,
        time=raw.time,
        kind=kind,
        name=raw.name,
        prompt=prompt,
        response=response[0],
        response_parts=response[1],
        context=context,
        tokens=disjoint(counts),
        cost_usd=number(fields.get("cost")) if may_count else None,
        latency_s=raw.seconds,
        time_to_first_token_s=_first_token(found),
        status="error" if raw.error or "error_type" in fields or "error_message" in fields else "ok",
        error=_error(raw, found),
        finish_reason=finish_reason(fields.get("finish_reasons")),
        tags={**resource.tags, **tags},
        attributes={**resource.attributes, **found.rest, **attributes},
        source=f"otlp {raw.scope}".rstrip(),
        **texts,
    )
    said = feedback
    if found.groups or raw.events:
        said = (*feedback, *annotated(raw, found), *evaluations(raw))
    return Decoded(span, said, tuple(found.unmapped))


def _tags(found: Sorted) -> tuple[dict[str, Scalar], dict[str, object]]:
    """Tags, and what of the metadata is no scalar. Fields that stand in the metadata move to where they belong."""
    tags: dict[str, Scalar] = {}
    rest: dict[str, object] = {}
    if not (found.groups or "metadata" in found.fields or "tag_list" in found.fields):
        return tags, rest
    metadata = try_json(found.fields.get("metadata"))
    pairs: dict[str, Any] = dict(metadata) if isinstance(metadata, Mapping) else {}
    if metadata is not None and not isinstance(metadata, Mapping):
        rest["metadata"] = metadata
    for group in ("metadata", "tags"):
        pairs.update(found.groups.get(group, ()))
    for name, value in pairs.items():
        target = _IN_METADATA.get(name)
        if target is not None and isinstance(value, (str, int)) and not isinstance(value, bool):
            found.fields.setdefault(target, value)
        elif isinstance(value, (str, int, float)):
            tags[name] = value
        elif value is not None:
            rest[f"metadata.{name}"] = value
    listed = try_json(found.fields.get("tag_list"))
    for name in listed if isinstance(listed, list) else [listed]:
        if isinstance(name, str) and name:
            tags[name] = True
    return tags, rest


def _error(raw: RawSpan, found: Sorted) -> str:
    if not (raw.error or raw.events or "error_type" in found.fields or "error_message" in found.fields):
        return ""
    kind, message = found.text("error_type"), found.text("error_message")
    for event in raw.events:
        if event.name in _EXCEPTIONS:
            kind = kind or str(event.attributes.get("exception.type", ""))
            message = message or str(event.attributes.get("exception.message", ""))
    if raw.error:
        message = message or raw.error_message
    return ": ".join(part for part in (kind, message) if part)


def _first_token(found: Sorted) -> float | None:
    seconds = number(found.fields.get("first_token_s"))
    if seconds is not None:
        return seconds
    milliseconds = number(found.fields.get("first_token_ms"))
    return milliseconds / 1000 if milliseconds is not None else None


def finish_reason(value: Any) -> str:
    """One word for why the model stopped; several choices with different reasons are joined."""
    value = try_json(value)
    if isinstance(value, list):
        return ",".join(dict.fromkeys(str(item) for item in value if item))
    return "" if value is None else str(value)


def annotated(raw: RawSpan, found: Sorted) -> list[Feedback]:
    """OpenInference annotations. On a span with one link they are about the linked span, else about the span itself."""
    if not found.groups:
        return []
    target = raw.links[0] if len(raw.links) == 1 else (raw.trace_id, raw.span_id)
    session = found.text("session")
    scopes: list[tuple[str, dict[str, str]]] = [
        ("annotations", {"trace_id": target[0], "span_id": target[1]}),
        ("trace_annotations", {"trace_id": target[0]}),
        ("session_annotations", {"session_id": session}),
    ]
    said: list[Feedback] = []
    for group, place in scopes:
        entries = found.groups.get(group)
        items = unflatten(entries) if entries else None
        if isinstance(items, list):
            said.extend(feedback for item in items if (feedback := _annotation(item, place, raw)) is not None)
    return said


def _annotation(item: Any, place: Mapping[str, str], raw: RawSpan) -> Feedback | None:
    inner = next(iter(item.values()), None) if isinstance(item, dict) and len(item) == 1 else item
    if not isinstance(inner, dict) or not isinstance(inner.get("name"), str) or not any(place.values()):
        return None
    kind = _ANNOTATORS.get(str(inner.get("annotator_kind", "")).upper(), "human")
    return _said(
        inner["name"],
        inner.get("score"),
        inner.get("label"),
        inner.get("explanation"),
        time=moment(raw.end or raw.start),
        annotator=kind,
        identifier=str(inner.get("identifier") or ""),
        **place,
    )


def evaluations(raw: RawSpan) -> list[Feedback]:
    """The evaluation results among a span's events."""
    said = []
    for event in raw.events:
        if event.name == EVALUATION_EVENT:
            time = moment(event.nanoseconds) if event.nanoseconds else raw.time
            result = evaluation(event, raw.trace_id, raw.span_id, time)
            if result is not None:
                said.append(result)
    return said


def evaluation(event: RawEvent, trace_id: str, span_id: str, time: datetime) -> Feedback | None:
    """The feedback of a `gen_ai.evaluation.result` event; None where it has no name or says nothing."""
    given = event.attributes
    name = given.get("gen_ai.evaluation.name")
    if not isinstance(name, str) or not name:
        return None
    return _said(
        name,
        given.get("gen_ai.evaluation.score.value"),
        given.get("gen_ai.evaluation.score.label"),
        given.get("gen_ai.evaluation.explanation"),
        time=time,
        annotator="code",
        trace_id=trace_id,
        span_id=span_id,
    )


def _said(name: str, score: Any, label: Any, explanation: Any, **others: Any) -> Feedback | None:
    value = float(score) if isinstance(score, bool) else number(score)
    word = str(label) if label not in (None, "") else None
    comment = explanation if isinstance(explanation, str) else to_json(explanation) if explanation else None
    if value is None and word is None and not comment:
        return None
    return Feedback(name=name, value=value, flag=isinstance(score, bool), label=word, comment=comment or None, **others)
