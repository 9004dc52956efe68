"""Signals by segments as a table of coloured cells: each says what changed and leads to its stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dash import dcc, html

from dashboards import streams
from dashboards.cards import STATES, aria
from dashboards.filters import Request
from monitor import wording
from monitor.contracts import WHOLE, Kind, Segment, Signal
from monitor.queries.verdicts import VerdictRecord

MAX_COLUMNS = 12
MAX_ROWS = 40
_RANK = {"bad": 0, "moved": 1, "no_data": 2, "too_few": 3, "ok": 4}


def heat_table(request: Request, verdicts: Sequence[VerdictRecord], signals: Mapping[str, Signal]) -> Any:
    """The table; the signals and segments with most trouble come first, all traffic always."""
    cells: dict[tuple[str, Segment], VerdictRecord] = {}
    for verdict in verdicts:
        key = (verdict.signal, verdict.segment)
        if key not in cells or _RANK[verdict.state] < _RANK[cells[key].state]:
            cells[key] = verdict
    columns = _columns(cells)
    rows = _rows(cells)
    if not columns or not rows:
        return None
    troubled = [name for name in rows if any(_in_trouble(cells.get((name, segment))) for segment in columns)]
    calm = [name for name in rows if name not in troubled]

    def part(names: Sequence[str], caption: str) -> html.Div:
        body = [
            html.Tr(
                [
                    html.Th(wording.shortened(signals[name].title, 44), scope="row"),
                    *(_cell(request, signals[name], cells.get((name, segment))) for segment in columns),
                ]
            )
            for name in names
        ]
        head = html.Tr([html.Th("Signal", scope="col"), *(_head(one) for one in columns)])
        return html.Div(
            html.Table(
                [html.Caption(caption, className="sr-only"), html.Thead(head), html.Tbody(body)], className="heat"
            ),
            className="table-box",
            tabIndex=0,
            role="region",
            **aria(label=caption),
        )

    if not troubled or not calm:
        return part(rows, "State of each signal in each segment; a cell leads to its course")
    return html.Div(
        [
            part(troubled, "Signals in trouble by segment; a cell leads to its course"),
            html.Details(
                [
                    html.Summary(f"{wording.plural(len(calm), 'signal')} without trouble in these segments"),
                    part(calm, "Signals without trouble by segment; a cell leads to its course"),
                ],
                className="fold",
            ),
        ]
    )


def legend() -> html.Div:
    """What the colours mean."""
    return html.Div(
        [
            html.Span([html.Span(className=f"swatch cell-{state}", **aria(hidden="true")), label])
            for state, (label, _symbol) in STATES.items()
        ],
        className="legend",
    )


def left_out(verdicts: Sequence[VerdictRecord]) -> str:
    """What did not fit into the table."""
    segments = len({verdict.segment for verdict in verdicts}) - MAX_COLUMNS
    names = len({verdict.signal for verdict in verdicts}) - MAX_ROWS
    parts = [wording.plural(count, noun) for count, noun in ((segments, "segment"), (names, "signal")) if count > 0]
    return f"{' and '.join(parts)} more are in the list below." if parts else ""


def _columns(cells: Mapping[tuple[str, Segment], VerdictRecord]) -> list[Segment]:
    weight: dict[Segment, tuple[int, int, int]] = {}
    for (_name, segment), verdict in cells.items():
        bad, moved, calls = weight.get(segment, (0, 0, 0))
        weight[segment] = (bad + (verdict.state == "bad"), moved + (verdict.state == "moved"), max(calls, verdict.n))
    ordered = sorted(weight, key=lambda one: (one != WHOLE, *(-part for part in weight[one]), str(one)))
    return ordered[:MAX_COLUMNS]


def _rows(cells: Mapping[tuple[str, Segment], VerdictRecord]) -> list[str]:
    worst: dict[str, tuple[int, int]] = {}
    for (name, _segment), verdict in cells.items():
        rank, count = worst.get(name, (9, 0))
        worst[name] = (min(rank, _RANK[verdict.state]), count + verdict.is_trouble)
    return sorted(worst, key=lambda name: (worst[name][0], -worst[name][1], name))[:MAX_ROWS]


def _cell(request: Request, signal: Signal, verdict: VerdictRecord | None) -> html.Td:
    if verdict is None:
        return html.Td(html.Span("not judged", className="sr-only"), className="cell cell-none")
    label, _symbol = STATES[verdict.state]
    told = f"{signal.title}, {wording.segment_text(verdict.segment)}: {label}, {streams.headline(signal, verdict)}"
    shown = _short(signal, verdict) if verdict.is_trouble else ""
    return html.Td(
        dcc.Link(
            [html.Span(shown or "\u00a0", **aria(hidden="true")), html.Span(told, className="sr-only")],
            href=streams.stream_link(request, verdict.indicator, signal.name, verdict.segment),
            title=told,
        ),
        className=f"cell cell-{verdict.state}",
    )


def _short(signal: Signal, verdict: VerdictRecord) -> str:
    """The change in a few characters: "−99%", "−33 pt", "×3.2", a distance."""
    if signal.kind is Kind.VECTOR:
        return wording.number(verdict.value) if verdict.value is not None else "moved"
    before, after = verdict.baseline, streams.current_value(verdict)[0]
    categories = verdict.detail.get("categories") or []
    if signal.kind is Kind.CATEGORY:
        if not categories:
            return "moved"
        before, after = categories[0].get("before"), categories[0].get("after")
    text = wording.format_difference(streams.as_judged(signal), before, after)
    return text.replace(" points", " pt").replace(" times as much", "×") or "moved"


def _in_trouble(verdict: VerdictRecord | None) -> bool:
    return verdict is not None and verdict.is_trouble


def _head(segment: Segment) -> html.Th:
    # A long name breaks after an underline, not within a word.
    text = wording.shortened(wording.segment_text(segment), 44).replace("_", "_\u200b")
    return html.Th(html.Span(text), scope="col", title=wording.dimension_text(segment.dimension))
