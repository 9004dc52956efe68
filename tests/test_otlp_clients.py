"""Applications instrumented with the real SDKs, over HTTP to a real server: their calls land whole."""

from __future__ import annotations

import base64
import json
import threading
import urllib.request
from collections.abc import Callable, Iterator, Sequence

import pytest
from google.protobuf.json_format import MessageToDict
from openinference.semconv.trace import (
    DocumentAttributes,
    MessageAttributes,
    OpenInferenceSpanKindValues,
    SpanAttributes,
)
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer
from sqlalchemy import func, select

from monitor import tables
from monitor.records import Message, Span, Tokens
from monitor.rows import span_of
from monitor.settings import Settings
from monitor.store import Store, table_of
from monitor.web import Listener, close_server, create_server


@pytest.fixture
def address(store: Store, settings: Settings) -> Iterator[str]:
    """Where a server with the ingest part listens."""
    local = settings.model_copy(update={"host": "127.0.0.1", "port": 0})
    server = create_server(local, store, {"ingest"})
    listener = Listener(server, local)
    thread = threading.Thread(target=listener.run)
    thread.start()
    yield listener.address
    listener.stop()
    thread.join(10)
    close_server(server)


class JsonExporter(SpanExporter):
    """Exports in OTLP's JSON encoding, which the Python SDK has no exporter for."""

    def __init__(self, address: str) -> None:
        self._address = address

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        request = MessageToDict(encode_spans(spans))
        for group in request["resourceSpans"]:
            for scope in group["scopeSpans"]:
                for item in [part for span in scope["spans"] for part in (span, *span.get("links", ()))]:
                    for name in ("traceId", "spanId", "parentSpanId"):
                        if name in item:  # protobuf's JSON has base64 here, OTLP's has hexadecimal digits
                            item[name] = base64.b64decode(item[name]).hex()
        body = json.dumps(request).encode()
        sent = urllib.request.Request(self._address, body, {"content-type": "application/json"})
        with urllib.request.urlopen(sent, timeout=30) as answer:
            assert json.loads(answer.read()) == {}
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        return


def protobuf(address: str) -> SpanExporter:
    return OTLPSpanExporter(f"{address}/v1/traces")


def compressed(address: str) -> SpanExporter:
    return OTLPSpanExporter(f"{address}/v1/traces", compression=Compression.Gzip)


def as_json(address: str) -> SpanExporter:
    return JsonExporter(f"{address}/v1/traces")


EXPORTERS = pytest.mark.parametrize("exporter", [protobuf, compressed, as_json])
Exporter = Callable[[str], SpanExporter]


def run(application: Callable[[Tracer], None], exporter: SpanExporter) -> None:
    """Runs an application with an SDK of its own and sends what it traced."""
    resource = Resource.create(
        {"service.name": "shop", "service.version": "1.4.2", "deployment.environment.name": "production"}
    )
    provider = TracerProvider(resource=resource)
    processor = BatchSpanProcessor(exporter)
    provider.add_span_processor(processor)
    application(provider.get_tracer("shop.assistant", "0.1"))
    assert provider.force_flush(30_000)
    provider.shutdown()


def stored(store: Store) -> dict[str, Span]:
    span, body = table_of(tables.Span), table_of(tables.Body)
    with store.read() as connection:
        bodies = {row.id: row for row in connection.execute(select(body))}
        result = {}
        for row in connection.execute(select(span).order_by(span.c.id)).mappings():
            text = bodies.get(row["id"])
            result[row["name"]] = span_of(row, text.codec if text else None, text.data if text else None)
        return result


def pending(store: Store) -> int:
    with store.read() as connection:
        return int(connection.execute(select(func.count()).select_from(table_of(tables.Pending))).scalar_one())


