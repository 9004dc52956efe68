"""OTLP in its binary encoding: requests become raw spans and log records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope as ScopeMessage
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord as LogMessage
from opentelemetry.proto.resource.v1.resource_pb2 import Resource as ResourceMessage
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from monitor.errors import InputError
from monitor.ingest.bounds import LARGE_BYTES, NO_PROTOBUF, Group, check_record, outline
from monitor.ingest.raw_span import RawEvent, RawLog, RawSpan, Resource, resource_of

_STATUS_ERROR = 2
_LONGEST_REMEMBERED = 4_096
NO_RECORD = "The record is no valid protobuf, or it is nested more than 100 deep."


def read_spans(body: bytes) -> Iterator[tuple[Resource, Iterable[RawSpan | InputError]]]:
    """Spans by resource, decoded as they are taken. Raises InputError where the body is no trace request."""
    if len(body) > LARGE_BYTES:
        for found in outline(body):
            resource = _resource(found.resource)
            yield resource, _spans_apart(body, found, resource)
        return
    for group in _parsed(ExportTraceServiceRequest, body).resource_spans:
        resource = _resource(group.resource.SerializeToString())
        yield resource, _spans(group, resource)


def _spans_apart(body: bytes, group: Group, resource: Resource) -> Iterator[RawSpan | InputError]:
    """Spans that are read one by one: all of a large request at once would take a multiple of its bytes."""
    scope = _scope(_parsed(ScopeMessage, group.scope))
    for part in group.records:
        try:
            check_record(body, part, "span")
            yield _span(_parsed(SpanMessage, body[slice(*part)], NO_RECORD), resource, scope)
        except InputError as error:
            yield error


def _spans(group: Any, resource: Resource) -> Iterator[RawSpan | InputError]:
    for scoped in group.scope_spans:
        scope = _scope(scoped.scope)
        for span in scoped.spans:
            yield _span(span, resource, scope)


def read_logs(body: bytes) -> Iterator[tuple[Resource, list[RawLog | InputError]]]:
    """Log records by resource. Raises InputError where the body is no logs request."""
    if len(body) > LARGE_BYTES:
        for found in outline(body):
            resource = _resource(found.resource)
            yield resource, list(_logs_apart(body, found, resource))
        return
    for group in _parsed(ExportLogsServiceRequest, body).resource_logs:
        resource = _resource(group.resource.SerializeToString())
        logs: list[RawLog | InputError] = []
        for scoped in group.scope_logs:
            scope = _scope(scoped.scope)
            logs.extend(_log(record, resource, scope) for record in scoped.log_records)
        yield resource, logs


def _logs_apart(body: bytes, group: Group, resource: Resource) -> Iterator[RawLog | InputError]:
    scope = _scope(_parsed(ScopeMessage, group.scope))
    for part in group.records:
        try:
            check_record(body, part, "record")
            yield _log(_parsed(LogMessage, body[slice(*part)], NO_RECORD), resource, scope)
        except InputError as error:
            yield error


def _log(record: Any, resource: Resource, scope: str) -> RawLog:
    attributes = _attributes(record.attributes)
    event = RawEvent(
        record.event_name or str(attributes.pop("event.name", "")),
        record.time_unix_nano or record.observed_time_unix_nano,
        attributes,
        _value(record.body),
    )
    return RawLog(record.trace_id.hex(), record.span_id.hex(), event, resource, scope)


@lru_cache(maxsize=256)
def _known_resource(data: bytes) -> Resource:
    return resource_of(_attributes(ResourceMessage.FromString(data).attributes))


def _resource(data: bytes) -> Resource:
    """The application that sent; the same ones send again and again."""
    try:
        return _known_resource(data) if len(data) <= _LONGEST_REMEMBERED else _known_resource.__wrapped__(data)
    except DecodeError:
        raise InputError(NO_PROTOBUF) from None


def _parsed(kind: Any, body: bytes, reason: str = NO_PROTOBUF) -> Any:
    try:
        return kind.FromString(body)
    except DecodeError:
        raise InputError(reason) from None


def _scope(scope: Any) -> str:
    return f"{scope.name} {scope.version}".strip()


def _span(span: Any, resource: Resource, scope: str) -> RawSpan | InputError:
    trace_id, span_id = span.trace_id, span.span_id
    if len(trace_id) != 16 or not any(trace_id):
        return InputError("traceId: must be 16 bytes that are not all zero.")
    if len(span_id) != 8 or not any(span_id):
        return InputError("spanId: must be 8 bytes that are not all zero.")
    status = span.status
    return RawSpan(
        trace_id.hex(),
        span_id.hex(),
        span.parent_span_id.hex(),
        span.name,
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        status.code == _STATUS_ERROR,
        status.message,
        _attributes(span.attributes),
        [RawEvent(event.name, event.time_unix_nano, _attributes(event.attributes)) for event in span.events],
        [(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
        resource,
        scope,
    )


def _attributes(pairs: Iterable[Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for pair in pairs:
        value = pair.value
        # Most are texts or numbers, and to look is cheaper than to ask which kind it is.
        result[pair.key] = value.string_value or value.int_value or value.double_value or _value(value)
    return result


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: _value(pair.value) for pair in value.kvlist_value.values}
    if kind == "bytes_value":
        return f"[{len(value.bytes_value)} bytes]"
    return getattr(value, kind)
