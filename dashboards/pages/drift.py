"""Drift: which signals differ from their own past, in which segments, how much, since when; and the calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from dash import dcc, html

from dashboards import cards, heat, stream_detail, streams
from dashboards.filters import Request
from monitor import wording
from monitor.contracts import WHOLE, Page, Signal
from monitor.links import segment_parameter
from monitor.queries import rules
from monitor.queries.verdicts import VerdictRecord, latest_verdicts

FIRST_ROWS = 30
MAX_ROWS = 300
_STATES = {"trouble": "In trouble", "too_few": "Too few calls", "ok": "Healthy", "all": "All"}
_RANK = {"bad": 0, "moved": 1, "no_data": 2, "too_few": 3, "ok": 4}
_SORTS: Mapping[str, Callable[[VerdictRecord], Any]] = {
    "severity": lambda verdict: (_RANK[verdict.state], -_size(verdict)),
    "signal": lambda verdict: (verdict.signal, _RANK[verdict.state], str(verdict.segment)),
    "segment": lambda verdict: (str(verdict.segment), _RANK[verdict.state], verdict.signal),
    "calls": lambda verdict: -verdict.n,
    "since": lambda verdict: -(verdict.since.timestamp() if verdict.since else 0.0),
}
_COLUMNS = (
    ("State", "severity"),
    ("Signal", "signal"),
    ("Segment", "segment"),
    ("Before and now", ""),
    ("Interval of now", ""),
    ("Since", "since"),
    ("Calls", "calls"),
    ("Show", ""),
)


def layout(request: Request) -> Any:
    """The page."""
    known = rules.indicators()
    found = [
        verdict
        for verdict in latest_verdicts(request.store, request.project_id, request.end)
        if verdict.indicator not in known or known[verdict.indicator].against == "past"
    ]
    if request.segment != WHOLE:
        found = [verdict for verdict in found if _within(verdict, request)]
    signals = streams.signals_of(request, [verdict.signal for verdict in found])
    parts: list[Any] = [
        cards.heading("Drift", "What differs from its own past: every signal, in every segment of the traffic.")
    ]
    chosen = streams.asked_stream(request)
    if chosen is not None:
        parts.append(cards.link("All streams", request.link("/drift")))
        parts.append(stream_detail.detail(request, *chosen))
    if not found:
        parts.append(
            cards.nothing(
                f"Nothing has been judged yet for {wording.segment_text(request.segment)} up to this day. "
                "A day is judged a quarter of an hour after it ends (UTC)."
            )
        )
        return html.Div(parts)
    parts += [] if chosen else [_counts(request, found)]
    parts += [_map(request, found, signals), _list(request, found, signals)]
    return html.Div(parts)


def _within(verdict: VerdictRecord, request: Request) -> bool:
    """The segment itself, and the pairs it is a part of."""
    own = (request.segment.dimension, request.segment.value)
    pairs = zip(verdict.segment.dimension.split("+"), verdict.segment.value.split(" + "), strict=False)
    return verdict.segment == request.segment or own in pairs


def _counts(request: Request, found: Sequence[VerdictRecord]) -> Any:
    def count(*states: str) -> str:
        return wording.count(sum(verdict.state in states for verdict in found))

    newest = max(verdict.end for verdict in found)
    return cards.number_row(
        cards.number_card("Got worse", count("bad"), symbol="bad", href=request.link(state="trouble")),
        cards.number_card("Moved", count("moved"), symbol="warning", href=request.link(state="trouble")),
        cards.number_card("Healthy", count("ok"), symbol="check", href=request.link(state="ok")),
        cards.number_card(
            "Too few calls", count("too_few", "no_data"), symbol="clock", href=request.link(state="too_few")
        ),
        cards.number_card(
            "Judged up to",
            wording.day(newest - timedelta(microseconds=1)),
            symbol="drift",
            detail="end of that day, UTC",
        ),
    )


def _map(request: Request, found: Sequence[VerdictRecord], signals: Mapping[str, Signal]) -> Any:
    left = heat.left_out(found)
    return cards.section(
        "Signals by segment",
        heat.heat_table(request, found, signals),
        heat.legend(),
        *([cards.note(left)] if left else []),
    )


def _list(request: Request, found: Sequence[VerdictRecord], signals: Mapping[str, Signal]) -> Any:
    trouble = any(verdict.is_trouble for verdict in found)
    wanted = request.parameter("state")
    wanted = wanted if wanted in _STATES else "trouble" if trouble else "all"
    sort = request.parameter("sort")
    sort = sort if sort in _SORTS else "severity"
    shown = sorted((verdict for verdict in found if _is(verdict, wanted)), key=_SORTS[sort])
    tabs = html.Div(
        [
            dcc.Link(
                f"{label} ({wording.count(sum(_is(verdict, state) for verdict in found))})",
                href=request.link(state=state, sort=sort),
                className="chip is-active" if state == wanted else "chip",
            )
            for state, label in _STATES.items()
        ],
        className="chips",
    )
    head = [
        dcc.Link(f"{name}{' ↓' if key == sort else ''}", href=request.link(state=wanted, sort=key), className="sort")
        if key
        else name
        for name, key in _COLUMNS
    ]
    limit = MAX_ROWS if request.parameter("rows") == "all" else FIRST_ROWS
    rows = [_row(request, verdict, signals[verdict.signal]) for verdict in shown[:limit]]
    return cards.section(
        "Streams",
        tabs,
        cards.table(head, rows, caption="Streams with state, change and calls", numeric=(6,)),
        _more(request, len(shown), limit, wanted, sort),
    )


def _more(request: Request, number: int, limit: int, state: str, sort: str) -> Any:
    """How to see what the list leaves out."""
    if number <= limit:
        return None
    if limit == MAX_ROWS:
        return cards.note(f"{wording.count(number - limit)} more; choose a segment above to see them.")
    shown = f"all {wording.count(number)}" if number <= MAX_ROWS else f"the first {wording.count(MAX_ROWS)}"
    return html.P(
        cards.link(f"Show {shown} streams", request.link(rows="all", state=state, sort=sort)),
        className="note",
    )


def _row(request: Request, verdict: VerdictRecord, signal: Signal) -> list[Any]:
    n = streams.current_value(verdict)[3]
    detail = streams.stream_link(request, verdict.indicator, signal.name, verdict.segment)
    since = verdict.since if verdict.is_trouble else None
    if since is not None:
        calls = streams.both_sides(request, signal.name, verdict.segment, since)[1]
    else:
        calls = streams.calls_link(request, signal.name, verdict.segment, verdict.window_start, verdict.end)
    interval = streams.interval(signal, verdict)
    missing = verdict.detail.get("missing")
    change = f"needs {wording.plural(float(missing), 'more call', 'more calls')}" if missing else ""
    return [
        cards.badge(verdict.state),
        cards.link(wording.shortened(signal.title, 60), detail),
        html.Span(
            wording.shortened(wording.segment_text(verdict.segment), 60), title=segment_parameter(verdict.segment)
        ),
        html.Span(change or streams.headline(signal, verdict), title=wording.shortened(verdict.reason, 300)),
        html.Span(interval.removeprefix("95% interval "), className="dim nowrap"),
        html.Span(wording.day(since) if since else "", className="nowrap"),
        wording.count(n),
        cards.link("Calls", calls),
    ]


def _is(verdict: VerdictRecord, wanted: str) -> bool:
    if wanted == "all":
        return True
    if wanted == "trouble":
        return verdict.is_trouble
    return verdict.state in ("too_few", "no_data") if wanted == "too_few" else verdict.state == wanted


def _size(verdict: VerdictRecord) -> float:
    strength = verdict.detail.get("strength")
    if isinstance(strength, int | float):
        return float(strength)
    if verdict.effect is None or not verdict.baseline:
        return 0.0
    return abs(verdict.effect / verdict.baseline)


PAGE = Page("/drift", "Drift", "drift", 7, layout, section="Risk")
