"""OpenLIT: what it adds to `gen_ai.*`: cost, time to the first token, environment, guards and evaluations.

A guard that has looked at a call is feedback on it: `guard.<name>`, true where it refused or found something.
Source: openlit/openlit, sdk/python/src/openlit/semcov/__init__.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.contracts import Decoded, Dialect
from monitor.ingest.assemble import assemble
from monitor.ingest.raw_span import RawEvent, RawSpan, moment
from monitor.ingest.values import number, try_json
from monitor.ingest.vocabulary import Vocabulary
from monitor.records import Feedback, SpanKind

VOCABULARY = Vocabulary(
    fields={
        "operation": ("gen_ai.operation.name",),
        "environment": ("gen_ai.environment", "deployment.environment.name", "deployment.environment"),
        "feature": ("llmops.feature", "gen_ai.application_name", "feature", "app.feature"),
        "user": ("gen_ai.request.user", "user.id", "enduser.id"),
        "service_tier": ("gen_ai.response.service_tier", "gen_ai.request.service_tier"),
        "cost": ("llmops.cost_usd", "gen_ai.usage.cost", "gen_ai.token.cost.total"),
        "first_token_s": ("gen_ai.server.ttft", "gen_ai.server.time_to_first_token"),
        "tool_input": ("gen_ai.tool.call.arguments", "gen_ai.tool.args", "gen_ai.tool.input"),
        "tool_output": ("gen_ai.tool.call.result", "gen_ai.tool.output"),
        "tool_calls": ("gen_ai.response.tool_calls",),
    },
    groups={"gen_ai.eval.": "scores", "guard.": "guard"},
    kept=("gen_ai.",),
    dropped=("gen_ai.sdk.version", "gen_ai.server.tbt", "telemetry.sdk.name"),
)

_TELLING = frozenset(
    (
        "gen_ai.sdk.version",
        "gen_ai.application_name",
        "gen_ai.environment",
        "gen_ai.usage.cost",
        "gen_ai.server.ttft",
        "gen_ai.eval.groundedness",
        "gen_ai.eval.answer_relevancy",
        "gen_ai.eval.context_relevancy",
        "guard.verdict",
        "guard.name",
    )
)
GUARD_EVENT = "guard.evaluation"
_FOUND = {"yes": 1.0, "true": 1.0, "fail": 1.0, "deny": 1.0, "denied": 1.0, "block": 1.0, "blocked": 1.0}
_CLEAR = {"no": 0.0, "false": 0.0, "pass": 0.0, "allow": 0.0, "allowed": 0.0, "none": 0.0}


def recognises(attributes: Mapping[str, Any]) -> bool:
    """True where a span has what OpenLIT adds to the conventions."""
    return not _TELLING.isdisjoint(attributes)


def decode(raw: RawSpan) -> Decoded:
    """The span in the product's own terms; messages and tokens are left to `gen_ai`."""
    found = VOCABULARY.sort(raw.attributes)
    kind: SpanKind = "guardrail" if "guard" in found.groups and "operation" not in found.fields else "unknown"
    calls = found.text("tool_calls") if try_json(found.fields.get("tool_calls")) else ""
    return assemble(raw, found, kind, response=("", calls), feedback=tuple(_feedback(raw, found.groups)))


def _feedback(raw: RawSpan, groups: Mapping[str, list[tuple[str, Any]]]) -> list[Feedback]:
    said = [
        Feedback(name=name, time=raw.time, value=value, annotator="llm", trace_id=raw.trace_id, span_id=raw.span_id)
        for name, score in groups.get("scores", ())
        if (value := number(score)) is not None
    ]
    guards = [event for event in raw.events if event.name == GUARD_EVENT]
    if "guard" in groups:
        own = {f"guard.{name}": value for name, value in groups["guard"]}
        guards.append(RawEvent(GUARD_EVENT, raw.end or raw.start, own))
    said.extend(feedback for event in guards if (feedback := _guard(event, raw)) is not None)
    return said


def _guard(event: RawEvent, raw: RawSpan) -> Feedback | None:
    given = event.attributes
    verdict = str(given.get("guard.action", given.get("guard.verdict", ""))).lower()
    denied = given.get("guard.denied")
    value = float(denied) if isinstance(denied, bool) else _FOUND.get(verdict, _CLEAR.get(verdict))
    label = None if value is not None else verdict or None
    if value is None and label is None:
        return None
    explanation = given.get("guard.explanation", given.get("guard.classification"))
    return Feedback(
        name=f"guard.{given.get('guard.name') or given.get('guard.validator') or 'verdict'}",
        time=moment(event.nanoseconds) if event.nanoseconds else raw.time,
        value=value,
        flag=value is not None,
        label=label,
        comment=str(explanation) if explanation else None,
        annotator="code",
        trace_id=raw.trace_id,
        span_id=raw.span_id,
    )


DIALECT = Dialect("openlit", 24, recognises, decode)
