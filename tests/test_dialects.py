"""Dialects: what each telemetry vocabulary says becomes the same span."""

from __future__ import annotations

import json
from typing import Any

import pytest

from monitor.contracts import Decoded
from monitor.ingest import otlp
from monitor.ingest.batch import Batch
from monitor.ingest.decode import all_dialects
from monitor.ingest.tokens import Counts, disjoint
from monitor.records import HIDDEN, Feedback, Message, Span, Tokens
from tests.telemetry import NOW, START, any_value, attributes_of, body_of, chat, event, logs_request, otlp_span


def read(*spans: Any, resource: dict[str, Any] | None = None) -> Batch:
    (batch,) = otlp.read_traces(body_of(*spans, resource=resource), otlp.JSON, lambda named: named or "default")
    return batch


def decode(attributes: dict[str, Any], **fields: Any) -> Decoded:
    batch = read(otlp_span(1, attributes, **fields))
    assert not batch.rejected, batch.rejected
    return Decoded(batch.spans[0], tuple(batch.feedback), tuple(batch.unmapped))


def span_of(attributes: dict[str, Any], **fields: Any) -> Span:
    return decode(attributes, **fields).span


def test_opentelemetry_as_it_is_now() -> None:
    decoded = decode(
        chat()
        | {
            "gen_ai.system_instructions": json.dumps([{"type": "text", "content": "Be brief."}]),
            "gen_ai.conversation.id": "c1",
            "user.id": "ann",
            "gen_ai.usage.cache_read.input_tokens": 100,
            "gen_ai.usage.cache_write.input_tokens": 5,
            "gen_ai.usage.reasoning.output_tokens": 10,
            "gen_ai.response.time_to_first_chunk": 0.25,
            "openai.response.service_tier": "flex",
            "gen_ai.request.temperature": 0.5,
            "gen_ai.response.id": "r1",
            "gen_ai.workflow.name": "checkout",
            "server.address": "api.openai.com",
            "app.custom": "kept",
        }
    )
    span = decoded.span
    assert (span.kind, span.provider, span.model, span.requested_model) == (
        "llm",
        "openai",
        "gpt-4o-2024-08-06",
        "gpt-4o",
    )
    assert span.prompt == (Message("system", "Be brief."), Message("user", "What is a river?"))
    assert span.response == "Water that flows."
    assert span.tokens == Tokens(
        input_uncached=15,
        input_cache_read=100,
        input_cache_write=5,
        output_text=20,
        output_reasoning=10,
        rule="inclusive",
    )
    assert (span.session_id, span.user, span.feature, span.service_tier) == ("c1", "ann", "checkout", "flex")
    assert (span.finish_reason, span.time_to_first_token_s, span.latency_s) == ("stop", 0.25, 1.5)
    assert span.attributes == {
        "gen_ai.request.temperature": 0.5,
        "gen_ai.response.id": "r1",
        "server.address": "api.openai.com",
        "app.custom": "kept",
    }
    assert decoded.unmapped == ("app.custom",)
    assert span.source == "otlp test.scope 1.0"


def test_structured_messages_need_no_json_text() -> None:
    span = span_of(chat() | {"gen_ai.input.messages": [{"role": "user", "parts": [{"type": "text", "content": "hi"}]}]})
    assert span.prompt == (Message("user", "hi"),)


def test_tool_calls_are_kept_beside_the_text() -> None:
    call = {"type": "tool_call", "id": "1", "name": "weather", "arguments": {"city": "Paris"}}
    span = span_of(
        chat()
        | {"gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": [call], "finish_reason": "tool_call"}])}
    )
    assert span.response == ""
    assert json.loads(span.response_parts) == [call]


