"""The weekly scan for unfairness on its page: what may be claimed, and raw and like with like side by side."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from dash import html

from dashboards import cards
from dashboards.filters import Request
from monitor import wording
from monitor.contracts import Kind, Segment
from monitor.queries.fairness import GAP, MENTIONED, NO_GAP, Comparison, Limits, Scan
from monitor.queries.probes import probe_findings
from monitor.signals import describe

_MOST_ROWS = 40
_MOST_CLAIMS = 10
_QUARTER = timedelta(days=91)
_SURE = 0.05
_MIX = {
    "none": "",
    "part": "explains a part",
    "explains": "explains it",
    "hides": "hid it",
    "reverses": "turned it round",
}


def scan_section(request: Request, scan: Scan | None) -> Any:
    """The newest scan before the end of the range."""
    if scan is None:
        return cards.section(
            "Weekly scan",
            cards.nothing(
                "No week has been scanned yet; the first scan comes when the first week (Monday to Sunday) ends."
            ),
        )
    gaps = [item for item in scan.compared if item.verdict == GAP]
    worse = told_apart([item for item in gaps if item.worse])
    close = sum(item.verdict == NO_GAP for item in scan.compared)
    open_ = len(scan.compared) - len(gaps) - close
    part = "" if scan.share >= 1 else f" ({wording.percent(scan.share)} of the users were read)"
    lead = (
        f"{wording.period(scan.start, scan.end)}: {wording.plural(scan.calls, 'call')} of "
        f"{wording.plural(scan.users, 'user')}{part}, each user counted once."
    )
    counts = (
        f"{wording.plural(scan.questions, 'question')} asked together: {wording.plural(len(gaps), 'gap')}, "
        f"{wording.plural(close, 'comparison')} without a relevant gap, {wording.count(open_)} with not enough data to "
        f"tell. On average at most 5% of the gaps told are false."
    )
    if gaps:
        state, text = ("bad", "Gaps found") if worse else ("moved", "Served better only")
    else:
        state, text = ("ok", "No gap found") if close else ("too_few", "Not known yet")
    told = [html.Li(_claim(request, scan, item)) for item in worse[:_MOST_CLAIMS]]
    return cards.section(
        "Weekly scan",
        cards.card(
            html.P([cards.badge(state, text), html.Span(f" {counts}")], className="all-clear"),
            html.Ul(told, className="notes") if told else None,
        )
        if scan.compared
        else None,
        _table(request, scan),
        _hidden(scan),
        lead=lead,
    )


def told_apart(gaps: Sequence[Comparison]) -> list[Comparison]:
    """The gaps without those of two dimensions together that one of the two tells already, about as large."""
    sizes = {(item.signal, item.dimension, item.group): _gap(item) for item in gaps}
    return [
        item
        for item in gaps
        if not any(
            abs(_gap(item)) <= abs(single) + item.tolerance and _gap(item) * single > 0
            for single in (
                sizes.get((item.signal, *part), 0.0)
                for part in zip(item.dimension.split("+"), item.group.split(" + "), strict=False)
            )
            if "+" in item.dimension and single
        )
    ]


def _gap(item: Comparison) -> float:
    return (item.standardised or item.raw).value


def probes_section(request: Request) -> Any:
    """What counterfactual probes found in the last quarter; nothing where none were asked."""
    found = probe_findings(request.store, request.project, request.end - _QUARTER, request.end)
    if not found:
        return None
    rows = []
    for item in found:
        signal = describe(item.signal, Kind.NUMBER)
        sure = item.found.p_value <= _SURE / len(found)
        badge = cards.badge("bad", "Differs") if sure else cards.badge("too_few", "No difference shown")
        rows.append(
            [
                f"{item.groups[0]} against {item.groups[1]}",
                signal.title,
                f"{item.found.mean:+.2f}",
                wording.count(item.found.pairs),
                badge,
            ]
        )
    head = ["Prompts that name", "What", "Mean difference", "Pairs", "Verdict"]
    return cards.section(
        "Counterfactual probes",
        cards.table(head, rows, caption="Counterfactual probes", numeric=(2, 3)),
        lead="The same question about two groups, asked of the model itself; the last quarter.",
    )


def _claim(request: Request, scan: Scan, item: Comparison) -> list[Any]:
    return [
        html.Div(item.reason),
        html.Div(_ratios(item), className="dim"),
        cards.ways([("Calls of the group", _calls(request, scan, item))]),
    ]


def _ratios(item: Comparison) -> str:
    parts = []
    if item.good_ratio is not None:
        below = " (below four fifths)" if item.good_ratio.value < 0.8 else ""
        parts.append(f"Good outcomes: {_times(item.good_ratio)} those of others{below}")
    if item.bad_ratio is not None:
        parts.append(f"bad outcomes: {_times(item.bad_ratio)}")
    return f"{'; '.join(parts)}." if parts else ""


def _times(ratio: Limits) -> str:
    return f"{ratio.value:.2f} times ({ratio.low:.2f} to {ratio.high:.2f})"


def _calls(request: Request, scan: Scan, item: Comparison) -> str:
    if item.dimension == MENTIONED:
        return ""
    return request.link(
        "/explorer", start=scan.start, end=scan.end, segment=Segment(item.dimension, item.group), signal=item.signal
    )


def _table(request: Request, scan: Scan) -> Any:
    states = {GAP: ("bad", "Gap"), NO_GAP: ("ok", "No relevant gap")}
    rows = []
    for item in scan.compared[:_MOST_ROWS]:
        signal = describe(item.signal, Kind(item.kind))
        state, text = states.get(item.verdict, ("too_few", "Not enough data"))
        if item.verdict == GAP and not item.worse:
            state, text = "moved", "Gap, served better"
        address = _calls(request, scan, item)
        name = wording.shortened(item.group, 60)
        rows.append(
            [
                cards.link(name, address) if address else name,
                html.Span(wording.shortened(signal.title, 60), title=wording.shortened(item.reason, 400)),
                wording.format_value(signal, item.value),
                wording.format_value(signal, item.other),
                _limits(item, item.raw),
                wording.MISSING if item.standardised is None else _limits(item, item.standardised),
                _MIX[item.mix],
                wording.count(item.users),
                cards.badge(state, text),
            ]
        )
    head = ["Group", "What", "This group", "All others", "Raw gap", "Same mix", "The mix", "Users", "Verdict"]
    more = len(scan.compared) - _MOST_ROWS
    return html.Div(
        [
            cards.table(head, rows, caption="Comparisons of the week", numeric=(2, 3, 7), empty=_EMPTY),
            cards.note(f"{wording.plural(more, 'more comparison')} in /api/v1/fairness.") if more > 0 else None,
        ],
        className="after-charts",
    )


_EMPTY = "No dimension had two groups with at least 20 users in this week."


def _limits(item: Comparison, limits: Limits) -> str:
    signal = describe(item.signal, Kind(item.kind))
    if signal.kind is Kind.FLAG:
        return f"{limits.value * 100:+.1f} ({limits.low * 100:+.1f} to {limits.high * 100:+.1f}) points"
    return " ".join((_signed(item, limits.value), f"({_signed(item, limits.low)} to {_signed(item, limits.high)})"))


def _signed(item: Comparison, value: float) -> str:
    text = wording.format_value(describe(item.signal, Kind(item.kind)), abs(value))
    return f"{'+' if value > 0 else wording.MINUS if value < 0 else ''}{text}"


def _hidden(scan: Scan) -> Any:
    if not scan.hidden:
        return None
    parts: Sequence[str] = [
        f"{wording.plural(count, 'group')} by {_dimension(dimension)}" for dimension, count in scan.hidden.items()
    ]
    return cards.note(f"Left out on both sides, with fewer than 20 users each: {', '.join(parts)}.")


def _dimension(dimension: str) -> str:
    return "what prompts mention" if dimension == MENTIONED else wording.dimension_text(dimension)
