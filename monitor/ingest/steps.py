"""Requests in two steps: what a request holds is made ready, then that of all of them is stored at once.

So a thread that has read several requests pays for one commit, and hands none of them to another thread.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from typing import TypeVar

from monitor.ingest.batch import Receipt
from monitor.ingest.parcel import Parcel

Said = TypeVar("Said")

Steps = Generator[list[Parcel], list[Receipt], Said]
"""A request on its way: yields its parcels, is sent their receipts or thrown an error, and returns what to say."""

Commit = Callable[[Sequence[list[Parcel]]], list[list[Receipt] | Exception]]
"""Stores the parcels of several requests; answers for each its receipts, or why they are not stored."""


def finish(requests: Iterable[Steps[Said]], commit: Commit) -> list[Said]:
    """What is said to each of the requests, in their order.

    The next is taken when the one before it has been made ready. Errors that a request lets out are raised here.
    """
    said: dict[int, Said] = {}
    waiting: list[tuple[int, Steps[Said]]] = []
    ready: list[list[Parcel]] = []
    place = -1
    for place, request in enumerate(requests):
        try:
            ready.append(next(request))
            waiting.append((place, request))
        except StopIteration as ended:
            said[place] = ended.value
    outcomes = commit(ready)
    ready.clear()  # before the turn of another huge request comes
    for (number, request), outcome in zip(waiting, outcomes, strict=True):
        try:
            if isinstance(outcome, Exception):
                request.throw(outcome)
            else:
                request.send(outcome)
        except StopIteration as ended:
            said[number] = ended.value
    return [said[number] for number in range(place + 1)]
