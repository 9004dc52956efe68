"""What the API answers about calls and traces."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from monitor.api.answers import same_fields
from monitor.queries.calls import CallRow, FeedbackNote
from monitor.queries.traces import CallDetail, SpanNode, Trace
from monitor.records import Message, Tokens


class CallListing(msgspec.Struct, frozen=True, kw_only=True):
    """One page of calls. `searched_back_to` is set where a search stopped early: go on with `next`."""

    items: list[Call]
    next: str | None = None
    searched_back_to: datetime | None = None


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """Feedback: `value` for thumbs, flags (0 or 1) and ratings, `label` for a category."""

    name: str
    time: datetime
    value: float | None
    label: str | None
    comment: str | None
    correction: str | None
    annotator: str


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A call in a list. Prompt and response are cut to 200 characters; `cost_usd` is null where no price is known."""

    id: str
    time: datetime
    trace_id: str
    span_id: str
    session_id: str
    user: str
    name: str
    provider: str
    model: str
    environment: str
    release: str
    prompt_version: str
    feature: str
    latency_s: float | None
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    status: str
    finish_reason: str
    tags: Mapping[str, Any]
    masked: Mapping[str, int]
    signals: Mapping[str, Any]
    prompt: str
    response: str
    feedback: list[Said]


class WholeCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call with its texts. `tokens` are disjoint buckets; `sender_cost_usd` is what the sender said it cost."""

    call: Call
    kind: str
    parent_id: str
    received: datetime
    source: str
    enriched: bool
    requested_model: str
    service_tier: str
    time_to_first_token_s: float | None
    sender_cost_usd: float | None
    tokens: Tokens
    prompt: list[Message]
    response: str
    response_parts: str
    context: list[str]
    reference: list[str]
    error: str
    attributes: Mapping[str, Any]
    truncated: list[str]


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One span of a trace; `depth` 0 is a root, `orphan` one whose parent was not received."""

    id: str
    span_id: str
    depth: int
    orphan: bool
    children: int
    kind: str
    name: str
    model: str
    time: datetime
    latency_s: float | None
    status: str
    input_tokens: int | None
    output_tokens: int | None


class WholeTrace(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a trace, in the order of a walk through its tree; `total` spans in all."""

    trace_id: str
    start: datetime
    items: list[Node]
    total: int
    capped: bool
    feedback: list[Said]
    next: str | None = None


def of_call(row: CallRow) -> Call:
    """A call of a list."""
    return same_fields(Call, row, id=str(row.id), feedback=[_said(note) for note in row.feedback])


def of_detail(detail: CallDetail) -> WholeCall:
    """A call whole."""
    body = detail.body
    call = msgspec.structs.replace(of_call(detail.row), feedback=[_said(note) for note in detail.feedback])
    return same_fields(
        WholeCall,
        detail,
        call=call,
        prompt=list(body.prompt),
        response=body.response,
        response_parts=body.response_parts,
        context=list(body.context),
        reference=list(body.reference),
        error=body.error,
        attributes=body.attributes,
        truncated=list(body.truncated),
    )


def of_trace(trace: Trace) -> WholeTrace:
    """A page of a trace."""
    following = trace.offset + len(trace.nodes)
    return WholeTrace(
        trace_id=trace.trace_id,
        start=trace.start,
        items=[_node(node) for node in trace.nodes],
        total=trace.total,
        capped=trace.capped,
        feedback=[_said(note) for note in trace.feedback],
        next=str(following) if trace.nodes and following < trace.total else None,
    )


def _said(note: FeedbackNote) -> Said:
    return same_fields(Said, note)


def _node(node: SpanNode) -> Node:
    return same_fields(Node, node, id=str(node.id))
