"""The promise of ingest: what was acknowledged is stored, once, though the server is killed at any moment."""

from __future__ import annotations

import http.client
import json
import random
import subprocess
import sys
import threading
import time
from collections import Counter

from sqlalchemy import select

from monitor import tables
from monitor.identifiers import unpack_identifier
from monitor.store import Store, table_of

KILLS = {"sqlite": 20, "postgresql": 5}
CLIENTS = 3
DEADLINE_SECONDS = 120


class Victim:
    """A server process that is killed and started again on the same database."""

    def __init__(self, database_url: str) -> None:
        self._command = [sys.executable, "-m", "tests.ingest_server", database_url]
        self._process: subprocess.Popen[str] | None = None
        self._spare = self._start()
        self.port = 0
        self.rise()

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)

    def rise(self) -> None:
        """Serves with the process that was started ahead, and starts the next one."""
        self._process, self._spare = self._spare, self._start()
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def kill(self) -> None:
        """SIGKILL, without any warning."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def close(self) -> None:
        self.kill()
        self._process = self._spare
        self.kill()


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


def test_killed_under_load_nothing_acknowledged_is_lost_or_doubled(database_url: str) -> None:
    engine = "sqlite" if database_url.startswith("sqlite") else "postgresql"
    chance = random.Random(7)
    victim, stop = Victim(database_url), threading.Event()
    clients = [Client(number, victim, stop) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    under_load = 0
    for _ in range(KILLS[engine]):
        before = sum(len(client.acknowledged) for client in clients)
        time.sleep(chance.uniform(0.05, 0.4))
        victim.kill()
        under_load += sum(len(client.acknowledged) for client in clients) > before
        victim.rise()
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
    # The test means something only if calls were on their way when the server died.
    assert under_load > KILLS[engine] // 2
    assert sum(client.retries for client in clients) > KILLS[engine] // 2
