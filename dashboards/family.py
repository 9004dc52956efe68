"""What the pages of a family of indicators share: its verdicts, and the course of its signals with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from dash import html

from dashboards import cards, charts, courses, streams
from dashboards.filters import Request
from monitor import wording
from monitor.contracts import WHOLE, Block, Family, Kind, Segment, Signal
from monitor.profile import Profile, merge
from monitor.queries.rules import IndicatorRecord, indicators
from monitor.queries.series import read_profiles
from monitor.queries.verdicts import VerdictRecord, latest_verdicts
from monitor.signals import FEEDBACK_PREFIX, registry
from monitor.stats.intervals import mean_interval, possible, wilson

_MOST_CARDS = 6


def verdicts_of(request: Request, families: Sequence[Family]) -> list[VerdictRecord]:
    """The newest verdicts of the families' indicators up to the end of the range, worst first.

    Signals count for the family they belong to, whatever the indicator: a drift of toxicity is a matter of safety.
    """
    named = {name: record for name, record in indicators().items() if record.family in families}
    found = latest_verdicts(
        request.store,
        request.project_id,
        min(request.end, request.now) - timedelta(microseconds=1),
        segment=None if request.segment == WHOLE else request.segment,
    )
    return [verdict for verdict in found if verdict.indicator in named or _family(verdict.signal) in families]


def _family(name: str) -> Family | None:
    if name.startswith(FEEDBACK_PREFIX):
        return "quality"
    signal = registry().get(name)
    return signal.family if signal else None


def judged(request: Request, found: Sequence[VerdictRecord], what: str) -> Any:
    """What is wrong in the family, as cards; and how much else was judged."""
    trouble = _once(verdict for verdict in found if verdict.is_trouble)
    healthy = sum(verdict.state == "ok" for verdict in found)
    waiting = sum(verdict.state in ("too_few", "no_data") for verdict in found)
    signals = streams.signals_of(request, (verdict.signal for verdict in trouble))
    rest = f"{wording.plural(healthy, 'stream')} healthy"
    rest += f", {wording.count(waiting)} with too few calls to tell." if waiting else "."
    if not found:
        return cards.nothing(
            f"Nothing of {what} has been judged yet; the first verdicts come after the first full day."
        )
    if not trouble:
        told = cards.badge("ok", "All clear") if healthy else cards.badge("too_few", "Too early to tell")
        return cards.card(html.P([told, html.Span(f" {rest}")], className="all-clear"))
    shown = [verdict_card(request, verdict, signals[verdict.signal]) for verdict in trouble[:_MOST_CARDS]]
    more = len(trouble) - _MOST_CARDS
    links = [cards.link(f"{more} more", request.link("/drift"))] if more > 0 else []
    return html.Div([html.Div(shown, className="two-columns"), cards.note(rest, " ", *links)])


def _once(found: Any) -> list[VerdictRecord]:
    """One verdict a stream: the worst, where several indicators look at it."""
    seen: dict[tuple[str, Segment], VerdictRecord] = {}
    for verdict in found:
        seen.setdefault((verdict.signal, verdict.segment), verdict)
    return list(seen.values())


def verdict_card(request: Request, verdict: VerdictRecord, signal: Signal) -> Any:
    """One stream in trouble, with the ways to its calls."""
    _value, low, high, n = streams.current_value(verdict)
    if verdict.since is not None:
        before, after = streams.both_sides(request, signal.name, verdict.segment, verdict.since)
        links = [("Calls before", before), ("Calls since", after)]
    else:
        calls = streams.calls_link(request, signal.name, verdict.segment, verdict.window_start, verdict.end)
        links = [("Show calls", calls)]
    links.append(("Course", streams.stream_link(request, verdict.indicator, signal.name, verdict.segment)))
    interval = "" if signal.kind in (Kind.CATEGORY, Kind.VECTOR) else wording.format_interval(signal, low, high)
    return cards.verdict_card(
        f"{signal.title}, {wording.shortened(wording.segment_text(verdict.segment), 60)}",
        verdict.state,
        streams.headline(signal, verdict),
        interval=f"({interval}, {wording.plural(n, 'call')})" if interval else wording.plural(n, "call"),
        reason=_reason(verdict),
        facts=[("Since", wording.day(verdict.since))] if verdict.since else [],
        links=links,
    )


def _reason(verdict: VerdictRecord) -> str:
    """The reason, which is about the newest window: that is said where the figures are of all calls since a change."""
    reason = wording.shortened(verdict.reason, 300)
    return f"Newest window: {reason}" if verdict.detail.get("since_change") else reason


def interval_of(profile: Profile, unit: str | None = None) -> tuple[float, float] | None:
    """95 % interval of the mean over users; Wilson's for flags. `unit` as in `possible`."""
    if profile.kind is Kind.FLAG:
        return wilson(profile.mean, profile.users) if profile.mean is not None else None
    if profile.kind is not Kind.NUMBER or not profile.users:
        return None
    bounds = mean_interval(profile.user_mean or 0.0, profile.user_variance, profile.users)
    return None if bounds is None else possible(bounds, profile, unit)


