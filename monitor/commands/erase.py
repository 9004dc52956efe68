"""`llmops-monitor erase`: calls and all that was kept of them, with a receipt."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from monitor.commands.export import Moment
from monitor.terminal import database_option, opened, print_json

NOT_REACHED = (
    "mails and webhooks that were sent",
    "files that were exported or imported, and the rows rejected from them",
    "backups of the database",
    "what incidents and their mails quote in the store",
)


@click.command("erase", help="Erase the calls of a user, a session or a trace, or all before a time; prints a receipt.")
@click.option("--user", metavar="U", help="The user as sent by the application, or the pseudonym that pages show.")
@click.option("--session", metavar="S", help="The session.")
@click.option("--trace", metavar="T", help="The trace.")
@click.option("--before", type=Moment(), metavar="TIME", help="Everything before this time (ISO 8601, UTC).")
@click.option("--project", help="Project (default: the one of the settings).")
@click.option("--yes", is_flag=True, help="Do it; without, the command only says what it would erase.")
@database_option
def command(  # noqa: PLR0917 - click passes them by name
    user: str | None,
    session: str | None,
    trace: str | None,
    before: datetime | None,
    project: str | None,
    yes: bool,
    database_url: str | None,
) -> int:
    from monitor import clock
    from monitor.erasing import Scope, count, erase
    from monitor.errors import InputError, NotFound
    from monitor.queries import options

    given = {"user": user, "session": session, "trace": trace, "before": before}
    chosen = {name: value for name, value in given.items() if value}
    if len(chosen) != 1:
        raise InputError("Name exactly one of --user, --session, --trace and --before.")
    scope = Scope(user or "", session or "", trace or "", before)
    with opened(database_url) as (store, settings):
        name = project if project is not None else settings.project
        known = options.project(store, name)
        if known is None:
            raise NotFound(f"There is no project {name}.")
        key = store.secret(settings.secret_key.get_secret_value())
        if not yes:
            spans = count(store, known.id, scope, key)
            click.echo(f"This would erase {spans} spans of project {name} and what was said of them; --yes does it.")
            return 2
        now = clock.now()
        receipt = erase(store, known.id, scope, key, now)
    document: dict[str, Any] = {
        "project": name,
        "by": next(iter(chosen)),
        "time": now,
        "erased": {
            part: getattr(receipt, part)
            for part in ("traces", "spans", "texts", "signals", "judgements", "waiting", "feedback")
        },
        "from": receipt.earliest,
        "to": receipt.latest,
        "blocks_to_rebuild": receipt.blocks,
        "not_reached": list(NOT_REACHED),
    }
    print_json(document)
    return 0
