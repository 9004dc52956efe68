"""Langfuse: observations and traces as its pages export them (JSON, JSON Lines, CSV), and its blob storage exports.

Pages and API spell columns `startTime`, blob storage `start_time`; both are read. Counts are Langfuse's usage details:
each is counted once (`input` is without cached tokens, `output` without reasoning). Scores of a row become feedback.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.files.mapping import look_up
from monitor.files.presets import Preset
from monitor.ingest.values import number, try_json

_KINDS = {
    "GENERATION": "llm",
    "EMBEDDING": "embedding",
    "RETRIEVER": "retriever",
    "TOOL": "tool",
    "AGENT": "agent",
    "CHAIN": "chain",
    "GUARDRAIL": "guardrail",
    "EVALUATOR": "evaluator",
    "SPAN": "unknown",
    "EVENT": "unknown",
}


def _finish(record: dict[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    kind = record.get("kind")
    if kind is not None:
        record["kind"] = _KINDS.get(str(kind).upper(), "unknown")
    if str(look_up(row, "level") or "").upper() == "ERROR":
        record["status"] = "error"
    elif "error" in record:  # Langfuse keeps messages of any level there
        record.setdefault("attributes", {})["status_message"] = record.pop("error")
        record["status"] = "ok"
    _count_parts(record)
    answer = try_json(record.get("response"))
    if _is_message(answer) or (isinstance(answer, list) and answer and all(map(_is_message, answer))):
        record["response"] = answer  # blob storage keeps messages as texts
    _name_tags(record)
    _add_scores(record, row)
    return record


def _count_parts(record: dict[str, Any]) -> None:
    """Langfuse's details stand beside each other; the call record counts parts in what they are parts of."""
    for whole, part in (("input_tokens", "cached_input_tokens"), ("output_tokens", "reasoning_tokens")):
        counted, more = number(record.get(whole)), number(record.get(part))
        if counted is not None and more:
            record[whole] = int(counted + more)


def _is_message(value: Any) -> bool:
    return isinstance(value, Mapping) and "role" in value


def _name_tags(record: dict[str, Any]) -> None:
    """Langfuse's tags are a list of words: each becomes a tag that is true."""
    given = try_json(record.get("tags"))
    if isinstance(given, list):
        record["tags"] = {str(word): True for word in given}
    elif not isinstance(given, Mapping):
        record.pop("tags", None)


def _add_scores(record: dict[str, Any], row: Mapping[str, Any]) -> None:
    """Scores by name: a value, or a list of values."""
    scores = try_json(row.get("scores"))
    if not isinstance(scores, Mapping):
        return
    said = record.setdefault("feedback", [])
    for name, values in scores.items():
        for value in values if isinstance(values, list) else [values]:
            if isinstance(value, (str, int, float)) and value != "":
                said.append({"name": str(name), "value": value})
    record.get("attributes", {}).pop("scores", None)


PRESET = Preset(
    "langfuse",
    "Langfuse (observations, traces)",
    (
        frozenset({"id", "traceId", "type", "startTime"}),
        frozenset({"id", "trace_id", "type", "start_time", "project_id"}),
        frozenset({"id", "timestamp", "bookmarked", "input", "output"}),
        frozenset({"id", "timestamp", "userId", "sessionId", "input", "output"}),
    ),
    (
        "id=id",
        "trace_id=traceId|trace_id",
        "parent_id=parentObservationId|parent_observation_id",
        "session_id=sessionId|session_id",
        "user_id=userId|user_id",
        "time=utc(startTime|start_time|timestamp)",
        "kind=type",
        "name=name",
        "model=model|provided_model_name|providedModelName|model_id",
        "prompt=input",
        "response=output",
        "environment=environment",
        "release=release",
        "prompt_version=promptVersion|prompt_version",
        "feature=traceName|trace_name",
        "latency_s=seconds(startTime|start_time,endTime|end_time)",
        "time_to_first_token_s=seconds(startTime|start_time,completionStartTime|completion_start_time)",
        "input_tokens=usageDetails.input|usage_details.input|usage.input|usage.promptTokens|promptTokens|inputUsage",
        "output_tokens=usageDetails.output|usage_details.output|usage.output|usage.completionTokens|completionTokens"
        "|outputUsage",
        "cached_input_tokens=usageDetails.input_cached_tokens|usageDetails.cache_read_input_tokens"
        "|usage_details.input_cached_tokens|usage_details.cache_read_input_tokens",
        "reasoning_tokens=usageDetails.output_reasoning_tokens|usage_details.output_reasoning_tokens",
        "cost_usd=costDetails.total|cost_details.total|totalCost|total_cost|calculatedTotalCost",
        "error=statusMessage|status_message",
        "tags=tags|traceTags",
    ),
    _finish,
)
