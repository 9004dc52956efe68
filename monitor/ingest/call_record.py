"""The call record: one call as a JSON object, the form of the JSON API, of files and of `score`.

Every error says which field is wrong and how, and never shows what it held. Unknown keys are kept: as tags where they
are text, numbers or flags, as attributes otherwise.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import date, datetime, tzinfo
from typing import Any, cast, get_args

from monitor.contracts import Decoded
from monitor.ingest.feedback_record import feedback_fields
from monitor.ingest.messages import answer_of, documents_of, messages_of
from monitor.ingest.record_fields import RecordError, number_field, text_field, time_field, whole_field
from monitor.ingest.tokens import Counts, disjoint
from monitor.ingest.usage import counts_of
from monitor.ingest.values import to_json, try_json, type_name
from monitor.records import Feedback, Scalar, Span, SpanKind

_TEXTS = {
    "trace_id": "trace_id",
    "parent_id": "parent_id",
    "session_id": "session_id",
    "user_id": "user",
    "name": "name",
    "provider": "provider",
    "model": "model",
    "requested_model": "requested_model",
    "environment": "environment",
    "release": "release",
    "prompt_version": "prompt_version",
    "feature": "feature",
    "finish_reason": "finish_reason",
    "service_tier": "service_tier",
}
_NUMBERS = ("latency_s", "time_to_first_token_s", "cost_usd")
_COUNTS = {
    "input_tokens": "input",
    "output_tokens": "output",
    "cached_input_tokens": "cache_read",
    "cache_write_input_tokens": "cache_write",
    "reasoning_tokens": "reasoning",
}
_OTHERS = (
    "id",
    "time",
    "kind",
    "usage",
    "prompt",
    "response",
    "context",
    "reference",
    "status",
    "error",
    "tags",
    "feedback",
)
_ESSENTIAL = ("prompt", "response", "model", "input_tokens", "output_tokens", "latency_s", "error")

KNOWN = frozenset((*_TEXTS, *_NUMBERS, *_COUNTS, *_OTHERS, "attributes", "project", "response_id"))
"""Names with a meaning; `project` is looked at by whoever reads the record from a request."""

_KINDS = frozenset(get_args(SpanKind))


def read_call(record: Any, now: datetime, timezone: tzinfo | None = None) -> Decoded:
    """The span of a call record, and the feedback in it.

    `now` stands in for a missing time; `timezone` is that of times without a zone, which are refused where it is None.
    Without an id a random one is made: such a record cannot be recognised when it is sent again. Raises RecordError.
    """
    if not isinstance(record, Mapping):
        raise RecordError("record", f"must be an object, not {type_name(record)}")
    if all(record.get(name) in (None, "") for name in _ESSENTIAL):
        raise RecordError("record", f"says nothing of a call: it has none of {', '.join(_ESSENTIAL)}")
    fields: dict[str, Any] = {}
    for name, target in _TEXTS.items():
        value = record.get(name)
        if value is not None and value != "":
            fields[target] = value if type(value) is str else text_field(name, value)
    for name in _NUMBERS:
        fields[name] = number_field(name, record.get(name))
    usage = record.get("usage")
    counts = Counts() if usage in (None, "") else counts_of(usage)
    for name, target in _COUNTS.items():
        count = whole_field(name, record.get(name))
        if count is not None:
            setattr(counts, target, count)
    fields["tokens"] = disjoint(counts)
    moment = record.get("time")
    fields["time"] = now if moment in (None, "") else time_field("time", moment, timezone)
    span_id = record.get("id")
    fields["span_id"] = text_field("id", span_id) if span_id not in (None, "") else secrets.token_hex(8)
    if "trace_id" not in fields:
        fields["trace_id"] = fields["span_id"] if span_id not in (None, "") else secrets.token_hex(16)
    _add_outcome(fields, record)
    _add_texts(fields, record)
    _add_rest(fields, record)
    span = Span(**fields, source="json")
    return Decoded(span, _inline_feedback(record, span, timezone))


def _add_outcome(fields: dict[str, Any], record: Mapping[str, Any]) -> None:
    error = record.get("error")
    if error not in (None, "", False):
        fields["error"] = error if isinstance(error, str) else to_json(error)
    status = record.get("status")
    if status in (None, ""):
        fields["status"] = "error" if "error" in fields else "ok"
    elif isinstance(status, str) and status.lower() in ("ok", "error"):
        fields["status"] = status.lower()
    else:
        raise RecordError("status", 'must be "ok" or "error"')
    kind = record.get("kind")
    if kind not in (None, ""):
        if not isinstance(kind, str) or kind not in _KINDS:
            raise RecordError("kind", f"must be one of {', '.join(sorted(_KINDS))}")
        fields["kind"] = cast(SpanKind, kind)


def _add_texts(fields: dict[str, Any], record: Mapping[str, Any]) -> None:
    prompt = record.get("prompt")
    if prompt is not None:
        if not isinstance(prompt, (str, list, Mapping)):
            raise RecordError("prompt", f"must be text or messages, not {type_name(prompt)}")
        fields["prompt"] = messages_of(prompt)
    response = record.get("response")
    if isinstance(response, str):
        fields["response"] = response
    elif isinstance(response, (list, Mapping)):
        fields["response"], fields["response_parts"] = answer_of(messages_of(response, "assistant"))
    elif response is not None:
        raise RecordError("response", f"must be text, not {type_name(response)}")
    for name in ("context", "reference"):
        value = record.get(name)
        if value is not None:
            if not isinstance(value, (str, list, Mapping)):
                raise RecordError(name, f"must be text or a list of texts, not {type_name(value)}")
            fields[name] = (value,) if isinstance(value, str) and value else documents_of(value)


def _add_rest(fields: dict[str, Any], record: Mapping[str, Any]) -> None:
    tags: dict[str, Scalar] = {}
    number = record.get("response_id")
    attributes: dict[str, object] = {"gen_ai.response.id": str(number)} if number else {}
    for name, value in record.items():
        if name not in KNOWN and value is not None:
            if isinstance(value, (str, int, float)):
                tags[str(name)] = value
            elif isinstance(value, (datetime, date)):
                tags[str(name)] = value.isoformat()
            else:
                attributes[str(name)] = value
    given = try_json(record.get("tags"))
    if given not in (None, ""):
        if not isinstance(given, Mapping):
            raise RecordError("tags", f"must be an object of names and values, not {type_name(given)}")
        for name, value in given.items():
            if isinstance(value, (str, int, float)):
                tags[str(name)] = value
            elif value is not None:
                raise RecordError("tags", f"every value must be text, a number or true/false, not {type_name(value)}")
    extra = try_json(record.get("attributes"))
    if extra not in (None, ""):
        if not isinstance(extra, Mapping):
            raise RecordError("attributes", f"must be an object, not {type_name(extra)}")
        attributes.update(extra)
    fields["tags"], fields["attributes"] = tags, attributes


def _inline_feedback(record: Mapping[str, Any], span: Span, timezone: tzinfo | None) -> tuple[Feedback, ...]:
    given = try_json(record.get("feedback"))
    if given in (None, "", []):
        return ()
    if isinstance(given, Mapping):
        given = [given]
    if not isinstance(given, list):
        raise RecordError("feedback", f"must be a list of objects, not {type_name(given)}")
    said = []
    for index, item in enumerate(given):
        try:
            fields = feedback_fields(item, span.time, timezone)
        except RecordError as error:
            raise RecordError(f"feedback[{index}].{error.field}", error.problem) from None
        said.append(Feedback(trace_id=span.trace_id, span_id=span.span_id, **fields))
    return tuple(said)
