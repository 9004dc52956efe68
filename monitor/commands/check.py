"""`llmops-monitor check`: whether this installation can do its work."""

from __future__ import annotations

import click

from monitor.terminal import database_option, json_option, print_json, print_table, start_log


@click.command("check", help="Looks at settings, store, mail server, disk and clock; exit code 1 where one is wrong.")
@json_option
@database_option
def command(as_json: bool, database_url: str | None) -> int:
    from monitor import clock
    from monitor.checks import all_checks
    from monitor.settings import Settings

    settings = Settings.from_flags(database_url=database_url)
    start_log(settings)
    findings = all_checks(settings, clock.now())
    good = all(finding.ok for finding in findings)
    if as_json:
        print_json(
            {"ok": good, "checks": [{"check": found.name, "ok": found.ok, "note": found.note} for found in findings]}
        )
    else:
        rows = [[finding.name, "ok" if finding.ok else "WRONG", finding.note] for finding in findings]
        print_table(("check", "", ""), rows, empty="")
    return 0 if good else 1
