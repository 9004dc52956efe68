"""What a project without calls shows: how to send the first one, ready to be copied."""

from __future__ import annotations

from typing import Any

from dash import html

from dashboards import cards
from dashboards.filters import Request
from monitor import wording
from monitor.links import base_url, is_wide, page_link
from monitor.queries import options

_CURL = """curl {address}/api/v1/calls \\
  -H 'Content-Type: application/json'{header} \\
  -d '{{"project": "{project}", "model": "gpt-4o",
       "prompt": "Is 17077 a prime number?", "response": "Yes.",
       "latency_s": 0.8, "input_tokens": 12, "output_tokens": 2}}'"""

_SDK = """import monitor

monitor.init(project="{project}", endpoint="{address}"{argument})
monitor.log_call(
    model="gpt-4o",
    prompt="Is 17077 a prime number?",
    response="Yes.",
)
monitor.flush()"""

_OTLP = """export OTEL_EXPORTER_OTLP_TRACES_ENDPOINT={address}/v1/traces
export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf
export OTEL_RESOURCE_ATTRIBUTES=service.name={project}{variable}"""

_IMPORT = "llmops-monitor import calls.jsonl --project {project}"


_MOST_OTHERS = 10


def first_call(request: Request) -> html.Div:
    """The page of a project without calls."""
    settings = request.settings
    keyed = is_wide(settings)
    values = {
        "address": base_url(settings),
        "project": request.project,
        "header": " \\\n  -H 'Authorization: Bearer YOUR_KEY'" if keyed else "",
        "argument": ', api_key="YOUR_KEY"' if keyed else "",
        "variable": "\nexport OTEL_EXPORTER_OTLP_HEADERS=x-api-key=YOUR_KEY" if keyed else "",
    }
    others = [project.name for project in options.projects(request.store) if project.name != request.project]
    elsewhere = [
        part
        for name in others[:_MOST_OTHERS]
        for part in (" ", cards.link(wording.shortened(name, 60), page_link(request.path, project=name)))
    ]
    return html.Div(
        [
            cards.heading(
                "Waiting for the first call",
                f"Project {request.project} has no calls yet. Send one in any of these ways; "
                "it shows up here within a minute.",
            ),
            *([cards.note("Other projects:", *elsewhere)] if elsewhere else []),
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