@pytest.mark.parametrize(
    "events",
    [
        [
            event("gen_ai.system.message", content="Be brief."),
            event("gen_ai.user.message", content="What is a river?"),
            event("gen_ai.choice", index=0, finish_reason="length", message='{"content": "Water that flows."}'),
        ],
        [
            event("gen_ai.system.message", **{"gen_ai.event.content": '{"content": "Be brief."}'}),
            event("gen_ai.user.message", **{"gen_ai.event.content": '{"content": "What is a river?"}'}),
            event(
                "gen_ai.choice",
                **{
                    "gen_ai.event.content": json.dumps(
                        {"finish_reason": "length", "message": {"content": "Water that flows."}}
                    )
                },
            ),
        ],
        [
            event(
                "gen_ai.content.prompt",
                **{
                    "gen_ai.prompt": json.dumps(
                        [
                            {"role": "system", "content": "Be brief."},
                            {"role": "user", "content": "What is a river?"},
                        ]
                    )
                },
            ),
            event(
                "gen_ai.content.completion",
                **{"gen_ai.completion": '[{"role": "assistant", "content": "Water that flows."}]'},
            ),
        ],
        [
            event(
                "gen_ai.client.inference.operation.details",
                **{
                    "gen_ai.input.messages": json.dumps(
                        [
                            {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
                            {"role": "user", "parts": [{"type": "text", "content": "What is a river?"}]},
                        ]
                    ),
                    "gen_ai.output.messages": json.dumps(
                        [{"role": "assistant", "parts": [{"type": "text", "content": "Water that flows."}]}]
                    ),
                },
            )
        ],
    ],
    ids=["message events", "event content", "content events", "details event"],
)
def test_messages_in_events(events: list[dict[str, Any]]) -> None:
    span = span_of(
        {
            "gen_ai.system": "openai",
            "gen_ai.request.model": "gpt-4",
            "gen_ai.usage.prompt_tokens": 7,
            "gen_ai.usage.completion_tokens": 3,
        },
        events=events,
    )
    assert span.prompt == (Message("system", "Be brief."), Message("user", "What is a river?"))
    assert span.response == "Water that flows."
    assert (span.kind, span.provider, span.model) == ("llm", "openai", "gpt-4")
    assert (span.tokens.input, span.tokens.output) == (7, 3)


def test_openllmetry_flattened_messages() -> None:
    decoded = decode(
        {
            "llm.request.type": "chat",
            "gen_ai.system": "OpenAI",
            "gen_ai.request.model": "gpt-4",
            "gen_ai.prompt.0.role": "system",
            "gen_ai.prompt.0.content": "Be brief.",
            "gen_ai.prompt.1.role": "user",
            "gen_ai.prompt.1.content": '[{"type": "text", "text": "What is a river?"}]',
            "gen_ai.prompt.10.role": "user",
            "gen_ai.prompt.10.content": "Really?",
            "gen_ai.prompt.2.role": "assistant",
            "gen_ai.prompt.2.content": "Water.",
            "gen_ai.completion.0.role": "assistant",
            "gen_ai.completion.0.content": "Yes.",
            "gen_ai.completion.0.finish_reason": "stop",
            "gen_ai.completion.0.tool_calls.0.name": "look_up",
            "gen_ai.completion.0.tool_calls.0.arguments": "{}",
            "gen_ai.usage.input_tokens": 9,
            "gen_ai.usage.output_tokens": 1,
            "llm.usage.total_tokens": 10,
            "gen_ai.usage.cache_read_input_tokens": 4,
            "traceloop.association.properties.session_id": "s1",
            "traceloop.association.properties.user_id": "u1",
            "traceloop.association.properties.plan": "pro",
            "traceloop.workflow.name": "advice",
            "traceloop.prompt.version": 3,
        }
    )
    span = decoded.span
    assert [message.content for message in span.prompt] == ["Be brief.", "What is a river?", "Water.", "Really?"]
    assert span.response == "Yes."
    assert json.loads(span.response_parts) == [{"name": "look_up", "arguments": "{}"}]
    assert (span.session_id, span.user, span.feature, span.prompt_version) == ("s1", "u1", "advice", "3")
    assert (span.finish_reason, span.tokens.input, span.tokens.input_cache_read) == ("stop", 9, 4)
    assert span.tags == {"service": "shop", "plan": "pro"}
    assert decoded.unmapped == ()


def test_openinference() -> None:
    decoded = decode(
        {
            "openinference.span.kind": "LLM",
            "llm.model_name": "claude-3-5-sonnet-20241022",
            "llm.provider": "anthropic",
            "llm.system": "anthropic",
            "llm.invocation_parameters": '{"temperature": 0}',
            "input.value": '{"messages": []}',
            "input.mime_type": "application/json",
            "output.value": "{}",
            "llm.input_messages.0.message.role": "system",
            "llm.input_messages.0.message.content": "Be brief.",
            "llm.input_messages.1.message.role": "user",
            "llm.input_messages.1.message.contents.0.message_content.type": "text",
            "llm.input_messages.1.message.contents.0.message_content.text": "What is this?",
            "llm.input_messages.1.message.contents.1.message_content.type": "image",
            "llm.input_messages.1.message.contents.1.message_content.image.image.url": "https://example.org/x.png",
            "llm.output_messages.0.message.role": "assistant",
            "llm.output_messages.0.message.content": "A river.",
            "llm.output_messages.0.message.tool_calls.0.tool_call.id": "t1",
            "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "look_up",
            "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": "{}",
            "llm.token_count.prompt": 20,
            "llm.token_count.completion": 5,
            "llm.token_count.total": 125,
            "llm.token_count.prompt_details.cache_read": 100,
            "llm.cost.total": 0.0021,
            "llm.cost.prompt": 0.001,
            "session.id": "s1",
            "user.id": "ann",
            "metadata": '{"plan": "pro", "user_id": "never a tag", "list": [1]}',
            "tag.tags": ["beta"],
            "llm.prompt_template.version": "v7",
            "llm.finish_reason": "end_turn",
        }
    )
    span = decoded.span
    assert (span.kind, span.provider, span.model) == ("llm", "anthropic", "claude-3-5-sonnet-20241022")
    assert [(message.role, message.content) for message in span.prompt] == [
        ("system", "Be brief."),
        ("user", "What is this?"),
    ]
    assert "example.org/x.png" in span.prompt[1].parts
    assert span.response == "A river."
    assert "look_up" in span.response_parts
    assert span.tokens == Tokens(input_uncached=20, input_cache_read=100, output_text=5, rule="exclusive")
    assert (span.cost_usd, span.session_id, span.user) == (0.0021, "s1", "ann")
    assert span.tags == {"service": "shop", "plan": "pro", "beta": True}
    assert (span.prompt_version, span.finish_reason) == ("v7", "end_turn")
    assert "never a tag" not in repr(span.tags)
    assert decoded.unmapped == ()


def test_openinference_hidden_content_stays_hidden() -> None:
    span = span_of(
        {"openinference.span.kind": "LLM", "llm.model_name": "m", "input.value": HIDDEN, "output.value": HIDDEN}
    )
    assert span.response == HIDDEN
    assert not span.has_response


def test_a_retriever_keeps_its_documents() -> None:
    span = span_of(
        {
            "openinference.span.kind": "RETRIEVER",
            "input.value": "river",
            "retrieval.documents.0.document.content": "A river is water.",
            "retrieval.documents.0.document.score": 0.9,
            "retrieval.documents.1.document.content": "Another one.",
        }
    )
    assert (span.kind, span.context) == ("retriever", ("A river is water.", "Another one."))
    assert span.prompt_text == "river"


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        ({"gen_ai.operation.name": "invoke_agent"}, "agent"),
        ({"gen_ai.operation.name": "execute_tool"}, "tool"),
        ({"gen_ai.operation.name": "embeddings"}, "embedding"),
        ({"gen_ai.operation.name": "retrieval"}, "retriever"),
        ({"gen_ai.operation.name": "invoke_workflow"}, "chain"),
        ({"gen_ai.operation.name": "fetch_response"}, "chain"),
        ({"traceloop.span.kind": "workflow"}, "chain"),
        ({"openinference.span.kind": "GUARDRAIL"}, "guardrail"),
        ({"openinference.span.kind": "EVALUATOR"}, "evaluator"),
        ({"http.request.method": "GET"}, "chain"),
    ],
)
def test_kinds(attributes: dict[str, Any], kind: str) -> None:
    assert span_of(attributes).kind == kind


