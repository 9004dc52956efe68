"""Overview: what is wrong now, since when, for whom and what to do; and how everything else is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from dash import html

from dashboards import cards, incidents
from dashboards.filters import Request
from monitor import advice, wording
from monitor.contracts import WHOLE, Kind, Page
from monitor.queries import alerts, feedback, metrics, options, rules, verdicts
from monitor.queries.usage import Usage, UsagePoint, change, usage
from monitor.signals import describe

RECENT = timedelta(days=28)
_MOST_OPEN = 6
_MOST_FEEDBACK = 2


def layout(request: Request) -> Any:
    """The page."""
    project = options.project(request.store, request.project)
    opened = alerts.open_incidents(request.store, request.project_id)
    own = {name for name, known in rules.indicators().items() if known.family == "pulse"}
    states: Counter[str] = Counter(
        verdict.state
        for verdict in verdicts.latest_verdicts(request.store, request.project_id, request.end)
        if verdict.indicator not in own
    )
    return html.Div(
        [
            cards.heading("Overview", _lead(opened, states)),
            *([cards.note(project.note)] if project and project.note else []),
            _wrong(request, opened, states),
            _numbers(request),
            _past(request),
            _own_health(request),
        ]
    )


def _lead(opened: Sequence[alerts.IncidentRecord], states: Mapping[str, int]) -> str:
    of_calls = [incident for incident in opened if not advice.is_of_the_monitor(incident.alerts)]
    worse = sum(incident.severity != "notice" for incident in of_calls)
    moved = len(of_calls) - worse
    own = "" if len(of_calls) == len(opened) else " The monitor itself needs a look."
    if worse:
        return f"{wording.plural(worse, 'thing')} got worse" + (f", {moved} moved." if moved else ".") + own
    if moved:
        return f"Nothing got worse; {wording.plural(moved, 'thing')} moved.{own}"
    if own:
        return own.strip()
    if not states["ok"]:
        return "Nothing can be said yet of whether anything is wrong."
    return "Nothing is wrong as far as was measured."


def _wrong(request: Request, opened: Sequence[alerts.IncidentRecord], states: Mapping[str, int]) -> Any:
    if not opened:
        calm = cards.card(html.P(_calm(states), className="all-clear"))
        return cards.section("What is wrong now", calm)
    shown = [incidents.card(request, incident) for incident in opened[:_MOST_OPEN]]
    more = len(opened) - _MOST_OPEN
    rest = [html.P(cards.link(f"{more} more open incidents", request.link("/alerts")))] if more > 0 else []
    return cards.section("What is wrong now", html.Div(shown, className="stack"), *rest)


def _calm(states: Mapping[str, int]) -> list[Any]:
    """Without an incident: all clear only where something of the calls was judged."""
    if states["ok"]:
        text = f"No open incident. {wording.plural(states['ok'], 'stream')} judged healthy"
        text += f", {wording.count(states['too_few'])} with too few calls to tell." if states["too_few"] else "."
        return [cards.badge("ok", "All clear"), html.Span(text)]
    if states["too_few"]:
        text = f"No open incident, but all {wording.plural(states['too_few'], 'stream')} have too few calls to tell."
        return [cards.badge("too_few", "Too early to tell"), html.Span(text)]
    text = "Nothing has been judged up to this day. A day is judged a quarter of an hour after it ends (UTC)."
    return [cards.badge("too_few", "Too early to tell"), html.Span(text)]


def _numbers(request: Request) -> Any:
    now = _usage(request, request.start, request.end)
    if request.compare is not None:
        before = usage(
            request.store, request.project_id, request.length, request.start, request.end, segment=request.compare
        )
        against = f"against {wording.segment_text(request.compare)}"
    else:
        before = _usage(request, *request.previous)
        against = "against the period before" if before.points else "with nothing before it to compare with"
    if not now.points:
        return cards.section(
            "How everything is", cards.nothing(f"No calls of {wording.segment_text(request.segment)} in this range.")
        )
    lead = (
        f"{wording.segment_text(request.segment).capitalize() if request.segment == WHOLE else request.segment}, "
        f"{wording.period(request.start, request.end)}, {against}."
    )
    return cards.section(
        "How everything is", cards.number_row(*_cards(request, now, before), *_feedback(request)), lead=lead
    )


def _usage(request: Request, start: Any, end: Any) -> Usage:
    return usage(request.store, request.project_id, request.length, start, end, segment=request.segment)


def _cards(request: Request, now: Usage, before: Usage) -> list[Any]:
    total, past = now.total, before.total
    users, past_users = _per_block(now), _per_block(before) if before.points else None
    return [
        cards.number_card(
            "Calls",
            wording.count(total.calls),
            symbol="calls",
            change=_relative(total.calls, past.calls),
            href=request.link("/usage"),
            spark=[point.calls for point in now.points],
        ),
        cards.number_card(
            f"Users {request.each}",
            wording.number(users),
            symbol="users",
            change=_relative(users, past_users),
            href=request.link("/usage"),
            spark=[point.users for point in now.points],
        ),
        cards.number_card(
            "Cost",
            wording.MISSING if total.cost_usd is None else wording.money(total.cost_usd),
            symbol="money",
            change=_relative(total.cost_usd, past.cost_usd),
            detail=f"{wording.count(total.unpriced)} without a known price" if total.unpriced else "",
            href=request.link("/usage"),
            spark=[point.cost_usd for point in now.points],
        ),
        cards.number_card(
            "Errors",
            wording.MISSING if total.error_share is None else wording.percent(total.error_share),
            symbol="warning",
            change=_points(total, past),
            href=request.link("/explorer", signal="error"),
            spark=[point.error_share for point in now.points],
        ),
        cards.number_card(
            "Latency, 95% within",
            wording.MISSING if total.latency.p95 is None else wording.seconds(total.latency.p95),
            symbol="clock",
            change=_relative(total.latency.p95, past.latency.p95, good_down=True),
            href=request.link("/usage"),
            spark=[point.latency.p95 for point in now.points],
        ),
    ]


def _per_block(found: Usage) -> float:
    return found.total.users / max(len(found.points), 1)


def _relative(now: float | None, before: float | None, *, good_down: bool = False) -> cards.Change | None:
    moved = change(now, before)
    if moved is None:
        return None
    sign = "+" if moved >= 0 else wording.MINUS
    good = (moved < 0) if good_down and abs(moved) >= 0.05 else None
    return cards.Change(f"{sign}{abs(moved) * 100:.0f}%", good)


def _points(total: UsagePoint, past: UsagePoint) -> cards.Change | None:
    if total.error_share is None or past.error_share is None:
        return None
    moved = total.error_share - past.error_share
    sign = "+" if moved >= 0 else wording.MINUS
    return cards.Change(f"{sign}{abs(moved) * 100:.1f} points", moved < 0 if abs(moved) >= 0.005 else None)


def _feedback(request: Request) -> list[Any]:
    """The feedback that most calls got: what people and evaluators say of the answers."""

    def read(start: Any, end: Any) -> dict[str, feedback.FeedbackSeries]:
        found = feedback.feedback_series(
            request.store, request.project_id, request.length, start, end, segment=request.segment
        )
        return {one.name: one for one in found if one.kind in (Kind.FLAG, Kind.NUMBER)}

    now, before = read(request.start, request.end), read(*request.previous)
    shown = []
    for one in sorted(now.values(), key=lambda item: (-item.total.n, item.name))[:_MOST_FEEDBACK]:
        signal = describe(one.signal, one.kind)
        past = before[one.name].total.mean if one.name in before else None
        moved = wording.format_difference(signal, past, one.total.mean)
        better = None if past is None or one.total.mean is None else (one.total.mean > past) == (signal.good == "up")
        shown.append(
            cards.number_card(
                wording.shortened(signal.title, 40),
                wording.format_value(signal, one.total.mean),
                symbol="quality",
                change=cards.Change(moved, better) if moved else None,
                detail=f"{wording.count(one.total.n)} judged",
                href=request.link("/quality"),
                spark=[block.profile.mean for block in one.blocks],
            )
        )
    return shown


def _past(request: Request) -> Any:
    past = alerts.past_incidents(
        request.store, request.project_id, limit=5, resolved_from=min(request.end, request.now) - RECENT
    )
    if not past:
        return None
    rows = [
        [
            cards.link(incident.title, incidents.incident_link(request, incident.id)),
            html.Span(wording.day(incident.since), className="nowrap"),
            html.Span(wording.day(incident.resolved) if incident.resolved else "", className="nowrap"),
        ]
        for incident in past
    ]
    return cards.section(
        "Over lately", cards.table(["What it was", "Since", "Over"], rows, caption="Incidents resolved lately")
    )


def _own_health(request: Request) -> Any:
    """The monitor's own health in one line: is what is shown here complete?"""
    fresh = options.freshness(request.store, request.project_id)
    counts = alerts.alert_counts(request.store, request.project_id)
    parts = []
    if fresh.newest_received is not None:
        parts.append(f"last arrival {wording.moment_text(fresh.newest_received)}")
    waiting = f"{'at least ' if fresh.pending_is_capped else ''}{wording.plural(fresh.pending, 'call')} waiting"
    parts.append(waiting if fresh.pending else "no call waiting to be looked at")
    if counts.failed_notifications:
        parts.append(f"{wording.plural(counts.failed_notifications, 'message')} could not be delivered")
    jobs = metrics.metrics(request.store).jobs
    if jobs:
        parts.append(f"jobs last ran {wording.moment_text(max(jobs.values()))}")
    own = [name for name, known in rules.indicators().items() if known.family == "pulse"]
    pulse = [
        verdict
        for verdict in verdicts.latest_verdicts(request.store, request.project_id, request.now, indicators=own)
        if verdict.is_trouble
    ]
    parts += [wording.shortened(verdict.reason, 160).rstrip(".") for verdict in pulse]
    state = "moved" if pulse or counts.failed_notifications else "ok"
    return cards.section(
        "The monitor itself",
        html.P(
            [cards.badge(state, "Look" if state == "moved" else "Healthy"), html.Span("; ".join(parts) + ".")],
            className="all-clear",
        ),
    )


PAGE = Page("/", "Overview", "overview", 1, layout, section="Now")
