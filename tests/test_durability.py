"""The promise of ingest: what was acknowledged is stored, once, though the server is killed at any moment."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable

from sqlalchemy import select

from monitor import tables
from monitor.identifiers import unpack_identifier
from monitor.store import Store, table_of

KILLS = 20
CLIENTS = 3
DEADLINE_SECONDS = 120


class Victim:
    """A server process that is killed and started again on the same database."""

    def __init__(self, database_url: str) -> None:
        command = [sys.executable, "-m", "tests.ingest_server", database_url, "--nursery"]
        self._nursery = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._pid = self.port = 0
        self.rise()

    def rise(self) -> None:
        """Starts a server."""
        assert self._nursery.stdin is not None
        assert self._nursery.stdout is not None
        self._nursery.stdin.write("\n")
        self._nursery.stdin.flush()
        self._pid, self.port = map(int, self._nursery.stdout.readline().split())

    def kill(self) -> None:
        """SIGKILL, without any warning."""
        os.kill(self._pid, signal.SIGKILL)

    def close(self) -> None:
        """Kills the server for good."""
        self.kill()
        self._nursery.communicate(timeout=20)


class Client(threading.Thread):
    """Sends batches as fast as it can, each again and again until it is acknowledged."""

    def __init__(self, number: int, victim: Victim, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self._number = number
        self._victim = victim
        self._stop_asked = stop
        self.acknowledged: list[str] = []
        self.retries = 0

    def run(self) -> None:
        batch = 0
        while not self._stop_asked.is_set():
            batch += 1
            names = [f"{self._number}-{batch}-{item}" for item in range(1 + batch % 20)]
            records = [{"id": name, "prompt": f"question {name}", "response": "answer " * 20} for name in names]
            body = json.dumps(records).encode()
            while not self._send(body):
                self.retries += 1
                time.sleep(0.005)
            self.acknowledged.extend(names)

    def _send(self, body: bytes) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._victim.port, timeout=20)
        try:
            connection.request("POST", "/api/v1/calls", body, {"content-type": "application/json"})
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            return False
        else:
            return answer.status == 200
        finally:
            connection.close()


def _wait(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE_SECONDS
    while not happened():
        assert time.monotonic() < end, "the server did not come back"
        time.sleep(0.001)


def _all_notice(clients: list[Client]) -> None:
    """Waits until each client has failed to send: none still holds an answer of the server that was killed."""
    before = [client.retries for client in clients]
    _wait(lambda: all(client.retries > count for client, count in zip(clients, before, strict=True)))


def _more_is_acknowledged(clients: list[Client]) -> None:
    """Waits until the server that runs now has acknowledged something, however long it takes to rise."""
    before = sum(len(client.acknowledged) for client in clients)
    _wait(lambda: sum(len(client.acknowledged) for client in clients) > before)


def test_killed_under_load_nothing_acknowledged_is_lost_or_doubled(database_url: str) -> None:
    chance = random.Random(7)
    victim, stop = Victim(database_url), threading.Event()
    clients = [Client(number, victim, stop) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    for _ in range(KILLS):
        _more_is_acknowledged(clients)
        time.sleep(chance.uniform(0, 0.3))
        victim.kill()
        _all_notice(clients)
        victim.rise()
    _more_is_acknowledged(clients)
    stop.set()
    for client in clients:
        client.join(DEADLINE_SECONDS)
        assert not client.is_alive()
    victim.close()

    store = Store(database_url)
    span, body, pending = (table_of(model) for model in (tables.Span, tables.Body, tables.Pending))
    with store.read() as connection:
        stored = Counter(unpack_identifier(value) for value in connection.execute(select(span.c.span_id)).scalars())
        ids = set(connection.execute(select(span.c.id)).scalars())
        assert ids == set(connection.execute(select(body.c.id)).scalars())
        assert ids == set(connection.execute(select(pending.c.id)).scalars())
    store.close()
    acknowledged = [name for client in clients for name in client.acknowledged]
    assert [name for name in acknowledged if name not in stored] == []
    assert [name for name, count in stored.items() if count > 1] == []