def test_a_span_inside_a_trace_that_says_nothing_is_unknown() -> None:
    decoded = decode({"http.request.method": "GET", "app.x": 1}, parentSpanId="b" * 16)
    assert (decoded.span.kind, decoded.span.parent_id) == ("unknown", "b" * 16)
    assert decoded.span.attributes == {"http.request.method": "GET", "app.x": 1}
    assert decoded.unmapped == ("app.x",)


def test_usage_of_a_wrapper_is_not_counted_twice() -> None:
    span = span_of({"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 500})
    assert span.tokens == Tokens()
    assert span.attributes == {"usage.input_tokens": 500}


def test_a_span_in_two_vocabularies_loses_nothing() -> None:
    decoded = decode(
        {
            "openinference.span.kind": "LLM",
            "llm.model_name": "gpt-4o",
            "llm.input_messages.0.message.role": "user",
            "llm.input_messages.0.message.content": "hi",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.usage.input_tokens": 3,
            "gen_ai.usage.output_tokens": 2,
            "gen_ai.output.messages": '[{"role": "assistant", "parts": [{"type": "text", "content": "hello"}]}]',
            "gen_ai.conversation.id": "c9",
            "app.x": 1,
        }
    )
    span = decoded.span
    assert (span.response, span.session_id, span.tokens.input) == ("hello", "c9", 3)
    assert span.attributes == {"app.x": 1}
    assert decoded.unmapped == ("app.x",)


def test_the_resource_tells_environment_release_and_service() -> None:
    batch = read(
        otlp_span(1, chat()),
        resource={
            "service.name": "shop",
            "service.version": "2.1",
            "deployment.environment.name": "staging",
            "openinference.project.name": "river",
            "telemetry.sdk.language": "python",
            "tenant": "acme",
        },
    )
    span = batch.spans[0]
    assert (batch.project, batch.sender) == ("river", "shop")
    assert (span.release, span.environment, span.tags) == ("2.1", "staging", {"service": "shop"})
    assert span.attributes == {"resource.tenant": "acme"}


def test_errors() -> None:
    span = span_of(
        chat(),
        status={"code": "STATUS_CODE_ERROR", "message": "gave up"},
        events=[event("exception", **{"exception.type": "TimeoutError", "exception.message": "too slow"})],
    )
    assert (span.status, span.error) == ("error", "TimeoutError: too slow")
    assert span_of(chat(), status={"code": 2, "message": "gave up"}).error == "gave up"
    assert span_of(chat() | {"error.type": "429"}).status == "error"


def test_finish_reasons_as_a_json_text() -> None:
    assert span_of(chat() | {"gen_ai.response.finish_reasons": '["length"]'}).finish_reason == "length"


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        # Anthropic's own counting: the cached tokens come on top.
        (
            Counts(input=17, output=5, cache_read=17_817),
            Tokens(input_uncached=17, input_cache_read=17_817, output_text=5, rule="exclusive"),
        ),
        # OpenTelemetry and OpenAI: they are part of the input.
        (
            Counts(input=17_903, output=5, cache_read=17_817),
            Tokens(input_uncached=86, input_cache_read=17_817, output_text=5, rule="inclusive"),
        ),
        # Ambiguous, but the total gives it away.
        (
            Counts(input=100, output=5, total=155, cache_read=50),
            Tokens(input_uncached=100, input_cache_read=50, output_text=5, rule="exclusive"),
        ),
        (Counts(input=10, output=4), Tokens(input_uncached=10, output_text=4)),
        (Counts(), Tokens()),
        (
            Counts(input=10, output=4, reasoning=3, output_audio=1),
            Tokens(input_uncached=10, output_text=0, output_reasoning=3, output_audio=1),
        ),
        # Reasoning on top of the output, as some senders count.
        (Counts(output=4, reasoning=30), Tokens(output_text=4, output_reasoning=30)),
        (
            Counts(input=100, cache_write=60, cache_write_1h=20),
            Tokens(input_uncached=40, input_cache_write=40, input_cache_write_1h=20, rule="inclusive"),
        ),
        (Counts(input=10, cache_read=0), Tokens(input_uncached=10, input_cache_read=0)),
    ],
)
def test_token_buckets_are_disjoint(counts: Counts, expected: Tokens) -> None:
    assert disjoint(counts) == expected


