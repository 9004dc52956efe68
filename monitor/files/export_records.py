"""Calls, feedback and verdicts as flat records, with a fixed order of columns.

A call is the call record that `import` takes; what the monitor itself knows of it stands in further columns, which
`import` passes over (`monitor.files.presets.monitor`). A user is the pseudonym that is stored.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from monitor.ingest.values import try_json
from monitor.queries.export import StoredCall
from monitor.queries.verdicts import VerdictRecord
from monitor.records import Feedback, Message, Tokens

ColumnType = Literal["text", "time", "number", "whole", "texts", "json"]

CALL_COLUMNS: dict[str, ColumnType] = {
    "id": "text",
    "trace_id": "text",
    "parent_id": "text",
    "session_id": "text",
    "user_id": "text",
    "time": "time",
    "kind": "text",
    "name": "text",
    "provider": "text",
    "model": "text",
    "requested_model": "text",
    "environment": "text",
    "release": "text",
    "prompt_version": "text",
    "feature": "text",
    "prompt": "json",
    "response": "text",
    "context": "texts",
    "reference": "texts",
    "latency_s": "number",
    "time_to_first_token_s": "number",
    "input_tokens": "whole",
    "output_tokens": "whole",
    "cached_input_tokens": "whole",
    "cache_write_input_tokens": "whole",
    "reasoning_tokens": "whole",
    "cost_usd": "number",
    "status": "text",
    "error": "text",
    "finish_reason": "text",
    "service_tier": "text",
    "tags": "json",
    "attributes": "json",
    "feedback": "json",
    "priced_usd": "number",
    "signals": "json",
    "token_buckets": "json",
    "masked": "json",
    "truncated": "json",
    "source": "text",
    "received": "time",
}
OWN_COLUMNS = ("priced_usd", "signals", "token_buckets", "masked", "truncated", "source", "received")
"""What the monitor knows of a call beside what was sent."""

FEEDBACK_COLUMNS: dict[str, ColumnType] = {
    "trace_id": "text",
    "span_id": "text",
    "session_id": "text",
    "time": "time",
    "name": "text",
    "value": "json",
    "label": "text",
    "comment": "text",
    "correction": "text",
    "annotator": "text",
    "annotator_id": "text",
}
VERDICT_COLUMNS: dict[str, ColumnType] = {
    "indicator": "text",
    "signal": "text",
    "dimension": "text",
    "segment": "text",
    "start": "time",
    "end": "time",
    "window_start": "time",
    "computed": "time",
    "state": "text",
    "reason": "text",
    "value": "number",
    "low": "number",
    "high": "number",
    "n": "whole",
    "effective_n": "number",
    "baseline": "number",
    "effect": "number",
    "effect_low": "number",
    "effect_high": "number",
    "detail": "json",
}


def call_record(call: StoredCall) -> dict[str, Any]:
    """The record of a call; what is not known is left out."""
    span, tokens = call.span, call.span.tokens
    record: dict[str, Any] = {
        "id": span.span_id,
        "trace_id": span.trace_id,
        "parent_id": span.parent_id,
        "session_id": span.session_id,
        "user_id": span.user,
        "time": span.time,
        "kind": span.kind,
        "name": span.name,
        "provider": span.provider,
        "model": span.model,
        "requested_model": span.requested_model,
        "environment": span.environment,
        "release": span.release,
        "prompt_version": span.prompt_version,
        "feature": span.feature,
        "prompt": [_message(message) for message in span.prompt],
        "response": span.response,
        "context": list(span.context),
        "reference": list(span.reference),
        "latency_s": span.latency_s,
        "time_to_first_token_s": span.time_to_first_token_s,
        "input_tokens": tokens.input,
        "output_tokens": tokens.output,
        "cached_input_tokens": tokens.input_cache_read,
        "cache_write_input_tokens": _sum(tokens.input_cache_write, tokens.input_cache_write_1h),
        "reasoning_tokens": tokens.output_reasoning,
        "cost_usd": span.cost_usd,
        "status": span.status,
        "error": span.error,
        "finish_reason": span.finish_reason,
        "service_tier": span.service_tier,
        "tags": dict(span.tags),
        "attributes": dict(span.attributes),
        "feedback": [said_of_call(item) for item in call.feedback],
        "priced_usd": call.priced_usd,
        "signals": call.signals,
        "token_buckets": None if tokens == Tokens() else msgspec.to_builtins(tokens),
        "masked": dict(span.masked),
        "truncated": list(span.truncated),
        "source": span.source,
        "received": call.received,
    }
    if span.response_parts:
        answer = _message(Message("assistant", span.response, span.response_parts))
        record["response"] = [answer]
    return _without_nothing(record)


def said_of_call(feedback: Feedback) -> dict[str, Any]:
    """Feedback as it stands in a call record."""
    record = feedback_record(feedback)
    for name in ("trace_id", "span_id", "session_id"):
        record.pop(name, None)
    return record


def feedback_record(feedback: Feedback) -> dict[str, Any]:
    """The record of a feedback, as the API takes it; what is not known is left out."""
    value: float | bool | None = feedback.value
    return _without_nothing(
        {
            "trace_id": feedback.trace_id,
            "span_id": feedback.span_id,
            "session_id": feedback.session_id,
            "time": feedback.time,
            "name": feedback.name,
            "value": bool(value) if feedback.flag and value is not None else value,
            "label": feedback.label,
            "comment": feedback.comment,
            "correction": feedback.correction,
            "annotator": feedback.annotator,
            "annotator_id": feedback.annotator_id,
        }
    )


def verdict_record(verdict: VerdictRecord) -> dict[str, Any]:
    """The record of a verdict; what is not known is left out."""
    return _without_nothing(
        {
            "indicator": verdict.indicator,
            "signal": verdict.signal,
            "dimension": verdict.segment.dimension,
            "segment": verdict.segment.value,
            "start": verdict.start,
            "end": verdict.end,
            "window_start": verdict.window_start,
            "computed": verdict.computed,
            "state": verdict.state,
            "reason": verdict.reason,
            "value": verdict.value,
            "low": verdict.low,
            "high": verdict.high,
            "n": verdict.n,
            "effective_n": verdict.effective_n,
            "baseline": verdict.baseline,
            "effect": verdict.effect,
            "effect_low": verdict.effect_low,
            "effect_high": verdict.effect_high,
            "detail": dict(verdict.detail),
        }
    )


def _message(message: Message) -> dict[str, Any]:
    record: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.parts:
        parts = try_json(message.parts)
        record["parts"] = parts if isinstance(parts, list) else [parts]
    return record


def _sum(*counts: int | None) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _without_nothing(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if value is not None and value not in ("", [], {})}
