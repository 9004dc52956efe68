"""`llmops-monitor up`: everything in one process; and `serve`, which the other serving commands share."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from monitor.terminal import serving_options, start_log

if TYPE_CHECKING:
    from monitor.settings import Settings


@click.command("up", help="API, dashboard and scheduler in one process; makes and migrates the store.")
@serving_options
def command(host: str | None, port: int | None, database_url: str | None) -> None:
    from monitor.settings import Settings
    from monitor.web import PARTS

    serve(Settings.from_flags(host=host, port=port, database_url=database_url), PARTS, schedule=True)


def serve(settings: Settings, parts: frozenset[str], *, schedule: bool, make_schema: bool = True) -> None:
    """Serves the parts until SIGTERM or Ctrl-C; then all that was acknowledged is written and running jobs end."""
    from monitor import migrate
    from monitor.jobs import Scheduler
    from monitor.store import Store
    from monitor.web import Listener, close_server, create_server

    start_log(settings)
    store = Store.open(settings)
    scheduler = None
    finished = True
    try:
        if make_schema:
            migrate.upgrade(store)
        else:
            migrate.require_current(store)
        server = create_server(settings, store, parts)
        try:
            listener = Listener(server, settings)
            if schedule:
                scheduler = Scheduler(store, settings)
                scheduler.start()
            click.echo(f"LLMOps monitor: {listener.address} (Ctrl-C ends it)")
            listener.run()
        finally:
            finished = scheduler is None or scheduler.stop()
            close_server(server)
    finally:
        store.close()
    if not finished:
        # Its slot is taken over when its lease ends; waiting for the thread could take minutes.
        click.echo("A job was still running; it will be done again.", err=True)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
