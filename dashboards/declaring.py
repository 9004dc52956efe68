"""What people declare: times that are left out of what is usual, and levels that are accepted as the new normal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import dash_mantine_components as dmc
from dash import ALL, MATCH, Input, Output, State, ctx, html, no_update

from dashboards import cards, incidents
from dashboards.filters import Request
from monitor import clock, wording
from monitor.errors import InputError, MonitorError
from monitor.queries import declared
from monitor.queries.alerts import IncidentRecord
from monitor.queries.declared import DeclaredTime

_KINDS = {
    "incident": "an incident or a test: judge nothing",
    "holiday": "a holiday: judge all but calls and spend",
    "cut": "a deployment: what is usual begins anew",
}
_SHOWN = {"incident": "Left out", "holiday": "Holiday", "cut": "Begins anew"}
_MOST = 50


def times(request: Request) -> Any:
    """The times that are declared, each with a way to take it back, and a form for another."""
    return html.Div(
        [
            html.Div(
                [
                    dmc.TextInput(id="declare-from", label="From (UTC)", placeholder="2026-12-24 12:00", size="xs"),
                    dmc.TextInput(id="declare-until", label="Until (UTC)", placeholder="2026-12-24 18:00", size="xs"),
                    dmc.Select(
                        id="declare-kind",
                        label="It is",
                        data=[{"value": name, "label": label} for name, label in _KINDS.items()],
                        value="incident",
                        allowDeselect=False,
                        size="xs",
                    ),
                    dmc.TextInput(id="declare-reason", label="Why", size="xs"),
                    dmc.Button("Declare", id="declare-go", size="xs", variant="light"),
                ],
                className="explorer-form",
                role="form",
                **cards.aria(label="A time to declare"),
            ),
            html.Div(_known(request), id="declared-list"),
        ]
    )


def accepting(incident: IncidentRecord) -> Any:
    """The button that accepts the level of an open incident as the new normal; it changes in place."""
    return html.Div(_accept_button(incident), id={"type": "accept", "incident": str(incident.id)})


def _accept_button(incident: IncidentRecord) -> list[Any]:
    if incident.accepted:
        by = incident.accepted.get("by", "")
        who = f" by {wording.shortened(by, 40)}" if by else ""
        when = wording.moment_text(datetime.fromisoformat(incident.accepted["made"]))
        return [html.Span(f"Accepted as the new normal{who}, {when}", className="dim small-text", role="status")]
    if not incident.is_open:
        return []
    return [
        html.Button(
            "This is the new normal",
            id={"type": "accept-button", "incident": str(incident.id)},
            type="button",
            className="button-plain",
            **cards.aria(label=f"Accept as the new normal: {incident.title}"),
        )
    ]


def _known(request: Request, problem: str = "") -> list[Any]:
    known = declared.declared(request.store, request.project_id)
    return [
        html.P(problem, className="notice", role="alert") if problem else None,
        cards.table(
            ["What", "From", "Until", "Of", "Why", "By", "Take back"],
            [_row(request, one) for one in known[:_MOST]],
            caption="Declared times",
            empty="Nothing is left out, and nothing begins anew.",
        ),
    ]


def _row(request: Request, one: DeclaredTime) -> list[Any]:
    what: Any = wording.segment_text(one.segment)
    if one.incident_id is not None:
        what = cards.link("an incident", incidents.incident_link(request, one.incident_id))
    return [
        _SHOWN[one.kind],
        html.Span(wording.moment_text(one.start), className="nowrap"),
        html.Span(wording.moment_text(one.until) if one.until else "", className="nowrap"),
        what,
        html.Div(wording.shortened(one.reason, declared.MAX_REASON), className="wide"),
        wording.shortened(one.made_by, 40),
        html.Button(
            "Take back",
            id={"type": "declared-remove", "id": str(one.id)},
            type="button",
            className="button-plain",
            **cards.aria(label=f"Take back: {one.told}"),
        ),
    ]


def _moment(text: Any, name: str) -> datetime:
    try:
        found = datetime.fromisoformat(str(text or "").strip())
    except ValueError:
        raise InputError(f"{name} is no time; write 2026-12-24 or 2026-12-24 12:00.") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def register(app: Any, context: Any) -> None:
    """The callbacks behind the form and the buttons of the Budget page."""
    import flask

    @app.callback(  # type: ignore[untyped-decorator]
        Output("declared-list", "children"),
        Input("declare-go", "n_clicks"),
        Input({"type": "declared-remove", "id": ALL}, "n_clicks"),
        State("declare-from", "value"),
        State("declare-until", "value"),
        State("declare-kind", "value"),
        State("declare-reason", "value"),
        State("ask", "data"),
        prevent_initial_call=True,
    )
    def change(
        _go: int | None,
        _removed: list[int | None],
        start: Any,
        until: Any,
        kind: Any,
        reason: Any,
        ask: Mapping[str, str],
    ) -> Any:
        if not any(one["value"] for one in ctx.triggered):
            return no_update
        request, now = context.asked(ask), clock.now()
        store, project_id, by = request.store, request.project_id, flask.g.get("account") or ""
        why = str(reason or "")
        try:
            if isinstance(ctx.triggered_id, Mapping):
                declared.take_back(store, project_id, int(ctx.triggered_id["id"]), now)
            elif kind == "cut":
                declared.begin_anew(store, project_id, _moment(start, "From"), reason=why, by=by, now=now)
            else:
                begins, ends = _moment(start, "From"), _moment(until, "Until")
                is_holiday = kind == "holiday"
                declared.leave_out(store, project_id, begins, ends, reason=why, by=by, now=now, holiday=is_holiday)
        except MonitorError as error:
            return _known(request, str(error))
        return _known(request)


def register_accepting(app: Any, context: Any) -> None:
    """The callback behind the button of an incident."""
    import flask

    @app.callback(  # type: ignore[untyped-decorator]
        Output({"type": "accept", "incident": MATCH}, "children"),
        Input({"type": "accept-button", "incident": MATCH}, "n_clicks"),
        State({"type": "accept-button", "incident": MATCH}, "id"),
        State("ask", "data"),
        prevent_initial_call=True,
    )
    def accept(clicks: int | None, button: Mapping[str, str], ask: Mapping[str, str]) -> Any:
        if not clicks:
            return no_update
        request = context.asked(ask)
        by = flask.g.get("account") or ""
        try:
            declared.accept(
                request.store,
                request.project_id,
                int(button["incident"]),
                reason="accepted on the page of the incident",
                by=by,
                now=clock.now(),
            )
        except MonitorError as error:
            return [html.Span(str(error), className="dim")]
        told = "Accepted: baselines begin anew where it began, and it is closed within a minute."
        return [html.Span(told, className="dim small-text", role="status")]
