"""Helicone: requests as its export tool and its API give them (JSON Lines, JSON, CSV).

Bodies are there where the export was made with them (`--include-body`); without, calls come with figures only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.files.mapping import look_up
from monitor.files.presets import Preset
from monitor.ingest.values import number, try_json


def _finish(record: dict[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    status = number(look_up(row, "response_status"))
    failed = status is not None and not 200 <= status < 300
    record["status"] = "error" if failed else "ok"
    if failed and "error" not in record:
        record["error"] = f"HTTP {status:.0f}" if status and status > 0 else "failed"
    if not failed:
        record.pop("error", None)
    if isinstance(record.get("provider"), str):
        record["provider"] = record["provider"].lower()
    for name, value in _mapping(row, "scores"):
        record.setdefault("feedback", []).append({"name": name, "value": value, "annotator": "code"})
    properties = {
        name: value
        for name, value in _mapping(row, "request_properties")
        if not name.lower().startswith("helicone-session-")
    }
    if properties:
        record["tags"] = properties
    return record


def _mapping(row: Mapping[str, Any], column: str) -> list[tuple[str, Any]]:
    value = try_json(row.get(column))
    if not isinstance(value, Mapping):
        return []
    return [(str(name), item) for name, item in value.items() if isinstance(item, (str, int, float))]


PRESET = Preset(
    "helicone",
    "Helicone (requests)",
    (frozenset({"request_created_at", "response_status", "prompt_tokens"}),),
    (
        "id=request_id|response_id",
        "time=utc(request_created_at)",
        "user_id=request_user_id|helicone_user",
        "session_id=request_properties.Helicone-Session-Id|request_properties.helicone-session-id",
        "feature=request_properties.Helicone-Session-Name",
        "provider=provider",
        "model=response_model|model|request_model|model_override",
        "requested_model=request_model",
        "prompt=request_body.messages|request_body.input|request_body.prompt|request_prompt",
        "response=response_body.choices.0.message|response_body.content|response_body.choices.0.text"
        "|response_body.output|response_prompt",
        "error=response_body.error.message|response_body.error",
        "finish_reason=response_body.choices.0.finish_reason|response_body.stop_reason",
        "latency_s=delay_ms/1000",
        "time_to_first_token_s=time_to_first_token/1000",
        "input_tokens=prompt_tokens",
        "output_tokens=completion_tokens",
        "cached_input_tokens=prompt_cache_read_tokens",
        "cache_write_input_tokens=prompt_cache_write_tokens",
        "cost_usd=costUSD|cost_usd|cost",
        "prompt_version=prompt_version|prompt_id",
        "tags=request_properties",
        "feedback.thumb=feedback_rating",
    ),
    _finish,
)
