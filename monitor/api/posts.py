"""The requests that send something, described: records of calls and feedback, and telemetry (OTLP)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import msgspec


class SentMessage(msgspec.Struct, kw_only=True):
    """One message of a conversation."""

    role: str
    content: str


class SentFeedback(msgspec.Struct, kw_only=True):
    """What is said of the call: true or false for a thumb, a number for a rating, a text for a category."""

    name: str
    value: bool | float | str | None = None
    comment: str | None = None
    correction: str | None = None
    annotator: str | None = None
    annotator_id: str | None = None
    identifier: str | None = None
    time: datetime | None = None


class FeedbackRecord(SentFeedback, kw_only=True):
    """Feedback on a call (`id` of its record, or `trace_id` with `span_id`), a trace or a session."""

    project: str | None = None
    id: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    session_id: str | None = None


class CallRecord(msgspec.Struct, kw_only=True):
    """One call. Everything may be left out, but something must be said; other names become tags.

    With an `id` a record that is sent again is recognised. `time` needs a zone; it is now where it is left out.
    """

    project: str | None = None
    id: str | None = None
    trace_id: str | None = None
    parent_id: str | None = None
    session_id: str | None = None
    user_id: str | None = None
    time: datetime | None = None
    kind: str | None = None
    name: str | None = None
    provider: str | None = None
    model: str | None = None
    prompt: str | list[SentMessage] | None = None
    response: str | None = None
    context: str | list[str] | None = None
    reference: str | list[str] | None = None
    environment: str | None = None
    release: str | None = None
    prompt_version: str | None = None
    feature: str | None = None
    latency_s: float | None = None
    time_to_first_token_s: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_input_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost_usd: float | None = None
    status: Literal["ok", "error"] | None = None
    error: str | None = None
    finish_reason: str | None = None
    tags: dict[str, str | int | float | bool] | None = None
    feedback: list[SentFeedback] | None = None


class RejectedRecord(msgspec.Struct, kw_only=True):
    """A record that could not be taken: its place in what was sent, from 0, and why."""

    index: int
    reason: str
    field: str = ""


class SentReceipt(msgspec.Struct, kw_only=True):
    """What became of the records. Those accepted are on disk, and so is the feedback; duplicates were there already."""

    accepted: int
    duplicates: int
    feedback: int
    rejected: list[RejectedRecord]


@dataclass(frozen=True)
class Post:
    """One path that takes something. `sent` is the record of JSON lists; None where OTLP is sent."""

    path: str
    name: str
    summary: str
    sent: Any = None

    @property
    def records(self) -> tuple[Any, ...]:
        """The records whose schemas it needs."""
        return () if self.sent is None else (self.sent, list[self.sent], SentReceipt)  # type: ignore[name-defined]


POSTS = (
    Post("/api/v1/calls", "post_calls", "Send calls: one object or a list.", CallRecord),
    Post("/api/v1/feedback", "post_feedback", "Send feedback: one object or a list.", FeedbackRecord),
    Post("/v1/traces", "post_traces", "Send OpenTelemetry or OpenInference spans (OTLP/HTTP)."),
    Post("/v1/logs", "post_logs", "Send OpenTelemetry log records with GenAI events and evaluations (OTLP/HTTP)."),
)


def post_operation(post: Post, by_record: Mapping[str, Any], problem: Any) -> dict[str, Any]:
    """The OpenAPI operation of a request that sends something; `problem` makes the answer of an error."""
    if post.sent is None:
        content: dict[str, Any] = {
            "application/x-protobuf": {"schema": {"type": "string", "contentMediaType": "application/x-protobuf"}},
            "application/json": {"schema": {"type": "object"}},
        }
        answer: dict[str, Any] = dict(content)
    else:
        one, many = by_record[str(post.sent)], by_record[str(list[post.sent])]  # type: ignore[name-defined]
        content = {"application/json": {"schema": {"oneOf": [one, many]}}}
        answer = {"application/json": {"schema": by_record[str(SentReceipt)]}}
    parameters = [
        {
            "name": "X-Project",
            "in": "header",
            "required": False,
            "description": "Name of the project; else the one that a record names, else the one of the settings.",
            "schema": {"type": "string"},
        },
        {
            "name": "Content-Encoding",
            "in": "header",
            "required": False,
            "description": "How the body is compressed.",
            "schema": {"type": "string", "enum": ["gzip", "deflate", "identity"]},
        },
    ]
    refused = {"422": {"description": "Every record was rejected.", "content": answer}} if post.sent is not None else {}
    return {
        "operationId": post.name,
        "summary": post.summary,
        "parameters": parameters,
        "requestBody": {"required": True, "content": content},
        "responses": {
            **refused,
            "200": {"description": "What was accepted is on disk.", "content": answer},
            "400": problem("The body cannot be read."),
            "415": problem("The type or encoding of the body is not one of those above."),
            "401": problem("The key is missing or wrong."),
            "413": problem("The body is too large."),
            "429": problem("Too much waits already; Retry-After says how long to wait."),
            "503": problem("The store cannot be written just now; Retry-After says how long to wait."),
        },
    }
