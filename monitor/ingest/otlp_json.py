"""OTLP in its JSON encoding: identifiers in hexadecimal digits, 64-bit numbers as text, enumerations as either."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from monitor.errors import InputError, TooLarge
from monitor.ingest.bounds import MAX_RECORDS, TOO_MANY_RECORDS
from monitor.ingest.raw_span import RawEvent, RawLog, RawSpan, Resource, resource_of
from monitor.ingest.values import decode_json, number, to_json, type_name

_TRACE_ID = re.compile(r"(?!0{32})[0-9a-f]{32}\Z")
_SPAN_ID = re.compile(r"(?!0{16})[0-9a-f]{16}\Z")
_ERROR_CODES = (2, "2", "STATUS_CODE_ERROR")
_MAX_DEPTH = 30
_SNAKE = re.compile(r"[A-Z]")


def read_spans(body: bytes) -> Iterator[tuple[Resource, Iterable[RawSpan | InputError]]]:
    """Spans by resource. Raises InputError where the body is no trace request."""
    request = _request(body)
    _check_count(request, "resourceSpans", "scopeSpans", "spans")
    for group in _objects(request, "resourceSpans"):
        resource = _resource(group)
        spans: list[RawSpan | InputError] = []
        for scoped in _objects(group, "scopeSpans"):
            scope = _scope(scoped)
            for span in _list(scoped, "spans"):
                try:
                    spans.append(_span(span, resource, scope))
                except InputError as error:
                    spans.append(error)
        yield resource, spans


def read_logs(body: bytes) -> Iterator[tuple[Resource, list[RawLog | InputError]]]:
    """Log records by resource. Raises InputError where the body is no logs request."""
    request = _request(body)
    _check_count(request, "resourceLogs", "scopeLogs", "logRecords")
    for group in _objects(request, "resourceLogs"):
        resource = _resource(group)
        logs: list[RawLog | InputError] = []
        for scoped in _objects(group, "scopeLogs"):
            scope = _scope(scoped)
            for record in _list(scoped, "logRecords"):
                try:
                    logs.append(_log(record, resource, scope))
                except InputError as error:
                    logs.append(error)
        yield resource, logs


def _request(body: bytes) -> Mapping[str, Any]:
    value = decode_json(body)
    if not isinstance(value, Mapping):
        raise InputError(f"The body must be an OTLP request object, not {type_name(value)}.")
    return value


def _check_count(request: Mapping[str, Any], outer: str, inner: str, records: str) -> None:
    """Raises TooLarge for a request of too many records."""
    groups = (scoped for group in _objects(request, outer) for scoped in _objects(group, inner))
    if sum(len(_list(scoped, records)) for scoped in groups) > MAX_RECORDS:
        raise TooLarge(TOO_MANY_RECORDS)


def _get(record: Mapping[str, Any], name: str) -> Any:
    """A field by its JSON name or, as parsers of protobuf's JSON must allow, by its original name."""
    if name in record:
        return record[name]
    return record.get(_SNAKE.sub(lambda match: "_" + match.group().lower(), name))