def gen_ai_application(tracer: Tracer) -> None:
    """A request, an agent and two calls, after OpenTelemetry's conventions: one as they are now, one as they were."""
    with (
        tracer.start_as_current_span("POST /ask", kind=SpanKind.SERVER, attributes={"http.request.method": "POST"}),
        tracer.start_as_current_span("invoke_agent helper") as agent,
    ):
        agent.set_attributes({"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 999})
        with tracer.start_as_current_span("chat gpt-4o", kind=SpanKind.CLIENT) as call:
            call.set_attributes(
                {
                    "gen_ai.operation.name": "chat",
                    "gen_ai.provider.name": "openai",
                    "gen_ai.request.model": "gpt-4o",
                    "gen_ai.response.model": "gpt-4o-2024-08-06",
                    "gen_ai.conversation.id": "conversation 1",
                    "user.id": "ann@example.org",
                    "gen_ai.usage.input_tokens": 200,
                    "gen_ai.usage.cache_read.input_tokens": 128,
                    "gen_ai.usage.output_tokens": 40,
                    "gen_ai.response.finish_reasons": ["stop"],
                    "gen_ai.input.messages": json.dumps(
                        [{"role": "user", "parts": [{"type": "text", "content": "Mail me: ann@example.org"}]}]
                    ),
                    "gen_ai.output.messages": json.dumps(
                        [
                            {
                                "role": "assistant",
                                "parts": [{"type": "text", "content": "Done."}],
                                "finish_reason": "stop",
                            }
                        ]
                    ),
                }
            )
        with tracer.start_as_current_span("chat old") as old:
            old.set_attributes(
                {
                    "gen_ai.system": "openai",
                    "gen_ai.operation.name": "chat",
                    "gen_ai.request.model": "gpt-4",
                    "gen_ai.usage.prompt_tokens": 12,
                    "gen_ai.usage.completion_tokens": 0,
                    "session.id": "conversation 1",
                }
            )
            old.add_event("gen_ai.user.message", {"content": "Why?"})
            old.record_exception(TimeoutError("too slow"))
            old.set_status(Status(StatusCode.ERROR, "gave up"))


@EXPORTERS
def test_an_application_with_opentelemetry(address: str, store: Store, exporter: Exporter) -> None:
    run(gen_ai_application, exporter(address))
    spans = stored(store)
    assert {name: span.kind for name, span in spans.items()} == {
        "POST /ask": "chain",
        "invoke_agent helper": "agent",
        "chat gpt-4o": "llm",
        "chat old": "llm",
    }
    assert pending(store) == 2
    call = spans["chat gpt-4o"]
    assert (call.provider, call.model, call.requested_model) == ("openai", "gpt-4o-2024-08-06", "gpt-4o")
    assert call.prompt[0].content.startswith("Mail me: [EMAIL_")
    assert call.response == "Done."
    assert call.tokens == Tokens(input_uncached=72, input_cache_read=128, output_text=40, rule="inclusive")
    assert (call.session_id, call.release, call.environment) == ("conversation 1", "1.4.2", "production")
    assert len(call.user) == 16
    assert call.tags == {"service": "shop"}
    assert call.latency_s is not None
    assert call.parent_id == spans["invoke_agent helper"].span_id
    assert call.trace_id == spans["POST /ask"].trace_id
    old = spans["chat old"]
    assert (old.tokens.input, old.tokens.output, old.session_id) == (12, 0, "conversation 1")
    assert (old.status, old.error, old.prompt_text) == ("error", "TimeoutError: too slow", "Why?")
    assert spans["invoke_agent helper"].tokens == Tokens()


def openinference_application(tracer: Tracer) -> None:
    """A chain with a retriever and a call, with the attribute names of OpenInference's own package."""
    kind, message = SpanAttributes.OPENINFERENCE_SPAN_KIND, MessageAttributes
    with tracer.start_as_current_span("answer", attributes={kind: OpenInferenceSpanKindValues.CHAIN.value}):
        with tracer.start_as_current_span("retrieve") as retriever:
            document = f"{SpanAttributes.RETRIEVAL_DOCUMENTS}.0.{DocumentAttributes.DOCUMENT_CONTENT}"
            retriever.set_attributes(
                {
                    kind: OpenInferenceSpanKindValues.RETRIEVER.value,
                    SpanAttributes.INPUT_VALUE: "opening hours",
                    document: "Open from nine to five.",
                }
            )
        with tracer.start_as_current_span("completion") as call:
            question, answer = f"{SpanAttributes.LLM_INPUT_MESSAGES}.0", f"{SpanAttributes.LLM_OUTPUT_MESSAGES}.0"
            call.set_attributes(
                {
                    kind: OpenInferenceSpanKindValues.LLM.value,
                    SpanAttributes.LLM_MODEL_NAME: "claude-3-5-sonnet-20241022",
                    SpanAttributes.LLM_PROVIDER: "anthropic",
                    f"{question}.{message.MESSAGE_ROLE}": "user",
                    f"{question}.{message.MESSAGE_CONTENT}": "When do you open?",
                    f"{answer}.{message.MESSAGE_ROLE}": "assistant",
                    f"{answer}.{message.MESSAGE_CONTENT}": "At nine.",
                    SpanAttributes.LLM_TOKEN_COUNT_PROMPT: 30,
                    SpanAttributes.LLM_TOKEN_COUNT_COMPLETION: 8,
                    SpanAttributes.LLM_TOKEN_COUNT_PROMPT_DETAILS_CACHE_READ: 500,
                    SpanAttributes.LLM_COST_TOTAL: 0.00123,
                    SpanAttributes.SESSION_ID: "s1",
                    SpanAttributes.USER_ID: "ann",
                    SpanAttributes.METADATA: json.dumps({"plan": "pro"}),
                    SpanAttributes.TAG_TAGS: ["beta"],
                    SpanAttributes.LLM_PROMPT_TEMPLATE_VERSION: "v3",
                }
            )


@EXPORTERS
def test_an_application_with_openinference(address: str, store: Store, exporter: Exporter) -> None:
    run(openinference_application, exporter(address))
    spans = stored(store)
    assert {name: span.kind for name, span in spans.items()} == {
        "answer": "chain",
        "retrieve": "retriever",
        "completion": "llm",
    }
    call = spans["completion"]
    assert (call.provider, call.model) == ("anthropic", "claude-3-5-sonnet-20241022")
    assert call.prompt == (Message("user", "When do you open?"),)
    assert call.response == "At nine."
    assert call.tokens == Tokens(input_uncached=30, input_cache_read=500, output_text=8, rule="exclusive")
    assert (call.cost_usd, call.session_id, call.prompt_version) == (0.00123, "s1", "v3")
    assert call.user not in ("", "ann")
    assert call.tags == {"service": "shop", "plan": "pro", "beta": True}
    assert spans["retrieve"].context == ("Open from nine to five.",)


def test_what_is_sent_twice_is_stored_once(address: str, store: Store) -> None:
    class Twice(OTLPSpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            super().export(spans)
            return super().export(spans)

    run(gen_ai_application, Twice(f"{address}/v1/traces"))
    assert len(stored(store)) == 4
    with store.read() as connection:
        sender = connection.execute(select(table_of(tables.Sender))).mappings().one()
    assert (sender["name"], sender["accepted"], sender["duplicates"]) == ("shop", 4, 4)
