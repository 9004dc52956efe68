"""`llmops-monitor users`: people who may log in."""

from __future__ import annotations

import sys
from dataclasses import asdict

import click

from monitor.terminal import database_option, json_option, moment, opened, print_json, print_table


@click.group("users", help="People who may log in.")
def command() -> None: ...


@command.command("add", help="Let someone log in, or set another password. It is asked for, or read from stdin.")
@click.argument("name")
@database_option
def add(name: str, database_url: str | None) -> None:
    from monitor import auth, clock

    with opened(database_url) as (store, _settings):
        if sys.stdin.isatty():
            password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        else:
            password = sys.stdin.readline().rstrip("\r\n")
        auth.add_account(store, name, password, clock.now())
    click.echo(f"{name} can log in.")


@command.command("list", help="Everyone who may or might log in.")
@json_option
@database_option
def show(as_json: bool, database_url: str | None) -> None:
    from monitor import auth

    with opened(database_url) as (store, _settings):
        found = auth.accounts(store)
    if as_json:
        print_json({"users": [asdict(account) for account in found]})
        return
    rows = [[account.name, moment(account.created), moment(account.disabled)] for account in found]
    print_table(("name", "created (UTC)", "disabled"), rows, empty="There are no users.")


@command.command("disable", help="Keep someone out, at once.")
@click.argument("name")
@database_option
def disable(name: str, database_url: str | None) -> None:
    from monitor import auth, clock

    with opened(database_url) as (store, _settings):
        auth.disable_account(store, name, clock.now())
    click.echo(f"{name} can no longer log in.")
