"""`llmops-monitor costs`: history priced anew, and a month held against an invoice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.commands.export import Moment
from monitor.terminal import database_option, json_option, opened, print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from monitor.costs.invoice import Line, Logged
    from monitor.costs.repricing import Repriced
    from monitor.store import Store

_project = click.option("--project", help="Project (default: the one of the settings).")


@click.group("costs", help="Price history anew, or hold it against a provider's invoice.")
def command() -> None:
    """Both are commands of their own."""


@command.command("reprice", help="Price stored calls anew, by today's catalogue and own prices, each at its own day.")
@_project
@click.option("--from", "start", type=Moment(), metavar="TIME", help="From this time on (ISO 8601, UTC).")
@click.option("--to", "end", type=Moment(), metavar="TIME", help="Up to this time, which is not included.")
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@json_option
@database_option
def reprice_command(
    *,
    project: str | None,
    start: datetime | None,
    end: datetime | None,
    dry_run: bool,
    as_json: bool,
    database_url: str | None,
) -> None:
    from monitor import clock
    from monitor.commands.importing import rows_progress
    from monitor.costs.repricing import reprice

    with opened(database_url) as (store, settings):
        project_id = known_project(store, project or settings.project)
        with rows_progress() as progress:
            task = progress.add_task("reprice", total=None, rows=0)
            found = reprice(
                store,
                settings,
                project_id,
                clock.now(),
                start=start,
                end=end,
                dry_run=dry_run,
                done=lambda calls: progress.update(task, rows=calls),
            )
    if as_json:
        print_json(_reprice_document(found, dry_run))
    else:
        _print_repriced(found, dry_run)


def known_project(store: Store, name: str) -> int:
    """The id of a project. Raises InputError where there is none of that name."""
    from monitor.errors import InputError
    from monitor.queries import options

    found = options.project(store, name)
    if found is None:
        raise InputError(f"There is no project {name!r}.")
    return found.id


def _reprice_document(found: Repriced, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "total": vars(found.total),
        "models": [{"model": name, **vars(change)} for name, change in sorted(found.models.items())],
    }


def _print_repriced(found: Repriced, dry_run: bool) -> None:
    from monitor import wording

    total = found.total
    click.echo(
        f"{wording.plural(total.calls, 'call')}, {wording.count(total.changed)} "
        f"{'would change' if dry_run else 'changed'}: {wording.money(total.before)} {wording.ARROW} "
        f"{wording.money(total.after)}."
    )
    print_table(
        ("model", "calls", "changed", "before", "after", "no price before", "no price now"),
        [
            (
                name,
                wording.count(change.calls),
                wording.count(change.changed),
                wording.money(change.before),
                wording.money(change.after),
                wording.count(change.unpriced_before),
                wording.count(change.unpriced_after),
            )
            for name, change in sorted(found.models.items(), key=lambda item: -abs(item[1].after - item[1].before))
        ],
        empty="No call of the range has been enriched.",
    )
    if total.changed and not dry_run:
        click.echo("Profiles and pages follow with the next run of the jobs.")


@command.command("reconcile", help="Hold a provider's invoice (CSV) against what was logged, by model and day.")
@click.argument("invoice", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_project
@click.option("--map", "mapping", multiple=True, metavar="FIELD=COLUMN", help="Column of day, model or cost.")
@click.option(
    "--tolerance",
    type=click.FloatRange(0, 100),
    default=1.0,
    show_default=True,
    help="Differences up to so many per cent (and a cent) need no reason.",
)
@click.option(
    "--fail-over",
    type=click.FloatRange(0, 100),
    metavar="PERCENT",
    help="Exit with 1 where the sums differ by more than so many per cent of the invoice.",
)
@json_option
@database_option
def reconcile_command(
    *,
    invoice: Path,
    project: str | None,
    mapping: tuple[str, ...],
    tolerance: float,
    fail_over: float | None,
    as_json: bool,
    database_url: str | None,
) -> int:
    from monitor.costs.invoice import read_invoice, reconcile

    charges = read_invoice(invoice, _mapping(mapping))
    days = [charge.day for charge in charges]
    with opened(database_url) as (store, settings):
        project_id = known_project(store, project or settings.project)
        logged = _logged(store, project_id, min(days), max(days))
    lines = reconcile(charges, logged, tolerance / 100)
    invoiced, ours = sum(line.invoiced or 0.0 for line in lines), sum(line.logged or 0.0 for line in lines)
    off = abs(invoiced - ours) / invoiced if invoiced else float(bool(ours))
    if as_json:
        print_json(
            {
                "invoice": str(invoice),
                "from": str(min(days)),
                "to": str(max(days)),
                "invoiced_usd": round(invoiced, 6),
                "logged_usd": round(ours, 6),
                "difference_share": round(off, 6),
                "lines": [_line_document(line) for line in lines],
            }
        )
    else:
        _print_lines(lines, invoiced, ours)
    return int(fail_over is not None and off > fail_over / 100)


def _mapping(entries: tuple[str, ...]) -> dict[str, str]:
    from monitor.errors import InputError

    found = {}
    for entry in entries:
        field, _, column = entry.partition("=")
        if not column:
            raise InputError(f"--map {entry}: write FIELD=COLUMN.")
        found[field] = column
    return found


def _logged(store: Store, project_id: int, first: date, last: date) -> Mapping[tuple[date, str], Logged]:
    """What the store has by day and family; snapshots of a family are added up."""
    from monitor.costs.invoice import Logged, normal_model
    from monitor.queries.spend import spend_by_day

    start = datetime(first.year, first.month, first.day, tzinfo=UTC)
    end = datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1)
    found: dict[tuple[date, str], Logged] = {}
    for (day, model), spend in spend_by_day(store, project_id, start, end).items():
        key = (day, normal_model(model))
        known = found.get(key, Logged(0.0, 0, 0))
        calls = known.calls + spend.calls
        share = (known.cached_share * known.calls + spend.cached_share * spend.calls) / max(calls, 1)
        found[key] = Logged(known.cost + spend.cost, calls, known.unpriced + spend.unpriced, share)
    return found


def _line_document(line: Line) -> dict[str, Any]:
    return {
        "day": str(line.day),
        "model": line.model,
        "invoiced_usd": line.invoiced,
        "logged_usd": line.logged,
        "difference_usd": round(line.difference, 6),
        "calls": line.calls,
        "reason": line.reason,
    }


def _print_lines(lines: list[Line], invoiced: float, logged: float) -> None:
    from monitor import wording

    click.echo(
        f"Invoice {wording.money(invoiced)}, logged {wording.money(logged)}, difference "
        f"{wording.money(invoiced - logged)}."
    )
    print_table(
        ("day", "model", "invoice", "logged", "difference", "calls", "likely because"),
        [
            (
                str(line.day),
                line.model,
                wording.MISSING if line.invoiced is None else wording.money(line.invoiced),
                wording.MISSING if line.logged is None else wording.money(line.logged),
                wording.money(line.difference),
                wording.count(line.calls),
                line.reason or "agrees",
            )
            for line in lines
        ],
        empty="The invoice has no charge.",
    )
