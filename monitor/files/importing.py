"""Importing a file of calls: batches of rows go through the ingester; nothing is lost or doubled when it is repeated.

A row without an id gets one that is made of the file's first row, the row's line and its content: the same row of the
same file has the same id at every import, also after lines were added at the end, and a call that is stored already is
not stored again. So importing once more is always safe. To be quick about it, an import that was interrupted leaves a
mark behind how far it got; the next one passes over the rows before the mark, after checking that they are unchanged.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any, TextIO

from monitor.errors import Busy, InputError
from monitor.files import LogFile, Row
from monitor.files.marks import read_mark, write_mark
from monitor.ingest import Batch, Ingester, Rejection
from monitor.ingest.call_record import read_call
from monitor.records import Feedback, Span
from monitor.store import Store

BATCH_ROWS = 1000
MARK_EVERY_S = 2.0
PATIENCE_S = 120.0
SHOWN_PROBLEMS = 10

Progress = Callable[[int, int], None]


@dataclass
class Summary:
    """What became of a file. `problems` are the first ones, as line and reason; `resumed_after` is a line."""

    file: str
    rows: int = 0
    imported: int = 0
    duplicates: int = 0
    rejected: int = 0
    without_time: int = 0
    resumed_after: int = 0
    rejects_file: str = ""
    problems: list[tuple[int, str]] = field(default_factory=list)

    @property
    def readable(self) -> int:
        """Rows that could be read, now or by the import that this one continues."""
        return self.imported + self.duplicates + self.resumed_after


class Rejects:
    """The file beside FILE that keeps the rows that could not be taken; made when there is the first one."""

    def __init__(self, path: Path, *, append: bool) -> None:
        self.path = path
        self._append = append
        self._file: TextIO | None = None

    def add(self, row: Row, reason: str) -> None:
        """Keeps a row with its line and what is wrong with it. Raises InputError where it cannot be written."""
        try:
            if self._file is None:
                self._file = self.path.open("a" if self._append else "w", encoding="utf-8")
                # It holds people's texts as they were sent, unmasked.
                self.path.chmod(0o600)
            entry = {"line": row.line, "reason": reason, "row": row.raw}
            self._file.write(json.dumps(entry, ensure_ascii=True, default=str) + "\n")
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written: {error.strerror}.") from None

    def flush(self) -> None:
        """Hands what was added to the operating system."""
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """Closes the file; an old one is removed where nothing was rejected."""
        if self._file is not None:
            self._file.close()
        elif not self._append:
            self.path.unlink(missing_ok=True)


class Importer:
    """Imports files into one project."""

    def __init__(
        self, store: Store, ingester: Ingester, project: str, timezone: tzinfo | None, *, restart: bool = False
    ) -> None:
        self._store = store
        self._ingester = ingester
        self._project = project
        self._timezone = timezone
        self._restart = restart

    def run(self, file: LogFile, now: datetime, progress: Progress) -> Summary:
        """Imports a file; `progress` is told the position in bytes and the rows so far.

        Raises Busy where the store takes nothing for two minutes, and InputError where rejects cannot be kept.
        """
        attempt = None if self._restart else self._mark(file)
        if attempt is not None:
            summary = self._import(file, now, progress, attempt)
            if summary is not None:
                return summary
        summary = self._import(file, now, progress, None)
        assert summary is not None  # only a mark can be found to be wrong  # noqa: S101
        return summary

    def _mark_name(self, file: LogFile) -> str:
        place = hashlib.blake2b(str(file.path.resolve()).encode("utf-8", "surrogateescape"), digest_size=16)
        return f"import:{self._project}:{place.hexdigest()}"

    def _mark(self, file: LogFile) -> tuple[int, str] | None:
        line, _, digest = read_mark(self._store, self._mark_name(file)).partition(" ")
        return (int(line), digest) if digest else None

    def _import(self, file: LogFile, now: datetime, progress: Progress, mark: tuple[int, str] | None) -> Summary | None:
        """The summary; None where the rows before the mark are not those that were imported."""
        summary = Summary(str(file.path), resumed_after=mark[0] if mark else 0)
        rejects = Rejects(file.path.with_name(file.path.name + ".rejects.jsonl"), append=mark is not None)
        work = _Work(self, file, summary, rejects, now)
        unchecked = mark
        try:
            for row in file.rows():
                work.identify(row)
                if unchecked is not None:
                    if (row.line, work.digest) == unchecked:
                        unchecked = None
                    elif row.line >= unchecked[0]:
                        return None
                    continue
                work.add(row)
                if summary.rows % BATCH_ROWS == 0:
                    work.submit()
                    progress(file.position, summary.rows)
            if unchecked is not None:
                return None
            work.submit()
            progress(file.size, summary.rows)
        finally:
            rejects.close()
        write_mark(self._store, self._mark_name(file), "")
        if summary.rejected:
            summary.rejects_file = str(rejects.path)
        return summary

    def submit(self, batch: Batch, now: datetime) -> Any:
        """Stores a batch, with patience where the store is busy. Raises Busy in the end."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return self._ingester.submit(batch, now)
            except Busy as busy:
                if time.monotonic() + busy.retry_after > deadline:
                    raise
                time.sleep(busy.retry_after)

    def batch(self, spans: list[Span], feedback: list[Feedback], rejected: list[Rejection]) -> Batch:
        """A batch of this import."""
        return Batch(self._project, spans, feedback, sender="import", rejected=rejected)

    def decode(self, record: dict[str, Any], now: datetime) -> tuple[Span, tuple[Feedback, ...]]:
        """The call and the feedback of a row. Raises InputError."""
        decoded = read_call(record, now, self._timezone)
        return decoded.span, decoded.feedback

    def remember(self, file: LogFile, line: int, digest: str) -> None:
        """Leaves the mark that everything up to a line is stored."""
        write_mark(self._store, self._mark_name(file), f"{line} {digest}")


