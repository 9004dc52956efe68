"""Spans, feedback and profiles as rows of the store, and back: the one place that knows both shapes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from monitor.clock import from_microseconds, to_microseconds
from monitor.compression import compress, decompress
from monitor.contracts import Segment
from monitor.identifiers import pack_identifier, unpack_identifier
from monitor.profile import Profile
from monitor.records import Body, Feedback, Span, Tokens

_tokens_decoder = msgspec.json.Decoder(Tokens)
_encode = msgspec.json.Encoder().encode
NO_TOKENS = Tokens()


def _pack(text: str) -> bytes | None:
    return pack_identifier(text) if text else None


def _unpack(packed: bytes | None) -> str:
    return unpack_identifier(packed) if packed else ""


def span_row(project_id: int, identifier: int, span: Span, received: int) -> dict[str, Any]:
    """The row of a span as the driver takes it (JSON as text), without its texts; `received` in microseconds."""
    tokens = span.tokens
    spoken = tokens != NO_TOKENS
    return {
        "project_id": project_id,
        "id": identifier,
        "trace_id": pack_identifier(span.trace_id),
        "span_id": pack_identifier(span.span_id),
        "parent_id": _pack(span.parent_id),
        "session_id": _pack(span.session_id),
        "user": _pack(span.user),
        "time": to_microseconds(span.time),
        "received": received,
        "kind": span.kind,
        "name": span.name or None,
        "provider": span.provider or None,
        "model": span.model or None,
        "requested_model": span.requested_model or None,
        "environment": span.environment or None,
        "release": span.release or None,
        "prompt_version": span.prompt_version or None,
        "feature": span.feature or None,
        "latency_s": span.latency_s,
        "time_to_first_token_s": span.time_to_first_token_s,
        "input_tokens": tokens.input if spoken else None,
        "output_tokens": tokens.output if spoken else None,
        "tokens": _encode(tokens).decode() if spoken and not _is_plain(tokens) else None,
        "sender_cost_usd": span.cost_usd,
        "status": 1 if span.status == "error" else 0,
        "finish_reason": span.finish_reason or None,
        "service_tier": span.service_tier or None,
        "tags": _encode(span.tags).decode() if span.tags else None,
        "masked": _encode(span.masked).decode() if span.masked else None,
        "source": span.source or None,
    }


def _is_plain(tokens: Tokens) -> bool:
    """True where the two columns of counts say it all."""
    return tokens == Tokens(input_uncached=tokens.input_uncached, output_text=tokens.output_text)


def tokens_of(row: Mapping[str, Any]) -> Tokens:
    """The token counts of a row of table `span`: `tokens` where there is more to say than input and output."""
    if row["tokens"]:
        return _tokens_decoder.decode(row["tokens"])
    return Tokens(input_uncached=row["input_tokens"], output_text=row["output_tokens"])


def body_row(project_id: int, identifier: int, span: Span) -> dict[str, Any] | None:
    """The row of a span's texts; None where it has none."""
    body = Body(
        prompt=span.prompt,
        response=span.response,
        response_parts=span.response_parts,
        context=span.context,
        reference=span.reference,
        error=span.error,
        attributes=span.attributes,
        truncated=span.truncated,
    )
    if body == _NO_BODY:
        return None
    codec, data = compress(body)
    return {"project_id": project_id, "id": identifier, "codec": codec, "data": data}


_NO_BODY = Body()


def span_of(row: Mapping[str, Any], codec: int | None = None, data: bytes | None = None) -> Span:
    """The span of a row (the mapping of a row of table `span`), with its texts where the body's columns are given."""
    body = decompress(codec or 0, data) if data is not None else _NO_BODY
    return Span(
        trace_id=unpack_identifier(row["trace_id"]),
        span_id=unpack_identifier(row["span_id"]),
        parent_id=_unpack(row["parent_id"]),
        session_id=_unpack(row["session_id"]),
        user=_unpack(row["user"]),
        time=from_microseconds(row["time"]),
        kind=row["kind"],
        name=row["name"] or "",
        provider=row["provider"] or "",
        model=row["model"] or "",
        requested_model=row["requested_model"] or "",
        environment=row["environment"] or "",
        release=row["release"] or "",
        prompt_version=row["prompt_version"] or "",
        feature=row["feature"] or "",
        tokens=tokens_of(row),
        cost_usd=row["sender_cost_usd"],
        latency_s=row["latency_s"],
        time_to_first_token_s=row["time_to_first_token_s"],
        status="error" if row["status"] else "ok",
        finish_reason=row["finish_reason"] or "",
        service_tier=row["service_tier"] or "",
        tags=row["tags"] or {},
        masked=row["masked"] or {},
        source=row["source"] or "",
        prompt=body.prompt,
        response=body.response,
        response_parts=body.response_parts,
        context=body.context,
        reference=body.reference,
        error=body.error,
        attributes=body.attributes,
        truncated=body.truncated,
    )


def feedback_row(
    project_id: int, identifier: int, identity: bytes, feedback: Feedback, received: datetime
) -> dict[str, Any]:
    """The row of a feedback; `identity` is what makes a repeated report replace the earlier one."""
    return {
        "project_id": project_id,
        "id": identifier,
        "identity": identity,
        "time": to_microseconds(feedback.time),
        "received": to_microseconds(received),
        "trace_id": _pack(feedback.trace_id),
        "span_id": _pack(feedback.span_id),
        "session_id": _pack(feedback.session_id),
        "name": feedback.name,
        "value": feedback.value,
        "flag": int(feedback.flag),
        "label": feedback.label,
        "comment": feedback.comment,
        "correction": feedback.correction,
        "annotator": feedback.annotator,
        "annotator_id": feedback.annotator_id or None,
        "sentiment": None,
        "measured": 0,
    }


def feedback_of(row: Mapping[str, Any]) -> Feedback:
    """The feedback of a row of table `feedback`."""
    return Feedback(
        name=row["name"],
        time=from_microseconds(row["time"]),
        trace_id=_unpack(row["trace_id"]),
        span_id=_unpack(row["span_id"]),
        session_id=_unpack(row["session_id"]),
        value=row["value"],
        flag=bool(row["flag"]),
        label=row["label"],
        comment=row["comment"],
        correction=row["correction"],
        annotator=row["annotator"],
        annotator_id=row["annotator_id"] or "",
    )


def profile_columns(segment: Segment, signal: str, profile: Profile) -> dict[str, Any]:
    """What a row of `profile` has beside its project and block."""
    total, total_square, user_total, user_total_square = profile.sums()
    return {
        "dimension": segment.dimension,
        "value": segment.value,
        "signal": signal,
        "kind": str(profile.kind),
        "n": profile.n,
        "users": profile.users,
        "total": total,
        "total_square": total_square,
        "user_total": user_total,
        "user_total_square": user_total_square,
        "sketch": profile.to_sketch(),
    }
