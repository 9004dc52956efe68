"""Two ranges of time compared, as people see it: the choice, what changed, and the distances people know."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import dash_mantine_components as dmc
from dash import html

from dashboards import cards, filters, streams
from dashboards.filters import Request
from monitor import wording
from monitor.contracts import Kind
from monitor.queries.ranges import RangeChange, compare_ranges

_DISTANCES = (("psi", "PSI"), ("jensen_shannon", "JS"), ("wasserstein", "Wasserstein"), ("ks", "KS"))
_STATES = {"bad": "Worse", "moved": "Moved", "ok": "No change", "too_few": "Too few users"}


def layout(request: Request) -> list[Any]:
    """The choice of the range before, and every signal of both."""
    start, end, problems = _before(request)
    parts: list[Any] = [
        _form(start, end),
        *(html.P(problem, className="notice", role="status") for problem in problems),
    ]
    found = compare_ranges(
        request.store, request.project_id, request.segment, (request.start, request.end), (start, end)
    )
    now, before = wording.period(request.start, request.end), wording.period(start, end)
    if start < request.end and request.start < end:
        parts.append(cards.note("The two ranges overlap: the days in both hide a part of any difference."))
    if not found:
        parts.append(
            cards.nothing(
                f"There are no calls of {wording.segment_text(request.segment)} in both {before} and {now}; choose "
                "other days, or another segment."
            )
        )
        return parts
    return [
        *parts,
        _sums(found),
        cards.section(f"{now}, against {before}", _table(request, found, (start, end)), lead=_lead()),
    ]


def _before(request: Request) -> tuple[datetime, datetime, tuple[str, ...]]:
    """The range compared with; by default the one of the same length just before."""
    given = {name: request.parameter(f"before_{name}") for name in ("from", "to")}
    if not any(given.values()):
        return *request.previous, ()
    asked = filters.check(given, request.project, request.latest, request.now)
    if asked.range != filters.CUSTOM:
        return *request.previous, asked.problems
    return asked.start, asked.end, asked.problems


def _form(start: datetime, end: datetime) -> Any:
    last = end - timedelta(microseconds=1)
    return html.Div(
        [
            dmc.DateInput(
                id=f"compare-{name}",
                label=label,
                size="xs",
                valueFormat="D MMM YYYY",
                value=f"{moment:%Y-%m-%d}",
            )
            for name, label, moment in (("from", "Compared with, from", start), ("to", "to", last))
        ]
        + [dmc.Button("Compare", id="compare-ranges", size="xs", variant="light")],
        className="explorer-form",
        role="search",
        **cards.aria(label="Range compared with"),
    )


def _lead() -> str:
    return (
        "The range of the filter against the one chosen here, day by day from profiles. Two ranges alike show any "
        "change at all in at most 5% of cases; the distances are effect sizes and decide nothing."
    )


def _sums(found: Sequence[RangeChange]) -> Any:
    counts = {
        state: sum(item.state == state and not streams.repeats(item.signal) for item in found) for state in _STATES
    }
    symbols = {"bad": "bad", "moved": "warning", "ok": "check", "too_few": "clock"}
    return cards.number_row(
        *(
            cards.number_card(label, wording.count(counts[state]), symbol=symbols[state], detail="signals")
            for state, label in _STATES.items()
        )
    )


def _table(request: Request, found: Sequence[RangeChange], before: tuple[datetime, datetime]) -> Any:
    """What changed; the rest folds away where anything did."""
    changed: list[RangeChange] = []
    rest: list[RangeChange] = []
    for item in found:
        tells = item.state in ("bad", "moved") and not streams.repeats(item.signal)
        (changed if tells else rest).append(item)
    tables = [
        cards.table(
            ["State", "Signal", "Before and now", "Effect", *(name for _, name in _DISTANCES), "Calls", "Show calls"],
            [_row(request, item, before) for item in shown],
            caption=caption,
            numeric=(3, 4, 5, 6, 7, 8),
        )
        for shown, caption in ((changed, "Signals that changed"), (rest, "Further signals"))
        if shown
    ]
    if not changed:
        return tables[0]
    folded = f"{wording.plural(len(rest), 'signal')} without a relevant change, with too few users, "
    folded += "or that say again what another says"
    fold = html.Details([html.Summary(folded), tables[1]], className="fold") if rest else None
    return html.Div([tables[0], fold])


def _row(request: Request, item: RangeChange, before: tuple[datetime, datetime]) -> list[Any]:
    signal = item.signal
    links = [
        cards.link(name, streams.calls_link(request, signal.name, request.segment, *bounds))
        for name, bounds in (("before", before), ("now", (request.start, request.end)))
    ]
    figures, effect = _figures(item)
    return [
        cards.badge(item.state, _STATES[item.state]),
        html.Div(wording.shortened(signal.title, 60), className="named"),
        html.Span(figures, title=wording.shortened(item.reason, 300)),
        effect,
        *(
            wording.number(item.distances[name]) if name in item.distances else wording.MISSING
            for name, _ in _DISTANCES
        ),
        f"{wording.count(item.before.n)} {wording.ARROW} {wording.count(item.after.n)}",
        html.Span([links[0], " · ", links[1]], className="nowrap"),
    ]


def _figures(item: RangeChange) -> tuple[str, str]:
    signal, found = item.signal, item.found
    if found is None:
        return wording.MISSING, wording.MISSING
    if signal.kind is Kind.VECTOR:
        return f"distance {wording.number(found.value)}", wording.MISSING
    name = ""
    if signal.kind is Kind.CATEGORY and found.categories:
        name = f"{wording.shortened(found.categories[0].value, 40)} "
    return (
        f"{name}{wording.format_change(signal, found.baseline, found.value, with_unit=True)}",
        wording.format_difference(signal, found.baseline, found.value),
    )
