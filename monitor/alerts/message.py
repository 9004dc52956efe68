"""Turns incidents and weeks into notifications: subject, text, HTML and data.

The HTML carries its style in itself, loads nothing, and all that came from outside is escaped.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from monitor import wording
from monitor.advice import is_of_the_monitor
from monitor.alerts.telling import headline, title
from monitor.alerts.view import IncidentView, Place, incident_view
from monitor.contracts import Notification
from monitor.explain.records import Explanation
from monitor.queries.alerts import AlertRecord, IncidentRecord
from monitor.queries.explanations import explanations_of
from monitor.store import Store

if TYPE_CHECKING:
    from jinja2 import Environment

MAX_SUBJECT = 180


def incident_notification(
    store: Store,
    place: Place,
    record: IncidentRecord,
    kind: Literal["opened", "worse", "resolved"],
    now: datetime,
) -> Notification:
    """What is said when an incident opens, gets worse or is over."""
    view = incident_view(store, place, record, now)
    subject = incident_subject(place.project, record, kind, now)
    trend = next((line.trend.line for line in view.top if line.trend), "")
    text, html = render("incident", view, subject, f"Since {view.since}. {trend}")
    return Notification(
        key=f"incident-{record.project_id}-{record.id}",
        kind=kind,
        project=place.project,
        subject=subject,
        text=text,
        html=html,
        data=incident_data(place, record, view, kind, explanations_of(store, record.project_id, record.id)),
        created=now,
    )


def incident_subject(project: str, record: IncidentRecord, kind: str, now: datetime) -> str:
    """What and how much: "[default] gpt-4 + prime: accuracy 84.0% -> 51.1% since 14 Oct (+12 more changes)"."""
    prefix = {"worse": "Worse: ", "resolved": "Accepted: " if record.accepted else "Over: "}.get(kind, "")
    chosen = headline(record.alerts)
    more = sum(alert.is_open and alert not in chosen for alert in record.telling)
    what = title(record.alerts, arrow="->") if record.is_open else record.title.replace(wording.ARROW, "->")
    tail = "" if is_of_the_monitor(record.alerts) else f" since {wording.day(record.since, now)}"
    if more > 0 and record.is_open:
        tail += f" (+{wording.plural(more, 'more change')})"
    head = f"[{wording.shortened(project, 40)}] {prefix}"
    return f"{head}{wording.shortened(what, MAX_SUBJECT - len(head) - len(tail))}{tail}"


def incident_data(
    place: Place,
    record: IncidentRecord,
    view: IncidentView,
    kind: str,
    explanations: Mapping[int, Explanation],
) -> dict[str, Any]:
    """The machine-readable form: numbers in the unit of their signal, times in ISO 8601."""
    return {
        "version": 1,
        "event": f"incident.{kind}",
        "project": place.project,
        "incident": {
            "id": str(record.id),
            "state": record.state,
            "severity": record.severity,
            "title": record.title,
            "since": record.since.isoformat(),
            "opened": record.opened.isoformat(),
            "resolved": record.resolved.isoformat() if record.resolved else None,
            "url": view.page,
        },
        "appeared": [
            {
                "dimension": item.segment.dimension,
                "value": item.segment.value,
                "first_seen": item.first_seen.isoformat(),
            }
            for item in record.appeared
        ],
        "alerts": [_alert_data(alert, explanations.get(alert.id)) for alert in record.alerts],
    }


def _alert_data(alert: AlertRecord, explanation: Explanation | None) -> dict[str, Any]:
    return {
        "indicator": alert.indicator,
        "signal": alert.signal,
        "kind": str(alert.kind),
        "dimension": alert.segment.dimension,
        "value": alert.segment.value,
        "state": alert.state,
        "severity": alert.severity,
        "since": alert.since.isoformat(),
        "before": alert.before,
        "after": alert.after,
        "low": alert.low,
        "high": alert.high,
        "n": alert.n,
        "reason": alert.reason,
        "explanation": None if explanation is None else msgspec.to_builtins(explanation),
    }


def render(name: str, view: Any, subject: str, preview: str) -> tuple[str, str]:
    """Text and HTML of a template; raises where the view lacks something that the template names."""
    values: Mapping[str, Any] = {"view": view, "subject": subject, "preview": preview}
    text = _environment().get_template(f"{name}.txt").render(values)
    html = _environment().get_template(f"{name}.html").render(values)
    return text.strip() + "\n", _inlined(html)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    return Environment(
        loader=PackageLoader("monitor.alerts", "templates"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _inlined(html: str) -> str:
    """Style rules written into the elements: mail programs that drop the style sheet still show the light version."""
    import css_inline

    inliner = css_inline.CSSInliner(keep_style_tags=True, remove_inlined_selectors=True, load_remote_stylesheets=False)
    return str(inliner.inline(html))
