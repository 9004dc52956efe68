"""Call records: every field, every error, over HTTP as well; no JSON whatever crashes a reader."""

from __future__ import annotations

import contextlib
import gzip
import json
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from sqlalchemy import func, select
from sqlmodel import SQLModel
from werkzeug.test import Client

from monitor import tables
from monitor.errors import Busy, InputError, Unavailable
from monitor.ingest import Ingester, http, otlp
from monitor.ingest.call_record import KNOWN, read_call
from monitor.ingest.feedback_record import read_feedback
from monitor.ingest.prepare import Preparer
from monitor.ingest.record_fields import RecordError
from monitor.ingest.records import call_batches, feedback_batches
from monitor.ingest.values import decode_json
from monitor.records import Message, Tokens
from monitor.rows import body_row, span_row
from monitor.settings import Settings
from monitor.store import Store, table_of
from tests.telemetry import body_of, chat, logs_request, otlp_span, trace_request

NOW = datetime(2026, 3, 11, 12, 30, tzinfo=UTC)


def test_every_field() -> None:
    decoded = read_call(
        {
            "id": 17,
            "trace_id": "t",
            "session_id": "s",
            "user_id": 4711,
            "time": "2026-03-11T13:00:00+02:00",
            "provider": "openai",
            "model": "gpt-4",
            "prompt": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello?"}],
            "response": "Hello.",
            "context": ["one", {"page_content": "two"}],
            "reference": "Hi.",
            "environment": "production",
            "release": 1.2,
            "prompt_version": 7,
            "feature": "greeting",
            "latency_s": 1.5,
            "time_to_first_token_s": "0.5",
            "input_tokens": 100,
            "output_tokens": 20,
            "cached_input_tokens": 60,
            "reasoning_tokens": 15,
            "cost_usd": 0.01,
            "status": "error",
            "error": "cut off",
            "finish_reason": "length",
            "tags": {"plan": "pro", "seats": 3},
            "attributes": {"deep": [1]},
            "custom": True,
            "nested": {"a": 1},
            "feedback": [{"name": "thumb", "value": True, "annotator": "ann"}, {"name": "tone", "value": "kind"}],
        },
        NOW,
    )
    span = decoded.span
    assert (span.span_id, span.trace_id, span.session_id, span.user) == ("17", "t", "s", "4711")
    assert span.time == datetime(2026, 3, 11, 11, tzinfo=UTC)
    assert span.prompt == (Message("system", "Be brief."), Message("user", "Hello?"))
    assert (span.context, span.reference) == (("one", "two"), ("Hi.",))
    assert span.tokens == Tokens(
        input_uncached=40, input_cache_read=60, output_text=5, output_reasoning=15, rule="inclusive"
    )
    assert (span.release, span.prompt_version, span.time_to_first_token_s) == ("1.2", "7", 0.5)
    assert (span.status, span.error, span.finish_reason, span.cost_usd) == ("error", "cut off", "length", 0.01)
    assert span.tags == {"plan": "pro", "seats": 3, "custom": True}
    assert span.attributes == {"deep": [1], "nested": {"a": 1}}
    first, second = decoded.feedback
    assert (first.value, first.flag, first.annotator_id, first.time) == (1.0, True, "ann", span.time)
    assert (second.label, second.value, second.trace_id, second.span_id) == ("kind", None, "t", "17")


def test_what_is_not_said_is_unknown_and_not_zero() -> None:
    span = read_call({"id": "1", "prompt": "hi", "cost_usd": None, "input_tokens": ""}, NOW).span
    assert (span.cost_usd, span.tokens, span.latency_s, span.time, span.trace_id) == (None, Tokens(), None, NOW, "1")


def test_records_without_an_id_get_one() -> None:
    one, other = (read_call({"prompt": "hi"}, NOW).span for _ in range(2))
    assert one.span_id != other.span_id
    assert len(one.trace_id) == 32


