"""Alarm budget: false alarms allowed, spent at most, raised and called false; and what is worth a look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dash import html

from dashboards import cards, declaring, incidents, marking, streams
from dashboards.filters import Request
from monitor import wording
from monitor.contracts import Page
from monitor.queries import alerts
from monitor.queries.alerts import IncidentRecord
from monitor.queries.ledger import FALSE_DISCOVERIES, QUARTER, Ledger, WorthALook, ledger, worth_a_look

_MOST = 50
_LANES = {"hour": "Closed hours: jumps, within hours", "day": "Closed days: small changes that last"}


def layout(request: Request) -> Any:
    """The page."""
    book = ledger(request.store, request.settings, request.project_id, request.start, request.end)
    quarter = ledger(request.store, request.settings, request.project_id, request.now - QUARTER, request.now)
    return html.Div(
        [
            cards.heading(
                "Alarm budget",
                f"{_alarms(book.budget)} a quarter {'is' if book.budget == 1 else 'are'} accepted for this project, "
                "over all signals and segments together (MONITOR_ALARM_BUDGET).",
            ),
            _sums(request, book),
            _trust(quarter),
            cards.section("Worth a look today", _remarkable(request), lead=_what_is_remarkable()),
            cards.section(
                "Incidents of the range",
                _incidents(request),
                lead="Say which were false: it is held against the budget. It does not close an incident.",
            ),
            cards.section("What the looks may have cost", _lanes(book), lead=_guarantee()),
            cards.section(
                "Left out of what is usual",
                declaring.times(request),
                lead="Incidents and tests that you know of teach no baseline and raise no alarm; after a deployment "
                "that is meant to change things, what is usual begins anew.",
            ),
        ]
    )


def _alarms(number: float) -> str:
    return f"{wording.number(number)} false alarm{'' if number == 1 else 's'}"


def _sums(request: Request, book: Ledger) -> Any:
    period = wording.period(book.start, book.end)
    share = f"{wording.percent(book.spent / book.allowed)} of what is allowed" if book.allowed else ""
    return cards.number_row(
        cards.number_card("Allowed", wording.number(book.allowed), symbol="budget", detail=f"false alarms, {period}"),
        cards.number_card(
            "Spent at most",
            wording.number(book.spent),
            symbol="money",
            detail=share if book.spent else "no look so far",
        ),
        cards.number_card(
            "Alarms raised",
            wording.count(book.raised),
            symbol="alerts",
            detail=f"in {wording.plural(book.incidents, 'incident')}",
            href=request.link("/alerts"),
        ),
        cards.number_card(
            "Marked false",
            wording.count(book.marked_false),
            symbol="warning",
            detail="incidents, by people",
        ),
    )


def _trust(book: Ledger) -> Any:
    marked = wording.plural(book.marked_false, "incident")
    figures = (
        f"{marked} of the last quarter {'was' if book.marked_false == 1 else 'were'} marked false; at most "
        f"{_alarms(book.spent)} {'is' if book.spent == 1 else 'are'} expected."
    )
    if book.is_suspicious:
        told = cards.badge("bad", "An assumption looks broken")
        rest = (
            f" {figures} So many would come by chance less than once in a hundred: the past may not be healthy, or "
            "days may wander more than they did. The monitor has an alert on itself for this."
        )
    elif not book.spent:
        told, rest = cards.badge("too_few", "Nothing spent yet"), " Looks begin after the first days of data."
    else:
        told, rest = cards.badge("ok", "Marks and budget agree"), f" {figures}"
    return cards.card(html.P([told, html.Span(rest)], className="all-clear"))


def _what_is_remarkable() -> str:
    return (
        "Streams whose last two days are unusual without being enough for an alarm. At most one in "
        f"{wording.count(1 / FALSE_DISCOVERIES)} of those listed is there by chance. This list is never mailed."
    )


def _remarkable(request: Request) -> Any:
    found = worth_a_look(request.store, request.project_id, request.now)
    signals = streams.signals_of(request, [item.signal for item in found])
    rows = [_row(request, item, signals[item.signal].title) for item in found[:_MOST]]
    more = len(found) - _MOST
    return html.Div(
        [
            cards.table(
                ["Signal", "Segment", "So much by chance", "An alarm needs", "As of"],
                rows,
                caption="Worth a look",
                numeric=(2, 3),
                empty="Nothing is unusual enough to be worth a look just now.",
            ),
            cards.note(f"{wording.count(more)} more say less.") if more > 0 else None,
        ]
    )


def _row(request: Request, item: WorthALook, title: str) -> list[Any]:
    return [
        cards.link(
            wording.shortened(title, 60), streams.stream_link(request, item.indicator, item.signal, item.segment)
        ),
        html.Span(wording.shortened(wording.segment_text(item.segment), 60), title=str(item.segment)[:300]),
        f"once in {wording.count(1 / max(item.chance, 1e-15))}",
        f"once in {wording.count(10**item.threshold)}",
        html.Span(wording.moment_text(item.reached), className="nowrap"),
    ]


def _incidents(request: Request) -> Any:
    known = alerts.incidents(request.store, request.project_id)
    found = [one for one in known if request.start <= one.opened < request.end]
    return cards.table(
        ["What it was", "Severity", "Opened", "Alarms", "False?"],
        [_incident(request, one) for one in found[:_MOST]],
        caption="Incidents of the range",
        numeric=(3,),
        empty="No incident was opened in this range.",
    )


def _incident(request: Request, one: IncidentRecord) -> list[Any]:
    return [
        cards.link(wording.shortened(one.title or "An incident", 160), incidents.incident_link(request, one.id)),
        cards.badge(*reversed(incidents.SEVERITIES.get(one.severity, ("Incident", "moved")))),
        html.Span(wording.moment_text(one.opened), className="nowrap"),
        wording.count(sum(bool(alert.signal) and request.start <= alert.opened < request.end for alert in one.alerts)),
        marking.mark(one),
    ]


def _guarantee() -> str:
    return (
        "Each look at a stream may be wrong with a stated probability; they add up to this, however streams and days "
        "depend on each other. docs/statistics.md has the assumptions."
    )


def _lanes(book: Ledger) -> Any:
    rows: Sequence[Sequence[Any]] = [
        [
            _LANES.get(lane.lane, lane.lane),
            wording.number(lane.allowed),
            wording.count(lane.looks),
            wording.number(lane.spent),
        ]
        for lane in book.lanes
    ]
    return cards.table(
        ["Looks at", "Allowed", "Looks", "Spent at most"],
        rows,
        caption="What the looks may have cost",
        numeric=(1, 2, 3),
    )


PAGE = Page("/budget", "Alarm budget", "budget", 12, layout, declaring.register, section="This monitor")
