"""Group commit: everything that waits is written in one transaction, and its fsync is paid once.

There is no thread of its own. Whoever submits while nobody writes becomes the writer and takes all that waits with it;
the others sleep until their part is done, or until it is their turn to write. So one writer at a time, no hand-over
while traffic is thin, and nothing that a fork or a crash could leave behind half alive.

Where several send at once and writing takes long, the writer first waits a moment for all of them: those who have just
been answered are about to send again, and one commit for all costs less than two.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
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


class _Submitter:
    """A thread that waits for items to be written. Its bell rings once: all is done, or it is its turn to write."""

    __slots__ = ("bell", "gone", "leads", "open")

    def __init__(self) -> None:
        self.bell = threading.Lock()
        self.bell.acquire()
        self.open = 0
        self.leads = False
        self.gone = False


class _Ticket(Generic[Item, Result]):
    """One item on its way: it ends with a result or with an error, and `done` says so."""

    __slots__ = ("done", "error", "item", "result", "size", "submitter")

    def __init__(self, item: Item, size: int, submitter: _Submitter) -> None:
        self.item = item
        self.size = size
        self.submitter = submitter
        self.done = False
        self.result: Result | None = None
        self.error: Exception | None = None


def _submitters(tickets: Iterable[_Ticket[Item, Result]]) -> int:
    return len({ticket.submitter for ticket in tickets})


def _outcome(tickets: Iterable[_Ticket[Item, Result]]) -> list[Result] | Exception:
    """The results of one request's items, or the first error of them."""
    results: list[Result] = []
    for ticket in tickets:
        if not ticket.done:
            return Busy("The store has not taken the records in time; send them again.", retry_after=5)
        if ticket.error is not None:
            return ticket.error
        assert ticket.result is not None  # noqa: S101 - a ticket that is done has one or the other
        results.append(ticket.result)
    return results


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
        """Writes the items of one request, each with its number of records; returns when all of them are committed.

        Raises Busy when too much waits already, or whatever the writing of an item raised.
        """
        (outcome,) = self.submit_together([items])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def submit_together(self, requests: Sequence[Sequence[tuple[Item, int]]]) -> list[list[Result] | Exception]:
        """Writes the items of several requests; answers for each its results, or what `submit` would have raised."""
        submitter = _Submitter()
        taken = self._enqueue(requests, submitter)
        if submitter.open and not submitter.leads:
            self._wait(submitter)
        if submitter.leads:
            try:
                while submitter.open:
                    self._write_group(submitter)
            finally:
                self._hand_over()
        return [tickets if isinstance(tickets, Busy) else _outcome(tickets) for tickets in taken]

    def close(self) -> None:
        """Refuses what comes from now on and waits for what is being written."""
        with self._guard:
            self._closed = True
            self._free.wait_for(lambda: not self._writing)
            self._writing = True
        try:
            while self._waiting:
                self._write_group(None)
        finally:
            self._hand_over()

    def _wait(self, submitter: _Submitter) -> None:
        """Returns when all is done, when it is the submitter's turn, or when neither has come in time."""
        if not submitter.bell.acquire(timeout=WAIT_SECONDS):
            with self._guard:
                submitter.gone = bool(submitter.open) and not submitter.leads

    def _hand_over(self) -> None:
        """Ends a turn: the first who waits is the next."""
        with self._guard:
            following = next((ticket.submitter for ticket in self._waiting if not ticket.submitter.gone), None)
            if following is not None and not self._closed:
                following.leads = True
                following.bell.release()
                return
            self._writing = False
            self._free.notify_all()

    def _enqueue(
        self, requests: Sequence[Sequence[tuple[Item, int]]], submitter: _Submitter
    ) -> list[list[_Ticket[Item, Result]] | Busy]:
        with self._guard:
            taken = [self._admit(items, submitter) for items in requests]
            if submitter.open and not self._writing:
                self._writing = submitter.leads = True
            elif submitter.open and _submitters(self._waiting) >= self._usual:
                self._arrived.notify()
        return taken

    def _admit(self, items: Sequence[tuple[Item, int]], submitter: _Submitter) -> list[_Ticket[Item, Result]] | Busy:
        if self._closed:
            return Busy("The monitor is shutting down; send the records again.", retry_after=5)
        size = sum(records for _, records in items)
        if self._records and self._records + size > self._limit:
            return Busy(f"{self._records} records are waiting to be stored already; send again a little later.")
        tickets: list[_Ticket[Item, Result]] = [_Ticket(item, records, submitter) for item, records in items]
        self._records += size
        self._waiting.extend(tickets)
        submitter.open += len(tickets)
        return tickets

    def _take(self) -> list[_Ticket[Item, Result]]:
        group: list[_Ticket[Item, Result]] = []
        records = 0
        with self._guard:
            if self._usual > 1 and self._seconds >= SLOW_SECONDS and not self._closed:
                patience = min(self._seconds * GATHER_SHARE, MAX_GATHER_SECONDS)
                self._arrived.wait_for(lambda: _submitters(self._waiting) >= self._usual, patience)
            while self._waiting and (not group or records + self._waiting[0].size <= MAX_GROUP_RECORDS):
                ticket = self._waiting.popleft()
                records += ticket.size
                group.append(ticket)
        return group

    def _write_group(self, leader: _Submitter | None) -> None:
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
                self._usual = _submitters(group) + _submitters(self._waiting)
                self._records -= sum(ticket.size for ticket in group)
                for ticket in group:
                    submitter = ticket.submitter
                    submitter.open -= 1
                    if not submitter.open and submitter is not leader and not submitter.leads:
                        submitter.bell.release()

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
