"""Small records: one thread reads, stores and answers those of many connections, one commit for all that have come.

A request costs a fraction of a millisecond; to hand it to another thread and back would cost more than to answer it. So
a connection stays here, without a hand-over, as long as its sender goes on; the thread that watches all connections
gets it back when nothing has come for a while, or when something comes that may take long.
"""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, Protocol

from monitor.errors import describe
from monitor.web.connection import Connection, Fault, Request
from monitor.web.exchange import BROKEN, Said, environment, refusal

log = logging.getLogger(__name__)

SMALL_BYTES = 64 * 1024
"""Bodies up to this size are small; what is packed may be of any size."""

# Requests that are stored together at the most: one that the store refuses makes all of them be stored one by one.
_MOST_TOGETHER = 64
# Seconds: how long a connection of which nothing comes stays here, and between looks at that.
_REST_SECONDS = 1.0
_LOOK_UP = 0.5

Environ = dict[str, Any]


class Records(Protocol):
    """An application that takes records, posted to `paths`."""

    paths: frozenset[str]

    def together(self, environs: Iterable[Environ]) -> list[Said]:
        """The answers to requests, all stored at once. Each is taken when the one before it is ready to be stored."""


class Intake:
    """The thread and its connections. `give_back` gets those that are not for it any more."""

    def __init__(
        self,
        records: Records,
        place: tuple[str, int],
        give_back: Callable[[Connection], None],
        stopping: threading.Event,
    ) -> None:
        self._records = records
        self._paths = frozenset(path.encode() for path in records.paths)
        self._place = place
        self._give_back = give_back
        self._stopping = stopping
        self._ended = False
        self._put: deque[Connection] = deque()
        self._kept: set[Connection] = set()
        self._due: deque[Connection] = deque()
        self._looked = 0.0
        self._selector = selectors.DefaultSelector()
        self._ear, self._bell = socket.socketpair()
        for channel in (self._ear, self._bell):
            channel.setblocking(False)
        self._selector.register(self._ear, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="intake", daemon=True)

    def takes(self, request: Request) -> bool:
        """True for a request that is answered here."""
        return (
            request.method == "POST"
            and len(request.body) <= SMALL_BYTES
            and request.target.partition(b"?")[0] in self._paths
            and not any(name.lower() == b"content-encoding" for name, _ in request.headers)
        )

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def put(self, connection: Connection) -> None:
        """Hands over a connection whose next request is taken here."""
        self._put.append(connection)
        self.wake()

    def wake(self) -> None:
        """Lets the thread look at what has been put, and whether the end has come."""
        with contextlib.suppress(OSError):  # a full pipe wakes as well
            self._bell.send(b".")

    def stop(self, seconds: float) -> None:
        """Ends the thread after what it is doing; waits so many seconds at the most."""
        self._ended = True
        self.wake()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _run(self) -> None:
        while not self._ended:
            asked: dict[Connection, Request] = {}
            said: list[Said | None] = []
            try:
                said += self._records.together(self._environs(asked))
            except Exception as error:
                log.error("requests failed: %s", describe(error))
                said = [None] * len(asked)
            for (connection, request), one in zip(asked.items(), said, strict=True):
                self._answer(connection, request, one)
        self._selector.close()
        self._ear.close()
        self._bell.close()

    def _environs(self, asked: dict[Connection, Request]) -> Iterator[Environ]:
        """Requests as they come, one of a connection: the first is waited for, then all that have come meanwhile."""
        while not self._ended and len(asked) < _MOST_TOGETHER:
            if not self._due and (self._kept.difference(asked) or not asked):
                self._look(asked)
            if self._due:
                connection = self._due.popleft()
                asked[connection] = request = connection.ready.popleft()
                environ = environment(request, connection.peer, self._place)
                if isinstance(environ, Fault):
                    del asked[connection]
                    self._answer(connection, request, environ)
                else:
                    yield environ
            elif asked:
                return

    def _look(self, asked: Collection[Connection]) -> None:
        """Reads what has come; where nobody has asked anything, and connections are here, waits for it."""
        seconds = 0.0 if asked else _LOOK_UP if self._kept else None
        events = self._selector.select(seconds)
        moment = time.monotonic()
        for key, _events in events:
            if key.data is None:
                with contextlib.suppress(OSError):
                    self._ear.recv(4096)
            elif key.data not in asked:
                key.data.read(moment)
                self._go_on(key.data)
        while self._put:
            connection = self._put.popleft()
            self._selector.register(connection.channel, selectors.EVENT_READ, connection)
            self._kept.add(connection)
            self._go_on(connection)
        if moment >= self._looked + _LOOK_UP or self._stopping.is_set():
            self._looked = moment
            for connection in [one for one in self._kept if not one.ready and one not in asked]:
                if moment >= connection.since + _REST_SECONDS or self._stopping.is_set():
                    self._part_with(connection)

    def _answer(self, connection: Connection, request: Request, said: Said | Fault | None) -> None:
        connection.closes = said is None or not request.keep_alive or self._stopping.is_set()
        connection.closes |= connection.ended and not connection.ready
        if isinstance(said, Said):
            data = said.data(request.version, stays=not connection.closes)
        else:
            data = refusal(said or BROKEN, stays=not connection.closes)
        try:
            connection.outgoing = connection.send(data)
        except OSError:
            connection.closes = True
        connection.release(request)
        self._go_on(connection)

    def _go_on(self, connection: Connection) -> None:
        """What happens next with a connection that has been read or answered."""
        if connection.ready and not (connection.closes or connection.outgoing) and self.takes(connection.ready[0]):
            self._due.append(connection)
        elif (
            connection.closes
            or connection.outgoing
            or connection.ready
            or connection.ended
            or connection.fault is not None
            or connection.received > SMALL_BYTES
        ):
            self._part_with(connection)

    def _part_with(self, connection: Connection) -> None:
        self._selector.unregister(connection.channel)
        self._kept.discard(connection)
        self._give_back(connection)
