"""The sending thread: a bounded queue on one side, batches over HTTP with retries on the other."""

from __future__ import annotations

import logging
import random
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from monitor.sdk.transport import Answer

logger = logging.getLogger("monitor.sdk")

Record = dict[str, Any]

CALLS = "/api/v1/calls"
FEEDBACK = "/api/v1/feedback"

QUEUE_RECORDS = 10_000
QUEUE_CHARACTERS = 64_000_000
BATCH_RECORDS = 500
BATCH_CHARACTERS = 4_000_000
LINGER_S = 0.25
FIRST_BACKOFF_S = 0.25
LONGEST_BACKOFF_S = 30.0
EXIT_TIMEOUT_S = 5.0
AGAIN = frozenset({0, 408, 425, 429, 500, 502, 503, 504})
TOO_LARGE = 413
LOST_TAG = "sdk.lost"
"""Tag of the call that tells how many records were lost before it."""


class Poster(Protocol):
    """What carries a batch to the server."""

    def post(self, path: str, records: Sequence[Mapping[str, Any]]) -> Answer: ...

    def close(self) -> None: ...


class Sender:
    """Takes records from any thread and sends them from its own.

    A batch that fails for a reason that may pass (no connection, 429, 5xx) is sent again until it succeeds; meanwhile
    the queue fills up, and what no longer fits is counted as lost. A batch that is refused for good is lost too.
    """

    def __init__(
        self, poster: Poster, queue_records: int = QUEUE_RECORDS, queue_characters: int = QUEUE_CHARACTERS
    ) -> None:
        self._poster = poster
        self._queue_records = queue_records
        self._queue_characters = queue_characters
        # Re-entrant: a signal handler may report a call while the same thread is inside `submit`.
        self._changed = threading.Condition(threading.RLock())
        self._queues: dict[str, deque[tuple[Record, int]]] = {CALLS: deque(), FEEDBACK: deque()}
        self._records = 0
        self._characters = 0
        self._sending = 0
        self._lost = 0
        self._lost_told = 0
        self._lost_flushed = 0
        self._flushes = 0
        self._closed = False
        self._thread: threading.Thread | None = None

    @property
    def lost(self) -> int:
        """Records lost so far: no room, refused by the server, or not delivered before the end."""
        return self._lost

    @property
    def waiting(self) -> int:
        """Records taken and not delivered yet."""
        with self._changed:
            return self._records + self._sending

    def submit(self, path: str, record: Record, characters: int) -> bool:
        """Queues a record; False where there is no room, and it is counted as lost. Never waits for the network."""
        with self._changed:
            if (
                self._closed
                or self._records >= self._queue_records
                or self._characters + characters > self._queue_characters
            ):
                self._lost += 1
                return False
            if self._thread is None and not self._start():
                self._lost += 1
                return False
            self._queues[path].append((record, characters))
            self._records += 1
            self._characters += characters
            if self._records in {1, BATCH_RECORDS}:
                self._changed.notify_all()
            return True

    def count_lost(self) -> None:
        """Counts a record that never got as far as the queue."""
        with self._changed:
            self._lost += 1

    def flush(self, timeout: float) -> int:
        """Sends what is waiting, for at most `timeout` seconds.

        Answers how many records were not delivered: those still waiting, and those lost since the last flush.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            self._flushes += 1
            self._changed.notify_all()
            while self._records + self._sending and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)
            lost, self._lost_flushed = self._lost - self._lost_flushed, self._lost
            return lost + self._records + self._sending

    def close(self, timeout: float = EXIT_TIMEOUT_S) -> int:
        """Flushes, ends the thread and counts what could not be delivered as lost; answers how many that were."""
        left = self.flush(timeout)
        with self._changed:
            self._closed = True
            self._lost += self._records + self._sending
            for queue in self._queues.values():
                queue.clear()
            self._records = self._characters = 0
            self._changed.notify_all()
        if left:
            logger.warning("%d records for the monitor were not delivered.", left)
        return left

    def after_fork(self) -> None:
        """In the child: the parent's thread, connection and waiting records stay with the parent."""
        self._changed = threading.Condition(threading.RLock())
        self._queues = {CALLS: deque(), FEEDBACK: deque()}
        self._records = self._characters = self._sending = 0
        self._lost = self._lost_told = self._lost_flushed = 0
        self._thread = None
        self._poster.close()

    def _start(self) -> bool:
        """Starts the thread; False where there can be no more threads, such as at the end of the interpreter."""
        thread = threading.Thread(target=self._run, name="monitor-sdk", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            return False
        self._thread = thread
        _flush_at_end_of_child(self)
        return True

    def _run(self) -> None:
        while (taken := self._take()) is not None:
            path, batch = taken
            try:
                self._deliver(path, batch)
            except Exception as error:
                logger.warning("The monitor's sending thread failed: %s.", type(error).__name__)
                self._done(len(batch), lost=len(batch))

    def _take(self) -> tuple[str, list[Record]] | None:
        with self._changed:
            while not self._records and not self._closed:
                self._changed.wait()
            flushes = self._flushes
            deadline = time.monotonic() + LINGER_S
            while (
                self._records < BATCH_RECORDS
                and self._flushes == flushes
                and not self._closed
                and (left := deadline - time.monotonic()) > 0
            ):
                self._changed.wait(left)
            if self._closed:
                return None
            path = CALLS if self._queues[CALLS] else FEEDBACK
            queue = self._queues[path]
            batch: list[Record] = []
            size = 0
            while queue and len(batch) < BATCH_RECORDS and (not batch or size + queue[0][1] <= BATCH_CHARACTERS):
                record, characters = queue.popleft()
                batch.append(record)
                size += characters
            self._records -= len(batch)
            self._characters -= size
            self._sending = len(batch)
            return path, batch

    def _deliver(self, path: str, batch: list[Record]) -> None:
        attempt = 0
        while True:
            lost = self._lost
            answer = self._poster.post(path, self._telling(path, batch, lost - self._lost_told))
            if 200 <= answer.status < 300:
                self._lost_told = lost if path == CALLS else self._lost_told
                if answer.rejected:
                    logger.warning("The monitor rejected %d of %d records.", answer.rejected, len(batch))
                self._done(len(batch), lost=min(answer.rejected, len(batch)))
                return
            if answer.status == TOO_LARGE and len(batch) > 1:
                half = len(batch) // 2
                self._deliver(path, batch[:half])
                self._deliver(path, batch[half:])
                return
            if answer.status not in AGAIN:
                logger.warning("The monitor refused %d records: HTTP status %d.", len(batch), answer.status)
                self._done(len(batch), lost=len(batch))
                return
            if not self._wait(attempt, answer.retry_after_s):
                return
            attempt += 1

    @staticmethod
    def _telling(path: str, batch: list[Record], untold: int) -> list[Record]:
        """The batch whose first call tells how many records were lost since the last such tag."""
        if path != CALLS or not untold:
            return batch
        tags = batch[0].get("tags")
        told = {**(tags if isinstance(tags, dict) else {}), LOST_TAG: untold}
        return [{**batch[0], "tags": told}, *batch[1:]]

    def _wait(self, attempt: int, retry_after_s: float) -> bool:
        """Waits before the next attempt, until then or a flush; False where the sender was closed."""
        backoff = min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2 ** min(attempt, 10)) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
        deadline = time.monotonic() + max(backoff, min(retry_after_s, LONGEST_BACKOFF_S))
        with self._changed:
            flushes = self._flushes
            while not self._closed and self._flushes == flushes and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)
            return not self._closed

    def _done(self, count: int, lost: int) -> None:
        with self._changed:
            self._sending -= count
            if not self._closed:
                self._lost += lost
            self._changed.notify_all()


def _flush_at_end_of_child(sender: Sender) -> None:
    """A child of multiprocessing ends without atexit; its own list of last things is used there."""
    process = sys.modules.get("multiprocessing.process")
    util = sys.modules.get("multiprocessing.util")
    if process is not None and util is not None and process.parent_process() is not None:
        util.Finalize(sender, sender.close, exitpriority=10)
