"""What is done with some rows of a file that is imported: read, decoded, stored; in this process or in several.

A row without an id gets one that is made of the file's first row, the row's line and its content: the same row of the
same file has the same id at every import, also after lines were added at the end.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any

from monitor.errors import Busy, InputError
from monitor.files.log_file import Convert, Piece, Row, read_piece
from monitor.ingest import Batch, Ingester, Receipt, Rejection
from monitor.ingest.call_record import read_call
from monitor.records import Feedback, Span

PATIENCE_S = 120.0


@dataclass
class Outcome:
    """What became of some rows. `rejected` are line, reason and row; `earliest` is the time of the oldest call."""

    rows: int = 0
    imported: int = 0
    duplicates: int = 0
    without_time: int = 0
    earliest: datetime | None = None
    rejected: list[tuple[int, str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Task:
    """How the rows of a file are imported: into which project, as of when, read in which way.

    `first` is the mark of the file's first row, which goes into the ids of rows that have none.
    """

    project: str
    timezone: tzinfo | None
    now: datetime
    convert: Convert
    first: bytes

    def run(self, ingester: Ingester, pieces: list[Piece]) -> Outcome:
        """Stores the calls and feedback of the rows in one batch. Raises Busy where the store stays closed too long."""
        outcome = Outcome(rows=len(pieces))
        spans: list[Span] = []
        span_rows: list[Row] = []
        feedback: list[Feedback] = []
        feedback_rows: list[Row] = []
        rejected: list[Rejection] = []
        for piece in pieces:
            row = read_piece(piece, self.convert)
            try:
                span, said, timed = self._decode(row)
            except InputError as error:
                rejected.append(Rejection(row.line, str(error)))
                outcome.rejected.append((row.line, str(error), row.raw))
                continue
            outcome.without_time += not timed
            if outcome.earliest is None or span.time < outcome.earliest:
                outcome.earliest = span.time
            spans.append(span)
            span_rows.append(row)
            feedback += said
            feedback_rows += [row] * len(said)
        if spans or rejected:
            batch = Batch(self.project, spans, feedback, sender="import", rejected=rejected)
            receipt = _submit(ingester, batch, self.now)
            outcome.imported, outcome.duplicates = receipt.accepted, receipt.duplicates
            for rejection in receipt.rejected[len(rejected) :]:
                row = (feedback_rows if rejection.field == "feedback" else span_rows)[rejection.index]
                outcome.rejected.append((row.line, rejection.reason, row.raw))
        return outcome

    def _decode(self, row: Row) -> tuple[Span, tuple[Feedback, ...], bool]:
        """The call and the feedback of a row, and whether it says when that was. Raises InputError."""
        record = row.record
        if record is None:
            raise InputError(row.problem)
        if record.get("id") in (None, ""):
            record = {**record, "id": hashlib.blake2b(content_of(row), digest_size=16, key=self.first).hexdigest()}
        decoded = read_call(record, self.now, self.timezone)
        return decoded.span, decoded.feedback, record.get("time") not in (None, "")


def content_of(row: Row) -> bytes:
    """What makes a row of a file the same row: its line and what stands there."""
    text = json.dumps(row.raw, sort_keys=True, ensure_ascii=True, default=str)
    return f"{row.line} {text}".encode()


def _submit(ingester: Ingester, batch: Batch, now: datetime) -> Receipt:
    """Stores a batch, with patience where the store is busy. Raises Busy in the end."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return ingester.submit(batch, now)
        except Busy as busy:
            if time.monotonic() + busy.retry_after > deadline:
                raise
            time.sleep(busy.retry_after)