class _Work:
    """One pass over a file: the identity of rows, the batch that is being filled, the mark."""

    def __init__(self, importer: Importer, file: LogFile, summary: Summary, rejects: Rejects, now: datetime) -> None:
        self._importer = importer
        self._file = file
        self._summary = summary
        self._rejects = rejects
        self._now = now
        self._first = b""
        self._running = hashlib.blake2b(digest_size=16)
        self._content = b""
        self._spans: list[Span] = []
        self._span_rows: list[Row] = []
        self._feedback: list[Feedback] = []
        self._feedback_rows: list[Row] = []
        self._rejected: list[Rejection] = []
        self._marked_at = time.monotonic()
        self.passed = 0

    @property
    def digest(self) -> str:
        """Hash of all rows passed so far."""
        return self._running.hexdigest()

    def identify(self, row: Row) -> None:
        """Takes a row into the hash of the file."""
        self.passed = row.line
        text = json.dumps(row.raw, sort_keys=True, ensure_ascii=True, default=str)
        self._content = f"{row.line} {text}".encode()
        self._running.update(self._content)
        if not self._first:
            self._first = hashlib.blake2b(self._content, digest_size=16).digest()

    def add(self, row: Row) -> None:
        """Decodes a row into the batch, or rejects it."""
        self._summary.rows += 1
        if row.record is None:
            self._reject(row, row.problem)
            return
        record = row.record
        if record.get("id") in (None, ""):
            own = hashlib.blake2b(self._content, digest_size=16, key=self._first)
            record = {**record, "id": own.hexdigest()}
        try:
            span, feedback = self._importer.decode(record, self._now)
        except InputError as error:
            self._reject(row, str(error))
            return
        if record.get("time") in (None, ""):
            self._summary.without_time += 1
        self._spans.append(span)
        self._span_rows.append(row)
        self._feedback += feedback
        self._feedback_rows += [row] * len(feedback)

    def submit(self) -> None:
        """Stores the batch and empties it."""
        if self._spans or self._rejected:
            batch = self._importer.batch(self._spans, self._feedback, self._rejected)
            receipt = self._importer.submit(batch, self._now)
            self._summary.imported += receipt.accepted
            self._summary.duplicates += receipt.duplicates
            known = len(self._rejected)
            for rejection in receipt.rejected[known:]:
                rows = self._feedback_rows if rejection.field == "feedback" else self._span_rows
                self._keep(rows[rejection.index], rejection.reason)
        for filled in (self._spans, self._span_rows, self._feedback, self._feedback_rows, self._rejected):
            filled.clear()
        self._rejects.flush()
        if time.monotonic() - self._marked_at > MARK_EVERY_S:
            self._importer.remember(self._file, self.passed, self.digest)
            self._marked_at = time.monotonic()

    def _reject(self, row: Row, reason: str) -> None:
        self._rejected.append(Rejection(row.line, reason))
        self._keep(row, reason)

    def _keep(self, row: Row, reason: str) -> None:
        self._summary.rejected += 1
        if len(self._summary.problems) < SHOWN_PROBLEMS:
            self._summary.problems.append((row.line, reason))
        self._rejects.add(row, reason)
