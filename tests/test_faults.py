"""Faults under load: a locked store, a full disk, a killed database. What was acknowledged is stored, once.

Each is done a few times here, and twenty times with random moments where slow tests run.
"""

from __future__ import annotations

import contextlib
import os
import random
import resource
import shutil
import sqlite3
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from monitor import tables
from monitor.identifiers import unpack_identifier
from monitor.store import Store, table_of
from tests.hostile import MEBIBYTE, Target, served, target
from tests.postgres import Postgres, running, temporary_folder
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
    """That of the store."""
    with filled(store.parent):
        yield


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Something else takes all that is left of the file system."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(MEBIBYTE // 16))
    yield
    filler.unlink()


def _mount(folder: Path, mebibytes: int = 24) -> bool:
    """Mounts a small file system; false where this is not allowed."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(folder)]
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


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    with temporary_folder() as folder, running(folder) as server:
        yield server


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


@contextmanager
def no_file_of_it_may_grow(postgres: Postgres, _disk: Path, chance: random.Random) -> Iterator[None]:
    """A write fails in the middle, most often that of its log, which ends it."""
    postgres.execute("SELECT pg_switch_wal()")  # to start again needs a little room
    postgres.stop()
    postgres.start(largest_file=3 * MEBIBYTE // 2 + chance.randrange(MEBIBYTE))
    yield
    postgres.kill()


@contextmanager
def its_disk_is_full(_postgres: Postgres, disk: Path, _chance: random.Random) -> Iterator[None]:
    """Something else takes all that is left where its files are."""
    with filled(disk):
        yield


_ALL, _LOG, _TABLES = "the disk is full", "the disk of its log is full", "the disk of its tables is full"
_LIMITED, *_MOUNTED = _no_room()


@pytest.fixture
def crammed(request: pytest.FixtureRequest) -> Iterator[tuple[Postgres, Path, Any]]:
    """A PostgreSQL, the disk that may become full, and what takes its room away."""
    with temporary_folder() as folder:
        if request.param == _LIMITED:
            with running(folder) as server:
                yield server, folder, no_file_of_it_may_grow
            return
        disk = folder / "disk"
        disk.mkdir()
        assert _mount(disk, 96 if request.param == _ALL else 24)
        places = {
            _ALL: {"folder": disk},
            _LOG: {"folder": folder, "log": disk / "log"},
            _TABLES: {"folder": folder, "tables_in": disk / "tables"},
        }
        try:
            with running(**places[request.param], piece=1) as server:
                yield server, disk, its_disk_is_full
        finally:
            subprocess.run(["umount", "-l", str(disk)], check=True)


_FIRST, *_MORE = [_ALL, _LOG, _TABLES, _LIMITED] if _MOUNTED else [_LIMITED]


@OFTEN
@pytest.mark.parametrize(
    "crammed", [_FIRST, *(pytest.param(name, marks=pytest.mark.slow) for name in _MORE)], indirect=True
)
def test_postgresql_has_no_room(crammed: tuple[Postgres, Path, Any], times: int) -> None:
    """Where its log cannot be written it gives up, and is started again once there is room."""
    chance = random.Random(5)
    postgres, disk, taken = crammed
    with under_load(postgres.url) as (_victim, load):
        for turn in range(times):
            with taken(postgres, disk, chance):
                if turn % 2 == 0:
                    load.notices()
                else:
                    time.sleep(chance.uniform(0.2, 1.5))
            postgres.resume()
            load.progresses()
