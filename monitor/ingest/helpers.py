"""Helper processes: under sustained load, large requests are made ready to be written on another core.

A helper gets the body of a request and answers parcels; the store is written by the server alone, so nothing is
promised that a helper holds. Helpers are started while large requests keep meeting each other and end by themselves
when there are none. Whatever goes wrong with one (it cannot be started, is killed, or is silent), its requests are done
in the server itself, as they are where there is no second core.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime

from monitor.errors import describe
from monitor.ingest.parcel import Destination, Parcel
from monitor.ingest.parcel_wire import Task, decode_parcels, encode_task, receive, send
from monitor.settings import Settings

log = logging.getLogger(__name__)

MIN_BYTES = 64 * 1024
MAX_BYTES = 8 << 20
"""Bodies between these are worth the way to a helper, and do not fill its memory."""

MOST_HELPERS = 2
# So many requests more met another than were alone: then a helper is started.
_CROWDED = 8
# One is in work and one waits, so that the helper never does.
_QUEUE = 2
_SILENT_SECONDS = 30.0
_PAUSE_SECONDS = 60.0
_END_SECONDS = 5.0
_NOT_WORTH_IT = nullcontext(False)


class _Helper:
    """One process and the socket to it. Tasks are answered in the order in which they were sent."""

    def __init__(self, secrets: bytes) -> None:
        own, other = socket.socketpair()
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(entry or os.getcwd() for entry in sys.path),
            "PYTHONSAFEPATH": "1",
        }
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-m", "monitor.ingest.helper_process", str(other.fileno())],
                pass_fds=(other.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environment,
            )
        except BaseException:
            own.close()
            raise
        finally:
            other.close()
        self.alive, self.failed = True, False
        self.number = self._process.pid
        self._channel = own
        self._guard = threading.Lock()
        self._sending = threading.Lock()
        self._last: threading.Event | None = None
        self._waiting = 0
        self._ready = False
        own.settimeout(_SILENT_SECONDS)
        # What is left of a process that has ended is taken away at once.
        self._watcher = threading.Thread(target=self._watch, name="helper-watch", daemon=True)
        self._watcher.start()
        try:
            send(own, secrets)
        except OSError:
            self.end()

    def _watch(self) -> None:
        self.failed = self._process.wait() != 0
        with self._guard:
            self.alive = False
            self._close_unused()

    def _close_unused(self) -> None:
        if not self.alive and not self._waiting:
            self._channel.close()

    def take(self) -> bool:
        """True where there is room for a task, which then has its place."""
        with self._guard:
            if not self.alive or self._waiting >= _QUEUE or not self._is_ready():
                return False
            self._waiting += 1
            return True

    def _is_ready(self) -> bool:
        if not self._ready and select.select([self._channel], [], [], 0)[0]:
            try:
                receive(self._channel)
                self._ready = True
            except OSError:
                self.end()
        return self._ready

    def work(self, head: bytes, body: bytes) -> bytes:
        """The answer to a task that has its place. Raises OSError where there is none."""
        mine = threading.Event()
        try:
            with self._sending:
                before, self._last = self._last, mine
                send(self._channel, head)
                send(self._channel, body)
            if before is not None and not before.wait(_SILENT_SECONDS):
                raise TimeoutError("The helper is silent.")
            return receive(self._channel)
        except OSError:
            self.end()
            raise
        finally:
            mine.set()
            with self._guard:
                self._waiting -= 1
                self._close_unused()

    def end(self) -> None:
        """Ends the process; who waits for an answer of it gets an error."""
        self.alive = False
        with contextlib.suppress(OSError):
            self._channel.shutdown(socket.SHUT_RDWR)
        self._process.kill()

    def wait(self) -> None:
        """Waits until nothing is left of the process."""
        self._watcher.join(_END_SECONDS)


class Helpers:
    """The helpers of one server. `most` bounds them; where it is 0, everything is done in the server itself."""

    def __init__(self, settings: Settings, key: bytes, most: int | None = None) -> None:
        self._secrets = pickle.dumps((settings, key))
        self._most = _usual_number() if most is None else most
        self._guard = threading.Lock()
        self._running: list[_Helper] = []
        self._inside = self._crowded = 0
        self._not_before = 0.0
        self._closed = False

    @property
    def processes(self) -> list[int]:
        """The ids of the processes that run."""
        return [helper.number for helper in self._running if helper.alive]

    def request(self, size: int) -> AbstractContextManager[bool]:
        """Around everything that is done for a trace request of `size` bytes; true where a helper may be asked.

        Helpers are started here, where requests that are worth it keep meeting each other.
        """
        return self._worth_it() if self._most > 0 and MIN_BYTES <= size < MAX_BYTES else _NOT_WORTH_IT

    @contextmanager
    def _worth_it(self) -> Iterator[bool]:
        with self._guard:
            self._inside += 1
            self._crowded = self._crowded + 1 if self._inside > 1 else max(0, self._crowded - 1)
            wanted = self._crowded >= _CROWDED
            self._crowded = min(self._crowded, _CROWDED)
        try:
            if wanted:
                self._start()
            yield True
        finally:
            with self._guard:
                self._inside -= 1

    def parcels(self, body: bytes, encoding: str, destination: Destination, now: datetime) -> list[Parcel] | None:
        """The parcels of a trace request; None where no helper has room or can say: then it is done here."""
        helper = next((helper for helper in self._running if helper.take()), None)
        if helper is None:
            return None
        task = Task(encoding, destination.usual, destination.bound, destination.asked, now)
        try:
            answer = helper.work(encode_task(task), body)
        except OSError:
            return None
        return decode_parcels(answer, now) if answer else None

    def close(self) -> None:
        """Ends the helpers. What was asked of them is done in the server."""
        with self._guard:
            self._closed = True
            running, self._running = self._running, []
        for helper in running:
            helper.end()
            helper.wait()

    def _start(self) -> None:
        """Starts a helper where one more may run; those that have ended are forgotten."""
        with self._guard:
            ended = [helper for helper in self._running if not helper.alive]
            self._running = [helper for helper in self._running if helper.alive]
            if self._closed or len(self._running) >= self._most or time.monotonic() < self._not_before:
                return
            if any(helper.failed for helper in ended):
                log.warning("a helper process has failed; its requests were done in the server")
                self._not_before = time.monotonic() + _PAUSE_SECONDS
                return
            try:
                self._running.append(_Helper(self._secrets))
            except (OSError, ValueError, subprocess.SubprocessError) as error:
                self._most = 0
                log.info("no helper process can be started: %s", describe(error))


def _usual_number() -> int:
    """One core is the server's own, and no helper is started where there is none but that."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(MOST_HELPERS, cores - 1)
