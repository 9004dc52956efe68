"""`llmops-monitor import`: files of calls into the store."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitor.terminal import database_option, json_option, print_json

if TYPE_CHECKING:
    from rich.progress import Progress

    from monitor.files.importing import Summary


class Timezone(click.ParamType[tzinfo]):
    """A time zone: its name, or an offset from UTC."""

    name = "zone"

    def convert(self, value: str | tzinfo, param: click.Parameter | None, ctx: click.Context | None) -> tzinfo:
        """The zone; fails with the usage where there is none of that name."""
        from zoneinfo import ZoneInfo

        if isinstance(value, tzinfo):
            return value
        if value.upper() in ("UTC", "Z"):
            return UTC
        try:
            if value[:1] in "+-":
                zone = datetime.fromisoformat(f"2000-01-01T00:00{value}").tzinfo
                assert zone is not None  # noqa: S101 - the text has an offset
                return zone
            return ZoneInfo(value)
        except (ValueError, KeyError, OSError):
            self.fail(f"{value!r} is no time zone; write Europe/Berlin or +02:00.", param, ctx)


def rows_progress() -> Progress:
    """A progress bar on stderr: share of the file, rows (field `rows` of its tasks), time."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[rows]} rows"), TimeElapsedColumn())
    return Progress("{task.description}", *columns, console=Console(stderr=True))


@click.command("import", help="Import logs of calls: JSON Lines, CSV or Parquet, each also as .gz.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option("--project", help="Project the calls belong to (default: the one of the settings).")
@database_option
@click.option("--timezone", type=Timezone(), help="Zone of times that name none, such as Europe/Berlin or +02:00.")
@click.option("--restart", is_flag=True, help="Begin at the first row, also where an import was interrupted.")
@json_option
def command(  # noqa: PLR0917 - click passes them by name
    files: tuple[Path, ...],
    project: str | None,
    database_url: str | None,
    timezone: tzinfo | None,
    restart: bool,
    as_json: bool,
) -> int:
    from rich.progress import TaskID

    from monitor import clock
    from monitor.files import LogFile
    from monitor.files.importing import Importer
    from monitor.ingest import Ingester
    from monitor.links import base_url, page_link
    from monitor.migrate import upgrade
    from monitor.settings import Settings
    from monitor.store import Store

    settings = Settings.from_flags(database_url=database_url, project=project)
    logs = [LogFile(path) for path in files]
    store = Store.open(settings)
    try:
        upgrade(store)
        ingester = Ingester(store, settings)
        importer = Importer(store, ingester, settings.project, timezone, restart=restart)
        summaries = []
        with rows_progress() as progress:
            for log in logs:
                task = progress.add_task(log.path.name, total=max(log.size, 1), rows=0)

                def show(position: int, rows: int, task: TaskID = task) -> None:
                    progress.update(task, completed=position, rows=rows)

                summaries.append(importer.run(log, clock.now(), show))
        ingester.close()
    finally:
        store.close()
    for summary in summaries:
        _complain(summary)
    done = any(summary.readable for summary in summaries)
    if as_json:
        document = {
            "project": settings.project,
            "files": [
                {**asdict(summary), "problems": [{"line": line, "reason": why} for line, why in summary.problems]}
                for summary in summaries
            ],
        }
        print_json(document)
    else:
        for summary in summaries:
            click.echo(_sentence(summary))
        if done:
            click.echo(
                f"Next: `llmops-monitor up` serves {page_link('/', project=settings.project, base=base_url(settings))} "
                "and works on what was imported."
            )
    if not done:
        click.echo("Nothing could be read.", err=True)
        return 2
    return 0


def _complain(summary: Summary) -> None:
    for line, reason in summary.problems:
        click.echo(f"{summary.file}:{line}: {reason}", err=True)
    more = summary.rejected - len(summary.problems)
    if more > 0:
        click.echo(f"{summary.file}: {more} more; all are in {summary.rejects_file}", err=True)


def _sentence(summary: Summary) -> str:
    parts = [f"{summary.file}: {summary.imported} calls imported"]
    if summary.resumed_after:
        parts.append(f"continued after line {summary.resumed_after}")
    if summary.duplicates:
        parts.append(f"{summary.duplicates} were there already")
    if summary.without_time:
        parts.append(f"{summary.without_time} without a time got the time of the import")
    if summary.rejected:
        parts.append(f"{summary.rejected} rejected, kept in {summary.rejects_file}")
    return "; ".join(parts) + "."
