"""Lists of JSON records to batches: good ones are kept, each bad one is turned down with its place and reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, tzinfo
from typing import Any

from monitor.errors import InputError
from monitor.ingest.batch import Batch, Rejection
from monitor.ingest.call_record import read_call
from monitor.ingest.feedback_record import read_feedback
from monitor.ingest.record_fields import RecordError
from monitor.ingest.values import shape_of
from monitor.records import Feedback, Span

ProjectOf = Callable[[str], str]

CALL_RECORDS = frozenset(("call record",))
"""What those speak who send the monitor's own records."""


def call_batches(
    records: Iterable[Any], project_of: ProjectOf, now: datetime, *, sender: str = "", timezone: tzinfo | None = None
) -> list[Batch]:
    """Batches of call records, one a project; `project_of` chooses it, given the one that the record names."""
    parts: dict[str, tuple[list[Span], list[int], list[Feedback], list[Rejection]]] = {}
    for index, record in enumerate(records):
        spans, positions, feedback, rejected = parts.setdefault(project_of(_named(record)), ([], [], [], []))
        try:
            decoded = read_call(record, now, timezone)
        except RecordError as error:
            rejected.append(Rejection(index, str(error), error.field, shape_of(record)))
            continue
        except (InputError, RecursionError):
            rejected.append(Rejection(index, "The record is nested too deeply.", shape=shape_of(record)))
            continue
        spans.append(decoded.span)
        positions.append(index)
        feedback.extend(decoded.feedback)
    return [
        Batch(project, spans, feedback, sender, rejected, positions, dialects=CALL_RECORDS if spans else ())
        for project, (spans, positions, feedback, rejected) in parts.items()
    ]


def feedback_batches(
    records: Iterable[Any], project_of: ProjectOf, now: datetime, *, sender: str = "", timezone: tzinfo | None = None
) -> list[Batch]:
    """Batches of feedback records, one a project."""
    parts: dict[str, tuple[list[Feedback], list[Rejection]]] = {}
    for index, record in enumerate(records):
        feedback, rejected = parts.setdefault(project_of(_named(record)), ([], []))
        try:
            feedback.append(read_feedback(record, now, timezone))
        except RecordError as error:
            rejected.append(Rejection(index, str(error), error.field, shape_of(record)))
    return [Batch(project, (), feedback, sender, rejected) for project, (feedback, rejected) in parts.items()]


def _named(record: Any) -> str:
    """The project that a record names itself."""
    project = record.get("project") if isinstance(record, Mapping) else None
    return project if isinstance(project, str) else ""
