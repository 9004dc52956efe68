"""Traces as they really arrive: late, out of order, enormous, from several applications at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from sqlalchemy import func, select
from werkzeug.test import Client

from monitor import tables
from monitor.clock import now, to_microseconds
from monitor.identifiers import project_id
from monitor.ingest import Ingester, http
from monitor.ingest.prepare import MAX_ATTRIBUTES
from monitor.queries.traces import Trace, trace_of
from monitor.rows import span_of
from monitor.settings import Settings
from monitor.store import Store, table_of
from tests.telemetry import attributes_of, body_of, otlp_span, trace_request

TRACE = "ab" * 16


@pytest.fixture
def sender(store: Store, settings: Settings) -> Iterator[Client]:
    """One who sends to the paths of ingest."""
    ingester = Ingester(store, settings)
    yield Client(http.Endpoint(ingester, settings))
    ingester.close()


def send(sender: Client, body: bytes, content_type: str = "application/json") -> None:
    answer = sender.post("/v1/traces", data=body, content_type=content_type)
    assert answer.status_code == 200
    assert b"partialSuccess" not in answer.data


def count(store: Store, model: Any) -> int:
    with store.read() as connection:
        return int(connection.execute(select(func.count()).select_from(table_of(model))).scalar_one())


def part(number: int, parent: int = 0, **attributes: Any) -> dict[str, Any]:
    """A span of the trace; a call where it has a model."""
    fields = {"traceId": TRACE} | ({"parentSpanId": f"{parent:016x}"} if parent else {})
    return otlp_span(number, attributes, **fields)


def tree(store: Store, offset: int = 0) -> Trace:
    return trace_of(store, project_id("default"), TRACE, offset=offset)


CALL = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o"}


def test_children_may_come_before_their_parents(store: Store, sender: Client) -> None:
    for span in (part(3, 2, **CALL), part(2, 1), part(1)):
        send(sender, body_of(span))
    nodes = tree(store).nodes
    assert [(node.span_id, node.depth, node.orphan) for node in nodes] == [
        (f"{number:016x}", number - 1, False) for number in (1, 2, 3)
    ]


def test_spans_of_one_trace_come_from_several_applications(store: Store, sender: Client) -> None:
    send(sender, body_of(part(1), resource={"service.name": "gateway"}))
    send(sender, body_of(part(2, 1, **CALL), resource={"service.name": "answers"}))
    assert [node.depth for node in tree(store).nodes] == [0, 1]
    with store.read() as connection:
        names = connection.execute(select(table_of(tables.Sender).c.name)).scalars()
        assert set(names) == {"gateway", "answers"}


def test_late_spans_are_stored_under_their_own_time_and_wait_for_enrichment(store: Store, sender: Client) -> None:
    began = now() - timedelta(days=20)
    start = to_microseconds(began) * 1000
    late = otlp_span(1, CALL, startTimeUnixNano=str(start), endTimeUnixNano=str(start + 1_000_000_000))
    send(sender, body_of(late))
    with store.read() as connection:
        (span,) = connection.execute(select(table_of(tables.Span))).mappings()
    assert abs(span_of(span).time - began) < timedelta(milliseconds=1)
    assert span["received"] > span["time"] + timedelta(days=19) // timedelta(microseconds=1)
    assert count(store, tables.Pending) == 1


def test_a_wrong_clock_is_told_and_its_neighbours_are_kept(store: Store, sender: Client) -> None:
    ahead = int((now() + timedelta(days=3)).timestamp()) * 1_000_000_000
    wrong = otlp_span(1, CALL, startTimeUnixNano=str(ahead), endTimeUnixNano=str(ahead + 1))
    answer = sender.post("/v1/traces", data=body_of(wrong, otlp_span(2, CALL)), content_type="application/json")
    partial = json.loads(answer.data)["partialSuccess"]
    assert partial["rejectedSpans"] == "1"
    assert "in the future" in partial["errorMessage"]
    assert (count(store, tables.Span), count(store, tables.Reject)) == (1, 1)


def test_an_end_before_the_start_is_no_latency(store: Store, sender: Client) -> None:
    start = to_microseconds(now()) * 1000
    send(sender, body_of(otlp_span(1, CALL, startTimeUnixNano=str(start), endTimeUnixNano=str(start - 5))))
    with store.read() as connection:
        assert connection.execute(select(table_of(tables.Span).c.latency_s)).scalar_one() is None


def test_a_huge_span_is_capped_and_marked_and_not_dropped(store: Store, sender: Client, settings: Settings) -> None:
    text = "word " * 1_000_000
    attributes = CALL | {f"app.number{index}": index for index in range(3_000)}
    attributes |= {"gen_ai.input.messages": json.dumps([{"role": "user", "content": text}])}
    send(sender, body_of(otlp_span(1, attributes)))
    span, body = table_of(tables.Span), table_of(tables.Body)
    with store.read() as connection:
        row = connection.execute(select(span)).mappings().one()
        stored = connection.execute(select(body)).one()
    whole = span_of(row, stored.codec, stored.data)
    assert set(whole.truncated) == {"prompt", "attributes"}
    assert len(whole.prompt[0].content) == settings.max_text_characters
    assert len(whole.attributes) <= MAX_ATTRIBUTES


def test_a_trace_of_thirty_thousand_spans(tmp_path: Path, sqlite_template: Path) -> None:
    """In one request, in another encoding than its first half, and sent twice: every span is stored once."""
    (tmp_path / "store.db").write_bytes(sqlite_template.read_bytes())
    settings = Settings(database_url=f"sqlite:///{tmp_path / 'store.db'}")
    store = Store.open(settings)
    ingester = Ingester(store, settings)
    sender = Client(http.Endpoint(ingester, settings))
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    start = to_microseconds(now()) * 1000
    spans = group.scope_spans.add().spans
    for number in range(1, 30_001):
        spans.add(
            trace_id=bytes.fromhex(TRACE),
            span_id=number.to_bytes(8, "big"),
            parent_span_id=(number // 10).to_bytes(8, "big") if number > 9 else b"",
            name="step",
            start_time_unix_nano=start + number,
            end_time_unix_nano=start + number + 1_000,
        )
    first = trace_request(*(part(number, number // 10) for number in range(1, 501)))
    send(sender, json.dumps(first).encode())
    send(sender, request.SerializeToString(), "application/x-protobuf")
    assert count(store, tables.Span) == 30_000
    with store.read() as connection:
        assert connection.execute(select(func.sum(table_of(tables.Sender).c.duplicates))).scalar_one() == 500
    whole = tree(store)
    assert whole.total == 30_000
    assert not any(node.orphan for node in whole.nodes)
    assert max(node.depth for node in whole.nodes) == 4
    ingester.close()
    store.close()


def test_attributes_of_every_kind_survive_the_way(store: Store, sender: Client) -> None:
    given = {
        "app.text": "a",
        "app.flag": True,
        "app.whole": 7,
        "app.part": 0.5,
        "app.list": [1, "b"],
        "app.map": {"c": 1},
    }
    span = otlp_span(1) | {"attributes": attributes_of(CALL | given)}
    send(sender, body_of(span))
    with store.read() as connection:
        row = connection.execute(select(table_of(tables.Span))).mappings().one()
        body = connection.execute(select(table_of(tables.Body))).one()
    kept = span_of(row, body.codec, body.data).attributes
    assert {name: kept[name] for name in given} == given
