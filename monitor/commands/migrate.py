"""`llmops-monitor migrate`: the schema of the store."""

from __future__ import annotations

import click

from monitor.terminal import database_option, start_log


@click.command(
    "migrate", help="Brings the store up to date; a SQLite file that has data is copied beside itself first."
)
@click.option("--check", is_flag=True, help="Change nothing; exit code 1 where there is something to do.")
@click.option("--down", metavar="REVISION", help="Go back to a revision; data that it cannot hold is lost.")
@click.option("--new", metavar="REASON", help="For developers: write the migration to the tables as the code has them.")
@database_option
def command(check: bool, down: str | None, new: str | None, database_url: str | None) -> int:
    from monitor import migrate
    from monitor.settings import Settings
    from monitor.store import Store

    settings = Settings.from_flags(database_url=database_url)
    start_log(settings)
    store = Store.open(settings)
    try:
        if new:
            click.echo(f"Written: {migrate.new_revision(store, new)}")
        elif down:
            migrate.downgrade(store, down)
            click.echo(f"The store is at {migrate.current(store) or 'nothing'}.")
        elif check:
            current = migrate.is_current(store)
            click.echo("The store is up to date." if current else "The store needs a migration.")
            return 0 if current else 1
        else:
            changed = migrate.upgrade(store)
            click.echo(f"The store is {'now' if changed else 'already'} at {migrate.newest()}.")
        return 0
    finally:
        store.close()
