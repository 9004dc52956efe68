"""Group commit: everything that waits is written in one transaction, and its fsync is paid once.

There is no thread of its own. Whoever submits while nobody writes becomes the writer and takes all that waits with it;
the others sleep until their part is done. So one writer at a time, no hand-over while traffic is thin, and nothing that
a fork or a crash could leave behind half alive.

Where several send at once and writing takes long, the writer first waits a moment for all of them: those who have just
been answered are about to send again, and one commit for all costs less than two.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from monitor.errors import Busy

Item = TypeVar("Item")
Result = TypeVar("Result")

MAX_GROUP_RECORDS = 5_000
WAIT_SECONDS = 60.0
# Where writing the last group took so long, the next is waited for: a share of that time, and at most so many seconds.
SLOW_SECONDS = 0.001
GATHER_SHARE = 0.5
MAX_GATHER_SECONDS = 0.005


class _Ticket(Generic[Item, Result]):
    """One item on its way: it ends with a result or with an error, and `done` says so."""

    __slots__ = ("done", "error", "item", "result", "size")

    def __init__(self, item: Item, size: int) -> None:
        self.item = item
        self.size = size
        self.done = False
        self.result: Result | None = None
        self.error: Exception | None = None

    def outcome(self) -> Result:
        if self.error is not None:
            raise self.error
        assert self.result is not None  # noqa: S101 - a ticket that is done has one or the other
        return self.result


def _all_done(tickets: Sequence[_Ticket[Item, Result]]) -> bool:
    return all(ticket.done for ticket in tickets)


class GroupCommit(Generic[Item, Result]):
    """Collects items of many threads for `write`, which stores all of them in one transaction or raises.

    `limit` bounds the records that wait. When a group fails, its items are written again one by one, so that one bad
    item does not fail its neighbours; the error then reaches only the thread that submitted it.
    """

    def __init__(self, write: Callable[[Sequence[Item]], Sequence[Result]], limit: int) -> None:
        self._write = write
        self._limit = limit
        self._waiting: deque[_Ticket[Item, Result]] = deque()
        self._records = 0
        self._guard = threading.Lock()
        self._arrived = threading.Condition(self._guard)
        self._free = threading.Condition(self._guard)
        self._writing = False
        self._usual = 1
        self._seconds = 0.0
        self._closed = False

    @property
    def records_waiting(self) -> int:
        """Records that have been handed in and are not written yet."""
        return self._records

    def submit(self, items: Sequence[tuple[Item, int]]) -> list[Result]:
        """Writes items, each with its number of records; returns when all of them are committed.

        Raises Busy when too much waits already, or whatever the writing of an item raised.
        """
        tickets = [_Ticket[Item, Result](item, size) for item, size in items]
        self._enqueue(tickets)
        while self._is_turn(tickets):
            try:
                self._write_group()
            finally:
                self._end_turn()
        return [ticket.outcome() for ticket in tickets]

    def close(self) -> None:
        """Refuses what comes from now on and waits for what is being written."""
        with self._guard:
            self._closed = True
            self._free.wait_for(lambda: not self._writing)
            self._writing = True
        try:
            while self._waiting:
                self._write_group()
        finally:
            self._end_turn()

    def _is_turn(self, tickets: list[_Ticket[Item, Result]]) -> bool:
        """Waits until this thread is the writer (true), or all its tickets are done (false)."""
        with self._guard:
            ready = self._free.wait_for(lambda: not self._writing or _all_done(tickets), WAIT_SECONDS)
            if not ready:
                raise Busy("The store has not taken the records in time; send them again.", retry_after=5)
            if _all_done(tickets):
                return False
            self._writing = True
            return True

    def _end_turn(self) -> None:
        with self._guard:
            self._writing = False
            self._free.notify_all()

    def _enqueue(self, tickets: list[_Ticket[Item, Result]]) -> None:
        size = sum(ticket.size for ticket in tickets)
        with self._guard:
            if self._closed:
                raise Busy("The monitor is shutting down; send the records again.", retry_after=5)
            if self._records and self._records + size > self._limit:
                raise Busy(f"{self._records} records are waiting to be stored already; send again a little later.")
            self._records += size
            self._waiting.extend(tickets)
            if len(self._waiting) >= self._usual:
                self._arrived.notify()

    def _take(self) -> list[_Ticket[Item, Result]]:
        group: list[_Ticket[Item, Result]] = []
        records = 0
        with self._guard:
            if self._usual > 1 and self._seconds >= SLOW_SECONDS and not self._closed:
                patience = min(self._seconds * GATHER_SHARE, MAX_GATHER_SECONDS)
                self._arrived.wait_for(lambda: len(self._waiting) >= self._usual, patience)
            while self._waiting and (not group or records + self._waiting[0].size <= MAX_GROUP_RECORDS):
                ticket = self._waiting.popleft()
                records += ticket.size
                group.append(ticket)
        return group

    def _write_group(self) -> None:
        group = self._take()
        started = time.monotonic()
        try:
            self._settle(group)
        finally:
            self._seconds = time.monotonic() - started
            for ticket in group:
                if not ticket.done:
                    ticket.error = Busy("The writer was interrupted; send the records again.")
                    ticket.done = True
            with self._guard:
                # Nobody of the group has been answered yet: those who wait beside it are others.
                self._usual = len(group) + len(self._waiting)
                self._records -= sum(ticket.size for ticket in group)

    def _settle(self, group: list[_Ticket[Item, Result]]) -> None:
        try:
            results = self._write([ticket.item for ticket in group])
        except Exception as error:
            if len(group) > 1 and not isinstance(error, Busy):
                for ticket in group:
                    self._settle([ticket])
                return
            for ticket in group:
                ticket.error = error
                ticket.done = True
            return
        for ticket, result in zip(group, results, strict=True):
            ticket.result = result
            ticket.done = True