def test_a_time_without_a_zone_needs_a_default() -> None:
    record = {"prompt": "hi", "time": "2026-03-11 12:00:00"}
    with pytest.raises(RecordError, match="time: has no time zone"):
        read_call(record, NOW)
    span = read_call(record, NOW, timezone(timedelta(hours=2))).span
    assert span.time == datetime(2026, 3, 11, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("record", "field", "problem"),
    [
        ("text", "record", "must be an object, not text"),
        ({}, "record", "says nothing of a call"),
        ({"prompt": 3}, "prompt", "must be text or messages, not a number"),
        ({"response": True}, "response", "must be text, not true or false"),
        ({"prompt": "x", "model": ["gpt"]}, "model", "must be text, not a list"),
        ({"prompt": "x", "time": "yesterday"}, "time", "as in ISO 8601"),
        ({"prompt": "x", "time": 17}, "time", "not a number"),
        ({"prompt": "x", "time": "0001-01-01T00:00:00+14:00"}, "time", "outside of the calendar"),
        ({"prompt": "x", "latency_s": "fast"}, "latency_s", "must be a number"),
        ({"prompt": "x", "latency_s": True}, "latency_s", "must be a number"),
        ({"prompt": "x", "cost_usd": -1}, "cost_usd", "must not be negative"),
        ({"prompt": "x", "input_tokens": 1.5}, "input_tokens", "must be a whole number"),
        ({"prompt": "x", "status": "fine"}, "status", 'must be "ok" or "error"'),
        ({"prompt": "x", "kind": "poem"}, "kind", "must be one of"),
        ({"prompt": "x", "tags": ["a"]}, "tags", "must be an object"),
        ({"prompt": "x", "tags": {"a": [1]}}, "tags", "every value must be text"),
        ({"prompt": "x", "context": 5}, "context", "must be text or a list"),
        ({"prompt": "x", "feedback": "good"}, "feedback", "must be a list of objects"),
        ({"prompt": "x", "feedback": [{"value": 1}]}, "feedback[0].name", "must be text that names"),
        ({"prompt": "x", "feedback": [{"name": "a"}]}, "feedback[0].value", "is missing"),
        ({"prompt": "x", "feedback": [{"name": "a", "value": [1]}]}, "feedback[0].value", "must be a finite number"),
    ],
)
def test_errors_name_the_field_and_never_quote(record: Any, field: str, problem: str) -> None:
    with pytest.raises(RecordError) as caught:
        read_call(record, NOW)
    assert caught.value.field == field
    assert problem in str(caught.value)


def test_errors_hold_no_text() -> None:
    with pytest.raises(RecordError) as caught:
        read_call({"prompt": "x", "status": "my secret", "time": None}, NOW)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("record", "target"),
    [
        ({"id": "c1"}, ("c1", "c1", "")),
        ({"id": "c1", "trace_id": "t"}, ("t", "c1", "")),
        ({"trace_id": "t", "span_id": "s"}, ("t", "s", "")),
        ({"trace_id": "t"}, ("t", "", "")),
        ({"session_id": "x"}, ("", "", "x")),
    ],
)
def test_feedback_targets(record: dict[str, Any], target: tuple[str, ...]) -> None:
    said = read_feedback({"name": "thumb", "value": 1} | record, NOW)
    assert (said.trace_id, said.span_id, said.session_id) == target


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, (1.0, True, None)),
        ("false", (0.0, True, None)),
        (4, (4.0, False, None)),
        ("4.5", (4.5, False, None)),
        ("bad tone", (None, False, "bad tone")),
    ],
)
def test_feedback_values(value: Any, expected: tuple[Any, ...]) -> None:
    said = read_feedback({"name": "n", "id": "1", "value": value}, NOW)
    assert (said.value, said.flag, said.label) == expected


@pytest.mark.parametrize(
    "record", [{"name": "n", "value": 1}, {"name": "n", "value": 1, "span_id": "s"}, {"value": 1, "id": "1"}, None]
)
def test_feedback_that_is_about_nothing_is_refused(record: Any) -> None:
    with pytest.raises(RecordError):
        read_feedback(record, NOW)


def test_annotators() -> None:
    kinds = {
        word: read_feedback({"name": "n", "id": "1", "value": 1, "annotator": word}, NOW) for word in ("LLM", "jo")
    }
    assert kinds["LLM"].annotator == "llm"
    assert (kinds["jo"].annotator, kinds["jo"].annotator_id) == ("human", "jo")


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
RECORDS = st.dictionaries(st.sampled_from(sorted(KNOWN)) | st.text(max_size=5), JSON_VALUES, max_size=8) | JSON_VALUES
PREPARER = Preparer(Settings(), b"key")


@hypothesis_settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(RECORDS)
def test_any_call_record_is_read_or_refused(record: Any) -> None:
    for batch in call_batches([record], lambda named: named or "p", NOW):
        for span in batch.spans:
            try:
                prepared = PREPARER.span("p", span, NOW)
            except InputError:
                continue
            row = span_row(1, 1, prepared, 0)
            assert row["id"] == 1
            body_row(1, 1, prepared)


@hypothesis_settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(RECORDS)
def test_any_feedback_record_is_read_or_refused(record: Any) -> None:
    for batch in feedback_batches([record], lambda named: named or "p", NOW):
        assert len(batch.feedback) + len(batch.rejected) == 1


