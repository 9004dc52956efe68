"""`llmops-monitor ingest`: takes calls and feedback, nothing else."""

from __future__ import annotations

import click

from monitor.terminal import serving_options


@click.command("ingest", help="Takes calls and feedback, as a process of its own.")
@serving_options
def command(host: str | None, port: int | None, database_url: str | None) -> None:
    from monitor.commands.up import serve
    from monitor.settings import Settings

    settings = Settings.from_flags(host=host, port=port, database_url=database_url)
    serve(settings, frozenset({"ingest"}), schedule=False, make_schema=False)
