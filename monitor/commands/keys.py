"""`llmops-monitor keys`: keys of programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Literal

import click

from monitor.terminal import database_option, json_option, moment, opened, print_json, print_table


@click.group("keys", help="API keys: for programs that send calls, or read.")
def command() -> None: ...


@command.command("create", help="Make a key; it is shown this once.")
@click.option("--project", required=True, help="The only project it is good for.")
@click.option(
    "--scope", type=click.Choice(("write", "read")), default="write", show_default=True, help="What it may do."
)
@click.option("--note", default="", help="What it is for.")
@database_option
def create(project: str, scope: Literal["write", "read"], note: str, database_url: str | None) -> None:
    from monitor import auth, clock

    with opened(database_url) as (store, _settings):
        key = auth.create_key(store, project, scope, clock.now(), note=note)
    click.echo("Keep it: it is not shown again. Send it as `Authorization: Bearer KEY`.", err=True)
    click.echo(key)


@command.command("list", help="All keys, without their secrets.")
@json_option
@database_option
def show(as_json: bool, database_url: str | None) -> None:
    from monitor import auth

    with opened(database_url) as (store, _settings):
        found = auth.keys(store)
    if as_json:
        print_json({"keys": [asdict(key) for key in found]})
        return
    rows = [
        [
            f"lm_{key.prefix}",
            key.project,
            key.scope,
            moment(key.created),
            moment(key.last_used),
            moment(key.revoked),
            key.note,
        ]
        for key in found
    ]
    titles = ("key", "project", "scope", "created (UTC)", "last used", "revoked", "note")
    print_table(titles, rows, empty="There are no keys.")


@command.command("revoke", help="End a key, named by the part before its secret.")
@click.argument("prefix")
@database_option
def revoke(prefix: str, database_url: str | None) -> None:
    from monitor import auth, clock

    with opened(database_url) as (store, _settings):
        auth.revoke_key(store, prefix, clock.now())
    click.echo("Revoked; it stops working within ten seconds.")
