"""Exports of other tools become call records: rules of `--map`, and a preset for each tool.

The rows below have the shapes that these tools document or write:

- Langfuse: observations and traces of its pages (`BatchExportTracesRow` in langfuse/langfuse; columns of the API's
  observations), and of blob storage: `YYYY-MM-DD HH:MM:SS.ffffff` in UTC, input and output as texts, details as objects
  (https://langfuse.com/docs/api-and-data-platform/features/blob-storage-export-fields).
- Phoenix: the columns of `get_spans_dataframe` (`context.span_id`, `span_kind`, `attributes.llm.*`, messages as lists
  of `message.role` and `message.content`; https://arize.com/docs/phoenix, "Export Data & Query Spans"), and the span
  object of its API (`context`, `attributes`).
- Helicone: `HeliconeRequest` of Helicone/helicone, which `examples/export/typescript` writes as JSON Lines, JSON and
  CSV (https://docs.helicone.ai/tools/export).
- OpenAI: `BatchRequestOutput` of its OpenAPI description (`custom_id`, `response.body`), and the chat completion
  objects that `GET /chat/completions` lists.
- LiteLLM: table `LiteLLM_SpendLogs` of `schema.prisma` in BerriAI/litellm, and `StandardLoggingPayload`
  (https://docs.litellm.ai/docs/proxy/logging_spec).
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor import cli
from monitor.errors import InputError
from monitor.files import LogFile
from monitor.files.log_file import Piece, read_piece
from monitor.files.mapping import look_up, parse_rule
from monitor.files.presets import preset_named, presets
from monitor.files.reading import reading_of, try_out
from monitor.ingest.call_record import read_call
from monitor.records import Feedback, Message, Span
from tests.conftest import NOW

PROMPT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Where is my parcel?"}]
TIME = datetime(2026, 3, 2, 8, 0, 0, tzinfo=UTC)

LANGFUSE_OBSERVATION = {
    "id": "obs-1",
    "traceId": "trace-1",
    "parentObservationId": None,
    "type": "GENERATION",
    "name": "answer",
    "startTime": "2026-03-02T08:00:00.000Z",
    "endTime": "2026-03-02T08:00:01.500Z",
    "completionStartTime": "2026-03-02T08:00:00.250Z",
    "model": "gpt-4o",
    "modelParameters": {"temperature": 0.2},
    "environment": "production",
    "level": "DEFAULT",
    "statusMessage": None,
    "input": {"messages": PROMPT},
    "output": {"role": "assistant", "content": "Near."},
    "usageDetails": {"input": 90, "input_cached_tokens": 30, "output": 15, "output_reasoning_tokens": 5, "total": 140},
    "costDetails": {"input": 0.001, "output": 0.002, "total": 0.003},
    "metadata": {"shop": "de"},
    "scores": {"helpful": [0.5], "tone": ["kind"]},
}
LANGFUSE_BLOB = {
    "id": "obs-1",
    "trace_id": "trace-1",
    "project_id": "p",
    "type": "GENERATION",
    "name": "answer",
    "start_time": "2026-03-02 08:00:00.000000",
    "end_time": "2026-03-02 08:00:01.500000",
    "completion_start_time": "2026-03-02 08:00:00.250000",
    "provided_model_name": "gpt-4o",
    "environment": "production",
    "level": "DEFAULT",
    "user_id": "u1",
    "session_id": "s1",
    "input": json.dumps(PROMPT),
    "output": "Near.",
    "usage_details": {"input": 90, "input_cached_tokens": 30, "output": 15, "output_reasoning_tokens": 5},
    "cost_details": {"total": 0.003},
    "tags": ["beta"],
}
PHOENIX_ROW = {
    "context.span_id": "span-1",
    "context.trace_id": "trace-1",
    "parent_id": None,
    "name": "ChatCompletion",
    "span_kind": "LLM",
    "start_time": "2026-03-02T08:00:00+00:00",
    "end_time": "2026-03-02T08:00:01.500000+00:00",
    "status_code": "OK",
    "status_message": "",
    "events": [],
    "attributes.llm.model_name": "gpt-4o",
    "attributes.llm.provider": "openai",
    "attributes.llm.input_messages": [
        {"message.role": "system", "message.content": "Be brief."},
        {"message.role": "user", "message.content": "Where is my parcel?"},
    ],
    "attributes.llm.output_messages": [{"message.role": "assistant", "message.content": "Near."}],
    "attributes.llm.token_count.prompt": 120,
    "attributes.llm.token_count.completion": 20,
    "attributes.llm.token_count.prompt_details.cache_read": 30,
    "attributes.llm.invocation_parameters": '{"temperature": 0.2}',
    "attributes.session.id": "s1",
    "attributes.user.id": "u1",
}
PHOENIX_SPAN = {
    "id": "U3Bhbjox",
    "name": "ChatCompletion",
    "context": {"trace_id": "trace-1", "span_id": "span-1"},
    "span_kind": "LLM",
    "start_time": "2026-03-02T08:00:00Z",
    "end_time": "2026-03-02T08:00:01.500Z",
    "status_code": "OK",
    "status_message": "",
    "attributes": {
        "llm.model_name": "gpt-4o",
        "llm.input_messages": [
            {"message": {"role": "system", "content": "Be brief."}},
            {"message": {"role": "user", "content": "Where is my parcel?"}},
        ],
        "output.value": "Near.",
        "llm.token_count.prompt": 120,
        "llm.token_count.completion": 20,
        "llm.token_count.prompt_details.cache_read": 30,
        "session.id": "s1",
        "user.id": "u1",
    },
}
HELICONE = {
    "response_id": "r-1",
    "response_created_at": "2026-03-02T08:00:01.500Z",
    "response_status": 200,
    "response_model": "gpt-4o",
    "request_id": "q-1",
    "request_created_at": "2026-03-02T08:00:00.000Z",
    "request_path": "https://api.openai.com/v1/chat/completions",
    "request_user_id": "u1",
    "request_properties": {"Helicone-Session-Id": "s1", "plan": "pro"},
    "request_model": "gpt-4o",
    "provider": "OPENAI",
    "delay_ms": 1500,
    "time_to_first_token": 250,
    "prompt_tokens": 120,
    "completion_tokens": 20,
    "prompt_cache_read_tokens": 30,
    "costUSD": 0.003,
    "feedback_rating": True,
    "scores": {"accuracy": 1},
    "request_body": {"model": "gpt-4o", "messages": PROMPT},
    "response_body": {"choices": [{"message": {"role": "assistant", "content": "Near."}, "finish_reason": "stop"}]},
}
COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": int(TIME.timestamp()),
    "model": "gpt-4o-2024-08-06",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Near."}, "finish_reason": "stop"}],
    "usage": {
        "prompt_tokens": 120,
        "completion_tokens": 20,
        "total_tokens": 140,
        "prompt_tokens_details": {"cached_tokens": 30},
        "completion_tokens_details": {"reasoning_tokens": 5},
    },
    "service_tier": "default",
    "metadata": {"shop": "de"},
}
BATCH = {
    "id": "batch_req_1",
    "custom_id": "request-1",
    "response": {"status_code": 200, "request_id": "req_1", "body": {**COMPLETION, "metadata": None}},
    "error": None,
}
RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": TIME.timestamp(),
    "status": "completed",
    "model": "gpt-4o-2024-08-06",
    "output": [
        {"type": "reasoning", "summary": []},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Near."}]},
    ],
    "usage": {
        "input_tokens": 120,
        "input_tokens_details": {"cached_tokens": 30},
        "output_tokens": 20,
        "output_tokens_details": {"reasoning_tokens": 5},
    },
    "user": "u1",
    "metadata": {},
}
LITELLM_LOG = {
    "request_id": "chatcmpl-1",
    "call_type": "acompletion",
    "api_key": "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b",
    "spend": 0.003,
    "total_tokens": 140,
    "prompt_tokens": 120,
    "completion_tokens": 20,
    "startTime": "2026-03-02T08:00:00Z",
    "endTime": "2026-03-02T08:00:01.500Z",
    "completionStartTime": "2026-03-02T08:00:00.250Z",
    "model": "gpt-4o",
    "model_group": "chat",
    "custom_llm_provider": "openai",
    "user": "",
    "end_user": "u1",
    "metadata": {"usage_object": {"prompt_tokens_details": {"cached_tokens": 30}}},
    "cache_hit": "None",
    "request_tags": ["beta"],
    "messages": PROMPT,
    "response": {"choices": [{"message": {"role": "assistant", "content": "Near."}, "finish_reason": "stop"}]},
    "session_id": "s1",
    "status": "success",
}
LITELLM_PAYLOAD = {
    "id": "chatcmpl-1",
    "trace_id": "trace-1",
    "call_type": "acompletion",
    "response_cost": 0.003,
    "status": "success",
    "prompt_tokens": 120,
    "completion_tokens": 20,
    "startTime": TIME.timestamp(),
    "endTime": TIME.timestamp() + 1.5,
    "completionStartTime": TIME.timestamp() + 0.25,
    "model": "gpt-4o",
    "model_group": "chat",
    "end_user": "u1",
    "metadata": {},
    "request_tags": [],
    "messages": PROMPT,
    "response": {"choices": [{"message": {"role": "assistant", "content": "Near."}, "finish_reason": "stop"}]},
}

ROWS: dict[str, tuple[str, dict[str, Any]]] = {
    "langfuse observation": ("langfuse", LANGFUSE_OBSERVATION),
    "langfuse blob storage": ("langfuse", LANGFUSE_BLOB),
    "phoenix data frame": ("phoenix", PHOENIX_ROW),
    "phoenix span": ("phoenix", PHOENIX_SPAN),
    "helicone": ("helicone", HELICONE),
    "openai completion": ("openai", COMPLETION),
    "openai batch": ("openai", BATCH),
    "openai response": ("openai", RESPONSE),
    "litellm spend log": ("litellm", LITELLM_LOG),
    "litellm payload": ("litellm", LITELLM_PAYLOAD),
}
WITHOUT_PROMPT = ("openai completion", "openai batch", "openai response")
WITHOUT_LATENCY = WITHOUT_PROMPT
IDS = {
    "langfuse observation": "obs-1",
    "langfuse blob storage": "obs-1",
    "phoenix data frame": "span-1",
    "phoenix span": "span-1",
    "helicone": "q-1",
    "openai completion": "chatcmpl-1",
    "openai batch": "request-1",
    "openai response": "resp_1",
    "litellm spend log": "chatcmpl-1",
    "litellm payload": "chatcmpl-1",
}


def read(path: Path, preset: str = "auto") -> tuple[Span, tuple[Feedback, ...], str]:
    """The first call of a file, what was said of it, the preset it was read with."""
    log = LogFile(path)
    reading = reading_of(log, (), preset)
    [row] = log.rows(reading.convert)
    assert row.problem == ""
    decoded = read_call(row.record, NOW)
    return decoded.span, decoded.feedback, reading.preset.name if reading.preset else ""


def write(path: Path, row: dict[str, Any]) -> Path:
    if path.suffix == ".csv":
        stream = io.StringIO()
        writer = csv.DictWriter(stream, row)
        writer.writeheader()
        writer.writerow(
            {name: json.dumps(item) if isinstance(item, (dict, list)) else item for name, item in row.items()}
        )
        path.write_text(stream.getvalue())
    elif path.suffix == ".parquet":
        import pyarrow
        import pyarrow.parquet

        moments = {name: datetime.fromisoformat(row[name]) for name in ("start_time", "end_time") if name in row}
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist([row | moments]), path)
    elif path.suffix == ".json":
        path.write_text(json.dumps([row], indent=2))
    else:
        path.write_text(json.dumps(row) + "\n")
    return path


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, (dict, list)) else value


def shapes() -> list[tuple[str, str]]:
    found = [(name, suffix) for name in ROWS for suffix in (".jsonl", ".json", ".csv")]
    return [*found, ("phoenix data frame", ".parquet"), ("langfuse blob storage", ".parquet")]


@pytest.mark.parametrize(("name", "suffix"), shapes())
def test_every_shape_is_recognised_and_means_the_same_call(tmp_path: Path, name: str, suffix: str) -> None:
    preset, row = ROWS[name]
    span, _, found = read(write(tmp_path / f"export{suffix}", row))
    assert found == preset
    assert span.kind == "llm"
    assert span.time == TIME
    assert span.model.startswith("gpt-4o")
    assert span.response == "Near."
    if name not in WITHOUT_PROMPT:
        assert span.prompt == (Message("system", "Be brief."), Message("user", "Where is my parcel?"))
    if name not in WITHOUT_LATENCY:
        assert span.latency_s == pytest.approx(1.5)
    assert (span.tokens.input, span.tokens.output) == (120, 20)
    if name != "litellm payload":
        assert span.tokens.input_cache_read == 30
        assert span.tokens.input_uncached == 90
    assert span.status == "ok"
    assert span.error == ""
    assert span.span_id == IDS[name]


def test_what_tools_know_beside_the_call(tmp_path: Path) -> None:
    span, said, _ = read(write(tmp_path / "a.jsonl", LANGFUSE_OBSERVATION))
    assert (span.trace_id, span.environment, span.cost_usd) == ("trace-1", "production", 0.003)
    assert span.time_to_first_token_s == pytest.approx(0.25)
    assert span.tokens.output_reasoning == 5
    assert [(item.name, item.value, item.label) for item in said] == [("helpful", 0.5, None), ("tone", None, "kind")]
    assert span.attributes["metadata"] == {"shop": "de"}, "what has no field is kept"
    span, _, _ = read(write(tmp_path / "b.jsonl", LANGFUSE_BLOB))
    assert (span.session_id, span.user, span.tags) == ("s1", "u1", {"beta": True})
    span, _, _ = read(write(tmp_path / "c.jsonl", PHOENIX_ROW))
    assert (span.trace_id, span.session_id, span.user, span.provider) == ("trace-1", "s1", "u1", "openai")
    assert span.attributes["attributes.llm.invocation_parameters"] == {"temperature": 0.2}
    span, said, _ = read(write(tmp_path / "d.jsonl", HELICONE))
    assert (span.session_id, span.user, span.provider, span.cost_usd) == ("s1", "u1", "openai", 0.003)
    assert span.tags == {"plan": "pro"}
    assert {(item.name, item.value, item.annotator) for item in said} == {
        ("thumb", 1.0, "human"),
        ("accuracy", 1.0, "code"),
    }
    span, _, _ = read(write(tmp_path / "e.jsonl", COMPLETION))
    assert (span.tags, span.finish_reason, span.provider) == ({"shop": "de"}, "stop", "openai")
    span, _, _ = read(write(tmp_path / "f.jsonl", LITELLM_LOG))
    assert (span.user, span.session_id, span.cost_usd) == ("u1", "s1", 0.003)
    assert span.tags == {"model_group": "chat", "call_type": "acompletion", "beta": True}


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ({**LANGFUSE_OBSERVATION, "level": "ERROR", "statusMessage": "rate limited", "output": None}, "rate limited"),
        ({**PHOENIX_ROW, "status_code": "ERROR", "status_message": "timeout"}, "timeout"),
        ({**HELICONE, "response_status": 429, "response_body": {"error": {"message": "slow down"}}}, "slow down"),
        ({**HELICONE, "response_status": 500, "response_body": None}, "HTTP 500"),
        ({**BATCH, "response": None, "error": {"code": "batch_expired", "message": "expired"}}, "expired"),
        ({**LITELLM_PAYLOAD, "status": "failure", "error_str": "no route"}, "no route"),
    ],
)
def test_failed_calls_are_errors(tmp_path: Path, row: dict[str, Any], error: str) -> None:
    span, _, _ = read(write(tmp_path / "export.jsonl", row))
    assert (span.status, span.error) == ("error", error)


def test_other_kinds_of_operations_stay_what_they_are(tmp_path: Path) -> None:
    documents = {"attributes.retrieval.documents": [{"document.content": "A"}]}
    rows = [
        ({**LANGFUSE_OBSERVATION, "type": "RETRIEVER"}, "retriever"),
        ({**LANGFUSE_OBSERVATION, "type": "SPAN"}, "unknown"),
        ({**PHOENIX_ROW, "span_kind": "RETRIEVER", **documents}, "retriever"),
        ({**LITELLM_LOG, "call_type": "aembedding"}, "embedding"),
    ]
    found = [read(write(tmp_path / f"{number}.jsonl", row))[0] for number, (row, _) in enumerate(rows)]
    assert [span.kind for span in found] == [kind for _, kind in rows]
    assert found[2].context == ("A",)


def test_each_preset_is_tested_and_says_how_it_is_recognised() -> None:
    assert set(presets()) == {preset for preset, _ in ROWS.values()} | {"monitor"}
    for preset in presets().values():
        assert preset.recognised_by
        assert all(columns for columns in preset.recognised_by)
    with pytest.raises(InputError, match=r"there are .*langfuse"):
        preset_named("other")


def test_own_call_records_are_read_as_such(tmp_path: Path) -> None:
    path = write(tmp_path / "log.jsonl", {"id": "a", "prompt": "x", "model": "m", "time": "2026-03-02T08:00:00Z"})
    assert reading_of(LogFile(path)).preset is None
    path = write(tmp_path / "other.jsonl", LITELLM_LOG)
    assert reading_of(LogFile(path), preset="none").preset is None


RULES = [
    ("model=request.model", "gpt"),
    ("model=absent|request.model", "gpt"),
    ("prompt=request.messages.-1.content", None),
    ("prompt=request.messages.1.content", "two"),
    ("prompt=embedded.messages.0", "one"),
    ("latency_s=latency ms/1000", 1.5),
    ("latency_s=minutes*60", 120.0),
    ("latency_s=seconds(start, end)", 2.0),
    ("latency_s=seconds(end, start)", None),
    ("time=epoch(created)", "2026-03-02T08:00:00+00:00"),
    ("time=epoch(created_ms)", "2026-03-02T08:00:00+00:00"),
    ("time=utc(start)", "2026-03-02T08:00:00+00:00"),
    ("time=utc(broken)", "yesterday"),
    ("environment:=production", "production"),
    ('context:=["a", "b"]', ["a", "b"]),
    ("tags.plan=a.b.c", "dotted"),
    ("model=nothing", None),
    ("model=empty", None),
]


@pytest.mark.parametrize(("text", "value"), RULES)
def test_rules(text: str, value: Any) -> None:
    row = {
        "request": {"model": "gpt", "messages": [{"content": "one"}, {"content": "two"}]},
        "embedded": '{"messages": ["one"]}',
        "latency ms": "1500",
        "minutes": 2,
        "start": "2026-03-02 08:00:00",
        "end": "2026-03-02T08:00:02Z",
        "created": TIME.timestamp(),
        "created_ms": TIME.timestamp() * 1000,
        "broken": "yesterday",
        "a.b": {"c": "dotted"},
        "empty": "",
        "nothing": None,
    }
    assert parse_rule(text).value(row) == value


@pytest.mark.parametrize(
    "text",
    ["model", "=x", "model=", "colour=x", "tags.=x", "latency_s=a/0", "latency_s=seconds(a)", "model=a||b", "=:1"],
)
def test_rules_that_mean_nothing_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="--map"):
        parse_rule(text)


def test_a_path_ends_somewhere() -> None:
    deep: Any = "end"
    for _ in range(100):
        deep = {"a": deep}
    assert look_up(deep, ".".join("a" * 100)) is None
    assert look_up([1, 2], "5") is None
    assert look_up("text", "a") is None


def test_columns_that_no_rule_names_are_read_as_ever(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("q,answer,lat,prompt_tokens,Team\nwhy?,because,1500,7,blue\n")
    log = LogFile(path)
    reading = reading_of(log, ("prompt=q", "latency_s=lat/1000", "feedback.stars:=4"))
    [row] = log.rows(reading.convert)
    assert row.record == {
        "prompt": "why?",
        "latency_s": 1.5,
        "response": "because",
        "input_tokens": "7",
        "Team": "blue",
        "feedback": [{"name": "stars", "value": 4}],
    }
    trial = try_out(log, reading, NOW, UTC)
    assert (trial.line, trial.unmapped, trial.problem) == (2, ["Team"], "")
    with pytest.raises(InputError, match="there is no column question; there are q, answer, lat"):
        reading_of(log, ("prompt=question",))


def test_own_rules_win_over_a_preset(tmp_path: Path) -> None:
    path = write(tmp_path / "log.jsonl", LANGFUSE_OBSERVATION)
    reading = reading_of(LogFile(path), ("feature=metadata.shop", "model:=mine"))
    [row] = LogFile(path).rows(reading.convert)
    span = read_call(row.record, NOW).span
    assert (span.feature, span.model, span.response) == ("de", "mine", "Near.")


def test_the_command_tells_what_it_would_do_and_does_it(tmp_path: Path) -> None:
    path = write(tmp_path / "log.jsonl", LITELLM_LOG)
    url = f"sqlite:///{tmp_path / 'store.db'}"

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(cli.commands, ["import", str(path), *arguments], standalone_mode=False)

    done = run("--database-url", url, "--dry-run")
    assert done.return_value == 0
    [trial] = json.loads(done.stdout)["files"]
    assert (trial["preset"], trial["record"]["user_id"]) == ("litellm", "u1")
    assert "api_key" in trial["unmapped"]
    assert "looks like an export of LiteLLM" in done.stderr
    assert not (tmp_path / "store.db").exists()
    done = run("--database-url", url)
    assert "1 calls imported" in done.stdout
    with path.open("a") as stream:
        stream.write("{broken\n")
    assert run("--database-url", url).return_value == 0
    assert run("--database-url", url, "--strict").return_value == 1
    assert cli.run(["import", str(path), "--preset", "unknown"]) == 2
    assert cli.run(["import", str(path), "--map", "colour=x"]) == 2


odd = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3) | st.sampled_from(["[1]", "{}", "ERROR"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["message", "role"]), inner, max_size=2)
    ),
    max_leaves=6,
)


@given(data=st.data(), name=st.sampled_from(sorted(ROWS)))
@settings(max_examples=150, deadline=None)
def test_rows_of_any_shape_are_read_or_turned_down(data: st.DataObject, name: str) -> None:
    preset, row = ROWS[name]
    changed = data.draw(st.dictionaries(st.sampled_from(sorted(row)), odd, max_size=4))
    found = read_piece(Piece(1, json.dumps(row | changed).encode()), presets()[preset].mapping)
    if found.record is None:
        assert found.problem
        return
    with contextlib.suppress(InputError):
        read_call(found.record, NOW)
