"""One stream in full: what was found, its course with the usual range and the change, both distributions, the calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from dash import html

from dashboards import bins, cards, charts, explanations, incidents, streams
from dashboards.filters import Request
from monitor import wording
from monitor.clock import BlockLength, block_start
from monitor.contracts import Block, Kind, Segment, Signal
from monitor.profile import Profile, merge
from monitor.queries import alerts, rules, series, verdicts
from monitor.queries.explanations import explanations_of
from monitor.queries.verdicts import VerdictRecord

REFERENCE = timedelta(days=28)
_DISTANCES: Mapping[str, tuple[str, str]] = {
    "psi": ("PSI", "population stability index: above 0.25 is a large shift"),
    "jensen_shannon": ("Jensen-Shannon", "0 is the same, 1 has nothing in common"),
    "wasserstein": ("Wasserstein", "mean distance to move, in the unit of the signal"),
    "ks": ("KS", "largest gap between the two cumulative shares"),
    "cosine": ("Cosine", "0 is the same direction, 2 the opposite"),
}
_DAY = timedelta(days=1)


def detail(request: Request, indicator: str, name: str, segment: Segment) -> Any:
    """The section of a stream; says so where nothing is known of it."""
    signal = streams.signals_of(request, [name])[name]
    found = [
        verdict
        for verdict in verdicts.latest_verdicts(request.store, request.project_id, request.end, segment=segment)
        if verdict.signal == name
    ]
    verdict = next((one for one in found if one.indicator == indicator), found[0] if found else None)
    end = max(request.end, request.start + _DAY)
    blocks = series.read_series(
        request.store, request.project_id, BlockLength.DAY, request.start, end, signal=name, segment=segment
    )
    title = f"{signal.title}, {wording.segment_text(segment)}"
    if not blocks and verdict is None:
        return cards.section(
            title, cards.nothing("This stream has no data in this range. Choose a longer one, or another stream.")
        )
    parts: list[Any] = [_card(request, signal, verdict)] if verdict is not None else []
    split = _split(verdict, end)
    course = _course(request, signal, segment, blocks, verdict)
    both = _both(request, signal, segment, split)
    if course is not None or both is not None:
        parts.append(html.Div([part for part in (course, both) if part is not None], className="two-columns"))
    explained = _explained(request, verdict)
    if explained is not None:
        parts.append(explained)
    if signal.misleads:
        parts.append(cards.note(html.Strong("When not to trust it: "), signal.misleads))
    return cards.section(title, html.Div(parts, className="stack"), lead=signal.description)


def _explained(request: Request, verdict: VerdictRecord | None) -> Any:
    """What explains the open alert of the stream, where that is known."""
    if verdict is None or not verdict.is_trouble:
        return None
    stream = (verdict.indicator, verdict.signal, verdict.segment)
    for alert in alerts.open_alerts(request.store, request.project_id):
        if (alert.indicator, alert.signal, alert.segment) == stream and alert.incident_id is not None:
            found = explanations_of(request.store, request.project_id, alert.incident_id).get(alert.id)
            return found and explanations.panel(request, incidents.signal_of(alert), alert.segment, found)
    return None


def value_of(profile: Profile, category: str) -> float | None:
    """What the course of a stream shows of one block: the mean, a share, the share of one category."""
    if profile.kind is Kind.CATEGORY:
        return profile.shares().get(category, 0.0) if profile.n else None
    return profile.mean


def _card(request: Request, signal: Signal, verdict: VerdictRecord) -> Any:
    known = rules.indicators().get(verdict.indicator)
    n = streams.current_value(verdict)[3]
    distances = verdict.detail.get("distances") or {}
    facts: list[tuple[str, Any]] = [
        ("Since", wording.moment_text(verdict.since) if verdict.since and verdict.is_trouble else ""),
        ("Judged window", wording.period(verdict.window_start, verdict.end)),
        ("In that window", f"{wording.plural(verdict.n, 'call')}, {wording.plural(verdict.effective_n, 'user')}"),
        ("Calls since", wording.count(n) if n and n != verdict.n else ""),
        *(
            (_DISTANCES[key][0], html.Span(wording.number(float(value)), title=_DISTANCES[key][1]))
            for key, value in distances.items()
            if key in _DISTANCES and value is not None
        ),
    ]
    if verdict.detail.get("missing"):
        facts.append(("Still needed", wording.plural(float(verdict.detail["missing"]), "call")))
    links: list[tuple[str, str]] = []
    if verdict.since is not None and verdict.is_trouble:
        before, after = streams.both_sides(request, signal.name, verdict.segment, verdict.since)
        links = [("Calls before", before), ("Calls since", after)]
    else:
        links = [
            (
                "Calls of this window",
                streams.calls_link(request, signal.name, verdict.segment, verdict.window_start, verdict.end),
            )
        ]
    return cards.verdict_card(
        known.question if known else verdict.indicator,
        verdict.state,
        streams.headline(signal, verdict),
        interval=streams.interval(signal, verdict),
        reason=wording.shortened(verdict.reason, 600),
        facts=facts,
        links=links,
    )


def _split(verdict: VerdictRecord | None, end: datetime) -> tuple[datetime, datetime]:
    """Where the present begins and ends: at the change, else with the window that was judged."""
    if verdict is None:
        return end - _DAY, end
    if verdict.is_trouble and verdict.since is not None:
        return block_start(verdict.since, BlockLength.DAY), max(verdict.end, verdict.since + _DAY)
    return verdict.window_start, verdict.end


def _course(
    request: Request, signal: Signal, segment: Segment, blocks: Sequence[Block], verdict: VerdictRecord | None
) -> Any:
    category = _category(blocks, verdict)
    if signal.kind is Kind.VECTOR:
        shown = _distances(request, signal, segment, verdict)
    else:
        shown = _line(request, signal, segment, blocks, category)
    if shown is None or not shown.times:
        return None
    all_series = [shown]
    if request.compare is not None and request.compare != segment and signal.kind is not Kind.VECTOR:
        others = series.read_series(
            request.store,
            request.project_id,
            BlockLength.DAY,
            request.start,
            request.end,
            signal=signal.name,
            segment=request.compare,
        )
        all_series.append(_line(request, signal, request.compare, others, category))
    change = verdict.since if verdict is not None and verdict.is_trouble else None
    band = _usual(shown, change or (verdict.window_start if verdict else None))
    figure = charts.lines(
        all_series,
        signal,
        band=band,
        marks=[charts.Mark(change, f"change {wording.day(change)}")] if change else [],
    )
    what = "distance" if signal.kind is Kind.VECTOR else f"share of {category}" if category else "mean"
    values = [value for value in shown.values if value is not None]
    summary = (
        f"{signal.title} by day, {what}: between {wording.format_value(signal, min(values))} and "
        f"{wording.format_value(signal, max(values))}, last {wording.format_value(signal, values[-1])}."
        if values
        else "No values."
    )
    return charts.graph(
        figure,
        name="course",
        title=f"By day, {wording.shortened(what, 60)}{'; grey: the usual range' if band else ''}",
        summary=summary,
        link=streams.calls_link(request, signal.name, segment, request.start, request.end),
        height=280,
    )


def _line(request: Request, signal: Signal, segment: Segment, blocks: Sequence[Block], category: str) -> charts.Series:
    values = [value_of(block.profile, category) for block in blocks]
    texts = [
        f"{wording.day(block.start)}: {wording.format_value(signal, value)}, {wording.plural(block.profile.n, 'call')}"
        for block, value in zip(blocks, values, strict=True)
    ]
    return charts.Series(
        wording.shortened(wording.segment_text(segment), 40),
        [block.start for block in blocks],
        values,
        texts,
        [streams.calls_link(request, signal.name, segment, block.start, block.start + _DAY) for block in blocks],
    )


def _distances(
    request: Request, signal: Signal, segment: Segment, verdict: VerdictRecord | None
) -> charts.Series | None:
    """Vectors have no mean to draw; their verdicts have a distance for each day."""
    if verdict is None:
        return None
    history = verdicts.verdict_history(
        request.store,
        request.project_id,
        request.start,
        request.end,
        indicator=verdict.indicator,
        signal=signal.name,
        segment=segment,
    )
    return charts.Series(
        "distance",
        [one.start for one in history],
        [one.value for one in history],
        [f"{wording.day(one.start)}: {wording.format_value(signal, one.value)}" for one in history],
        [streams.calls_link(request, signal.name, segment, one.start, one.end) for one in history],
    )


def _category(blocks: Sequence[Block], verdict: VerdictRecord | None) -> str:
    """The category whose share is drawn: the one that changed most, else the most common one."""
    if not blocks or blocks[-1].profile.kind is not Kind.CATEGORY:
        return ""
    changed = (verdict.detail.get("categories") or []) if verdict is not None else []
    if changed:
        return str(changed[0]["value"])
    return next(iter(merge((block.profile for block in blocks), Kind.CATEGORY).shares()), "")


def _usual(shown: charts.Series, until: datetime | None) -> tuple[datetime, datetime, float, float] | None:
    """From the fifth to the ninety-fifth percentile of the days before the change."""
    healthy = sorted(
        value
        for moment, value in zip(shown.times, shown.values, strict=True)
        if value is not None and (until is None or moment + _DAY <= until)
    )
    if len(healthy) < 5:
        return None
    last = len(healthy) - 1
    return shown.times[0], shown.times[-1] + _DAY / 2, healthy[round(0.05 * last)], healthy[round(0.95 * last)]


def _both(request: Request, signal: Signal, segment: Segment, split: tuple[datetime, datetime]) -> Any:
    begin, end = split
    blocks = series.read_series(
        request.store, request.project_id, BlockLength.DAY, begin - REFERENCE, end, signal=signal.name, segment=segment
    )
    if not blocks:
        return None
    kind = blocks[-1].profile.kind
    before = merge((block.profile for block in blocks if block.start < begin), kind)
    after = merge((block.profile for block in blocks if block.start >= begin), kind)
    bars = bins.compare(before, after)
    if bars is None:
        return None
    first = blocks[0].start
    links = (
        streams.calls_link(request, signal.name, segment, max(first, begin - streams.EXAMPLES), begin),
        streams.calls_link(request, signal.name, segment, begin, end),
    )
    largest = max(range(len(bars.labels)), key=lambda index: abs(bars.after[index] - bars.before[index]))
    summary = (
        f"Shares before and since. The largest difference is at {wording.shortened(bars.labels[largest], 60)}: "
        f"{wording.percent(bars.before[largest])} before, {wording.percent(bars.after[largest])} since."
    )
    names = (
        f"before ({wording.plural(before.n, 'call')})",
        f"since {wording.day(begin)} ({wording.plural(after.n, 'call')})",
    )
    return charts.graph(
        charts.before_after(bars, links=links, names=names, axis_title=signal.unit),
        name="distribution",
        title="Distribution before and since",
        summary=summary,
        link=links[1],
        link_text="Show calls since",
        height=280,
    )
