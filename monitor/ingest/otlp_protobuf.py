"""OTLP in its binary encoding: requests become raw spans and log records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.resource.v1.resource_pb2 import Resource as ResourceMessage

from monitor.errors import InputError
from monitor.ingest.raw_span import RawEvent, RawLog, RawSpan, Resource, resource_of

_STATUS_ERROR = 2
_LONGEST_REMEMBERED = 4_096


def read_spans(body: bytes) -> Iterator[tuple[Resource, Iterable[RawSpan | InputError]]]:
    """Spans by resource, decoded as they are taken. Raises InputError where the body is no trace request."""
    for group in _parsed(ExportTraceServiceRequest, body).resource_spans:
        resource = _resource(group.resource.SerializeToString())
        yield resource, _spans(group, resource)


def _spans(group: Any, resource: Resource) -> Iterator[RawSpan | InputError]:
    for scoped in group.scope_spans:
        scope = _scope(scoped.scope)
        for span in scoped.spans:
            yield _span(span, resource, scope)


def read_logs(body: bytes) -> Iterator[tuple[Resource, list[RawLog | InputError]]]:
    """Log records by resource. Raises InputError where the body is no logs request."""
    for group in _parsed(ExportLogsServiceRequest, body).resource_logs:
        resource = _resource(group.resource.SerializeToString())
        logs: list[RawLog | InputError] = []
        for scoped in group.scope_logs:
            scope = _scope(scoped.scope)
            for record in scoped.log_records:
                attributes = _attributes(record.attributes)
                event = RawEvent(
                    record.event_name or str(attributes.pop("event.name", "")),
                    record.time_unix_nano or record.observed_time_unix_nano,
                    attributes,
                    _value(record.body),
                )
                logs.append(RawLog(record.trace_id.hex(), record.span_id.hex(), event, resource, scope))
        yield resource, logs


@lru_cache(maxsize=256)
def _known_resource(data: bytes) -> Resource:
    return resource_of(_attributes(ResourceMessage.FromString(data).attributes))


def _resource(data: bytes) -> Resource:
    """The application that sent; the same ones send again and again."""
    return _known_resource(data) if len(data) <= _LONGEST_REMEMBERED else _known_resource.__wrapped__(data)


def _parsed(kind: Any, body: bytes) -> Any:
    try:
        return kind.FromString(body)
    except DecodeError:
        raise InputError("The body is no OTLP message in protobuf encoding.") from None


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