def test_evaluation_events_become_feedback() -> None:
    decoded = decode(
        chat(),
        events=[
            event(
                "gen_ai.evaluation.result",
                **{
                    "gen_ai.evaluation.name": "relevance",
                    "gen_ai.evaluation.score.value": 0.75,
                    "gen_ai.evaluation.score.label": "relevant",
                    "gen_ai.evaluation.explanation": "on topic",
                },
            )
        ],
    )
    (said,) = decoded.feedback
    assert (said.name, said.value, said.label, said.comment) == ("relevance", 0.75, "relevant", "on topic")
    assert (said.trace_id, said.span_id, said.annotator) == (f"{1:032x}", f"{1:016x}", "code")


def annotated(prefix: str = "annotations") -> dict[str, Any]:
    return {
        "openinference.span.kind": "LLM",
        "session.id": "s1",
        f"{prefix}.0.annotation.name": "thumb",
        f"{prefix}.0.annotation.score": 1.0,
        f"{prefix}.0.annotation.annotator_kind": "HUMAN",
        f"{prefix}.0.annotation.identifier": "a1",
        f"{prefix}.1.annotation.name": "tone",
        f"{prefix}.1.annotation.label": "kind",
        f"{prefix}.1.annotation.explanation": "friendly",
        f"{prefix}.1.annotation.annotator_kind": "LLM",
    }


