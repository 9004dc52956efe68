"""The calls of a file, ready to be judged: decoded, masked and cut as they would be stored.

Where a figure rests on the whole file, a row left out in silence would falsify it: the first bad one ends the reading.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, tzinfo

from monitor.errors import InputError
from monitor.files import LogFile
from monitor.ingest.call_record import read_call
from monitor.ingest.prepare import Preparer
from monitor.records import Feedback, Span
from monitor.settings import Settings

Progress = Callable[[int, int], None]

_TOLD_EVERY = 200


@dataclass(frozen=True, slots=True)
class FileCall:
    """A call of a file with the feedback on it; `timed` where the row says when it was."""

    line: int
    span: Span
    feedback: tuple[Feedback, ...]
    timed: bool


def read_calls(
    log: LogFile, settings: Settings, now: datetime, timezone: tzinfo | None, progress: Progress
) -> Iterator[FileCall]:
    """The calls in the order of the file; operations of other kinds are passed over.

    `now` stands in for the time of rows that name none; `progress` is told the position in bytes and the rows so far.
    Raises InputError with the line of the first row that cannot be read, or where there is no call at all.
    """
    # The key only makes pseudonyms, which are compared within the process alone.
    preparer = Preparer(settings, b"file")
    rows = calls = 0
    for row in log.rows():
        rows += 1
        if row.record is None:
            raise InputError(f"{log.path}:{row.line}: {row.problem}")
        try:
            decoded = read_call(row.record, now, timezone)
            span = preparer.span(settings.project, decoded.span, decoded.span.time)
            said = tuple(preparer.feedback(settings.project, item, item.time) for item in decoded.feedback)
        except InputError as error:
            raise InputError(f"{log.path}:{row.line}: {error}") from None
        if span.kind == "llm":
            calls += 1
            yield FileCall(row.line, span, said, row.record.get("time") not in (None, ""))
        if rows % _TOLD_EVERY == 0:
            progress(log.position, rows)
    progress(log.size, rows)
    if not calls:
        raise InputError(f"{log.path}: there is no call in it.")
