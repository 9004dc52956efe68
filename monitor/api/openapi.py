"""The HTTP API described: one table of routes, from which requests are read, and OpenAPI 3.1 and /docs are made."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any, Literal

import msgspec

import monitor
from monitor.api import alarm_answers, answers, call_answers, evaluations
from monitor.api.posts import POSTS, post_operation
from monitor.contracts import Segment
from monitor.errors import InputError
from monitor.links import parse_segment
from monitor.queries.fairness import Scan

MAX_LIMIT = 500
PLAIN = "text/plain; version=0.0.4; charset=utf-8"
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2089, 1, 1, tzinfo=UTC)
SCHEMAS = "#/components/schemas/{name}"

ParameterKind = Literal["text", "time", "count", "segment", "cursor", "flag"]


@dataclass(frozen=True)
class Parameter:
    """One parameter of a request. `choices` are all the values there are; `place` is `query` or `path`."""

    name: str
    kind: ParameterKind
    description: str
    choices: tuple[str, ...] = ()
    default: str = ""
    place: Literal["query", "path"] = "query"

    def read(self, text: str) -> Any:
        """The value of what was sent. Raises InputError for what it cannot be."""
        if self.kind == "time":
            return parse_time(self.name, text)
        if self.kind == "count":
            if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= MAX_LIMIT:
                raise InputError(f"{self.name}: must be a number from 1 to {MAX_LIMIT}.")
            return int(text)
        if self.kind == "segment":
            segment = parse_segment(text)
            if text not in ("", ":") and segment == Segment():
                raise InputError(f"{self.name}: must be dimension:value, or empty for all traffic.")
            return segment
        if self.choices and text not in self.choices:
            raise InputError(f"{self.name}: must be one of {', '.join(self.choices)}.")
        return text

    @property
    def schema(self) -> dict[str, Any]:
        """Its JSON Schema."""
        if self.kind == "count":
            return {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": int(self.default)}
        schema: dict[str, Any] = {"type": "string"}
        if self.kind == "time":
            schema["examples"] = ["2026-03-11T00:00:00Z", "2026-03-11"]
        if self.choices:
            schema["enum"] = list(self.choices)
        if self.default:
            schema["default"] = self.default
        return schema


@dataclass(frozen=True)
class Route:
    """One path without a body: read with GET, or changed with POST. `name` is the handler's; `answer` the record, or a
    media type for other texts.
    """

    path: str
    name: str
    summary: str
    answer: Any
    parameters: tuple[Parameter, ...] = ()
    not_found: bool = False
    method: Literal["get", "post"] = "get"

    def read(self, arguments: Mapping[str, Sequence[str]], path_values: Mapping[str, str]) -> dict[str, Any]:
        """The values of a request; absent ones are None. Raises InputError for an unknown or malformed parameter."""
        known = {parameter.name: parameter for parameter in self.parameters if parameter.place == "query"}
        for name, texts in arguments.items():
            if name not in known:
                raise InputError(f"There is no parameter {name[:40]!r} here; there are {', '.join(sorted(known))}.")
            if len(texts) > 1:
                raise InputError(f"{name}: given more than once.")
            if "\0" in texts[0]:
                raise InputError(f"{name}: holds a NUL character.")
        if any("\0" in text for text in path_values.values()):
            raise InputError("The path holds a NUL character.")
        values: dict[str, Any] = dict(path_values)
        for name, parameter in known.items():
            text = arguments[name][0] if name in arguments else parameter.default
            values[name] = parameter.read(text) if text or name in arguments else None
        return values


PROJECT = Parameter("project", "text", "Name of the project; the one of the settings where it is left out.")
FROM = Parameter("from", "time", "Only from this time on: ISO 8601 with a zone, or a day (UTC).")
TO = Parameter("to", "time", "Only before this time.")
SEGMENT = Parameter("segment", "segment", "Only this segment, as dimension:value (`model:gpt-4`); `:` is all traffic.")
SIGNAL = Parameter("signal", "text", "Only this signal.")
INDICATOR = Parameter("indicator", "text", "Only this indicator.")
AFTER = Parameter("after", "cursor", "The `next` of the page before.")
LIMIT = Parameter("limit", "count", "Most items of a page.", default="50")
BLOCK = Parameter("block", "text", "Length of a block.", ("hour", "day"), "day")


def _path(name: str, description: str) -> Parameter:
    return Parameter(name, "text", description, place="path")


_PAGE = (PROJECT, FROM, TO, AFTER, LIMIT)

ROUTES = (
    Route("/api/v1/projects", "projects", "All projects by name.", answers.Listing[answers.Project], (AFTER, LIMIT)),
    Route(
        "/api/v1/segments",
        "segments",
        "The segments that were seen, by dimension and value.",
        answers.Listing[answers.SeenSegment],
        (PROJECT, Parameter("dimension", "text", "Only this dimension, such as `model`."), AFTER, LIMIT),
    ),
    Route(
        "/api/v1/verdicts",
        "verdicts",
        "Verdicts of all indicators, the newest block first.",
        answers.Listing[alarm_answers.Verdict],
        (
            *_PAGE,
            SEGMENT,
            INDICATOR,
            SIGNAL,
            Parameter("state", "text", "Only this state.", ("ok", "moved", "bad", "too_few", "no_data")),
        ),
    ),
    Route(
        "/api/v1/alerts",
        "alerts",
        "Alerts that were open in the range, the last opened first.",
        answers.Listing[alarm_answers.Alert],
        (
            *_PAGE,
            SEGMENT,
            INDICATOR,
            SIGNAL,
            Parameter("state", "text", "Only this state.", ("pending", "firing", "resolved")),
        ),
    ),
    Route(
        "/api/v1/incidents",
        "incidents",
        "Incidents that were open in the range, the last opened first, with their alerts.",
        answers.Listing[alarm_answers.Incident],
        (
            *_PAGE,
            Parameter("segment", "segment", "Only those with an alert in this segment."),
            Parameter("state", "text", "Only this state.", ("open", "resolved")),
        ),
    ),
    Route(
        "/api/v1/incidents/{incident_id}/false",
        "mark_false",
        "Say that an incident was a false alarm, or take that back. Where people log in this needs a login; a key is "
        "not enough.",
        alarm_answers.Incident,
        (
            _path("incident_id", "Id of the incident."),
            PROJECT,
            Parameter("is_false", "text", "`no` takes it back.", ("yes", "no"), "yes"),
        ),
        not_found=True,
        method="post",
    ),
    Route(
        "/api/v1/declared",
        "declare",
        "Declare a time that teaches no baseline and is not judged (an incident, a holiday), or that baselines begin "
        "anew (a cut: at `from`, or of the alerts of an `incident`). Where people log in this needs a login; a key is "
        "not enough.",
        alarm_answers.DeclaredTime,
        (
            PROJECT,
            Parameter("kind", "text", "What it is.", ("incident", "holiday", "cut"), "incident"),
            FROM,
            TO,
            Parameter("reason", "text", "Why; shown with the alarm budget and with alerts near it."),
            Parameter("incident", "text", "Id of the incident whose level is accepted as the new normal."),
            Parameter("segment", "segment", "For a cut: only there, as dimension:value."),
        ),
        not_found=True,
        method="post",
    ),
    Route(
        "/api/v1/budget",
        "budget",
        "The alarm budget: allowed, spent at most, alarms raised and marked false; what is worth a look today; what "
        "people declared.",
        alarm_answers.Budget,
        (PROJECT, FROM, TO),
    ),
    Route(
        "/api/v1/backtest",
        "backtest",
        "The back-test of the project's stored history: how it stands, and what the newest one found.",
        alarm_answers.BackTest,
        (PROJECT,),
    ),
    Route(
        "/api/v1/calls",
        "calls",
        "Calls, the newest first.",
        call_answers.CallListing,
        (
            *_PAGE,
            SEGMENT,
            Parameter("signal", "text", "Conditions such as `refusal:true` or `latency_s:2..`, joined by `;`."),
            Parameter("status", "text", "Only these calls.", ("ok", "error")),
            Parameter("session", "text", "Only this session."),
            Parameter("user", "text", "Only this user, by pseudonym."),
            Parameter("text", "text", "Only calls whose prompt, response or context holds this text."),
        ),
    ),
    Route(
        "/api/v1/calls/{trace_id}/{span_id}",
        "call",
        "One call whole: texts, tokens, signals, feedback.",
        call_answers.WholeCall,
        (_path("trace_id", "Id of the trace."), _path("span_id", "Id of the span."), PROJECT),
        not_found=True,
    ),
    Route(
        "/api/v1/traces/{trace_id}",
        "trace",
        "One trace: its spans in the order of a walk through their tree.",
        call_answers.WholeTrace,
        (_path("trace_id", "Id of the trace."), PROJECT, AFTER, LIMIT),
        not_found=True,
    ),
    Route(
        "/api/v1/costs",
        "costs",
        "Traffic, tokens and cost by block, of one segment or of each value of a dimension.",
        answers.Listing[answers.Cost],
        (*_PAGE, SEGMENT, Parameter("by", "text", "Dimension to split by, such as `model`."), BLOCK),
    ),
    Route(
        "/api/v1/profiles",
        "profiles",
        "Profiles: what each signal looked like in each block and segment, the oldest first.",
        answers.Listing[answers.ProfileAnswer],
        (*_PAGE, SEGMENT, SIGNAL, BLOCK),
    ),
    Route(
        "/api/v1/fairness",
        "fairness",
        "Weekly scans for unfairness, the newest first: every group against all others, users counted once.",
        answers.Listing[Scan],
        (PROJECT, TO, AFTER, LIMIT),
    ),
    Route(
        "/api/v1/judges",
        "judges",
        "Judge models: coverage, backlog, failures, cost, and agreement with people. By default over the last 28 days.",
        answers.Listing[evaluations.JudgeAnswer],
        (PROJECT, FROM, TO),
    ),
    Route("/healthz", "healthz", "The process is alive.", answers.Health),
    Route(
        "/readyz", "readyz", "The store can be reached and is of this version, and records are taken.", answers.Health
    ),
    Route("/metrics", "metrics", "The monitor's own figures in the Prometheus text format.", PLAIN),
    Route("/openapi.json", "openapi", "This description.", "application/json"),
    Route("/docs", "docs", "This description as a page.", "text/html"),
)


def parse_time(name: str, text: str) -> datetime:
    """A time with a zone, or a day, which begins at midnight UTC; at most the bounds of what is stored.

    Raises InputError for anything else.
    """
    # An unescaped plus sign of a zone arrives as a blank.
    text = text.strip().replace(" ", "+") if "T" in text else text.strip()
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            moment = datetime.combine(date.fromisoformat(text), time(), UTC)
        else:
            moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return min(max(moment, EARLIEST), LATEST).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise InputError(f"{name}: must be a time with a zone, such as 2026-03-11T00:00:00Z, or a day.")


def description(public_url: str = "") -> dict[str, Any]:
    """The API as OpenAPI 3.1."""
    records = [route.answer for route in ROUTES if not isinstance(route.answer, str)]
    sent = [record for post in POSTS for record in post.records]
    references, components = msgspec.json.schema_components([*records, *sent, answers.Problem], ref_template=SCHEMAS)
    by_record = dict(zip(map(str, [*records, *sent, answers.Problem]), references, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method] = _operation(route, by_record)
    for post in POSTS:
        paths.setdefault(post.path, {})["post"] = post_operation(post, by_record, problem_response)
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "LLMOps monitor",
            "version": monitor.__version__,
            "description": "Send calls and feedback; read what became of them: verdicts, alerts, incidents, costs.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "A key made with `llmops-monitor keys`."}
            },
        },
        "security": [{}, {"key": []}],
    }
    if public_url:
        document["servers"] = [{"url": public_url}]
    return document


def _operation(route: Route, by_record: Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(route.answer, str):
        content: dict[str, Any] = {route.answer.partition(";")[0]: {"schema": {}}}
    else:
        content = {"application/json": {"schema": by_record[str(route.answer)]}}
    responses = {"200": {"description": "As described.", "content": content}}
    codes = {"400": "A parameter is unknown or malformed."} if route.parameters else {}
    if any(parameter.name == "project" for parameter in route.parameters) or route.not_found:
        codes["404"] = "There is no such thing."
    if route.name == "readyz":
        responses["503"] = {"description": "Not ready; `problems` says why.", "content": content}
    for code, text in codes.items():
        responses[code] = problem_response(text)
    return {
        "operationId": route.name,
        "summary": route.summary,
        "parameters": [
            {
                "name": parameter.name,
                "in": parameter.place,
                "required": parameter.place == "path",
                "description": parameter.description,
                "schema": parameter.schema,
            }
            for parameter in route.parameters
        ],
        "responses": responses,
    }


def problem_response(text: str) -> dict[str, Any]:
    """The description of an error's answer."""
    schema = {"$ref": SCHEMAS.format(name="Problem")}
    return {"description": text, "content": {"application/json": {"schema": schema}}}
