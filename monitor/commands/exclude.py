"""`llmops-monitor exclude`: times that say nothing of what is usual, such as incidents, load tests and holidays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.commands.export import Moment
from monitor.commands.importing import Timezone
from monitor.terminal import database_option, json_option, moment, opened, print_json, print_table

if TYPE_CHECKING:
    from monitor.queries.declared import DeclaredTime
    from monitor.store import Store

_PAST = timedelta(weeks=10)
_FUTURE = timedelta(days=400)


@click.command(
    "exclude",
    help="Leave a time out: it teaches no baseline and is not judged. With no time, calendar or id: list.",
)
@click.option("--from", "start", type=Moment(), metavar="TIME", help="Its beginning (ISO 8601, UTC).")
@click.option("--until", type=Moment(), metavar="TIME", help="Its end, which is not included.")
@click.option("--reason", default="", metavar="TEXT", help="Why; shown on the Budget page and with alerts near it.")
@click.option("--holiday", is_flag=True, help="Only how many calls there are, and their cost, is not judged.")
@click.option(
    "--calendar",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Holidays out of an iCalendar file (.ics), ten weeks back and a year ahead.",
)
@click.option("--timezone", type=Timezone(), help="Zone of the calendar's days, such as Europe/Berlin; default UTC.")
@click.option("--remove", type=int, metavar="ID", help="Take one back.")
@click.option("--project", help="Project (default: the one of the settings).")
@json_option
@database_option
def command(  # noqa: PLR0917 - click passes them by name
    start: datetime | None,
    until: datetime | None,
    reason: str,
    holiday: bool,
    calendar: Path | None,
    timezone: tzinfo | None,
    remove: int | None,
    project: str | None,
    as_json: bool,
    database_url: str | None,
) -> int:
    from monitor import clock
    from monitor.errors import InputError
    from monitor.queries import declared

    if sum(given is not None for given in (start, calendar, remove)) > 1 or (start is None) != (until is None):
        raise InputError("Give --from with --until, or --calendar, or --remove.")
    if timezone is not None and calendar is None:
        raise InputError("--timezone is for --calendar; write --from and --until with their zone.")
    with opened(database_url) as (store, settings):
        project_id = known_project(store, project or settings.project)
        now = clock.now()
        if start is not None and until is not None:
            declared.leave_out(store, project_id, start, until, reason=reason, by="", now=now, holiday=holiday)
        elif calendar is not None:
            _from_calendar(store, project_id, calendar, timezone or UTC, now)
        elif remove is not None:
            declared.take_back(store, project_id, remove, now)
        show_declared(declared.declared(store, project_id), as_json)
    return 0


def known_project(store: Store, name: str) -> int:
    """The id of a project. Raises NotFound where there is none of this name."""
    from monitor.errors import NotFound
    from monitor.queries import options

    found = options.project(store, name)
    if found is None:
        raise NotFound(f"There is no project {name}.")
    return found.id


def show_declared(known: list[DeclaredTime], as_json: bool) -> None:
    """All that is declared, on stdout."""
    if as_json:
        print_json({"declared": [_document(one) for one in known]})
        return
    rows = [
        [str(one.id), one.kind, moment(one.start), moment(one.until), _what(one), one.reason, one.made_by or "-"]
        for one in known
    ]
    titles = ("id", "kind", "from (UTC)", "until", "of", "reason", "by")
    print_table(titles, rows, empty="Nothing is left out, and nothing begins anew.")


def _what(one: DeclaredTime) -> str:
    from monitor import wording

    return f"incident {one.incident_id}" if one.incident_id is not None else wording.segment_text(one.segment)


def _document(one: DeclaredTime) -> dict[str, Any]:
    return {
        "id": str(one.id),
        "kind": one.kind,
        "from": one.start,
        "until": one.until,
        "reason": one.reason,
        "segment": {"dimension": one.segment.dimension, "value": one.segment.value},
        "incident": None if one.incident_id is None else str(one.incident_id),
        "made": one.made,
        "by": one.made_by,
    }


def _from_calendar(store: Store, project_id: int, path: Path, zone: tzinfo, now: datetime) -> None:
    from monitor.files.calendar import read_calendar
    from monitor.queries import declared

    found = read_calendar(path, zone)
    near = [event for event in found.events if event.until > now - _PAST and event.start < now + _FUTURE]
    for event in near:
        title = event.title[: declared.MAX_REASON]
        declared.leave_out(
            store, project_id, event.start, event.until, reason=title, by=path.name[:80], now=now, holiday=True
        )
    note = f"; {found.repeating} that repeat by a rule were not read" if found.repeating else ""
    click.echo(f"{len(near)} of {len(found.events)} holidays are near enough and declared{note}.", err=True)
