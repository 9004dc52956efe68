"""The button that says an incident was a false alarm, or takes that back; the ledger of the alarm budget counts it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dash import MATCH, Input, Output, State, html, no_update

from dashboards import cards
from monitor import clock, wording
from monitor.errors import NotFound
from monitor.queries import alerts
from monitor.queries.alerts import IncidentRecord
from monitor.queries.ledger import mark_incident_false


def mark(incident: IncidentRecord) -> Any:
    """The button with what was said so far; it changes in place."""
    return html.Div(_inner(incident), id={"type": "mark", "incident": str(incident.id)}, className="mark-false")


def _inner(incident: IncidentRecord) -> list[Any]:
    marked = incident.marked_false
    by = next((alert.marked_by for alert in incident.alerts if alert.marked_by), "")
    button = html.Button(
        "Take back" if marked else "It was a false alarm",
        id={"type": "mark-button", "incident": str(incident.id)},
        type="button",
        className="button-plain",
        **cards.aria(label=f"{'No false alarm after all' if marked else 'Mark as a false alarm'}: {incident.title}"),
    )
    if marked is None:
        return [button]
    said = f"Marked false{f' by {wording.shortened(by, 40)}' if by else ''}, {wording.moment_text(marked)}"
    return [html.Span(said, className="dim small-text", role="status"), button]


def register(app: Any, context: Any) -> None:
    """The callback behind all these buttons, wherever they stand."""
    import flask

    @app.callback(  # type: ignore[untyped-decorator]
        Output({"type": "mark", "incident": MATCH}, "children"),
        Input({"type": "mark-button", "incident": MATCH}, "n_clicks"),
        State({"type": "mark-button", "incident": MATCH}, "id"),
        State("ask", "data"),
        prevent_initial_call=True,
    )
    def change(clicks: int | None, button: Mapping[str, str], ask: Mapping[str, str]) -> Any:
        if not clicks:
            return no_update
        request = context.asked(ask)
        number = int(button["incident"])
        try:
            before = alerts.incident(request.store, request.project_id, number)
            mark_incident_false(
                request.store,
                request.project_id,
                number,
                by=flask.g.get("account") or "",
                now=clock.now(),
                is_false=before.marked_false is None,
            )
        except NotFound:
            return [html.Span("There is no such incident in this project.", className="dim")]
        return _inner(alerts.incident(request.store, request.project_id, number))
