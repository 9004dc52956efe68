"""Back-test: what would have been alarmed on this project's own past, with a budget of your choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import dash_mantine_components as dmc
from dash import Input, Output, State, dcc, html, no_update

from dashboards import cards, incidents, streams
from dashboards.filters import Request
from monitor import clock, wording
from monitor.contracts import Kind, Page, Segment, Signal
from monitor.errors import MonitorError
from monitor.queries import alerts, backtests
from monitor.queries.alerts import IncidentRecord
from monitor.queries.backtests import Standing
from monitor.signals import describe

_WEEKS = (4, 8, 12, 26)
_FIRST_ALARMS = 5
_MOST_ALARMS = 100
_MOST_INCIDENTS = 50
_ASK_AGAIN_MS = 3000
_LANES = {"hour": "hours", "day": "days"}

Alarm = Mapping[str, Any]
"""An alarm as `monitor.hindsight` keeps it."""


def layout(request: Request) -> Any:
    """The page."""
    standing = backtests.standing(request.store, request.project_id)
    return html.Div(
        [
            cards.heading(
                "Back-test",
                "Had the monitor watched with this budget: what would it have raised on your own past?",
            ),
            _form(request, standing),
            html.Div(_progress(standing, request.now), id="backtest-progress"),
            dcc.Interval(
                id="backtest-again", interval=_ASK_AGAIN_MS, disabled=not _is_under_way(standing, request.now)
            ),
            html.Div(_result(request, standing), id="backtest-result"),
        ]
    )


def _is_under_way(standing: Standing | None, now: datetime) -> bool:
    return standing is not None and standing.is_under_way(now)


def _form(request: Request, standing: Standing | None) -> Any:
    weeks = standing.wanted.weeks if standing else 12
    choices = sorted({*_WEEKS, weeks})
    return html.Div(
        [
            dmc.NumberInput(
                id="backtest-budget",
                label="False alarms accepted a quarter",
                size="xs",
                min=0.1,
                max=100,
                step=0.5,
                decimalScale=2,
                value=standing.wanted.budget if standing else request.settings.alarm_budget,
                hideControls=True,
            ),
            dmc.Select(
                id="backtest-weeks",
                label="Replayed",
                size="xs",
                data=[{"value": str(number), "label": f"newest {number} weeks"} for number in choices],
                value=str(weeks),
                allowDeselect=False,
            ),
            dmc.Select(
                id="backtest-block",
                label="Watching",
                size="xs",
                data=[
                    {"value": "day", "label": "closed days (quicker)"},
                    {"value": "hour", "label": "closed hours, as live"},
                ],
                value=standing.wanted.block if standing else "day",
                allowDeselect=False,
            ),
            dmc.Button(
                "Replay",
                id="backtest-go",
                size="xs",
                variant="light",
                disabled=_is_under_way(standing, request.now),
            ),
        ],
        className="explorer-form",
        role="form",
        **cards.aria(label="What to replay"),
    )


def _progress(standing: Standing | None, now: datetime) -> Any:
    """What is under way, or how it failed; nothing where it ended well."""
    if standing is None or standing.state == "done":
        return None
    if standing.state == "failed":
        return html.P(f"The newest back-test failed: {wording.shortened(standing.note, 300)}", className="notice")
    if not standing.is_under_way(now):
        return html.P(
            "The newest back-test stopped without an end. Is a worker running? `llmops-monitor up` and "
            "`llmops-monitor worker` are.",
            className="notice",
        )
    if not standing.days:
        began = "It begins within some seconds…" if standing.state == "asked" else "Reading the stored profiles…"
        return html.P(began, className="notice", role="status")
    told = f"{wording.count(standing.done_days)} of {wording.plural(standing.days, 'day')} replayed…"
    return html.Div(
        [
            html.Progress(value=str(standing.done_days), max=str(standing.days), **cards.aria(label="Days replayed")),
            html.Span(told),
        ],
        className="notice progress",
        role="status",
    )


def _result(request: Request, standing: Standing | None) -> Any:
    if standing is None or standing.result is None or standing.made is None:
        return cards.nothing(
            "No back-test has been made yet. It reads the stored profiles, not the texts, and runs beside the monitor: "
            "about a second for a day of 500 streams."
        )
    found = standing.result
    raised = found["alarms"]
    real = alerts.incidents(request.store, request.project_id, limit=1000)
    then = [_then(alarm, real) for alarm in raised]
    period = wording.period(_moment(found["first"]), _moment(found["end"]))
    watched = _LANES.get(found["block"], found["block"])
    return html.Div(
        [
            _sums(found, then),
            cards.section(
                f"{period}, by closed {watched}",
                _groups(request, raised, then),
                lead=f"With {_accepted(found['budget'])} a quarter accepted; replayed "
                f"{wording.moment_text(standing.made)}. {_caveat()}",
            ),
        ]
    )


def _accepted(budget: float) -> str:
    return f"{wording.number(budget)} false alarm{'' if budget == 1 else 's'}"


def _caveat() -> str:
    return (
        "The stored profiles are complete from the beginning: what came late, such as feedback, is known in time here. "
        "What is alarmed need not be false; what no incident was open for is worth a look."
    )


def _sums(found: Mapping[str, Any], then: Sequence[IncidentRecord | None]) -> Any:
    raised = found["alarms"]
    groups = len({alarm["incident"] for alarm in raised})
    without = len({alarm["incident"] for alarm, real in zip(raised, then, strict=True) if real is None})
    expected = float(found["expected_false_alarms"])
    return cards.number_row(
        cards.number_card(
            "Incidents",
            wording.count(groups),
            symbol="alerts",
            detail=f"of {wording.plural(len(raised), 'alarm')}, one a stream",
        ),
        cards.number_card(
            "False ones expected",
            f"≤ {wording.number(expected)}",
            symbol="budget",
            detail=f"alarms in {wording.plural(found['judged_days'], 'judged day')}",
        ),
        cards.number_card(
            "With no incident then",
            wording.count(without),
            symbol="warning",
            detail="not raised live, or raised otherwise" if without else "all were raised live too",
        ),
    )


def _then(alarm: Mapping[str, Any], real: Sequence[IncidentRecord]) -> IncidentRecord | None:
    """The incident of the live monitor that was open, or began, within a day of the alarm."""
    raised, since = _moment(alarm["time"]), _moment(alarm["since"])
    day = timedelta(days=1)
    return next(
        (one for one in real if one.since <= raised + day and (one.resolved is None or one.resolved >= since - day)),
        None,
    )


def _groups(request: Request, raised: Sequence[Alarm], then: Sequence[IncidentRecord | None]) -> Any:
    """The alarms by the incident that they would have been, in the order of their first."""
    if not raised:
        return cards.nothing("No alarm would have been raised.")
    groups: dict[Any, list[tuple[Alarm, IncidentRecord | None]]] = {}
    for alarm, real in zip(raised, then, strict=True):
        groups.setdefault(alarm["incident"], []).append((alarm, real))
    shown = [_group(request, group) for group in list(groups.values())[:_MOST_INCIDENTS]]
    more = len(groups) - _MOST_INCIDENTS
    return html.Div(
        [
            *shown,
            cards.note(f"{wording.count(more)} more; llmops-monitor backtest --json lists all.") if more > 0 else None,
        ],
        className="stack",
    )


def _group(request: Request, group: Sequence[tuple[Alarm, IncidentRecord | None]]) -> Any:
    """One incident: its first alarms, the others folded away, and what the live monitor had then."""
    alarms = [alarm for alarm, _ in group]
    lead = alarms[0]
    real = next((real for _, real in group if real is not None), None)
    drivers = list(dict.fromkeys(f"{item['dimension']} {item['value']}" for item in lead["drivers"]))
    facts: list[tuple[str, Any]] = [
        ("First raised", wording.moment_text(_moment(lead["time"]))),
        ("Alarms", wording.count(len(alarms))),
        ("What else changed then", wording.listed([wording.shortened(name.replace("_", " "), 60) for name in drivers])),
        ("Incident then", _live(request, real)),
    ]
    rest = alarms[_FIRST_ALARMS:_MOST_ALARMS]
    more = len(alarms) - _MOST_ALARMS
    return html.Div(
        [
            html.H3(
                f"{wording.shortened(wording.segment_text(Segment(**lead['segment'])), 60)}: {_title(lead)} "
                f"{_change(lead)}"
            ),
            cards.fact_list(facts),
            _table(request, alarms[:_FIRST_ALARMS], "First alarms"),
            html.Details(
                [
                    html.Summary(f"{wording.plural(len(alarms) - _FIRST_ALARMS, 'more alarm')} of the same incident"),
                    _table(request, rest, "Further alarms"),
                    cards.note(f"{wording.count(more)} more are left out.") if more > 0 else None,
                ],
                className="fold",
            )
            if rest
            else None,
        ],
        className="card replayed",
    )


def _live(request: Request, real: IncidentRecord | None) -> Any:
    if real is None:
        return "none was open"
    marked = ", marked false" if real.marked_false else ""
    return html.Span([cards.link("one was open", incidents.incident_link(request, real.id)), marked])


def _table(request: Request, alarms: Sequence[Alarm], caption: str) -> Any:
    return cards.table(
        ["Raised", "Indicator", "Segment", "Change", "Evidence", "Since", "Over"],
        [_row(request, alarm) for alarm in alarms],
        caption=caption,
    )


def _row(request: Request, alarm: Alarm) -> list[Any]:
    segment = Segment(**alarm["segment"])
    over = wording.day(_moment(alarm["resolved"])) if alarm["resolved"] else "still open"
    return [
        html.Span(wording.moment_text(_moment(alarm["time"])), className="nowrap"),
        alarm["indicator"].replace("_", " "),
        html.Div(wording.shortened(wording.segment_text(segment), 60), title=str(segment)[:300], className="named"),
        html.Div(
            [
                cards.link(_title(alarm), streams.stream_link(request, alarm["indicator"], alarm["signal"], segment)),
                f" {_change(alarm)}",
            ],
            className="named",
        ),
        html.Span(_evidence(alarm), title=wording.shortened(alarm["reason"], 300), className="dim"),
        html.Span(wording.moment_text(_moment(alarm["since"])).removesuffix(", 00:00 UTC"), className="nowrap"),
        html.Span(over, className="nowrap"),
    ]


def _title(alarm: Alarm) -> str:
    return wording.shortened(f"{alarm['title']} {alarm['category'] or ''}".strip(), 60)


def _change(alarm: Alarm) -> str:
    if alarm["kind"] == Kind.VECTOR:
        return "moved"
    return streams.change_text(_signal(alarm), alarm["before"], alarm["after"])


def _signal(alarm: Alarm) -> Signal:
    return streams.as_judged(describe(alarm["signal"], Kind(alarm["kind"])))


def _evidence(alarm: Alarm) -> str:
    """The interval of the value it moved to, with calls; the chance of as much by itself where hours were watched."""
    told = [wording.plural(alarm["n"], "call")]
    if alarm["kind"] in (Kind.NUMBER, Kind.FLAG):
        told.insert(
            0, wording.format_interval(_signal(alarm), alarm["low"], alarm["high"]).removeprefix("95% interval ")
        )
    if alarm["evidence"] is not None:
        told.append(f"once in {wording.count(10 ** float(alarm['evidence']))} by chance")
    return ", ".join(part for part in told if part)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def callbacks(app: Any, context: Any) -> None:
    """The button asks for a back-test; while one is under way the page asks how far it got."""
    outputs = (
        Output("backtest-progress", "children"),
        Output("backtest-again", "disabled"),
        Output("backtest-go", "disabled"),
    )

    @app.callback(  # type: ignore[untyped-decorator]
        *outputs,
        Input("backtest-go", "n_clicks"),
        State("backtest-budget", "value"),
        State("backtest-weeks", "value"),
        State("backtest-block", "value"),
        State("ask", "data"),
        prevent_initial_call=True,
    )
    def go(clicks: int | None, budget: Any, weeks: Any, block: Any, ask: Mapping[str, str]) -> Any:
        if not clicks:
            return no_update, no_update, no_update
        request = context.asked(ask)
        try:
            wanted = backtests.checked(_whole(weeks), str(block), _number(budget))
            standing = backtests.ask(request.store, request.project_id, wanted, clock.now())
        except MonitorError as error:
            return html.P(str(error), className="notice", role="alert"), True, False
        return _progress(standing, clock.now()), False, True

    @app.callback(  # type: ignore[untyped-decorator]
        *(Output(out.component_id, out.component_property, allow_duplicate=True) for out in outputs),
        Output("backtest-result", "children"),
        Input("backtest-again", "n_intervals"),
        State("ask", "data"),
        prevent_initial_call=True,
    )
    def again(_times: int, ask: Mapping[str, str]) -> Any:
        request = context.asked(ask)
        standing = backtests.standing(request.store, request.project_id)
        if _is_under_way(standing, clock.now()):
            return _progress(standing, clock.now()), False, True, no_update
        return _progress(standing, clock.now()), True, False, _result(request, standing)


def _whole(value: Any) -> int:
    return int(value) if str(value).isdecimal() and len(str(value)) < 4 else 0


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return 0.0


PAGE = Page("/backtest", "Back-test", "backtest", 13, layout, callbacks, section="This monitor")
