"""`llmops-monitor export`: calls, feedback or verdicts as JSON Lines, CSV or Parquet."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.commands.importing import rows_progress
from monitor.terminal import database_option, opened

if TYPE_CHECKING:
    from monitor.files.exporting import Columns
    from monitor.store import Store


class Moment(click.ParamType[datetime]):
    """A time as in ISO 8601; UTC where it names no zone."""

    name = "time"

    def convert(self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The moment; fails with the usage where the text is none."""
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no time; write 2026-03-11 or 2026-03-11T12:30:00Z.", param, ctx)
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


@click.command(
    "export", help="Export calls, feedback or verdicts; calls come as `import` takes them, masked as stored."
)
@click.argument("what", type=click.Choice(["calls", "feedback", "verdicts"]))
@click.option("--project", help="Project (default: the one of the settings).")
@click.option("--from", "start", type=Moment(), metavar="TIME", help="From this time on (ISO 8601, UTC).")
@click.option("--to", "end", type=Moment(), metavar="TIME", help="Up to this time, which is not included.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["jsonl", "csv", "parquet"]),
    help="Default: what the name of --out tells, else jsonl.",
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write this file instead of to stdout.")
@click.option("--gzip", "packed", is_flag=True, help="Compress; a name in .gz says so too.")
@click.option("--every-kind", is_flag=True, help="With calls: also spans that are no calls, such as tools and agents.")
@database_option
def command(  # noqa: PLR0917 - click passes them by name
    what: str,
    project: str | None,
    start: datetime | None,
    end: datetime | None,
    format_: str | None,
    out: Path | None,
    packed: bool,
    every_kind: bool,
    database_url: str | None,
) -> int:
    from monitor.errors import NotFound
    from monitor.files.exporting import format_of, target, write_records
    from monitor.queries.options import projects

    packed = packed or (out is not None and out.suffix.lower() == ".gz")
    chosen = format_of(out, format_, packed=packed)
    with opened(database_url) as (store, settings):
        name = project if project is not None else settings.project
        identifier = next((known.id for known in projects(store) if known.name == name), None)
        if identifier is None:
            raise NotFound(f"There is no project {name}.")
        records, columns = _records(what, store, identifier, start, end, every_kind=every_kind)
        with rows_progress() as progress:
            task = progress.add_task(f"{what} of {name}", total=None, rows=0)
            with target(out, sys.stdout.buffer, packed=packed) as stream:
                count = write_records(stream, records, columns, chosen, lambda rows: progress.update(task, rows=rows))
            progress.update(task, total=max(count, 1), completed=max(count, 1), rows=count)
    click.echo(f"{count} {what} of project {name} exported" + (f" to {out}." if out else "."), err=True)
    return 0


def _records(
    what: str, store: Store, project: int, start: datetime | None, end: datetime | None, *, every_kind: bool
) -> tuple[Iterable[dict[str, Any]], Columns]:
    from monitor.files import export_records as shapes
    from monitor.queries import export

    if what == "calls":
        calls = export.stored_calls(store, project, start, end, every_kind=every_kind)
        return map(shapes.call_record, calls), shapes.CALL_COLUMNS
    if what == "feedback":
        said = export.stored_feedback(store, project, start, end)
        return map(shapes.feedback_record, said), shapes.FEEDBACK_COLUMNS
    return map(shapes.verdict_record, export.stored_verdicts(store, project, start, end)), shapes.VERDICT_COLUMNS
