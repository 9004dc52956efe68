"""LiteLLM: spend logs of the proxy (table or API), and the standard logging payload that its callbacks write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.files.mapping import look_up
from monitor.files.presets import Preset
from monitor.ingest.values import try_json

_EMBEDDINGS = ("embedding", "aembedding")


def _finish(record: dict[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    call = str(look_up(row, "call_type") or "")
    if call in _EMBEDDINGS:
        record["kind"] = "embedding"
    failed = str(record.get("status", "")).lower() in ("failure", "failed", "error")
    record["status"] = "error" if failed else "ok"
    if not failed:
        record.pop("error", None)
    if not record.get("response"):
        record.pop("response", None)
    given = record.pop("tags", None)
    tags = {name: value for name, value in given.items() if value != "None"} if isinstance(given, Mapping) else {}
    words = try_json(look_up(row, "request_tags"))
    if isinstance(words, list):
        tags |= {str(word): True for word in words}
    if tags:
        record["tags"] = tags
    return record


PRESET = Preset(
    "litellm",
    "LiteLLM (spend logs, standard logging payload)",
    (
        frozenset({"request_id", "call_type", "spend", "startTime"}),
        frozenset({"id", "call_type", "response_cost", "startTime"}),
    ),
    (
        "id=request_id|id",
        "trace_id=trace_id",
        "session_id=session_id|metadata.session_id",
        "user_id=end_user|user",
        "time=utc(startTime)",
        "latency_s=seconds(startTime,endTime)",
        "time_to_first_token_s=seconds(startTime,completionStartTime)",
        "provider=custom_llm_provider",
        "model=model",
        "prompt=messages.messages|messages|proxy_server_request.messages",
        "response=response.choices.0.message|response.output|response",
        "finish_reason=response.choices.0.finish_reason",
        "input_tokens=prompt_tokens",
        "output_tokens=completion_tokens",
        "cached_input_tokens=metadata.usage_object.prompt_tokens_details.cached_tokens"
        "|metadata.additional_usage_values.cache_read_input_tokens|response.usage.prompt_tokens_details.cached_tokens",
        "cost_usd=spend|response_cost",
        "status=status|metadata.status",
        "error=error_str|error_information.error_message|metadata.error_information.error_message",
        "tags=request_tags",
        "tags.team_id=team_id",
        "tags.cache_hit=cache_hit",
        "tags.model_group=model_group",
        "tags.call_type=call_type",
    ),
    _finish,
)
