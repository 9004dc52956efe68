"""OpenInference: what its instrumentations tell outside of the attributes of the convention."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.decoding import CLAUDE, FRESH, OUT, READ, WRITE, WRITE_1H, cost_of, decode
from tests.telemetry import event

CALL: dict[str, Any] = {
    "openinference.span.kind": "LLM",
    "llm.provider": "anthropic",
    "llm.model_name": CLAUDE,
    "llm.token_count.prompt": 2_350,
    "llm.token_count.completion": 40,
    "llm.token_count.prompt_details.cache_read": 2_000,
    "llm.token_count.prompt_details.cache_write": 300,
}


def test_the_first_token_is_an_event() -> None:
    span = decode(CALL, events=[event("First Token Stream Event")]).span
    assert span.time_to_first_token_s == 1.0
    assert decode(CALL).span.time_to_first_token_s is None


def test_a_call_that_failed_names_its_model_among_the_parameters() -> None:
    attributes = {"openinference.span.kind": "LLM", "llm.invocation_parameters": '{"model": "gpt-5-mini"}'}
    span = decode(attributes, status={"code": 2, "message": "too many"}).span
    assert (span.model, span.status) == ("gpt-5-mini", "error")
    assert span.attributes["llm.invocation_parameters"] == '{"model": "gpt-5-mini"}'


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_hours_in_the_cache_and_the_tier_stand_in_the_response_of_the_provider(separators: tuple[str, str]) -> None:
    text = 'He said: {"service_tier": "flex"}'
    usage = {"cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200}}
    response = {"content": [{"type": "text", "text": text}], "usage": usage | {"service_tier": "priority"}}
    span = decode(CALL | {"output.value": json.dumps(response, separators=separators)}).span
    assert cost_of(span)[0] == pytest.approx(50 * FRESH + 2_000 * READ + 100 * WRITE + 200 * WRITE_1H + 40 * OUT)
    assert (span.service_tier, span.tokens.rule) == ("priority", "inclusive")
    assert decode(CALL | {"output.value": json.dumps({"content": text})}).span.service_tier == ""


def test_a_call_of_a_tool_stands_once() -> None:
    call = {"tool_call.function.name": "hours", "tool_call.function.arguments": "{}"}
    place = "llm.output_messages.0.message"
    attributes = {f"{place}.tool_calls.0.{name}": value for name, value in call.items()}
    attributes |= {f"{place}.contents.0.{name}": value for name, value in call.items()}
    attributes |= {f"{place}.contents.0.message_content.type": "tool_use", f"{place}.role": "assistant"}
    assert decode(CALL | attributes).span.response_parts.count("hours") == 1
