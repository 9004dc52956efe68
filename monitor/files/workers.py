"""Processes that import chunks of a file side by side; each has its own connections to the store.

They live as long as the process that started them: where that is killed, each finishes its chunk and ends. What they
store is safe to store again, so that whoever goes on later need not know how far they got.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

from monitor.errors import MonitorError, StoreError, describe
from monitor.files.chunks import Outcome, Task
from monitor.files.log_file import Piece
from monitor.settings import Settings

END_S = 60.0


@dataclass
class Chunk:
    """Rows that are imported together, and how far into the file they go: last line, hash up to it, bytes."""

    pieces: list[Piece]
    line: int
    digest: str
    position: int


@dataclass
class Workers:
    """Processes for one file. Use as a context."""

    count: int
    settings: Settings
    task: Task
    _processes: list[Any] = field(default_factory=list)
    _pipes: list[Connection] = field(default_factory=list)

    def __enter__(self) -> Workers:
        # A fresh interpreter shares no lock, connection or thread with this one.
        context = multiprocessing.get_context("spawn")
        for _ in range(self.count):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, self.settings, self.task), daemon=True)
            process.start()
            theirs.close()
            self._processes.append(process)
            self._pipes.append(ours)
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join(END_S)

    def run(self, chunks: Iterator[Chunk]) -> Iterator[tuple[Chunk, Outcome]]:
        """The chunks with what became of them, in order. Raises StoreError where one could not be stored."""
        given: dict[Connection, int] = {}
        waiting: dict[int, Chunk] = {}
        done: dict[int, Outcome] = {}
        idle = list(self._pipes)
        asked = told = 0
        following = next(chunks, None)
        while following is not None or given:
            while idle and following is not None:
                pipe = idle.pop()
                _send(pipe, following.pieces)
                given[pipe] = asked
                following.pieces = []
                waiting[asked] = following
                asked += 1
                following = next(chunks, None)
            ready = wait(list(given))
            for pipe in [pipe for pipe in given if pipe in ready]:
                done[given.pop(pipe)] = _receive(pipe)
                idle.append(pipe)
            while told in done:
                yield waiting.pop(told), done.pop(told)
                told += 1


def _send(pipe: Connection, pieces: list[Piece]) -> None:
    try:
        pipe.send(pieces)
    except OSError:
        raise StoreError("A process of the import ended by itself; import again to go on.") from None


def _receive(pipe: Connection) -> Outcome:
    try:
        answer = pipe.recv()
    except (EOFError, OSError):
        raise StoreError("A process of the import ended by itself; import again to go on.") from None
    if isinstance(answer, Outcome):
        return answer
    raise StoreError(str(answer))


def _serve(pipe: Connection, settings: Settings, task: Task) -> None:
    """The life of a process: takes chunks until the other end is closed."""
    from monitor.ingest import Ingester
    from monitor.store import Store

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started this one ends it
    store = Store.open(settings)
    ingester = Ingester(store, settings)
    try:
        while True:
            try:
                pieces = pipe.recv()
            except (EOFError, OSError):
                return
            try:
                answer: Outcome | str = task.run(ingester, pieces)
            except MonitorError as error:
                answer = str(error)
            except Exception as error:
                answer = f"This failed: {describe(error)}."
            try:
                pipe.send(answer)
            except OSError:
                return
    finally:
        ingester.close()
        store.close()
