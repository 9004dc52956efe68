"""`llmops-monitor accept`: what changed is the new normal, so baselines begin anew."""

from __future__ import annotations

from datetime import datetime

import click

from monitor.commands.exclude import known_project, show_declared
from monitor.commands.export import Moment
from monitor.terminal import database_option, json_option, opened


@click.command(
    "accept",
    help="Accept the level of an INCIDENT as the new normal, or declare with --at that a deployment changed what is "
    "usual: baselines begin anew there, and alerts about it are closed. `exclude --remove` takes it back.",
)
@click.argument("incident", required=False, type=int)
@click.option("--at", type=Moment(), metavar="TIME", help="When the deployment was (ISO 8601, UTC).")
@click.option("--segment", default="", metavar="DIMENSION:VALUE", help="With --at: only there, such as model:gpt-4.")
@click.option("--reason", default="", metavar="TEXT", help="Why; shown on the Budget page and with alerts near it.")
@click.option("--project", help="Project (default: the one of the settings).")
@json_option
@database_option
def command(  # noqa: PLR0917 - click passes them by name
    incident: int | None,
    at: datetime | None,
    segment: str,
    reason: str,
    project: str | None,
    as_json: bool,
    database_url: str | None,
) -> int:
    from monitor import clock
    from monitor.contracts import WHOLE
    from monitor.errors import InputError
    from monitor.links import parse_segment
    from monitor.queries import declared

    if (incident is None) == (at is None):
        raise InputError("Name an incident, or a time with --at.")
    chosen = parse_segment(segment)
    if segment and (chosen == WHOLE or at is None):
        raise InputError("--segment is DIMENSION:VALUE, and for --at only.")
    with opened(database_url) as (store, settings):
        project_id = known_project(store, project or settings.project)
        now = clock.now()
        if incident is not None:
            declared.accept(store, project_id, incident, reason=reason, by="", now=now)
        elif at is not None:
            declared.begin_anew(store, project_id, at, reason=reason, by="", now=now, segment=chosen)
        show_declared(declared.declared(store, project_id), as_json)
    return 0
