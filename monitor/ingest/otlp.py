"""OpenTelemetry over HTTP: request bodies to batches, receipts to answers, in either encoding."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from msgspec import Struct

from monitor.clock import to_microseconds
from monitor.errors import InputError
from monitor.ingest.assemble import EVALUATION_EVENT, evaluation
from monitor.ingest.batch import Batch, Receipt, Rejection
from monitor.ingest.decode import decode_span, dialect_of
from monitor.ingest.raw_span import RawLog, RawSpan, Resource, moment
from monitor.ingest.values import shape_of, to_json
from monitor.records import Feedback, Span

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
MAX_REASONS = 5
SLICE = 250
"""Spans that are decoded before they are made ready to be written: all of a large request would fill the memory."""

CONTENT_EVENTS = frozenset(
    (
        "gen_ai.client.inference.operation.details",
        "gen_ai.system.message",
        "gen_ai.user.message",
        "gen_ai.assistant.message",
        "gen_ai.tool.message",
        "gen_ai.choice",
        "gen_ai.content.prompt",
        "gen_ai.content.completion",
        "gen_ai.client.operation.exception",
    )
)
"""Events that carry messages, or the failure, of the span they were written in."""

_SHARED_ATTRIBUTES = frozenset(("gen_ai.system", "gen_ai.provider.name"))

ProjectOf = Callable[[str], str]


class _Pile(Struct):
    """What one sender of one project sent in a request."""

    spans: list[Span] = []
    positions: list[int] = []
    feedback: list[Feedback] = []
    rejected: list[Rejection] = []
    unmapped: dict[str, int] = {}
    dialects: set[str] = set()


def read_traces(body: bytes, encoding: str, project_of: ProjectOf) -> Iterator[Batch]:
    """The batches of a trace request, read as they are taken, so that a large request is never in memory decoded.

    A batch has spans of one project and sender, `SLICE` at the most. `project_of` chooses the project, given the one
    that the resource names. Bad spans become rejections, with their place in the request; good ones beside them are
    kept. Raises InputError where the body as a whole cannot be read.
    """
    if encoding == JSON:
        from monitor.ingest.otlp_json import read_spans
    else:
        from monitor.ingest.otlp_protobuf import read_spans
    piles: dict[tuple[str, str], _Pile] = {}
    position = 0
    for resource, spans in read_spans(body):
        key = _key(resource, project_of)
        pile = piles.setdefault(key, _Pile())
        for raw in spans:
            _add_span(pile, raw, position)
            position += 1
            if len(pile.spans) + len(pile.rejected) >= SLICE:
                yield from _batches({key: pile})
                pile = piles[key] = _Pile()
    yield from _batches(piles)


def _add_span(pile: _Pile, raw: RawSpan | InputError, position: int) -> None:
    if isinstance(raw, InputError):
        pile.rejected.append(Rejection(position, str(raw)))
        return
    try:
        decoded = decode_span(raw)
    except RecursionError:
        pile.rejected.append(Rejection(position, "A value is nested too deeply.", shape=shape_of(raw.attributes)))
        return
    except InputError as error:
        pile.rejected.append(Rejection(position, str(error), shape=shape_of(raw.attributes)))
        return
    pile.spans.append(decoded.span)
    pile.positions.append(position)
    pile.feedback.extend(decoded.feedback)
    pile.dialects.add(dialect_of(raw))
    for name in decoded.unmapped:
        pile.unmapped[name] = pile.unmapped.get(name, 0) + 1


def read_logs(body: bytes, encoding: str, project_of: ProjectOf, now: datetime) -> list[Batch]:
    """What a logs request says of calls: evaluation results, and messages that belong to a span sent apart from them.

    Log records without either say nothing of calls and are left out.
    """
    if encoding == JSON:
        from monitor.ingest.otlp_json import read_logs as read
    else:
        from monitor.ingest.otlp_protobuf import read_logs as read
    piles: dict[tuple[str, str], _Pile] = {}
    position = 0
    for resource, logs in read(body):
        pile = piles.setdefault(_key(resource, project_of), _Pile())
        parts: dict[tuple[str, str], tuple[int, list[RawLog]]] = {}
        for log in logs:
            try:
                _add_log(pile, log, now, parts, position)
            except InputError as error:
                pile.rejected.append(Rejection(position, str(error)))
            position += 1
        for first, part in parts.values():
            _add_span(pile, _part_of_span(part, now), first)
    return _batches(piles)


def _part_of_span(logs: list[RawLog], now: datetime) -> RawSpan:
    """What the log records of one span say of it."""
    first = logs[0]
    events = [log.event for log in logs]
    shared = {"gen_ai.operation.name": "chat"}
    for event in events:
        shared |= {name: value for name, value in event.attributes.items() if name in _SHARED_ATTRIBUTES}
    start = min((event.nanoseconds for event in events if event.nanoseconds), default=to_microseconds(now) * 1000)
    scope = f"log {first.scope}".rstrip()
    return RawSpan(
        first.trace_id, first.span_id, "", "", start, 0, False, "", shared, events, (), first.resource, scope
    )


def _add_log(
    pile: _Pile,
    log: RawLog | InputError,
    now: datetime,
    parts: dict[tuple[str, str], tuple[int, list[RawLog]]],
    position: int,
) -> None:
    if isinstance(log, InputError):
        raise log
    if log.event.name not in CONTENT_EVENTS and log.event.name != EVALUATION_EVENT:
        return
    if not log.trace_id or (log.event.name in CONTENT_EVENTS and not log.span_id):
        raise InputError("traceId, spanId: are missing, so nobody can tell what the record is about.")
    if log.event.name in CONTENT_EVENTS:
        parts.setdefault((log.trace_id, log.span_id), (position, []))[1].append(log)
        return
    time = moment(log.event.nanoseconds) if log.event.nanoseconds else now
    said = evaluation(log.event, log.trace_id, log.span_id, time)
    if said is None:
        raise InputError("gen_ai.evaluation.name: is missing, or there is neither score, label nor explanation.")
    pile.feedback.append(said)


def _key(resource: Resource, project_of: ProjectOf) -> tuple[str, str]:
    return project_of(resource.project), resource.service or "opentelemetry"


def _batches(piles: dict[tuple[str, str], _Pile]) -> list[Batch]:
    return [
        Batch(project, pile.spans, pile.feedback, sender, pile.rejected, pile.positions, pile.unmapped, pile.dialects)
        for (project, sender), pile in piles.items()
        if pile.spans or pile.feedback or pile.rejected
    ]


def reasons_of(rejected: Iterable[Rejection]) -> str:
    """The first reasons in words, each once, with the places where they apply."""
    places: dict[str, list[int]] = {}
    for item in rejected:
        places.setdefault(item.reason, []).append(item.index)
    parts = []
    for reason, indexes in list(places.items())[:MAX_REASONS]:
        shown = ", ".join(str(index) for index in indexes[:MAX_REASONS]) + (
            ", ..." if len(indexes) > MAX_REASONS else ""
        )
        parts.append(f"{reason} (at {shown})")
    if len(places) > MAX_REASONS:
        parts.append(f"and {len(places) - MAX_REASONS} more reasons")
    return " ".join(parts)


def answer(receipt: Receipt, encoding: str, counted: str) -> bytes:
    """The body of a 200 answer: empty, or a partial success that counts the rejected (`rejectedSpans` or the like)."""
    if encoding == JSON:
        if not receipt.rejected:
            return b"{}"
        partial = {counted: str(len(receipt.rejected)), "errorMessage": reasons_of(receipt.rejected)}
        return to_json({"partialSuccess": partial}).encode()
    if not receipt.rejected:
        return b""
    partial_bytes = _field(1, len(receipt.rejected)) + _field(2, reasons_of(receipt.rejected))
    return _field(1, partial_bytes)


def error_body(code: int, message: str, encoding: str) -> bytes:
    """A `google.rpc.Status` with a code and a sentence."""
    if encoding == JSON:
        return to_json({"code": code, "message": message}).encode()
    return _field(1, code) + _field(2, message)


def _field(place: int, value: int | str | bytes) -> bytes:
    """One field in protobuf's wire format; the two messages answered here are too small for more."""
    if isinstance(value, int):
        return bytes((place << 3,)) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return bytes((place << 3 | 2,)) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    return bytes(_sevens(value))


def _sevens(value: int) -> Iterator[int]:
    while value > 0x7F:
        yield value & 0x7F | 0x80
        value >>= 7
    yield value
