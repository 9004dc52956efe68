"""Requests that somebody made up: valid ones that were damaged, and whatever the description of the API allows.

None of them is answered with a fault of the server's own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
import schemathesis
from flask import Flask
from flask.testing import FlaskClient
from google.protobuf.json_format import ParseDict
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from schemathesis.checks import not_a_server_error

from monitor.settings import Settings
from monitor.store import Store
from monitor.web import close_server, create_server
from tests.hostile import JSON, PROTOBUF
from tests.seeding import fill
from tests.telemetry import START, any_value, attributes_of, chat, event, logs_request, otlp_span, trace_request

EXAMPLES = 150
OPERATION_EXAMPLES = 15
TRACES, LOGS = "/v1/traces", "/v1/logs"

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def server(store: Store, settings: Settings) -> Iterator[Flask]:
    made = create_server(settings, store, {"api", "ingest"})
    yield made
    close_server(made)


@pytest.fixture
def client(server: Flask) -> FlaskClient:
    return server.test_client()


def damaged(valid: bytes) -> st.SearchStrategy[bytes]:
    """Bytes of a valid request of which some places are cut out, put in twice or replaced."""
    cut = st.tuples(st.integers(0, len(valid)), st.integers(0, 12), st.binary(max_size=12))

    def apply(cuts: list[tuple[int, int, bytes]]) -> bytes:
        data = valid
        for place, length, put in cuts:
            data = data[:place] + put + data[place + length :]
        return data

    return st.lists(cut, min_size=1, max_size=6).map(apply)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS | SCALARS.map(any_value),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something is in a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


def replaced(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    if not path:
        return other
    copy = value.copy()
    copy[path[0]] = replaced(value[path[0]], path[1:], other)
    return copy


def changed(valid: Any) -> st.SearchStrategy[Any]:
    """A valid request with something else in one place."""
    return st.builds(lambda path, other: replaced(valid, path, other), st.sampled_from(places(valid)), VALUES)


SPAN = otlp_span(1, chat(), events=[event("gen_ai.choice", index=0)], links=[{"traceId": "1" * 32, "spanId": "2" * 16}])
LOG = {"timeUnixNano": str(START), "eventName": "gen_ai.choice", "traceId": "1" * 32, "spanId": "2" * 16} | {
    "attributes": attributes_of({"gen_ai.provider.name": "openai"}),
    "body": any_value({"message": {"role": "assistant", "content": "Fine."}}),
}
VALID = {TRACES: trace_request(SPAN), LOGS: json.loads(logs_request(LOG))}


def in_protobuf(path: str) -> bytes:
    """The valid request for a path in the other encoding, where identifiers are bytes."""
    without = json.loads(json.dumps(VALID[path]).replace('"traceId"', '"name"').replace('"spanId"', '"name"'))
    if path == TRACES:
        traces = ParseDict(without, ExportTraceServiceRequest(), ignore_unknown_fields=True)
        span = traces.resource_spans[0].scope_spans[0].spans[0]
        span.trace_id, span.span_id = bytes(range(16)), bytes(range(8))
        return bytes(traces.SerializeToString())
    logs = ParseDict(without, ExportLogsServiceRequest(), ignore_unknown_fields=True)
    log = logs.resource_logs[0].scope_logs[0].log_records[0]
    log.trace_id, log.span_id = bytes(range(16)), bytes(range(8))
    return bytes(logs.SerializeToString())


IN_PROTOBUF = {path: in_protobuf(path) for path in VALID}
fuzz = hypothesis_settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))


def send(client: FlaskClient, path: str, body: bytes, content_type: str) -> int:
    answer = client.post(path, data=body, content_type=content_type)
    assert answer.status_code in (200, 400, 413, 422), answer.data
    return answer.status_code


@pytest.mark.parametrize("path", VALID)
def test_what_is_damaged_is_valid_at_first(client: FlaskClient, path: str) -> None:
    for body, content_type in ((json.dumps(VALID[path]).encode(), JSON), (IN_PROTOBUF[path], PROTOBUF)):
        answer = client.post(path, data=body, content_type=content_type)
        assert answer.status_code == 200
        assert answer.data in (b"", b"{}")


@pytest.mark.parametrize("path", VALID)
def test_damaged_protobuf(client: FlaskClient, path: str) -> None:
    @fuzz
    @given(damaged(IN_PROTOBUF[path]))
    def check(body: bytes) -> None:
        send(client, path, body, PROTOBUF)

    check()


@pytest.mark.parametrize("path", VALID)
def test_damaged_json(client: FlaskClient, path: str) -> None:
    @fuzz
    @given(damaged(json.dumps(VALID[path]).encode()))
    def check(body: bytes) -> None:
        send(client, path, body, JSON)

    check()


@pytest.mark.parametrize("path", VALID)
def test_json_with_something_else_in_one_place(client: FlaskClient, path: str) -> None:
    @fuzz
    @given(changed(VALID[path]))
    def check(request: Any) -> None:
        send(client, path, json.dumps(request).encode(), JSON)

    check()


def asked(operation: Any) -> set[int]:
    """Statuses of the answers to requests of all kinds for one operation, none of them a fault of the server."""
    statuses: set[int] = set()

    @hypothesis_settings(
        max_examples=OPERATION_EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(), st.booleans())
    def check(case: Any, known: bool) -> None:
        if known and "project" in (case.query or {}):
            case.query["project"] = "default"
        answer = case.call()
        statuses.add(answer.status_code)
        case.validate_response(answer, checks=[not_a_server_error])

    check()
    return statuses


def test_whatever_the_description_of_the_api_allows(
    server: Flask, store: Store, settings: Settings, now: datetime
) -> None:
    """Requests made from the description, half of them for a project that there is."""
    fill(store, settings, now, days=3, users=4)
    schema = schemathesis.openapi.from_wsgi("/openapi.json", server)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 20
    served = [operation.label for operation in operations if 200 in asked(operation)]
    assert len(served) > len(operations) // 2
