"""Spans of any vocabulary, decoded, priced and compared: for tests of dialects."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from monitor.contracts import Decoded
from monitor.enrich import enrichers
from monitor.ingest import otlp
from monitor.records import Span
from monitor.settings import Settings
from tests.telemetry import NOW, otlp_span, trace_request

CLAUDE = "claude-sonnet-4-5-20250929"
# List prices of that model, in US dollars for a million tokens.
FRESH, READ, WRITE, WRITE_1H, OUT = 3.0, 0.3, 3.75, 6.0, 15.0
GPT_FRESH, GPT_READ, GPT_OUT = 2.5, 1.25, 10.0
# 500 fresh tokens, 8,000 read from the cache, 1,500 written to it, an answer of 100.
CACHED_COST = 500 * FRESH + 8_000 * READ + 1_500 * WRITE + 100 * OUT


def decode(attributes: dict[str, Any], *, scope: str = "test.scope", **fields: Any) -> Decoded:
    """What becomes of one span with these attributes, sent by a library of that name."""
    fields = {"name": "call", "parentSpanId": "b" * 16} | fields
    request = trace_request(otlp_span(1, attributes, **fields))
    request["resourceSpans"][0]["scopeSpans"][0]["scope"]["name"] = scope
    (batch,) = otlp.read_traces(json.dumps(request).encode(), otlp.JSON, lambda name: name or "default")
    assert not batch.rejected, batch.rejected
    return Decoded(batch.spans[0], tuple(batch.feedback), tuple(batch.unmapped))


def record(**values: Any) -> Span:
    """The record that a test expects, with what all spans of these tests have in common."""
    common: dict[str, Any] = {"trace_id": f"{1:032x}", "span_id": f"{1:016x}", "parent_id": "b" * 16, "name": "call"}
    common |= {"time": NOW - timedelta(seconds=5), "latency_s": 1.5, "source": "otlp test.scope 1.0"}
    tags = {"service": "shop"} | values.pop("tags", {})
    return Span(**(common | {"tags": tags} | values))


def cost_of(span: Span) -> tuple[Any, Any]:
    (signals,) = enrichers()["cost"].compute([span], Settings())
    cost = signals.get("cost_usd")
    return (round(float(cost) * 1e6, 3) if isinstance(cost, float | int) else None), signals["cost_source"]


def as_json(**values: Any) -> str:
    return json.dumps(values)


def conversation(*pairs: tuple[str, str]) -> str:
    return json.dumps([{"role": role, "content": content} for role, content in pairs])
