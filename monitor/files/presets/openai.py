"""OpenAI: stored chat completions and responses, and the output files of the Batch API (JSON Lines).

A batch's output has the answers only: the requests stand in its input file, so calls come without prompts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.files.mapping import look_up
from monitor.files.presets import Preset
from monitor.ingest.values import number


def _finish(record: dict[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    record["provider"] = "openai"
    status = number(look_up(row, "response.status_code"))
    error = record.get("error")
    if isinstance(error, Mapping):
        record["error"] = str(error.get("message") or error.get("code") or "error")
    if (status is not None and status >= 400) or look_up(row, "status") in ("failed", "cancelled"):
        record["status"] = "error"
    output = record.get("response")
    if isinstance(output, list):  # of the Responses API: messages among reasoning and calls
        said = [item for item in output if isinstance(item, Mapping)]
        record["response"] = [item for item in said if item.get("type") == "message"] or said
    return record


PRESET = Preset(
    "openai",
    "OpenAI (stored completions, batch output)",
    (
        frozenset({"id", "custom_id", "response", "error"}),
        frozenset({"id", "object", "created", "model", "choices"}),
        frozenset({"id", "object", "created_at", "model", "output"}),
    ),
    (
        "id=custom_id|id",
        "time=epoch(response.body.created|response.body.created_at|created|created_at)",
        "model=response.body.model|model",
        "prompt=messages|input|request.messages",
        "response=response.body.choices.0.message|response.body.output|choices.0.message|output",
        "finish_reason=response.body.choices.0.finish_reason|choices.0.finish_reason",
        "service_tier=response.body.service_tier|service_tier",
        "input_tokens=response.body.usage.prompt_tokens|response.body.usage.input_tokens|usage.prompt_tokens"
        "|usage.input_tokens",
        "output_tokens=response.body.usage.completion_tokens|response.body.usage.output_tokens"
        "|usage.completion_tokens|usage.output_tokens",
        "cached_input_tokens=response.body.usage.prompt_tokens_details.cached_tokens"
        "|response.body.usage.input_tokens_details.cached_tokens|usage.prompt_tokens_details.cached_tokens"
        "|usage.input_tokens_details.cached_tokens",
        "reasoning_tokens=response.body.usage.completion_tokens_details.reasoning_tokens"
        "|response.body.usage.output_tokens_details.reasoning_tokens|usage.completion_tokens_details.reasoning_tokens"
        "|usage.output_tokens_details.reasoning_tokens",
        "error=error|response.body.error",
        "user_id=metadata.user_id|user",
        "session_id=metadata.session_id|conversation.id",
        "tags=metadata",
    ),
    _finish,
)