def test_annotations_are_about_their_span() -> None:
    first, second = decode(annotated()).feedback
    assert (first.name, first.value, first.annotator, first.identifier) == ("thumb", 1.0, "human", "a1")
    assert (second.label, second.comment, second.annotator) == ("kind", "friendly", "llm")
    assert {item.span_id for item in (first, second)} == {f"{1:016x}"}


def test_a_carrier_span_annotates_the_span_it_links_to() -> None:
    decoded = decode(annotated(), links=[{"traceId": "a" * 32, "spanId": "b" * 16}])
    assert {(item.trace_id, item.span_id) for item in decoded.feedback} == {("a" * 32, "b" * 16)}


@pytest.mark.parametrize(
    ("prefix", "target"),
    [("trace.annotations", (f"{1:032x}", "", "")), ("session.annotations", ("", "", "s1"))],
)
def test_annotations_of_traces_and_sessions_are_not_copied_to_spans(prefix: str, target: tuple[str, ...]) -> None:
    said = decode(annotated(prefix)).feedback
    assert {(item.trace_id, item.span_id, item.session_id) for item in said} == {target}


def test_evaluation_log_records_become_feedback() -> None:
    record = {
        "eventName": "gen_ai.evaluation.result",
        "traceId": "a" * 32,
        "spanId": "b" * 16,
        "attributes": attributes_of({"gen_ai.evaluation.name": "bias", "gen_ai.evaluation.score.label": "none"}),
    }
    lost = {key: value for key, value in record.items() if key != "traceId"}
    other = {"body": {"stringValue": "some line"}}
    (batch,) = otlp.read_logs(logs_request(record, other, lost), otlp.JSON, lambda named: "p", NOW)
    assert batch.feedback == [
        Feedback(name="bias", label="none", time=NOW, trace_id="a" * 32, span_id="b" * 16, annotator="code")
    ]
    assert [item.index for item in batch.rejected] == [2]


def test_messages_in_log_records_become_parts_of_their_span() -> None:
    def record(name: str, body: dict[str, Any], span: str = "b") -> dict[str, Any]:
        return {
            "eventName": name,
            "traceId": "a" * 32,
            "spanId": span * 16,
            "timeUnixNano": str(START),
            "body": any_value(body),
            "attributes": attributes_of({"gen_ai.system": "openai"}),
        }

    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Water."}}
    records = [
        record("gen_ai.user.message", {"content": "What is a river?"}),
        record("gen_ai.choice", choice),
        record("gen_ai.user.message", {"content": "And a lake?"}, span="c"),
        record("gen_ai.user.message", {"content": "Lost"}, span=""),
    ]
    (batch,) = otlp.read_logs(logs_request(*records), otlp.JSON, lambda named: "p", NOW)
    first, second = batch.spans
    assert (first.prompt_text, first.response, first.finish_reason) == ("What is a river?", "Water.", "stop")
    assert (first.kind, first.provider, first.source) == ("llm", "openai", "otlp log")
    assert (second.prompt_text, second.span_id) == ("And a lake?", "c" * 16)
    assert [item.index for item in batch.rejected] == [3]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"traceId": "zz"}, "traceId: must be 32 hexadecimal digits"),
        ({"traceId": "0" * 32}, "not all zero"),
        ({"spanId": 7}, "spanId: must be text, not a number"),
        ({"startTimeUnixNano": "soon"}, "startTimeUnixNano: must be nanoseconds"),
        ({"startTimeUnixNano": 0, "endTimeUnixNano": 0}, "is missing or out of range"),
        ({"startTimeUnixNano": str(2**70)}, "must be nanoseconds since 1970"),
        ({"attributes": "x"}, "attributes: must be a list"),
        ({"attributes": [{"key": "a", "value": 3}]}, "a value must be an object"),
        ({"attributes": [{"key": "a", "value": {"intValue": "x"}}]}, "must be a whole number"),
        ({"events": [3]}, "events: must hold objects"),
        ({"status": []}, "status: must be an object"),
    ],
)
def test_bad_spans_are_turned_down_and_good_ones_kept(fields: dict[str, Any], reason: str) -> None:
    batch = read(otlp_span(1, chat()), otlp_span(2, chat()) | fields, otlp_span(3, chat()))
    assert [span.span_id for span in batch.spans] == [f"{1:016x}", f"{3:016x}"]
    assert list(batch.positions) == [0, 2]
    assert [item.index for item in batch.rejected] == [1]
    assert reason in batch.rejected[0].reason


