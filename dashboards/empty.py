"""What a project without calls shows: how to send the first one, ready to be copied."""

from __future__ import annotations

from typing import Any

from dash import html

from dashboards import cards
from dashboards.filters import Request

_CURL = """curl {address}/api/v1/calls \\
  -H 'Content-Type: application/json'{key} \\
  -d '{{"project": "{project}", "model": "gpt-4o", "prompt": "Is 17077 a prime number?",
       "response": "Yes.", "latency_s": 0.8, "input_tokens": 12, "output_tokens": 2}}'"""

_SDK = """import monitor

monitor.init(project="{project}", endpoint="{address}")
monitor.log_call(
    model="gpt-4o",
    prompt="Is 17077 a prime number?",
    response="Yes.",
)
monitor.flush()"""

_OTLP = """export OTEL_EXPORTER_OTLP_TRACES_ENDPOINT={address}/v1/traces
export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf
export OTEL_RESOURCE_ATTRIBUTES=service.name={project}"""

_IMPORT = "llmops-monitor import calls.jsonl --project {project}"


def first_call(request: Request) -> html.Div:
    """The page of a project without calls."""
    settings = request.settings
    address = settings.public_url.rstrip("/") or f"http://{settings.host}:{settings.port}"
    loopback = settings.host in ("127.0.0.1", "localhost", "::1")
    values = {
        "address": address,
        "project": request.project,
        "key": "" if loopback else " \\\n  -H 'Authorization: Bearer YOUR_KEY'",
    }
    return html.Div(
        [
            cards.heading(
                "Waiting for the first call",
                f"Project {request.project} has no calls yet. Send one in any of these ways; "
                "it shows up here within a minute.",
            ),
            html.Div(
                [
                    _way("One call with curl", _CURL.format(**values)),
                    _way("From Python", _SDK.format(**values)),
                    _way("An application with OpenTelemetry", _OTLP.format(**values)),
                    _way("A log file that is there already (JSONL, CSV, Parquet)", _IMPORT.format(**values)),
                ],
                className="two-columns",
            ),
            cards.note("No data of your own at hand? ", html.Code("llmops-monitor demo"), " serves a filled store."),
        ],
        className="page",
    )


def _way(title: str, text: str) -> Any:
    return cards.card(html.H2(title, className="card-title"), html.Pre(html.Code(text), tabIndex=0))
