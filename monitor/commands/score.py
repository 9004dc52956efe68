"""`llmops-monitor score`: the signals of each row of a file, without a store."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from monitor.commands.importing import (
    Timezone,
    preset_option,
    rows_progress,
    rules_option,
    say_what_it_looks_like,
)

if TYPE_CHECKING:
    from monitor.files import LogFile
    from monitor.files.log_file import Convert
    from monitor.records import Span
    from monitor.settings import Settings

BATCH_ROWS = 200


@click.command("score", help="Print the signals of each row of FILE as JSON Lines; needs no store.")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write here instead of to stdout.")
@click.option("--timezone", type=Timezone(), help="Zone of times that name none, such as Europe/Berlin or +02:00.")
@rules_option
@preset_option
def command(file: Path, out: Path | None, timezone: tzinfo | None, rules: tuple[str, ...], preset: str) -> int:
    from monitor import clock
    from monitor.files import LogFile
    from monitor.files.reading import reading_of
    from monitor.settings import Settings

    settings = Settings()
    log = LogFile(file)
    reading = reading_of(log, rules, preset)
    say_what_it_looks_like(log, reading)
    scored = 0
    with ExitStack() as stack, rows_progress() as progress:
        stream = sys.stdout if out is None else stack.enter_context(_opened(out))
        task = progress.add_task(file.name, total=max(log.size, 1), rows=0)
        for batch in _batches(log, reading.convert, settings, clock.now(), timezone, console=progress.console):
            _write(stream, batch, settings)
            scored += len(batch)
            progress.update(task, completed=log.position, rows=scored)
    if not scored:
        click.echo("Nothing could be read.", err=True)
        return 2
    return 0


def _opened(out: Path) -> TextIO:
    from monitor.errors import InputError

    try:
        return out.open("w", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{out}: cannot be written: {error.strerror}.") from None


def _batches(
    log: LogFile, convert: Convert, settings: Settings, now: datetime, timezone: tzinfo | None, *, console: Any
) -> Iterator[list[tuple[str, Span]]]:
    """Rows as id (the line where the row has none) and call; bad rows are reported with their line."""
    from rich.markup import escape

    from monitor.errors import InputError
    from monitor.ingest.call_record import read_call
    from monitor.ingest.prepare import Preparer

    # What is scored is what would be stored: masked and cut. The key only makes pseudonyms, which no signal looks at.
    preparer = Preparer(settings, b"score")
    batch: list[tuple[str, Span]] = []
    for row in log.rows(convert):
        problem = row.problem
        if row.record is not None:
            try:
                span = preparer.span(settings.project, read_call(row.record, now, timezone).span, now)
                batch.append((span.span_id if row.record.get("id") not in (None, "") else str(row.line), span))
            except InputError as error:
                problem = str(error)
        if problem:
            console.print(escape(f"{log.path}:{row.line}: {problem}"), highlight=False, soft_wrap=True)
        if len(batch) >= BATCH_ROWS:
            yield batch
            batch = []
    if batch:
        yield batch


def _write(stream: TextIO, batch: list[tuple[str, Span]], settings: Settings) -> None:
    from monitor.enrich import enrich_batch

    signals = enrich_batch([span for _, span in batch], settings)
    for (identifier, _), values in zip(batch, signals, strict=True):
        stream.write(json.dumps({"id": identifier, "signals": values}, ensure_ascii=False) + "\n")
