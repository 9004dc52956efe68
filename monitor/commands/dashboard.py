"""`llmops-monitor dashboard`: pages and the read API, nothing else."""

from __future__ import annotations

import click

from monitor.terminal import serving_options


@click.command("dashboard", help="Pages and the read API, as a process of its own.")
@serving_options
def command(host: str | None, port: int | None, database_url: str | None) -> None:
    from monitor.commands.up import serve
    from monitor.settings import Settings

    settings = Settings.from_flags(host=host, port=port, database_url=database_url)
    serve(settings, frozenset({"api", "dashboard"}), schedule=False, make_schema=False)