def test_names_of_fields_may_be_the_original_ones() -> None:
    span = otlp_span(1, chat())
    span["trace_id"] = span.pop("traceId").upper()
    span["start_time_unix_nano"] = int(span.pop("startTimeUnixNano"))
    assert read(span).spans[0].trace_id == f"{1:032x}"


def test_an_end_before_the_start_is_no_latency() -> None:
    assert span_of(chat(), endTimeUnixNano=str(START - 1)).latency_s is None


def test_values_of_every_type_are_kept() -> None:
    values = {"a": True, "b": 2**60, "c": 0.5, "d": ["x", 1], "e": {"f": {"g": "h"}}}
    assert span_of(values, parentSpanId="b" * 16).attributes == values
    assert any_value(True) == {"boolValue": True}


def test_dialects_are_found_and_ordered() -> None:
    names = [dialect.name for dialect in all_dialects()]
    assert {"langfuse", "vercel", "litellm", "mlflow", "logfire", "traceloop", "openlit"} < set(names)
    assert names[-3:] == ["openinference", "gen_ai", "plain"]


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"langfuse.environment": "test"},
        {"hidden_params": "{}"},
        {"request_data": "{}"},
        {"gen_ai.sdk.version": "1"},
        {"traceloop.span.kind": "workflow"},
        {"ai.operationId": "ai.generateText.doGenerate"},
        {"openinference.span.kind": "LLM"},
    ],
)
def test_a_misspelt_count_is_noticed_in_every_dialect(more: dict[str, Any]) -> None:
    named = {"gen_ai.usage.cache_raed.input_tokens": 5, "gen_ai.usage.input_tokens": 9, "gen_ai.request.top_p": 1.0}
    names = set(decode(named | {"gen_ai.operation.name": "chat"} | more).unmapped)
    assert names & {"gen_ai.usage.cache_raed.input_tokens", *named} == {"gen_ai.usage.cache_raed.input_tokens"}


def test_the_result_of_a_tool_is_its_answer() -> None:
    attributes = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.call.arguments": '{"day": "Monday"}'}
    span = decode(attributes | {"gen_ai.tool.call.result": "From nine.", "g": "a letter", "e": "another"}).span
    assert (span.kind, span.prompt_text, span.response) == ("tool", '{"day":"Monday"}', "From nine.")


def test_the_sdk_of_anthropic_tells_its_own_calls() -> None:
    span = decode(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.usage.input_tokens": 2_350,
            "gen_ai.usage.cache_read.input_tokens": 2_000,
            "gen_ai.usage.cache_write.input_tokens": 300,
            "anthropic.usage.cache_creation.ephemeral_5m_input_tokens": 100,
            "anthropic.usage.cache_creation.ephemeral_1h_input_tokens": 200,
            "anthropic.response.service_tier": "priority",
            "anthropic.message.stop_reason": "end_turn",
        }
    ).span
    tokens = span.tokens
    assert (tokens.input_uncached, tokens.input_cache_write, tokens.input_cache_write_1h) == (50, 100, 200)
    assert (span.service_tier, span.finish_reason, tokens.rule) == ("priority", "end_turn", "inclusive")


def test_the_first_piece_of_a_stream_is_the_first_token() -> None:
    pieces = [event("gen_ai.content.completion.chunk"), event("gen_ai.content.completion.chunk")]
    assert decode({"gen_ai.operation.name": "chat"}, events=pieces).span.time_to_first_token_s == 1.0


def test_a_failure_in_a_log_record_is_told_with_its_span() -> None:
    record = {
        "traceId": f"{1:032x}",
        "spanId": f"{1:016x}",
        "timeUnixNano": str(START),
        "eventName": "gen_ai.client.operation.exception",
        "attributes": attributes_of({"exception.type": "RateLimitError", "exception.message": "too many"}),
    }
    (batch,) = otlp.read_logs(logs_request(record), otlp.JSON, lambda named: "p", NOW)
    (span,) = batch.spans
    assert (span.kind, span.error) == ("llm", "RateLimitError: too many")
