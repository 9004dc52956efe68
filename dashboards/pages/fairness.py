"""Fairness: is any group served worse than all others, by how much, and is that known or only not known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from dash import html

from dashboards import cards, family, streams
from dashboards.filters import Request
from dashboards.scans import probes_section, scan_section
from monitor import wording
from monitor.contracts import Kind, Page, Segment, Signal
from monitor.queries.fairness import newest_scan
from monitor.queries.options import segments
from monitor.queries.usage import Usage, usage_by
from monitor.queries.verdicts import VerdictRecord, latest_verdicts

SUPPRESSED_BELOW = 20
"""Figures of a group with fewer users than this are not shown: they could tell of single people."""
_VERDICTS: Mapping[str, tuple[str, str]] = {
    "bad": ("bad", "Gap"),
    "moved": ("moved", "Gap, served better"),
    "ok": ("ok", "No relevant gap"),
    "too_few": ("too_few", "Not enough data"),
    "no_data": ("no_data", "No data"),
}


def layout(request: Request) -> Any:
    """The page."""
    dimensions = request.settings.group_dimensions
    found = _verdicts(request, dimensions)
    signals = streams.signals_of(request, (verdict.signal for verdict in found))
    known = segments(request.store, request.project_id)
    return html.Div(
        [
            cards.heading(
                "Fairness", "Is any group served worse than all others: by how much, or is that simply not known yet?"
            ),
            scan_section(request, newest_scan(request.store, request.project_id, min(request.end, request.now))),
            _gaps(request, found, signals),
            *(
                _dimension(
                    request,
                    dimension,
                    [verdict for verdict in found if verdict.segment.dimension == dimension],
                    signals,
                    sees=dimension in known,
                )
                for dimension in dimensions
            ),
            probes_section(request),
            _rules(request),
        ]
    )


def _verdicts(request: Request, dimensions: Sequence[str]) -> list[VerdictRecord]:
    """The newest comparisons of a group with all others."""
    names = [record.name for record in family.records_of("fairness")]
    found = latest_verdicts(
        request.store,
        request.project_id,
        min(request.end, request.now) - timedelta(microseconds=1),
        indicators=names,
    )
    return [verdict for verdict in found if verdict.segment.dimension in dimensions]


def _gaps(request: Request, found: Sequence[VerdictRecord], signals: Mapping[str, Signal]) -> Any:
    told = [verdict for verdict in found if not _hidden(verdict)]
    gaps = [verdict for verdict in told if verdict.is_trouble]
    close = sum(verdict.state == "ok" for verdict in told)
    open_ = len(found) - len(gaps) - close
    counts = (
        f"{wording.plural(len(gaps), 'gap')}, {wording.plural(close, 'comparison')} without a relevant gap, "
        f"{wording.count(open_)} with not enough data to tell."
    )
    if not found:
        return cards.section(
            "Watched from day to day",
            cards.nothing("No group has been compared yet; the first comparison comes after the first full day."),
        )
    if not gaps:
        state, text = ("ok", "No gap found") if close else ("too_few", "Not known yet")
        return cards.section(
            "Watched from day to day",
            cards.card(html.P([cards.badge(state, text), html.Span(f" {counts}")], className="all-clear")),
        )
    items = [
        html.Li(
            [
                html.Div(html.Strong(_sentence(verdict, signals[verdict.signal]))),
                html.Div(wording.shortened(verdict.reason, 400), className="dim"),
                cards.ways(_links(request, verdict)),
            ]
        )
        for verdict in gaps
    ]
    return cards.section("Watched from day to day", cards.card(html.Ul(items, className="notes")), cards.note(counts))


def _sentence(verdict: VerdictRecord, signal: Signal) -> str:
    """A gap in one plain sentence, with its interval and how many it rests on."""
    group = f"{wording.dimension_text(verdict.segment.dimension)} {wording.shortened(verdict.segment.value, 60)}"
    gap = wording.format_difference(signal, verdict.baseline, verdict.value)
    interval = _gap_interval(verdict, signal)
    sure = f" (95% interval {interval})" if interval else ""
    return (
        f"{signal.title} for {group}: {wording.format_value(signal, verdict.value)}, for all others "
        f"{wording.format_value(signal, verdict.baseline)}; that is {gap}{sure}, "
        f"from {wording.plural(verdict.n, 'call')} of {wording.plural(verdict.effective_n, 'user')}."
    )


def _gap_interval(verdict: VerdictRecord, signal: Signal) -> str:
    if verdict.effect_low is None or verdict.effect_high is None:
        return ""
    return f"{_size(signal, verdict.effect_low)} to {_size(signal, verdict.effect_high)}"


def _size(signal: Signal, gap: float) -> str:
    """A difference between two groups, with its sign: points for shares, else in the unit of the signal."""
    sign = "+" if gap > 0 else wording.MINUS if gap < 0 else ""
    if signal.kind in (Kind.FLAG, Kind.CATEGORY):
        return f"{sign}{abs(gap) * 100:.1f} points"
    return f"{sign}{wording.format_value(signal, abs(gap))}"


def _links(request: Request, verdict: VerdictRecord) -> list[tuple[str, str]]:
    name, segment = verdict.signal, verdict.segment
    return [
        ("Calls of the group", streams.calls_link(request, name, segment, verdict.window_start, verdict.end)),
        ("Calls of everyone", streams.calls_link(request, name, Segment(), verdict.window_start, verdict.end)),
    ]


def _dimension(
    request: Request,
    dimension: str,
    found: Sequence[VerdictRecord],
    signals: Mapping[str, Signal],
    *,
    sees: bool,
) -> Any:
    title = f"By {wording.dimension_text(dimension)}"
    if not sees:
        name = dimension.removeprefix("tag.")
        text = (
            f"No call carries the tag {name}. Send it with your calls, where you may, to compare its groups."
            if dimension.startswith("tag.")
            else f"No call has a {wording.dimension_text(dimension)} yet."
        )
        return cards.section(title, cards.nothing(text))
    groups = usage_by(
        request.store, request.project_id, request.length, request.start, request.end, dimension=dimension
    )
    judged = [verdict for verdict in found if not _hidden(verdict)]
    left_out = {part.segment.value for part in groups} - {verdict.segment.value for verdict in judged}
    told = [verdict for verdict in judged if verdict.value is not None]
    untold: dict[str, list[VerdictRecord]] = {}
    for verdict in judged:
        if verdict.value is None:
            untold.setdefault(verdict.segment.value, []).append(verdict)
    rows = [_row(request, verdict, signals[verdict.signal]) for verdict in told]
    rows += [_waiting(request, group, verdicts, signals) for group, verdicts in untold.items()]
    head = ["Group", "What", "This group", "All others", "Gap", "95% interval", "Users", "Verdict"]
    return cards.section(
        title,
        cards.table(
            head,
            rows,
            caption=f"Groups {title[:1].lower()}{title[1:]}, each against all others",
            numeric=(2, 3, 6),
            empty="No group has enough users to be compared yet.",
        ),
        _sizes(groups, left_out),
    )


def _hidden(verdict: VerdictRecord) -> bool:
    return verdict.effective_n < SUPPRESSED_BELOW


def _row(request: Request, verdict: VerdictRecord, signal: Signal) -> list[Any]:
    calls = streams.calls_link(request, signal.name, verdict.segment, verdict.window_start, verdict.end)
    state, text = _VERDICTS[verdict.state]
    missing = verdict.detail.get("missing")
    verdict_text: list[Any] = [cards.badge(state, text)]
    if verdict.state == "too_few" and missing:
        verdict_text.append(
            html.Span(f"needs {wording.plural(float(missing), 'more user', 'more users')}", className="dim")
        )
    return [
        cards.link(wording.shortened(verdict.segment.value, 60), calls),
        html.Span(wording.shortened(signal.title, 60), title=wording.shortened(verdict.reason, 400)),
        wording.format_value(signal, verdict.value),
        wording.format_value(signal, verdict.baseline),
        wording.MISSING if verdict.effect is None else html.Span(_size(signal, verdict.effect), className="nowrap"),
        html.Span(_gap_interval(verdict, signal), className="dim nowrap"),
        wording.count(verdict.effective_n),
        html.Div(verdict_text, className="chips"),
    ]


def _waiting(
    request: Request, group: str, verdicts: Sequence[VerdictRecord], signals: Mapping[str, Signal]
) -> list[Any]:
    """One line for all that cannot be compared yet of a group."""
    names = [signals[verdict.signal].title for verdict in verdicts]
    missing = [float(verdict.detail["missing"]) for verdict in verdicts if verdict.detail.get("missing")]
    needs = f"needs {wording.plural(max(missing), 'more user', 'more users')}, here or among the others"
    what = wording.listed(names, 4)
    return [
        cards.link(wording.shortened(group, 60), request.link("/explorer", segment=verdicts[0].segment)),
        html.Span(what, title=", ".join(names)),
        *[wording.MISSING] * 3,
        "",
        wording.count(max(verdict.effective_n for verdict in verdicts)),
        html.Div(
            [cards.badge("too_few", "Not enough data"), html.Span(needs, className="dim") if missing else None],
            className="chips",
        ),
    ]


def _sizes(groups: Sequence[Usage], left_out: set[str]) -> Any:
    """Who is not in the table, and how much of the traffic that is: dropped groups are told, not hidden."""
    whole = sum(part.total.calls for part in groups)
    dropped = sum(part.total.calls for part in groups if part.segment.value in left_out)
    if not dropped:
        return None
    return cards.note(
        f"{wording.plural(len(left_out), 'group')} with {wording.plural(dropped, 'call')} "
        f"({wording.percent(dropped / whole)}) not shown: fewer than {SUPPRESSED_BELOW} users, or not compared yet."
    )


def _rules(request: Request) -> Any:
    """What the page does and does not do, in plain words."""
    names = ", ".join(wording.dimension_text(dimension) for dimension in request.settings.group_dimensions)
    points = [
        "Groups are never inferred from text or names. A group is what your application sends with a call, "
        "and the language in which it is written.",
        f"Compared are: {names or 'no groups'} (MONITOR_GROUP_DIMENSIONS). Each group is compared with all others, "
        "not with the best one.",
        "In the weekly scan each user counts once, however much they ask, and like is compared with like: the same mix "
        "of features, models and languages. The raw gap stands beside it; where they differ, the mix makes the rest.",
        "The watch from day to day, which may raise an alarm, takes the gap as it is; a user counts once there, too.",
        "What prompts mention is a word list (MONITOR_MENTION_TERMS), read in a sample of the prompts; it says what a "
        "prompt is about, never who wrote it.",
        f"Figures of groups with fewer than {SUPPRESSED_BELOW} users are not shown, for their privacy; a verdict takes "
        "more than that, and where there are too few it says how many are missing.",
        "Gap: different beyond chance and large enough to matter. No relevant gap: the interval leaves no room for one "
        "that matters. Not enough data: neither is known.",
        "A gap is not yet discrimination: groups may ask different things. Read the calls of both sides first.",
    ]
    return cards.section(
        "How to read this", cards.card(html.Ul([html.Li(text) for text in points], className="plain-list"))
    )


PAGE = Page("/fairness", "Fairness", "fairness", 9, layout, section="Risk")