OTLP_NAMES = st.sampled_from(
    (
        "gen_ai.input.messages",
        "gen_ai.output.messages",
        "gen_ai.prompt.0.content",
        "gen_ai.prompt.x",
        "gen_ai.operation.name",
        "gen_ai.usage.input_tokens",
        "llm.input_messages.0.message",
        "llm.input_messages.0.message.role",
        "llm.cost.total",
        "openinference.span.kind",
        "retrieval.documents.0",
        "annotations.0.annotation",
        "annotations.0.annotation.name",
        "input.value",
        "metadata",
        "tag.tags",
        "session.id",
        "user.id",
    )
)


@hypothesis_settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.dictionaries(OTLP_NAMES, JSON_VALUES.filter(lambda value: value is not None), max_size=6), st.booleans())
def test_any_attributes_are_decoded(values: dict[str, Any], as_text: bool) -> None:
    plain = {name: json.dumps(value) if as_text else value for name, value in values.items()}
    try:
        body = body_of(otlp_span(1, plain))
    except (TypeError, ValueError):
        return
    (batch,) = otlp.read_traces(body, otlp.JSON, lambda named: "p")
    assert len(batch.spans) + len(batch.rejected) == 1
    for span in batch.spans:
        body_row(1, 1, PREPARER.span("p", span, NOW))


@hypothesis_settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(JSON_VALUES | st.fixed_dictionaries({"resourceSpans": JSON_VALUES, "resourceLogs": JSON_VALUES}))
def test_any_json_body_is_read_or_refused(value: Any) -> None:
    body = json.dumps(value).encode()
    for read in (
        lambda: otlp.read_traces(body, otlp.JSON, lambda named: "p"),
        lambda: otlp.read_logs(body, otlp.JSON, lambda named: "p", NOW),
    ):
        with contextlib.suppress(InputError):
            read()


@hypothesis_settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for encoding in (otlp.JSON, otlp.PROTOBUF):
        with contextlib.suppress(InputError):
            otlp.read_traces(body, encoding, lambda named: "p")


def test_what_python_writes_outside_of_the_standard_is_understood() -> None:
    record = decode_json(b'{"prompt": "a\\ud800b", "latency_s": NaN, "cost_usd": NaN}')
    span = PREPARER.span("p", read_call(record, NOW).span, NOW)
    assert (span.prompt_text, span.latency_s) == ("a\ufffdb", None)


# Over HTTP


