"""Alerts: open incidents with their alerts, what was said of them, the past, and the rules; one incident in full."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dash import html

from dashboards import cards, declaring, explanations, incidents, marking, streams
from dashboards.filters import Request
from monitor import advice, wording
from monitor.contracts import Page
from monitor.errors import NotFound
from monitor.queries import alerts, rules
from monitor.queries.alerts import AlertRecord, IncidentRecord, NotificationRecord
from monitor.queries.explanations import explanations_of

_MOST_ALERTS = 60
_MOST_PAST = 50
_SENT = {
    "delivered": ("ok", "Delivered"),
    "failed": ("bad", "Failed"),
    "due": ("too_few", "Waiting"),
    "sending": ("too_few", "Being sent"),
}
_FAMILIES = {"pulse": "this monitor"}
_KINDS = {"opened": "Opened", "resolved": "Over", "summary": "Weekly summary", "worse": "Got worse"}


def layout(request: Request) -> Any:
    """The page."""
    wanted = request.parameter("incident")
    if wanted:
        return _one(request, wanted)
    opened = alerts.open_incidents(request.store, request.project_id)
    past = alerts.past_incidents(request.store, request.project_id, limit=_MOST_PAST)
    said = alerts.notifications(request.store, request.project_id, limit=_MOST_PAST)
    return html.Div(
        [
            cards.heading("Alerts", _lead(opened)),
            cards.section("Open incidents", _open(request, opened)),
            cards.section("Messages sent", _messages(request, said), lead=_where(request)),
            cards.section("Past incidents", _past(request, past)),
            cards.section(
                "Rules",
                _rules(),
                lead="They work without configuration. Each asks one question of every signal and segment it fits, "
                "for each closed hour or day.",
            ),
        ]
    )


def _lead(opened: Sequence[IncidentRecord]) -> str:
    if not opened:
        return "No incident is open."
    number = sum(alert.is_open for incident in opened for alert in incident.alerts)
    return f"{wording.plural(len(opened), 'incident')} open, made of {wording.plural(number, 'alert')}."


def _open(request: Request, opened: Sequence[IncidentRecord]) -> Any:
    if not opened:
        return cards.nothing("Nothing is open. What gets worse or moves shows up here, and is mailed once.")
    return html.Div([incidents.card(request, incident) for incident in opened], className="stack")


def _where(request: Request) -> str:
    settings = request.settings
    if settings.smtp_host:
        place = f"Mails go to {', '.join(settings.mail_to)}."
    else:
        place = f"No mail server is set: mails are written as files into {settings.mail_folder.resolve()}."
    return f"{place} The same trouble is told once, and again when it is over."


def _messages(request: Request, said: Sequence[NotificationRecord]) -> Any:
    rows = []
    for message in said:
        state, label = _SENT.get(message.state, ("no_data", message.state.capitalize()))
        subject: Any = wording.shortened(message.subject, 160)
        if message.incident_id is not None:
            subject = cards.link(subject, incidents.incident_link(request, message.incident_id))
        rows.append(
            [
                html.Span(wording.moment_text(message.created), className="nowrap"),
                html.Div(subject, className="wide"),
                _KINDS.get(message.kind, message.kind),
                message.channel,
                cards.badge(state, label),
                html.Span(note, className="dim small") if (note := _attempts(message)) else "",
            ]
        )
    return cards.table(
        ["When", "Subject", "About", "Channel", "State", "Note"],
        rows,
        caption="Messages sent",
        empty="Nothing has been sent so far.",
    )


def _attempts(message: NotificationRecord) -> str:
    tries = f"{wording.plural(message.attempts, 'attempt')}" if message.attempts > 1 else ""
    note = "" if message.channel == "folder" and message.state == "delivered" else wording.shortened(message.note, 200)
    return "; ".join(part for part in (note, tries) if part)


def _past(request: Request, past: Sequence[IncidentRecord]) -> Any:
    rows = [
        [
            cards.link(incident.title or "An incident", incidents.incident_link(request, incident.id)),
            cards.badge(*reversed(incidents.SEVERITIES.get(incident.severity, ("Incident", "moved")))),
            html.Span(wording.day(incident.since), className="nowrap"),
            html.Span(wording.moment_text(incident.resolved) if incident.resolved else "", className="nowrap"),
            wording.count(len(incident.alerts)),
        ]
        for incident in past
    ]
    return cards.table(
        ["What it was", "Severity", "Since", "Over", "Alerts"],
        rows,
        caption="Past incidents",
        numeric=(4,),
        empty="No incident has ended yet.",
    )


def _rules() -> Any:
    rows = [
        [html.Strong(known.title), known.question, known.when, cards.tag(_FAMILIES.get(known.family, known.family))]
        for known in sorted(rules.indicators().values(), key=lambda one: (one.family, one.title))
    ]
    return cards.table(["Rule", "Question", "When it alerts", "About"], rows, caption="Default rules")


def _one(request: Request, wanted: str) -> Any:
    try:
        incident = alerts.incident(request.store, request.project_id, int(wanted[:20]))
    except (NotFound, ValueError):
        return html.Div(
            [
                cards.heading("Alerts"),
                cards.nothing(
                    "There is no such incident in this project.", cards.link("All incidents", request.link("/alerts"))
                ),
            ]
        )
    said = alerts.notifications(request.store, request.project_id, incident_id=incident.id)
    return html.Div(
        [
            cards.heading("Incident", _standing(incident), cards.link("All incidents", request.link("/alerts"))),
            incidents.card(request, incident),
            html.Div([marking.mark(incident), declaring.accepting(incident)], className="say-of-incident"),
            _explained(request, incident),
            None
            if advice.is_of_the_monitor(incident.alerts)
            else cards.section("Its alerts", _alerts(request, incident), lead="The most telling first, by segment."),
            cards.section("What happened when", _history(incident)),
            cards.section("Messages sent", _messages(request, said)),
        ]
    )


def _standing(incident: IncidentRecord) -> str:
    if incident.is_open:
        return "Open"
    return "Accepted as the new normal" if incident.accepted else "Over"


def _explained(request: Request, incident: IncidentRecord) -> Any:
    """What explains it: the most telling change in full, the others in a line each."""
    found = explanations_of(request.store, request.project_id, incident.id)
    known = [(alert, found[alert.id]) for alert in incident.alerts if alert.id in found]
    known.sort(key=lambda one: one[1].before is None)
    if not known:
        return None
    (lead, explanation), *rest = known
    signal = incidents.signal_of(lead)
    lines = [
        (
            incidents.signal_of(alert),
            alert.segment,
            streams.stream_link(request, alert.indicator, alert.signal, alert.segment),
            other,
        )
        for alert, other in rest
    ]
    about = f"{signal.title}, {wording.shortened(wording.segment_text(lead.segment), 80)}."
    return cards.section(
        "What explains it",
        html.Div(
            [explanations.panel(request, signal, lead.segment, explanation), explanations.others(lines)],
            className="stack",
        ),
        lead=f"{about} From a sample of its calls; what is said under Where was confirmed on users set aside for that.",
    )


def _alerts(request: Request, incident: IncidentRecord) -> Any:
    """Each change once, by segment; those that repeat one in a wider or narrower segment fold away."""
    telling = incident.telling
    place = {alert.segment: number for number, alert in reversed(list(enumerate(telling)))}
    parts = [_alert_table(request, sorted(telling, key=lambda alert: place[alert.segment]), "Alerts of the incident")]
    repeats = [alert for alert in incident.alerts if alert not in telling]
    if repeats:
        summary = f"{wording.plural(len(repeats), 'alert')} on the same changes, seen in wider or narrower segments"
        parts.append(
            html.Details(
                [html.Summary(summary), _alert_table(request, repeats, "Alerts that repeat")], className="fold"
            )
        )
    return html.Div(parts)


def _alert_table(request: Request, found: Sequence[AlertRecord], caption: str) -> Any:
    rows = []
    for alert in found[:_MOST_ALERTS]:
        signal = incidents.signal_of(alert)
        before, after = streams.both_sides(request, alert.signal, alert.segment, alert.since)
        detail = streams.stream_link(request, alert.indicator, alert.signal, alert.segment)
        interval = wording.format_interval(signal, alert.low, alert.high).removeprefix("95% interval ")
        rows.append(
            [
                wording.shortened(wording.segment_text(alert.segment), 60),
                cards.link(wording.shortened(signal.title, 60), detail),
                html.Span(incidents.figures(alert), title=wording.shortened(alert.reason, 300)),
                cards.badge("bad" if alert.is_open else "ok", "Firing" if alert.is_open else "Over"),
                html.Span(interval, className="dim nowrap"),
                wording.count(alert.n),
                html.Span(wording.day(alert.since), className="nowrap"),
                html.Span([cards.link("before", before), " · ", cards.link("since", after)], className="nowrap"),
            ]
        )
    more = len(found) - _MOST_ALERTS
    return html.Div(
        [
            cards.table(
                ["Segment", "Signal", "Before and now", "State", "95% interval of now", "Calls", "Since", "Show calls"],
                rows,
                caption=caption,
                numeric=(5,),
                empty="It has no alerts.",
            ),
            *([cards.note(f"{wording.count(more)} more say less.")] if more > 0 else []),
        ]
    )


def _history(incident: IncidentRecord) -> Any:
    events: list[tuple[Any, str]] = [(incident.since, "It began: the estimated change")]
    events += [
        (item.first_seen, f"First seen: {item.segment.dimension.replace('_', ' ')} {item.segment.value[:80]}")
        for item in incident.appeared
    ]
    events.append((incident.opened, "The incident was opened"))
    if incident.resolved is not None:
        events.append((incident.resolved, "It was over"))
    return html.Ol(
        [
            html.Li([html.Span(wording.moment_text(moment), className="dim"), html.Span(text)])
            for moment, text in sorted(events, key=lambda event: event[0])
        ],
        className="history",
    )


def callbacks(app: Any, context: Any) -> None:
    """The buttons that say what people think of an incident."""
    marking.register(app, context)
    declaring.register_accepting(app, context)


PAGE = Page("/alerts", "Alerts", "alerts", 2, layout, callbacks, section="Now")
