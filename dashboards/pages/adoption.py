"""Adoption: how many people use the application, how many are new, and how many come back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from dash import html

from dashboards import cards, charts
from dashboards.cards import aria
from dashboards.charts import Series
from dashboards.filters import Request
from monitor import wording
from monitor.contracts import WHOLE, Page
from monitor.queries.adoption import Length, Period, periods
from monitor.queries.usage import change

LEAST_COHORT = 10
_COHORTS = 16
_WEEKS = 12
_DAYS: dict[Length, int] = {"day": 1, "week": 7, "month": 31}


def layout(request: Request) -> Any:
    """The page."""
    head = cards.heading("Adoption", "How many people use the application, how many are new, how many come back.")
    days = periods(request.store, request.project_id, "day", request.start, request.end)
    counted = [day for day in days if day.users]
    if not counted:
        return html.Div(
            [
                head,
                cards.nothing(
                    "No users were counted in this range. A day is counted when it has closed, from calls that tell "
                    "their user (user_id of a call, enduser.id or user.id of a span); only pseudonyms are kept."
                ),
            ]
        )
    early = request.start - timedelta(days=31)
    weeks = periods(request.store, request.project_id, "week", early, request.end)
    months = periods(request.store, request.project_id, "month", early, request.end)
    everybody = "" if request.segment == WHOLE else "These are the users of all traffic: the segment is not applied."
    return html.Div(
        [
            head,
            cards.note(everybody) if everybody else None,
            _numbers(request, days, weeks, months),
            cards.section("Active users", html.Div(_courses(request, days, weeks), className="two-columns")),
            _retention(weeks),
            cards.note(
                "Users are pseudonyms: a person with two accounts counts twice. In the first weeks after the monitor "
                "was set up everybody is new. ",
                "" if all(day.exact for day in days) else "Days of more than 4,096 users are estimated, within 3%.",
            ),
        ]
    )


def _numbers(request: Request, days: Sequence[Period], weeks: Sequence[Period], months: Sequence[Period]) -> Any:
    before = periods(request.store, request.project_id, "day", *request.previous)
    sessions, past_sessions = _sessions_a_user(days), _sessions_a_user(before)
    calls, past_calls = _calls_a_session(days), _calls_a_session(before)
    return cards.number_row(
        cards.number_card(
            "Users a day",
            _whole(_mean(days)),
            symbol="users",
            change=_change(_mean(days), _mean(before)),
            detail="mean of the range",
            spark=[day.users for day in days],
        ),
        *(
            cards.number_card(
                f"Users, newest {name}",
                _whole(found[-1].users) if found else wording.MISSING,
                symbol="users",
                change=_change(found[-1].users, found[-2].users, f"on the {name} before") if len(found) > 1 else None,
                detail=f"{_whole(found[-1].newcomers)} new, {_whole(found[-1].returning)} returning" if found else "",
            )
            for name, found in (("week", weeks), ("month", months))
        ),
        cards.number_card(
            "Sessions per user and day",
            wording.MISSING if not sessions else wording.number(sessions),
            symbol="usage",
            change=_change(sessions, past_sessions),
        ),
        cards.number_card(
            "Calls per session",
            wording.MISSING if not calls else wording.number(calls),
            symbol="calls",
            change=_change(calls, past_calls),
            href=request.link("/explorer"),
        ),
    )


def _courses(request: Request, days: Sequence[Period], weeks: Sequence[Period]) -> list[Any]:
    daily = _series(request, days, "day", "users", lambda one: one.users)
    shown = [week for week in weeks if week.start + timedelta(days=7) > request.start]
    fresh = _series(request, shown, "week", "new", lambda one: one.newcomers)
    known = _series(request, shown, "week", "returning", lambda one: one.returning)
    total = wording.plural(len(days), "day")
    graphs = [
        charts.graph(
            charts.lines([daily]),
            name="daily-users",
            title="Users by day",
            summary=f"Different users of each of {total}, {_whole(_mean(days))} in the mean.",
            link=request.link("/usage"),
            link_text="Usage",
        )
    ]
    if shown:
        graphs.append(
            charts.graph(
                charts.stacked([known, fresh]),
                name="weekly-users",
                title="New and returning users by week",
                summary=f"Newest week: {_whole(shown[-1].newcomers)} new, {_whole(shown[-1].returning)} returning.",
                link=request.link("/usage"),
                link_text="Usage",
            )
        )
    return graphs


def _series(
    request: Request, found: Sequence[Period], length: Length, name: str, value: Callable[[Period], float]
) -> Series:
    return Series(
        name,
        [one.start for one in found],
        [value(one) for one in found],
        [f"{length.capitalize()} of {wording.day(one.start)}: {_whole(value(one))} {name}" for one in found],
        [
            request.link("/explorer", start=one.start, end=one.start + timedelta(days=_DAYS[length]), segment=WHOLE)
            for one in found
        ],
    )


def _retention(weeks: Sequence[Period]) -> Any:
    title = "Who comes back"
    cohorts = [week for week in weeks if week.newcomers >= LEAST_COHORT and week.kept][-_COHORTS:]
    if not cohorts:
        text = f"Retention is shown for weeks with at least {LEAST_COHORT} new users, once a later week has closed."
        return cards.section(title, cards.nothing(text))
    width = min(max(len(week.kept) for week in cohorts), _WEEKS)
    head = html.Tr(
        [
            html.Th("First seen in the week of", scope="col"),
            html.Th("Users", scope="col"),
            *(html.Th(f"{number} wk", scope="col", title=f"{number} weeks later") for number in range(1, width + 1)),
        ]
    )
    rows = [
        html.Tr(
            [
                html.Th(wording.day(week.start), scope="row"),
                html.Td(_whole(week.newcomers), className="numeric"),
                *(_cell(week, place) for place in range(width)),
            ]
        )
        for week in cohorts
    ]
    caption = "Share of each week's new users who were back in each later week"
    return cards.section(
        title,
        html.Div(
            html.Table(
                [html.Caption(caption, className="sr-only"), html.Thead(head), html.Tbody(rows)], className="retention"
            ),
            className="table-box",
            tabIndex=0,
            role="region",
            **aria(label=caption),
        ),
        lead=f"{caption}. Weeks with fewer than {LEAST_COHORT} new users are not shown.",
    )


def _cell(week: Period, place: int) -> html.Td:
    if place >= len(week.kept):
        return html.Td("", className="kept-none")
    share = min(week.kept[place] / week.newcomers, 1.0)
    told = f"{_whole(week.kept[place])} of {_whole(week.newcomers)} back after {wording.plural(place + 1, 'week')}"
    return html.Td(wording.percent(share), className=f"kept kept-{min(int(share * 5), 4)}", title=told)


def _mean(found: Sequence[Period]) -> float | None:
    return sum(one.users for one in found) / len(found) if found else None


def _sessions_a_user(found: Sequence[Period]) -> float | None:
    users = sum(one.users for one in found)
    return sum(one.sessions for one in found) / users if users else None


def _calls_a_session(found: Sequence[Period]) -> float | None:
    sessions = sum(one.sessions for one in found)
    return sum(one.calls for one in found) / sessions if sessions else None


def _whole(value: float | None) -> str:
    return wording.MISSING if value is None else wording.count(round(value))


def _change(now: float | None, before: float | None, against: str = "on the period before") -> cards.Change | None:
    moved = change(now, before)
    if moved is None:
        return None
    if abs(moved) < 0.005:
        return cards.Change("as before")
    return cards.Change(f"{'+' if moved > 0 else wording.MINUS}{abs(moved):.0%} {against}", moved > 0)


PAGE = Page("/adoption", "Adoption", "users", 6, layout, section="Product")
