"""`llmops-monitor import`: files of calls into the store."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.terminal import database_option, json_option, print_json

if TYPE_CHECKING:
    from rich.progress import Progress

    from monitor.files import LogFile
    from monitor.files.importing import Summary
    from monitor.files.reading import Reading
    from monitor.settings import Settings


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


rules_option = click.option(
    "--map",
    "rules",
    multiple=True,
    metavar="FIELD=COLUMN",
    help="Where a field comes from: model=request.model, latency_s=latency_ms/1000, environment:=production. Repeat.",
)
preset_option = click.option(
    "--preset",
    default="auto",
    show_default=True,
    metavar="NAME",
    help="Whose export it is: langfuse, phoenix, helicone, openai, litellm; auto looks at the columns, none does not.",
)


def say_what_it_looks_like(log: LogFile, reading: Reading) -> None:
    """Tells, on stderr, where a file was recognised as another tool's export."""
    if reading.recognised and reading.preset is not None:
        click.echo(
            f"{log.path} looks like an export of {reading.preset.title} and is read as one "
            f"(--preset {reading.preset.name}); --preset none reads it as call records.",
            err=True,
        )


@click.command("import", help="Import logs of calls: JSON (Lines or an array), CSV or Parquet, each also as .gz.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option("--project", help="Project the calls belong to (default: the one of the settings).")
@database_option
@click.option("--timezone", type=Timezone(), help="Zone of times that name none, such as Europe/Berlin or +02:00.")
@rules_option
@preset_option
@click.option("--dry-run", is_flag=True, help="Store nothing; show the call record of the first row as JSON.")
@click.option("--restart", is_flag=True, help="Begin at the first row, also where an import was interrupted.")
@click.option("--strict", is_flag=True, help="Exit code 1 where a row was rejected.")
@click.option(
    "--processes",
    type=click.IntRange(1, 64),
    help="Processes that work on a file; default: one a processor for large files.",
)
@json_option
def command(  # noqa: PLR0917 - click passes them by name
    files: tuple[Path, ...],
    project: str | None,
    database_url: str | None,
    timezone: tzinfo | None,
    rules: tuple[str, ...],
    preset: str,
    dry_run: bool,
    restart: bool,
    strict: bool,
    processes: int | None,
    as_json: bool,
) -> int:
    from monitor import clock
    from monitor.files import LogFile
    from monitor.files.reading import reading_of, try_out
    from monitor.settings import Settings

    settings = Settings.from_flags(database_url=database_url, project=project)
    logs = [LogFile(path) for path in files]
    work = [(log, reading_of(log, rules, preset)) for log in logs]
    for log, reading in work:
        say_what_it_looks_like(log, reading)
    if dry_run:
        trials = [try_out(log, reading, clock.now(), timezone) for log, reading in work]
        print_json({"files": [asdict(trial) for trial in trials]})
        return 2 if any(trial.problem for trial in trials) else 0
    summaries, judged = _import(work, settings, timezone, restart=restart, processes=processes)
    for summary in summaries:
        _complain(summary)
    done = any(summary.readable for summary in summaries)
    if as_json:
        print_json({"project": settings.project, "files": [_document(summary) for summary in summaries]})
    else:
        for summary in summaries:
            click.echo(_sentence(summary))
        if done:
            _say_what_next(settings, summaries, judged)
    if not done:
        click.echo("Nothing could be read.", err=True)
        return 2
    return 1 if strict and any(summary.rejected for summary in summaries) else 0


def _import(
    work: list[tuple[LogFile, Reading]],
    settings: Settings,
    timezone: tzinfo | None,
    *,
    restart: bool,
    processes: int | None,
) -> tuple[list[Summary], datetime | None]:
    """What became of each file, and where the newest block begins that has been judged."""
    from rich.progress import TaskID

    from monitor import clock
    from monitor.files.importing import Importer
    from monitor.identifiers import project_id
    from monitor.ingest import Ingester
    from monitor.migrate import upgrade
    from monitor.queries.judged import judged_from
    from monitor.store import Store

    store = Store.open(settings)
    try:
        upgrade(store)
        ingester = Ingester(store, settings)
        importer = Importer(
            store,
            ingester,
            settings.project,
            timezone,
            restart=restart,
            settings=settings,
            processes=processes,
        )
        summaries = []
        with rows_progress() as progress:
            for log, reading in work:
                task = progress.add_task(log.path.name, total=max(log.size, 1), rows=0)

                def show(position: int, rows: int, task: TaskID = task) -> None:
                    progress.update(task, completed=position, rows=rows)

                summaries.append(importer.run(log, clock.now(), show, reading.convert))
        ingester.close()
        return summaries, judged_from(store, project_id(settings.project))
    finally:
        store.close()


def _say_what_next(settings: Settings, summaries: list[Summary], judged: datetime | None) -> None:
    from monitor.links import base_url, page_link

    earliest = min((summary.earliest for summary in summaries if summary.earliest), default=None)
    if judged is not None and earliest is not None and earliest < judged:
        click.echo(
            f"What was imported from before {judged:%Y-%m-%d %H:%M} UTC only teaches what is normal: "
            "those days have been judged and are not judged again."
        )
    click.echo(
        f"Next: `llmops-monitor up` serves {page_link('/', project=settings.project, base=base_url(settings))} "
        "and works on what was imported."
    )


def _document(summary: Summary) -> dict[str, Any]:
    return {**asdict(summary), "problems": [{"line": line, "reason": why} for line, why in summary.problems]}


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
