"""A callback for LiteLLM, as a library or in its proxy."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Unpack

from monitor.sdk import client
from monitor.sdk.client import CallFields
from monitor.sdk.snapshot import snapshot
from monitor.sdk.wrapping import plain

EMBEDDINGS = ("embedding", "aembedding")


def litellm_callback(**fields: Unpack[CallFields]) -> Any:
    """A logger to be given to LiteLLM: `litellm.callbacks = [monitor.litellm_callback()]`.

    `fields` are those of the call record, the same for each call. LiteLLM's `metadata` gives session and user, and its
    own reckoning becomes the sender's cost. Raises ImportError where litellm is not installed.
    """
    from litellm.integrations.custom_logger import CustomLogger

    class MonitorLogger(CustomLogger):  # type: ignore[misc] # untyped
        """Reports calls to the monitor."""

        def log_success_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
            _report(kwargs, response_obj, start_time, end_time, fields)

        def log_failure_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
            _report(kwargs, response_obj, start_time, end_time, fields, failed=True)

        async def async_log_success_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
            _report(kwargs, response_obj, start_time, end_time, fields)

        async def async_log_failure_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
            _report(kwargs, response_obj, start_time, end_time, fields, failed=True)

    return MonitorLogger()


def _report(
    kwargs: Mapping[str, Any], answer: Any, start: Any, end: Any, fields: CallFields, *, failed: bool = False
) -> None:
    try:
        record = {**_record(kwargs, answer, start, end), **fields}
        if failed:
            error = kwargs.get("exception")
            record |= {"status": "error", "error": f"{type(error).__name__}: {error}" if error else "failed"}
        client.log_call(**record)
    except Exception as problem:
        client.failed(problem)


def _record(kwargs: Mapping[str, Any], answer: Any, start: Any, end: Any) -> dict[str, Any]:
    details = kwargs.get("litellm_params") or {}
    metadata = details.get("metadata") or {}
    record: dict[str, Any] = {
        "name": "litellm",
        "kind": "embedding" if kwargs.get("call_type") in EMBEDDINGS else "llm",
        "model": str(kwargs.get("model") or ""),
        "requested_model": str(kwargs.get("model") or ""),
        "provider": str(kwargs.get("custom_llm_provider") or details.get("custom_llm_provider") or ""),
        "prompt": snapshot(kwargs.get("messages") or kwargs.get("input") or "")[0],
    }
    if isinstance(start, datetime) and isinstance(end, datetime):
        record["time"] = start.astimezone().isoformat()
        record["latency_s"] = (end - start).total_seconds()
        first = kwargs.get("completion_start_time")
        if kwargs.get("stream") and isinstance(first, datetime):
            record["time_to_first_token_s"] = max(0.0, (first - start).total_seconds())
    cost = kwargs.get("response_cost")
    if isinstance(cost, (int, float)):
        record["cost_usd"] = cost
    for field, names in (("session_id", ("session_id", "litellm_session_id")), ("user_id", ("user_id",))):
        value = next((metadata[name] for name in names if metadata.get(name)), None)
        if value is not None:
            record[field] = str(value)
    who = kwargs.get("user")
    if who and "user_id" not in record:
        record["user_id"] = str(who)
    if kwargs.get("cache_hit"):
        record["tags"] = {"cache_hit": True}
    return {**record, **_answered(answer)}


def _answered(answer: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    choices = getattr(answer, "choices", None) or []
    if choices:
        found["response"] = [plain(choice.message) for choice in choices if getattr(choice, "message", None)]
        found["finish_reason"] = str(choices[0].finish_reason or "")
    usage = getattr(answer, "usage", None)
    if usage is not None:
        found["usage"] = plain(usage)
    model = getattr(answer, "model", None)
    return {**found, "model": str(model)} if model else found
