"""Importing a file of calls: chunks of rows go through the ingester; nothing is lost or doubled when it is repeated.

A call that is stored already is not stored again (`monitor.files.chunks` says how rows without an id are recognised),
so importing once more is always safe. To be quick about it, an import that was interrupted leaves a mark behind how far
it got; the next one passes over the rows before the mark, after checking that they are unchanged.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, tzinfo

from monitor.files.chunks import Outcome, Task, content_of
from monitor.files.fields import as_call_record
from monitor.files.log_file import Convert, LogFile, Piece, fingerprint, read_piece
from monitor.files.marks import read_mark, write_mark
from monitor.files.rejects import Rejects
from monitor.files.workers import Chunk, Workers
from monitor.ingest import Ingester
from monitor.settings import Settings
from monitor.store import Store

BATCH_ROWS = 2_000
BATCH_BYTES = 8 * 1024 * 1024
MARK_EVERY_S = 2.0
SHOWN_PROBLEMS = 10
PARALLEL_BYTES = 8 * 1024 * 1024
"""Files smaller than this are done before a second process has started."""
MOST_PROCESSES = 4

Progress = Callable[[int, int], None]


@dataclass
class Summary:
    """What became of a file. `problems` are the first ones, as line and reason; `resumed_after` is a line.

    `earliest` is the time of the oldest call among those that this import looked at.
    """

    file: str
    rows: int = 0
    imported: int = 0
    duplicates: int = 0
    rejected: int = 0
    without_time: int = 0
    resumed_after: int = 0
    rejects_file: str = ""
    problems: list[tuple[int, str]] = field(default_factory=list)
    earliest: datetime | None = None

    @property
    def readable(self) -> int:
        """Rows that could be read, now or by the import that this one continues."""
        return self.imported + self.duplicates + self.resumed_after

    def add(self, outcome: Outcome, rejects: Rejects) -> None:
        """Counts what became of more rows, and keeps those that were turned down."""
        self.rows += outcome.rows
        self.imported += outcome.imported
        self.duplicates += outcome.duplicates
        self.without_time += outcome.without_time
        if outcome.earliest is not None:
            self.earliest = min(self.earliest or outcome.earliest, outcome.earliest)
        for line, reason, raw in outcome.rejected:
            self.rejected += 1
            if len(self.problems) < SHOWN_PROBLEMS:
                self.problems.append((line, reason))
            rejects.add(line, reason, raw)
        rejects.flush()


class Importer:
    """Imports files into one project; with `settings`, which other processes need, by several of them.

    `processes` is how many; None means one a processor for large files, and this one alone for others.
    """

    def __init__(
        self,
        store: Store,
        ingester: Ingester,
        project: str,
        timezone: tzinfo | None,
        *,
        restart: bool = False,
        settings: Settings | None = None,
        processes: int | None = None,
    ) -> None:
        self._store = store
        self._ingester = ingester
        self._project = project
        self._timezone = timezone
        self._restart = restart
        self._settings = settings
        self._processes = processes

    def run(self, file: LogFile, now: datetime, progress: Progress, convert: Convert = as_call_record) -> Summary:
        """Imports a file; `progress` is told the position in bytes and the rows so far.

        `convert` makes call records of rows. Raises Busy or StoreError where the store takes nothing for two minutes,
        and InputError where rejects cannot be kept.
        """
        mark = None if self._restart else self._mark(file)
        if mark is not None:
            try:
                return self._import(file, now, progress, convert, mark)
            except _AnotherFile:
                pass
        return self._import(file, now, progress, convert, None)

    def _mark_name(self, file: LogFile) -> str:
        place = hashlib.blake2b(str(file.path.resolve()).encode("utf-8", "surrogateescape"), digest_size=16)
        return f"import:{self._project}:{place.hexdigest()}"

    def _mark(self, file: LogFile) -> tuple[int, str] | None:
        line, _, digest = read_mark(self._store, self._mark_name(file)).partition(" ")
        return (int(line), digest) if digest else None

    def _import(
        self, file: LogFile, now: datetime, progress: Progress, convert: Convert, mark: tuple[int, str] | None
    ) -> Summary:
        """Raises _AnotherFile where the rows before the mark are not those that were imported."""
        summary = Summary(str(file.path), resumed_after=mark[0] if mark else 0)
        rejects = Rejects(file.path.with_name(file.path.name + ".rejects.jsonl"), append=mark is not None)
        first = next(file.pieces(), None)
        own = b"" if first is None else hashlib.blake2b(content_of(read_piece(first)), digest_size=16).digest()
        task = Task(self._project, self._timezone, now, convert, own)
        marked_at = time.monotonic()
        try:
            with ExitStack() as stack:
                for chunk, outcome in self._outcomes(file, task, _chunks(file, mark), stack):
                    summary.add(outcome, rejects)
                    if time.monotonic() - marked_at > MARK_EVERY_S:
                        write_mark(self._store, self._mark_name(file), f"{chunk.line} {chunk.digest}")
                        marked_at = time.monotonic()
                    progress(chunk.position, summary.rows)
        finally:
            rejects.close()
        write_mark(self._store, self._mark_name(file), "")
        if summary.rejected:
            summary.rejects_file = str(rejects.path)
        progress(file.size, summary.rows)
        return summary

    def _outcomes(
        self, file: LogFile, task: Task, chunks: Iterator[Chunk], stack: ExitStack
    ) -> Iterator[tuple[Chunk, Outcome]]:
        count = self._processes
        if count is None:
            count = usual_processes() if file.size >= PARALLEL_BYTES else 1
        if self._settings is not None and count > 1:
            workers = stack.enter_context(Workers(count, self._settings, task))
            yield from workers.run(chunks)
            return
        for chunk in chunks:
            yield chunk, task.run(self._ingester, chunk.pieces)


def usual_processes() -> int:
    """As many processes as there are processors for them."""
    return min(len(os.sched_getaffinity(0)), MOST_PROCESSES) if hasattr(os, "sched_getaffinity") else 1


class _AnotherFile(Exception):
    """The rows before a mark are not those that were imported."""


def _chunks(file: LogFile, mark: tuple[int, str] | None) -> Iterator[Chunk]:
    """The rows behind the mark in portions. Raises _AnotherFile."""
    running = hashlib.blake2b(digest_size=16)
    pieces: list[Piece] = []
    size = line = 0
    for piece in file.pieces():
        content = fingerprint(piece)
        running.update(content)
        line = piece.line
        if mark is not None:
            if line > mark[0]:
                raise _AnotherFile
            if line == mark[0] and running.hexdigest() == mark[1]:
                mark = None
            continue
        pieces.append(piece)
        size += len(content)
        if len(pieces) >= BATCH_ROWS or size >= BATCH_BYTES:
            yield Chunk(pieces, line, running.hexdigest(), file.position)
            pieces, size = [], 0
    if mark is not None:
        raise _AnotherFile
    if pieces:
        yield Chunk(pieces, line, running.hexdigest(), file.position)