class Server:
    """The paths of ingest, and the store behind them."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self.store = store
        self.ingester = Ingester(store, settings)
        self.endpoint = http.Endpoint(self.ingester, settings)
        self.key_project = ""
        self.client = Client(self._answer)

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Any:
        return self.endpoint(environ | {http.BOUND_PROJECT: self.key_project}, start_response)

    def count(self, model: Any) -> int:
        with self.store.read() as connection:
            return int(connection.execute(select(func.count()).select_from(table_of(model))).scalar_one())

    def projects(self) -> set[str]:
        with self.store.read() as connection:
            return set(connection.execute(select(table_of(tables.Project).c.name)).scalars())

    def post(self, path: str, body: Any, **headers: str) -> Any:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(path, data=data, headers={"content-type": "application/json"} | names)


@pytest.fixture
def server(tmp_path: Any) -> Iterator[Server]:
    url = f"sqlite:///{tmp_path}/store.db"
    store = Store(url)
    SQLModel.metadata.create_all(store.writer)
    yield Server(store, Settings(database_url=url, max_body_bytes=200_000))
    store.close()


def test_posting_calls(server: Server) -> None:
    answer = server.post("/api/v1/calls", [{"id": "1", "prompt": "hi"}, {"prompt": 3}, {"id": "1", "prompt": "hi"}])
    assert answer.status_code == 200
    assert answer.get_json() == {
        "accepted": 1,
        "duplicates": 1,
        "feedback": 0,
        "rejected": [
            {"index": 1, "field": "prompt", "reason": "prompt: must be text or messages, not a number."},
        ],
    }
    assert server.projects() == {"default"}


def test_posting_one_call_with_feedback(server: Server) -> None:
    record = {"id": "1", "prompt": "hi", "project": "shop", "feedback": {"name": "thumb", "value": False}}
    answer = server.post("/api/v1/calls", record).get_json()
    assert (answer["accepted"], answer["feedback"]) == (1, 1)
    assert server.projects() == {"shop"}
    later = server.post("/api/v1/feedback", {"id": "1", "name": "thumb", "comment": "too long", "project": "shop"})
    assert later.get_json()["accepted"] == 1
    assert server.count(tables.Feedback) == 2


def test_the_header_names_the_project_unless_the_key_does(server: Server) -> None:
    server.post("/api/v1/calls", {"prompt": "hi", "project": "record"}, x_project="header")
    server.post("/v1/traces", body_of(otlp_span(1, chat())), x_llmops_project="other")

    server.key_project = "key"
    server.post("/api/v1/calls", {"prompt": "hi", "project": "record"}, x_project="header")
    assert server.projects() == {"header", "other", "key"}


def test_when_all_is_turned_down_the_sender_notices(server: Server) -> None:
    answer = server.post("/api/v1/calls", {"prompt": 3})
    assert answer.status_code == 422
    assert answer.get_json()["rejected"][0]["field"] == "prompt"
    assert server.count(tables.Reject) == 1


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/logs", "/api/v1/calls", "/api/v1/feedback"])
@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", {}, 400),
        (b"\xff\xfe", {}, 400),
        (b"[" * 100_000, {}, 400),
        (b'{"a":' * 30_000, {}, 400),
        (b"{}", {"content_type": "text/plain"}, 415),
        (b"{}", {"content_encoding": "br"}, 415),
        (b"{}", {"content_encoding": "gzip"}, 400),
        (gzip.compress(b"{}", mtime=0)[:-4], {"content_encoding": "gzip"}, 400),
        (zlib.compress(b"{}")[:-1], {"content_encoding": "deflate"}, 400),
        (gzip.compress(b" " * 50_000_000, mtime=0), {"content_encoding": "gzip"}, 413),
        (zlib.compress(b" " * 50_000_000), {"content_encoding": "deflate"}, 413),
        (b" " * 300_000, {}, 413),
    ],
)
def test_hostile_bodies_are_refused_with_a_sentence(
    server: Server, path: str, body: bytes, headers: dict[str, str], status: int
) -> None:
    answer = server.post(path, body, **headers)
    assert answer.status_code == status
    if headers.get("content_type") != "text/plain":
        told = answer.get_json()
        assert (told.get("message") or told["error"]).endswith(".")
    assert server.count(tables.Span) == 0


def test_compressed_bodies_are_read(server: Server) -> None:
    body = json.dumps({"id": "1", "prompt": "hi"}).encode()
    assert server.post("/api/v1/calls", gzip.compress(body, mtime=0), content_encoding="gzip").status_code == 200
    assert server.post("/api/v1/calls", zlib.compress(body), content_encoding="deflate").get_json()["duplicates"] == 1


def test_partial_success_in_json(server: Server) -> None:
    answer = server.post("/v1/traces", body_of(otlp_span(1, chat()), otlp_span(2, traceId="x")))
    assert answer.status_code == 200
    partial = answer.get_json()["partialSuccess"]
    assert partial["rejectedSpans"] == "1"
    assert "traceId" in partial["errorMessage"]
    assert server.post("/v1/traces", body_of(otlp_span(1, chat()))).get_json() == {}
    assert server.count(tables.Span) == 1


def test_partial_success_in_protobuf(server: Server) -> None:
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    scope.spans.add(trace_id=b"t" * 16, span_id=b"s" * 8, name="good", start_time_unix_nano=1_773_000_000_000_000_000)
    scope.spans.add(trace_id=b"t", span_id=b"s" * 8, name="bad", start_time_unix_nano=1_773_000_000_000_000_000)
    answer = server.post("/v1/traces", request.SerializeToString(), content_type=otlp.PROTOBUF)
    assert answer.status_code == 200
    assert answer.content_type == otlp.PROTOBUF
    response = ExportTraceServiceResponse.FromString(answer.data)
    assert response.partial_success.rejected_spans == 1
    assert "traceId" in response.partial_success.error_message


def test_a_bad_protobuf_body_is_answered_in_protobuf(server: Server) -> None:
    answer = server.post("/v1/traces", b"\xff\xff", content_type=otlp.PROTOBUF)
    assert (answer.status_code, answer.content_type) == (400, otlp.PROTOBUF)
    assert b"no OTLP message" in answer.data


def test_pressure_is_told_with_a_time_to_wait(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for error, status in ((Busy("Too much waits."), 429), (Unavailable("No database.", 7), 503)):

        def refuse(requests: list[Any], error: Exception = error) -> list[Exception]:
            return [error for _ in requests]

        monkeypatch.setattr(server.ingester, "commit", refuse)
        for path, body in (("/v1/traces", trace_request(otlp_span(1))), ("/api/v1/calls", {"prompt": "hi"})):
            answer = server.post(path, body)
            assert answer.status_code == status
            assert int(answer.headers["retry-after"]) >= 1


def test_log_records_without_evaluations_are_welcome(server: Server) -> None:
    answer = server.post("/v1/logs", logs_request({"body": {"stringValue": "a line"}}))
    assert (answer.status_code, answer.get_json()) == (200, {})


def test_huge_attributes_are_cut_and_kept(server: Server) -> None:
    values = {f"app.{number}": "x" * 300 for number in range(500)}
    assert server.post("/v1/traces", body_of(otlp_span(1, values))).get_json() == {}
    assert server.count(tables.Span) == 1