def _list(record: Mapping[str, Any], name: str) -> list[Any]:
    value = _get(record, name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise InputError(f"{name}: must be a list, not {type_name(value)}.")
    return value


def _objects(record: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    for item in _list(record, name):
        if not isinstance(item, Mapping):
            raise InputError(f"{name}: must hold objects, not {type_name(item)}.")
        yield item


def _object(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = _get(record, name)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InputError(f"{name}: must be an object, not {type_name(value)}.")
    return value


def _text(record: Mapping[str, Any], name: str) -> str:
    value = _get(record, name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InputError(f"{name}: must be text, not {type_name(value)}.")
    return value


def _nanoseconds(record: Mapping[str, Any], name: str) -> int:
    value = _get(record, name)
    if value is None or value == "":
        return 0
    if isinstance(value, str) and value.isdecimal() and len(value) < 25:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 64:
        raise InputError(f"{name}: must be nanoseconds since 1970.")
    return value


def _resource(group: Mapping[str, Any]) -> Resource:
    return resource_of(_attributes(_object(group, "resource")))


def _scope(scoped: Mapping[str, Any]) -> str:
    scope = _object(scoped, "scope")
    return f"{_text(scope, 'name')} {_text(scope, 'version')}".strip()


def _span(span: Any, resource: Resource, scope: str) -> RawSpan:
    if not isinstance(span, Mapping):
        raise InputError(f"spans: must hold objects, not {type_name(span)}.")
    trace_id, span_id = _text(span, "traceId").lower(), _text(span, "spanId").lower()
    if not _TRACE_ID.match(trace_id):
        raise InputError("traceId: must be 32 hexadecimal digits that are not all zero.")
    if not _SPAN_ID.match(span_id):
        raise InputError("spanId: must be 16 hexadecimal digits that are not all zero.")
    status = _object(span, "status")
    return RawSpan(
        trace_id,
        span_id,
        _text(span, "parentSpanId").lower(),
        _text(span, "name"),
        _nanoseconds(span, "startTimeUnixNano"),
        _nanoseconds(span, "endTimeUnixNano"),
        _get(status, "code") in _ERROR_CODES,
        _text(status, "message"),
        _attributes(span),
        [
            RawEvent(_text(event, "name"), _nanoseconds(event, "timeUnixNano"), _attributes(event))
            for event in _objects(span, "events")
        ],
        [(_text(link, "traceId").lower(), _text(link, "spanId").lower()) for link in _objects(span, "links")],
        resource,
        scope,
    )


def _log(record: Any, resource: Resource, scope: str) -> RawLog:
    if not isinstance(record, Mapping):
        raise InputError(f"logRecords: must hold objects, not {type_name(record)}.")
    attributes = _attributes(record)
    body = _get(record, "body")
    event = RawEvent(
        _text(record, "eventName") or str(attributes.pop("event.name", "")),
        _nanoseconds(record, "timeUnixNano") or _nanoseconds(record, "observedTimeUnixNano"),
        attributes,
        _value(body, 0) if body is not None else None,
    )
    return RawLog(_text(record, "traceId").lower(), _text(record, "spanId").lower(), event, resource, scope)


def _attributes(record: Mapping[str, Any]) -> dict[str, Any]:
    return {_text(pair, "key"): _value(_get(pair, "value"), 0) for pair in _objects(record, "attributes")}


def _value(value: Any, depth: int) -> Any:
    if value is None:
        return None
    if not isinstance(value, Mapping) or depth > _MAX_DEPTH:
        raise InputError('attributes: a value must be an object such as {"stringValue": ...}.')
    for kind, inner in value.items():
        name = kind.replace("_", "").lower()
        if name == "arrayvalue" and isinstance(inner, Mapping):
            return [_value(item, depth + 1) for item in _list(inner, "values")]
        if name == "kvlistvalue" and isinstance(inner, Mapping):
            return {_text(pair, "key"): _value(_get(pair, "value"), depth + 1) for pair in _objects(inner, "values")}
        reader = _SCALARS.get(name)
        if reader is not None:
            return reader(inner)
    return None


def _whole(inner: Any) -> int:
    if isinstance(inner, int):
        return inner
    if isinstance(inner, str) and len(inner) < 25 and inner.lstrip("-").isdecimal():
        return int(inner)
    raise InputError("attributes: an intValue must be a whole number.")


def _bytes(inner: Any) -> str:
    return f"[{len(inner) * 3 // 4} bytes]" if isinstance(inner, str) else ""


_SCALARS: dict[str, Callable[[Any], Any]] = {
    "stringvalue": lambda inner: inner if isinstance(inner, str) else to_json(inner),
    "boolvalue": bool,
    "intvalue": _whole,
    "doublevalue": number,
    "bytesvalue": _bytes,
}
