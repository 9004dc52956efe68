"""Incidents as people see them: what got worse, for whom, since when, what else changed then, what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from dash import dcc, html

from dashboards import cards, explanations, streams
from dashboards.filters import Request
from monitor import advice, wording
from monitor.contracts import Kind, Signal
from monitor.explain.records import Explanation
from monitor.queries.alerts import AlertRecord, Appeared, IncidentRecord
from monitor.queries.declared import told_near
from monitor.queries.explanations import explanations_of
from monitor.signals import describe

SEVERITIES: Mapping[str, tuple[str, str]] = {
    "critical": ("Critical", "bad"),
    "serious": ("Serious", "bad"),
    "notice": ("Moved", "moved"),
}
_MOST_SEGMENTS = 3
_MOST_CHANGES = 3
_WHAT_NEW = {"model": "model", "release": "release", "prompt_version": "prompt version"}


def card(request: Request, incident: IncidentRecord) -> html.Article:
    """An incident in short, with all that is needed to act on it."""
    lead = incident.alerts[0] if incident.alerts else None
    label, state = SEVERITIES.get(incident.severity, ("Incident", "moved"))
    title = dcc.Link(incident.title or "An incident", href=incident_link(request, incident.id), className="plain-link")
    return html.Article(
        [
            html.Div([html.H3(title), cards.badge(state, label)], className="verdict-head"),
            _changes(request, incident),
            cards.fact_list(_facts(request, incident)),
            _next(request, incident),
            cards.ways(ways(request, lead)) if lead else None,
        ],
        className=f"card verdict verdict-{state if incident.is_open else 'ok'}",
    )


def incident_link(request: Request, incident_id: int) -> str:
    """Address of one incident in full."""
    return request.link("/alerts", incident=str(incident_id))


def signal_of(alert: AlertRecord) -> Signal:
    """The signal an alert is about, as its figures are to be read; a forecast is named after its indicator."""
    signal = streams.as_judged(describe(alert.signal, alert.kind))
    title = alert.detail.get("title")
    if "interval" in alert.detail and title:
        return replace(signal, title=f"{title} an hour" if alert.detail.get("per") == "hour" else str(title))
    statistic = alert.detail.get("statistic")
    return replace(signal, title=f"{signal.title}, {statistic}") if statistic else signal


def explained(request: Request, incident: IncidentRecord) -> tuple[AlertRecord, Explanation] | None:
    """The most telling alert that has an explanation of its texts and numbers, with it."""
    found = explanations_of(request.store, request.project_id, incident.id)
    known = ((alert, found[alert.id]) for alert in incident.alerts if alert.id in found)
    return next((one for one in known if one[1].before is not None), None)


def figures(alert: AlertRecord) -> str:
    """Before and after of an alert: "84.0% → 51.1%"; for categories the one whose share changed most."""
    signal = signal_of(alert)
    categories = alert.detail.get("categories") or []
    if alert.kind is Kind.CATEGORY and categories:
        top = categories[0]
        return f"{wording.shortened(str(top['value']), 40)} {streams.change_text(signal, top['before'], top['after'])}"
    return streams.change_text(signal, alert.before, alert.after)


def evidence(alert: AlertRecord) -> str:
    """How sure the present figure is: "95% interval 44.0% to 58.1%, 512 calls"."""
    if alert.kind is Kind.CATEGORY:
        interval = ""
    else:
        interval = wording.format_interval(signal_of(alert), alert.low, alert.high)
        if "interval" in alert.detail:
            interval = interval.replace("95% interval", "expected")
    return ", ".join(part for part in (interval, wording.plural(alert.n, "call") if alert.n else "") if part)


def appeared_text(appeared: Sequence[Appeared]) -> str:
    """What was first seen about then: "model gpt-4-0613, first seen 9 Jun 2023"."""
    if not appeared:
        return "no new model, release or prompt version within a day"
    return "; ".join(
        f"{_WHAT_NEW.get(item.segment.dimension, item.segment.dimension)} "
        f"{wording.shortened(item.segment.value, 60)}, first seen {wording.day(item.first_seen)}"
        for item in appeared[:4]
    )


def _next(request: Request, incident: IncidentRecord) -> Any:
    """What to do: the first two steps, all of them on the page of the incident itself."""
    steps = advice.steps(incident)
    if not steps:
        return None
    if request.parameter("incident") != str(incident.id):
        return html.P([html.Strong("Next: "), *_spoken(" ".join(steps[:2]))], className="next-step")
    return html.Div(
        [html.Strong("Next"), html.Ol([html.Li(_spoken(step)) for step in steps], className="plain-list")],
        className="next-step",
    )


def _spoken(step: str) -> list[Any]:
    """A sentence with what stands between backticks, such as a command, as code."""
    return [html.Code(part) if place % 2 else part for place, part in enumerate(step.split("`"))]


def ways(request: Request, alert: AlertRecord) -> list[tuple[str, str]]:
    """Where to look closer: the calls of both sides, and the course of the stream."""
    if advice.is_of_the_monitor([alert]):
        return [("Senders", request.link("/senders")), ("Newest calls", request.link("/explorer"))]
    before, after = streams.both_sides(request, alert.signal, alert.segment, alert.since)
    return [
        ("Calls before", before),
        ("Calls since", after),
        ("Course and distribution", streams.stream_link(request, alert.indicator, alert.signal, alert.segment)),
    ]


def _changes(request: Request, incident: IncidentRecord) -> html.Ul | None:
    """The most telling changes, each with how sure it is: one of each family of signals first, as others repeat it."""
    alerts = incident.telling
    if advice.is_of_the_monitor(alerts):
        if len(alerts) == 1:
            return None  # its title says it
        return html.Ul([html.Li(wording.shortened(alert.reason, 300)) for alert in alerts], className="changes")
    families = {alert.signal: signal_of(alert).family for alert in alerts}
    first = {families[alert.signal]: alert for alert in reversed(alerts)}
    others = [alert for alert in alerts if alert is not first[families[alert.signal]]]
    shown = [*sorted(first.values(), key=alerts.index), *others][:_MOST_CHANGES]
    lines: list[Any] = []
    for alert in shown:
        sure = evidence(alert)
        what = f"{wording.shortened(wording.segment_text(alert.segment), 60)}, {streams.name_of(signal_of(alert))} "
        lines.append(
            html.Li(
                [
                    what,
                    html.Strong(figures(alert)),
                    html.Span(f" ({sure})" if sure else "", className="dim"),
                ]
            )
        )
    more = len(alerts) - len(shown)
    if more > 0 and request.parameter("incident") != str(incident.id):
        lines.append(html.Li(cards.link(f"and {wording.count(more)} more", incident_link(request, incident.id))))
    return html.Ul(lines, className="changes")


def _facts(request: Request, incident: IncidentRecord) -> list[tuple[str, Any]]:
    since = wording.day(incident.since)
    if incident.is_open and request.end > incident.since:
        since += f" ({wording.duration(request.end - incident.since)})"
    if advice.is_of_the_monitor(incident.alerts):
        return [("Since", wording.moment_text(incident.since)), ("Over since", _over(incident))]
    shown = list(dict.fromkeys(wording.segment_text(alert.segment) for alert in incident.telling))
    whom = ", ".join(wording.shortened(text, 60) for text in shown[:_MOST_SEGMENTS])
    if len(shown) > _MOST_SEGMENTS:
        whom += f" and {len(shown) - _MOST_SEGMENTS} more"
    facts: list[tuple[str, Any]] = [
        ("Since", since),
        ("For whom", whom),
        ("What else changed then", appeared_text(incident.appeared)),
    ]
    segments = list(dict.fromkeys(alert.segment for alert in incident.telling))
    if any(alert.signal for alert in incident.alerts):
        facts.append(
            ("Left out of what is usual", told_near(request.store, incident.project_id, segments, incident.since))
        )
    lead = explained(request, incident)
    if lead is not None and request.parameter("incident") != str(incident.id):
        facts += explanations.facts(signal_of(lead[0]), lead[1])
    facts.append(("Over since", _over(incident)))
    return facts


def _over(incident: IncidentRecord) -> str:
    return "" if incident.resolved is None else wording.moment_text(incident.resolved)