def courses_of(request: Request, signals: Sequence[Signal]) -> dict[str, dict[Segment, list[Block]]]:
    """The blocks of these signals in the segment, and in the one compared with."""
    wanted = [request.segment] + ([request.compare] if request.compare is not None else [])
    found = read_profiles(
        request.store,
        request.project_id,
        request.length,
        request.start,
        request.end,
        signals=[signal.name for signal in signals],
        segments=wanted,
    )
    result: dict[str, dict[Segment, list[Block]]] = {}
    for (segment, name), blocks in found.items():
        result.setdefault(name, {})[segment] = blocks
    return result


def chart(request: Request, signal: Signal, blocks: Mapping[Segment, Sequence[Block]], *, condition: str = "") -> Any:
    """The course of one number or flag with its intervals, its mean over the range, and the calls behind it."""
    series = [
        courses.block_course(
            request,
            wording.segment_text(segment),
            blocks[segment],
            signal,
            partial(interval_of, unit=signal.unit),
            condition=condition,
            segment=segment,
        )
        for segment in (request.segment, request.compare)
        if segment is not None and segment in blocks
    ]
    own = blocks.get(request.segment, [])
    total = merge((block.profile for block in own), signal.kind)
    bounds = interval_of(total, signal.unit)
    summary = f"{wording.format_value(signal, total.mean)}"
    if bounds:
        summary += f" ({wording.format_interval(signal, *bounds)}, {wording.plural(total.n, 'call')})"
    return html.Div(
        [
            charts.graph(
                charts.lines(series, signal),
                name=signal.name,
                title=signal.title,
                summary=f"{signal.title}: {summary} over the range.",
                link=request.link("/explorer", signal=condition or signal.name),
                height=200,
            ),
            html.P(
                [html.Strong(wording.format_value(signal, total.mean)), f" over the range{_brackets(summary)}"],
                className="chart-foot",
            ),
        ],
        className="chart-box",
    )


def _brackets(summary: str) -> str:
    _, bracket, rest = summary.partition(" (")
    return f"{bracket}{rest}." if bracket else "."


def charts_of(request: Request, signals: Sequence[Signal]) -> list[Any]:
    """Charts of the numbers and flags among the signals; flags that never changed are told in one line instead."""
    found = courses_of(request, signals)
    drawn: list[Any] = []
    same: dict[str, list[str]] = {}
    for signal in signals:
        if signal.name not in found or signal.kind not in (Kind.FLAG, Kind.NUMBER):
            continue
        total = merge((block.profile for blocks in found[signal.name].values() for block in blocks), signal.kind)
        if signal.kind is Kind.FLAG and total.total in (0, total.n):
            same.setdefault(_unchanged(signal, total), []).append(signal.title)
        else:
            drawn.append(chart(request, signal, found[signal.name], condition=worse_side(signal)))
    parts: list[Any] = [html.Div(drawn, className="two-columns")] if drawn else []
    parts += [cards.note(f"{where}: {', '.join(titles)}.") for where, titles in same.items()]
    return parts


def _unchanged(signal: Signal, total: Profile) -> str:
    """Where a flag was set, in no call or in all, with how sure that is: "In none of 4,600 calls (95% ...)"."""
    bounds = interval_of(total)
    interval = f" ({wording.format_interval(signal, *bounds)})" if bounds else ""
    if total.n == 1:
        return f"{'In' if total.total else 'Not in'} the only call{interval}"
    return f"In {'all' if total.total else 'none'} of {wording.plural(total.n, 'call')}{interval}"


def worse_side(signal: Signal) -> str:
    """The condition whose calls are worth reading: a flag on its worse side, else the signal measured at all."""
    if signal.kind is Kind.FLAG:
        return f"{signal.name}:{'false' if signal.good == 'up' else 'true'}"
    return f"{signal.name}:.."


def signals_in(family: Family) -> list[Signal]:
    """The declared signals of a family, without vectors."""
    return [signal for signal in registry().values() if signal.family == family and signal.kind is not Kind.VECTOR]


def records_of(family: Family) -> list[IndicatorRecord]:
    """The indicators of a family."""
    return [record for record in indicators().values() if record.family == family]
