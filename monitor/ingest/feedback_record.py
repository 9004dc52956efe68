"""The feedback record: what somebody says of a call, a trace or a session, as a JSON object."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Any, Literal

from monitor.ingest.record_fields import RecordError, text_field, time_field
from monitor.ingest.values import number, type_name
from monitor.records import Feedback

AnnotatorKind = Literal["human", "llm", "code", "implicit"]

ANNOTATORS: dict[str, AnnotatorKind] = {
    "human": "human",
    "user": "human",
    "llm": "llm",
    "judge": "llm",
    "model": "llm",
    "code": "code",
    "evaluator": "code",
    "rule": "code",
    "implicit": "implicit",
    "behaviour": "implicit",
}
"""Words for kinds of annotators; anything else in `annotator` is the name of a human."""


def read_feedback(record: Any, now: datetime, timezone: tzinfo | None = None) -> Feedback:
    """The feedback of a record with its target: `id` (of a call record), `trace_id` with or without `span_id`, or
    `session_id`. Raises RecordError.
    """
    fields = feedback_fields(record, now, timezone)
    given = {
        name: text_field(name, record[name])
        for name in ("id", "trace_id", "span_id", "session_id")
        if record.get(name) not in (None, "")
    }
    span_id = given.get("span_id", given.get("id", ""))
    trace_id = given.get("trace_id", given.get("id", ""))
    if span_id and not trace_id:
        raise RecordError("trace_id", "is needed beside span_id")
    if not trace_id and "session_id" not in given:
        raise RecordError("id", "is missing: give id, trace_id or session_id of what the feedback is about")
    return Feedback(trace_id=trace_id, span_id=span_id, session_id=given.get("session_id", ""), **fields)


def feedback_fields(record: Any, default_time: datetime, timezone: tzinfo | None) -> dict[str, Any]:
    """What is said and by whom, without the target. Raises RecordError."""
    if not isinstance(record, Mapping):
        raise RecordError("record", f"must be an object, not {type_name(record)}")
    name = record.get("name")
    if not isinstance(name, str) or not name.strip():
        raise RecordError("name", "must be text that names what is judged, such as thumb or accuracy")
    moment = record.get("time")
    fields: dict[str, Any] = {
        "name": name,
        "time": default_time if moment in (None, "") else time_field("time", moment, timezone),
    }
    for key in ("label", "comment", "correction", "annotator_id", "identifier"):
        value = record.get(key)
        if value not in (None, ""):
            fields[key] = text_field(key, value)
    fields.update(_value_of(record.get("value", record.get("score"))))
    fields.update(_annotator_of(record, fields))
    if not any(key in fields for key in ("value", "label", "comment", "correction")):
        raise RecordError("value", "is missing: feedback needs a value, label, comment or correction")
    return fields


def _value_of(value: Any) -> dict[str, Any]:
    if value is None or value == "":
        return {}
    if isinstance(value, bool):
        return {"value": float(value), "flag": True}
    if isinstance(value, str):
        spelt = number(value)
        if spelt is not None:
            return {"value": spelt}
        if value.strip().lower() in ("true", "false"):
            return {"value": float(value.strip().lower() == "true"), "flag": True}
        return {"label": value}
    result = number(value)
    if result is None:
        raise RecordError("value", f"must be a finite number, true or false, or text, not {type_name(value)}")
    return {"value": result}


def _annotator_of(record: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    annotator = record.get("annotator")
    if annotator in (None, ""):
        return {}
    if not isinstance(annotator, str):
        raise RecordError("annotator", f"must be text, not {type_name(annotator)}")
    kind = ANNOTATORS.get(annotator.lower())
    if kind is not None:
        return {"annotator": kind}
    return {} if "annotator_id" in fields else {"annotator_id": annotator}
