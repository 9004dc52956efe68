"""The calls that every client makes: the same questions to a stand-in of the provider, in one session, by one user."""

from __future__ import annotations

import os
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

PROVIDER = os.environ["PROVIDER_ADDRESS"]
MONITOR = os.environ["MONITOR_ADDRESS"]
KEY = os.environ["MONITOR_KEY"]
SERVICE = "shop"
SESSION = "session-7"
USER = "user-42"

OPENAI_MODEL = "gpt-5-mini"
ANTHROPIC_MODEL = "claude-sonnet-4-5"
SYSTEM = "Be brief."
PARAMETERS = {"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]}
FUNCTION = {"name": "opening_hours", "description": "Hours of the shop.", "parameters": PARAMETERS}
OPENAI_TOOLS = [{"type": "function", "function": FUNCTION}]
ANTHROPIC_TOOLS = [{"name": FUNCTION["name"], "description": FUNCTION["description"], "input_schema": PARAMETERS}]


def conversation(question: str) -> list[dict[str, str]]:
    """System and user message."""
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}]


def openai_client(make: Any) -> Any:
    """A client of OpenAI that asks the stand-in, once."""
    return make(base_url=f"{PROVIDER}/v1", api_key="none", max_retries=0)


def anthropic_client(make: Any) -> Any:
    """A client of Anthropic that asks the stand-in, once."""
    return make(base_url=PROVIDER, api_key="none", max_retries=0)


def call_openai(client: Any) -> None:
    """Chat, stream, a call of a tool, a failure, an embedding."""
    completions = client.chat.completions
    completions.create(model=OPENAI_MODEL, messages=conversation("When do you open?"))
    options = {"include_usage": True}
    for _ in completions.create(
        model=OPENAI_MODEL, messages=conversation("And on Sunday?"), stream=True, stream_options=options
    ):
        pass
    completions.create(model=OPENAI_MODEL, messages=conversation("Look it up."), tools=OPENAI_TOOLS)
    failing(lambda: completions.create(model=OPENAI_MODEL, messages=conversation("Please fail 429.")))
    client.embeddings.create(model="text-embedding-3-small", input="opening hours")


def call_responses(client: Any) -> None:
    """The same with the responses API: plain and as a stream."""
    client.responses.create(model=OPENAI_MODEL, instructions=SYSTEM, input="When do you open?")
    for _ in client.responses.create(model=OPENAI_MODEL, instructions=SYSTEM, input="And on Sunday?", stream=True):
        pass


def call_anthropic(client: Any) -> None:
    """Messages, stream, a call of a tool, a failure."""
    shared = {"model": ANTHROPIC_MODEL, "max_tokens": 100, "system": SYSTEM}

    def asked(question: str) -> list[dict[str, str]]:
        return [{"role": "user", "content": question}]

    client.messages.create(messages=asked("When do you open?"), **shared)
    for _ in client.messages.create(messages=asked("And on Sunday?"), stream=True, **shared):
        pass
    client.messages.create(messages=asked("Look it up."), tools=ANTHROPIC_TOOLS, **shared)
    failing(lambda: client.messages.create(messages=asked("Please fail 500."), **shared))


def failing(call: Any) -> None:
    """Makes a call that must fail."""
    try:
        call()
    except Exception as error:
        if "asked to fail" not in str(error):
            raise
    else:
        raise AssertionError("The provider did not fail.")


class WhoAsks(SpanProcessor):
    """Puts session and user on every span, for instrumentations that have no way of their own to say so."""

    def on_start(self, span: Span, parent_context: Any = None) -> None:
        span.set_attributes({"session.id": SESSION, "user.id": USER})


def tracer_provider(*processors: SpanProcessor) -> TracerProvider:
    """OpenTelemetry, sending each span at once to the monitor."""
    made = TracerProvider(resource=Resource.create({"service.name": SERVICE}))
    for processor in processors:
        made.add_span_processor(processor)
    made.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{MONITOR}/v1/traces")))
    return made
