"""The summary of a week: what is still open with the figures of all calls since, what is over, traffic and spend."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from monitor import tables, wording
from monitor.alerts.message import render
from monitor.alerts.outbox import enqueue
from monitor.alerts.view import IncidentView, Place, incident_view
from monitor.clock import BlockLength, block_start
from monitor.contracts import WHOLE, Block, Notification
from monitor.links import page_link
from monitor.queries import series
from monitor.queries.alerts import open_incidents, past_incidents
from monitor.settings import Settings
from monitor.store import Store, table_of

WEEK = timedelta(days=7)
# The last day of the week is judged a quarter of an hour after midnight; that takes a moment.
AFTER_MIDNIGHT = timedelta(minutes=20)
MAX_ROWS = 5

_project = table_of(tables.Project)
_value = table_of(tables.Value)


@dataclass(frozen=True)
class WeekView:
    """A week of one project as the mail shows it."""

    project: str
    week: str
    calls: str
    calls_change: str
    spend: str
    standing: str
    incidents: tuple[IncidentView, ...]
    resolved: tuple[IncidentView, ...]
    overview: str
    usage: str


def summarise(store: Store, settings: Settings, now: datetime) -> int:
    """Puts the summary of the week that ended last into the outbox, once a project; answers how many projects have one.

    A week without traffic, open incidents and incidents that ended is not worth a mail.
    """
    monday = last_week_end(now)
    if now < monday + AFTER_MIDNIGHT:
        return 0
    with store.read() as connection:
        projects = connection.execute(select(_project.c.id, _project.c.name).order_by(_project.c.id)).all()
    return sum(_summarise_project(store, settings, project.id, project.name, now=now) for project in projects)


def last_week_end(now: datetime) -> datetime:
    """Midnight (UTC) of the newest Monday."""
    midnight = block_start(now, BlockLength.DAY)
    return midnight - timedelta(days=midnight.weekday())


def week_view(store: Store, place: Place, project_id: int, now: datetime) -> WeekView | None:
    """The week that ended with the newest Monday; None where there is nothing to say."""
    end = last_week_end(now)
    start = end - WEEK
    found = series.read_profiles(
        store,
        project_id,
        BlockLength.DAY,
        start - WEEK,
        end,
        signals=["calls", "cost_usd"],
        segments=[WHOLE],
    )
    calls, calls_before = _split(found.get((WHOLE, "calls"), []), start)
    costs, _ = _split(found.get((WHOLE, "cost_usd"), []), start)
    still_open = open_incidents(store, project_id)
    over = past_incidents(store, project_id, limit=20, resolved_from=start)
    n = sum(block.profile.n for block in calls)
    if not n and not still_open and not over:
        return None
    before = sum(block.profile.n for block in calls_before)
    priced = sum(block.profile.n for block in costs)
    spend = f"{wording.money(sum(block.profile.total for block in costs))} spent" if priced else ""
    if 0 < priced < n:
        spend += f" on {wording.plural(priced, 'call')} with a known price"
    return WeekView(
        project=place.project,
        week=wording.period(start, end),
        calls=wording.plural(n, "call"),
        calls_change=_compared(n, before),
        spend=spend,
        standing=_standing(len(still_open), len(over)),
        incidents=tuple(incident_view(store, place, record, now, most=MAX_ROWS) for record in still_open),
        resolved=tuple(incident_view(store, place, record, now, most=0) for record in over),
        overview=page_link("/", project=place.project, start=start, end=end, base=place.base),
        usage=page_link("/usage", project=place.project, start=start, end=end, base=place.base),
    )


def _summarise_project(store: Store, settings: Settings, project_id: int, name: str, *, now: datetime) -> int:
    week = last_week_end(now)
    with store.write() as connection:
        if not _claim(connection, store, project_id, week):
            return 0
        view = week_view(store, Place.of(settings, name), project_id, now)
        if view is None:
            return 0
        subject = _subject(view)
        text, html = render("summary", view, subject, view.standing)
        notification = Notification(
            key=f"week-{project_id}",
            kind="summary",
            project=name,
            subject=subject,
            text=text,
            html=html,
            data={
                "version": 1,
                "event": "summary",
                "project": name,
                "from": (week - WEEK).isoformat(),
                "to": week.isoformat(),
                "calls": view.calls,
                "spend": view.spend,
                "open": [{"title": item.title, "url": item.page} for item in view.incidents],
                "resolved": [{"title": item.title, "url": item.page} for item in view.resolved],
            },
            created=now,
        )
        enqueue(connection, store, settings, notification, project_id=project_id, incident_id=None)
    return 1


def _claim(connection: Connection, store: Store, project_id: int, week: datetime) -> bool:
    """True for the one process that may summarise this week: it moves the mark of the project on."""
    name = f"alerts.week.{project_id}"
    store.insert_new(connection, tables.Value, [{"name": name, "data": ""}])
    moved = connection.execute(
        _value.update().where(_value.c.name == name, _value.c.data < week.isoformat()).values(data=week.isoformat())
    )
    return moved.rowcount == 1


def _split(blocks: list[Block], moment: datetime) -> tuple[list[Block], list[Block]]:
    return [block for block in blocks if block.start >= moment], [block for block in blocks if block.start < moment]


def _compared(n: int, before: int) -> str:
    if not before:
        return ""
    change = n / before - 1
    return f"{abs(change) * 100:.0f}% {'more' if change >= 0 else 'fewer'}"


def _standing(still_open: int, over: int) -> str:
    first = (
        f"{wording.plural(still_open, 'incident is', 'incidents are')} open" if still_open else "No incident is open"
    )
    return f"{first}, {wording.count(over)} ended this week." if over else f"{first}."


def _subject(view: WeekView) -> str:
    head = f"[{wording.shortened(view.project, 40)}] Week {view.week}: "
    facts = f"{view.calls}{', ' + view.spend if view.spend else ''}"
    if not view.incidents:
        return f"{head}no open incident, {facts}"
    first = wording.shortened(view.incidents[0].title.replace(wording.ARROW, "->"), 80)
    return f"{head}{wording.plural(len(view.incidents), 'open incident')} ({first}), {facts}"
