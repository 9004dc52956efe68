"""Telemetry as applications send it, in OTLP's JSON encoding: for tests of dialects and routes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

NOW = datetime(2026, 3, 11, 12, 30, tzinfo=UTC)
START = int(NOW.timestamp()) * 1_000_000_000 - 5_000_000_000


def any_value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [any_value(item) for item in value]}}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": attributes_of(value)}}
    return {"stringValue": value}


def attributes_of(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": name, "value": any_value(value)} for name, value in values.items()]


def event(name: str, /, **attributes: Any) -> dict[str, Any]:
    return {"name": name, "timeUnixNano": str(START + 1_000_000_000), "attributes": attributes_of(attributes)}


def otlp_span(number: int = 1, attributes: Mapping[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    return {
        "traceId": f"{number:032x}",
        "spanId": f"{number:016x}",
        "name": "chat gpt-4o",
        "kind": 3,
        "startTimeUnixNano": str(START),
        "endTimeUnixNano": str(START + 1_500_000_000),
        "attributes": attributes_of(attributes or {}),
        "status": {},
    } | fields


def trace_request(*spans: Any, resource: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": attributes_of(resource or {"service.name": "shop"})},
                "scopeSpans": [{"scope": {"name": "test.scope", "version": "1.0"}, "spans": list(spans)}],
            }
        ]
    }


def body_of(*spans: Any, resource: Mapping[str, Any] | None = None) -> bytes:
    return json.dumps(trace_request(*spans, resource=resource)).encode()


def logs_request(*records: Any) -> bytes:
    return json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": list(records)}]}]}).encode()


def chat(question: str = "What is a river?", answer: str = "Water that flows.") -> dict[str, Any]:
    """Attributes of a call after today's OpenTelemetry conventions."""
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.model": "gpt-4o-2024-08-06",
        "gen_ai.usage.input_tokens": 120,
        "gen_ai.usage.output_tokens": 30,
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": question}]}]),
        "gen_ai.output.messages": json.dumps(
            [{"role": "assistant", "parts": [{"type": "text", "content": answer}], "finish_reason": "stop"}]
        ),
    }


def messages(*pairs: tuple[str, str]) -> Sequence[dict[str, str]]:
    return [{"role": role, "content": content} for role, content in pairs]
