"""Threads that answer requests, in lanes, so that what takes long never stands in the way of what is quick."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

from monitor.web.connection import Connection

Work = Callable[[Connection], None]


class Lane:
    """Some threads that share a queue of connections with requests."""

    def __init__(self, name: str, threads: int, work: Work) -> None:
        self._queue: SimpleQueue[Connection | None] = SimpleQueue()
        self._work = work
        self._threads = [threading.Thread(target=self._run, name=f"{name}-{number}") for number in range(threads)]

    def start(self) -> None:
        """Starts the threads."""
        for thread in self._threads:
            thread.daemon = True
            thread.start()

    def put(self, connection: Connection) -> None:
        """Hands a connection to the next free thread."""
        self._queue.put(connection)

    def stop(self, seconds: float) -> None:
        """Ends the threads after what they are doing; waits so many seconds for each at the most."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join(seconds)

    def _run(self) -> None:
        while True:
            connection = self._queue.get()
            if connection is None:
                return
            self._work(connection)
