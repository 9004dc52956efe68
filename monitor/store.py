"""The store: one engine for readers, one for the writer, the same code for SQLite and PostgreSQL.

On SQLite all writes of a process go through one connection at a time (a lock), in `BEGIN IMMEDIATE` transactions, so
that writers of several processes wait for each other instead of failing; readers never block thanks to the write-ahead
log. Errors never print bound parameters: they hold people's text.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, event, exists, func, make_url
from sqlalchemy import select as sql_select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import CursorResult, ExceptionContext
from sqlalchemy.exc import ArgumentError, DBAPIError, InvalidatePoolError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry
from sqlmodel import SQLModel

from monitor import tables
from monitor.errors import SettingsError, StoreError
from monitor.identifiers import project_id
from monitor.settings import Settings

Row = Mapping[str, Any]

# A transaction that waits longer than this for another process's write gives up with an error the sender may retry.
BUSY_TIMEOUT_MILLISECONDS = 15_000

# A connection to PostgreSQL that nobody has used for so long is asked whether it is still there.
REST_SECONDS = 1.0

# Of libpq's PGTransactionStatusType.
_IDLE = 0

# Texts of some 700 bytes leave a tenth less of a larger page empty; this counts where the file is new.
PAGE_SIZE = "PRAGMA page_size = 8192"
# Each connection of SQLite has a cache of its own, which is never given back; the system caches the file beside it.
READER_CACHE_KIB, WRITER_CACHE_KIB = 4_000, 32_000


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement in the words of the driver, and how a row becomes what the driver takes for it."""

    text: str
    arrange: Callable[[Row], Any]


Statement = tuple[Prepared, Sequence[Row]]
"""A prepared statement and the rows that it is run for, all with the same keys."""


class Store:
    """Connections to one database. Cheap to share between threads; make one a process."""

    def __init__(self, database_url: str, durability: str = "full") -> None:
        try:
            url = make_url(database_url)
        except ArgumentError:
            raise SettingsError("MONITOR_DATABASE_URL is not a database address.") from None
        if url.get_backend_name() not in ("sqlite", "postgresql"):
            raise SettingsError(
                f"MONITOR_DATABASE_URL names {url.get_backend_name()}; SQLite and PostgreSQL are supported."
            )
        if url.drivername == "postgresql":
            url = url.set(drivername="postgresql+psycopg")
        self.url = url
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self._write_lock = threading.RLock()
        self._projects: dict[str, int] = {}
        self._inserts: dict[tuple[Any, ...], Prepared] = {}
        self._writing: Connection | None = None
        if self.is_sqlite:
            options: dict[str, Any] = {
                "connect_args": {"check_same_thread": False, "timeout": BUSY_TIMEOUT_MILLISECONDS / 1000},
                "json_serializer": partial(json.dumps, separators=(",", ":")),
            }
            self.writer = create_engine(url, hide_parameters=True, pool_size=1, max_overflow=4, **options)
            # The connection used last is used first: as few as are needed at a time fill a cache of their own.
            self.reader = create_engine(
                url, hide_parameters=True, pool_size=4, max_overflow=28, pool_use_lifo=True, **options
            )
            _prepare_sqlite(self.writer, durability, read_only=False)
            _prepare_sqlite(self.reader, durability, read_only=True)
        else:
            self.writer = create_engine(url, hide_parameters=True, pool_size=4, max_overflow=16, pool_use_lifo=True)
            self.reader = create_engine(url, hide_parameters=True, pool_size=8, max_overflow=24)
            event.listen(self.writer, "connect", _leave_begin_to_us)
            event.listen(self.writer, "before_cursor_execute", _begin_late)
            if durability == "relaxed":
                event.listen(self.writer, "begin", _relax_postgresql)
            for engine in (self.writer, self.reader):
                event.listen(engine, "handle_error", _without_values)
                event.listen(engine, "checkin", _note_rest)
                event.listen(engine, "checkout", partial(_ask_rested, engine))

    @classmethod
    def open(cls, settings: Settings) -> Store:
        """The store that the settings name."""
        return cls(settings.database_url, settings.database_durability)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for reading; all it reads is of one moment on SQLite."""
        with self.reader.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that is committed at the end of the block, or rolled back if it raises."""
        if self.is_sqlite:
            with self._write_lock, self._kept() as connection, connection.begin():
                yield connection
        else:
            with self.writer.begin() as connection:
                yield connection

    @contextmanager
    def _kept(self) -> Iterator[Connection]:
        """The one connection that writes, kept open as long as all goes well; another inside of a transaction."""
        if self._writing is not None and self._writing.in_transaction():
            with self.writer.connect() as connection:
                yield connection
            return
        connection = self._writing = self._writing or self.writer.connect()
        try:
            yield connection
        except BaseException:
            self._writing = None
            connection.close()
            raise

    def insert(self, connection: Connection, model: type[SQLModel], rows: Sequence[Row]) -> None:
        """Inserts rows; all must have the same keys."""
        if rows:
            connection.execute(table_of(model).insert(), list(rows))

    def insert_new(
        self, connection: Connection, model: type[SQLModel], rows: Sequence[Row], key: Sequence[str] = ()
    ) -> int:
        """Inserts the rows whose key (default: any unique key) is not there yet; answers how many that were."""
        if not rows:
            return 0
        statement = self.insert_statement(model).on_conflict_do_nothing(index_elements=list(key) or None)
        return _count(connection.execute(statement, list(rows), execution_options={"preserve_rowcount": True}))

    def insert_encoded(
        self, connection: Connection, model: type[SQLModel], rows: Sequence[Row], key: Sequence[str] = ()
    ) -> int:
        """Inserts rows straight through the driver, several times faster than `insert`; answers how many were new.

        All rows have the same keys in the same order, and values as the driver takes them: JSON as text. Rows whose
        `key` is there already are left out; without a key such a row is an error.
        """
        if not rows:
            return 0
        (new,) = self.execute_together(connection, [(self.inserting(model, rows, key), rows)])
        return new

    def inserting(self, model: type[SQLModel], rows: Sequence[Row], key: Sequence[str] = ()) -> Prepared:
        """The statement that `insert_encoded` runs for such rows; remembered."""
        columns = tuple(rows[0])
        chosen = (model, columns, tuple(key))
        prepared = self._inserts.get(chosen)
        if prepared is None:
            statement = self.insert_statement(model)
            if key:
                statement = statement.on_conflict_do_nothing(index_elements=list(key))
            prepared = self._inserts[chosen] = self.prepare(statement, columns)
        return prepared

    def prepare(self, statement: Any, columns: Sequence[str]) -> Prepared:
        """An INSERT for these columns in the words of the driver: to make them costs more than to run them.

        Columns that are left out get their defaults.
        """
        compiled = statement.compile(dialect=self.writer.dialect, column_keys=list(columns))
        defaults = {column.key: column.default.arg for column in compiled.insert_prefetch}
        places = compiled.positiontup
        order: Callable[[Row], Any] = itemgetter(*places) if places else dict
        return Prepared(str(compiled), (lambda row: order({**defaults, **row})) if defaults else order)

    def execute_together(self, connection: Connection, statements: Sequence[Statement]) -> list[int]:
        """Runs prepared INSERTs in their order, each for its rows.

        Answers how many rows each has changed. On PostgreSQL they share one way to the server and back.
        """
        arranged = [(prepared.text, list(map(prepared.arrange, rows))) for prepared, rows in statements]
        if self.is_sqlite:
            return [run_driver(connection, text, values) if values else 0 for text, values in arranged]
        return _run_pipeline(connection, arranged)

    def upsert(
        self, connection: Connection, model: type[SQLModel], rows: Sequence[Row], key: Sequence[str] = ()
    ) -> None:
        """Inserts rows, or replaces the columns given where the key (default: the primary key) is there already."""
        if not rows:
            return
        table = table_of(model)
        keys = list(key) or [column.name for column in table.primary_key.columns]
        statement = self.insert_statement(model)
        changed = {name: statement.excluded[name] for name in rows[0] if name not in keys}
        connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed), list(rows))

    def give_back(self, model: type[SQLModel], above: int = 256 * 1024) -> bool:
        """Gives the room of an empty table back to the file system where that is over `above` bytes; True where done.

        PostgreSQL keeps the room of deleted rows for new ones: a queue stays as large on disk as it was at its longest.
        Where others are at work on the table, this is left for another time. SQLite needs nothing of the kind.
        """
        if self.is_sqlite:
            return False
        table = table_of(model)
        rows = sql_select(exists().select_from(table))
        try:
            with self.write() as connection:
                size = connection.execute(sql_select(func.pg_total_relation_size(table.name))).scalar_one()
                if size <= above or connection.execute(rows).scalar():
                    return False
                connection.exec_driver_sql(f"LOCK TABLE {table.name} IN ACCESS EXCLUSIVE MODE NOWAIT")
                if connection.execute(rows).scalar():
                    return False
                connection.exec_driver_sql(f"TRUNCATE TABLE {table.name}")
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) == _LOCKED:
                return False
            raise
        return True

    def project(self, name: str, moment: int, note: str = "") -> int:
        """The id of a project, which is made (as of `moment`, microseconds) where it is new.

        Raises StoreError in the very rare case that two names have one id.
        """
        known = self._projects.get(name)
        if known is not None:
            return known
        identifier = project_id(name)
        with self.write() as connection:
            self.insert_new(
                connection, tables.Project, [{"id": identifier, "name": name, "created": moment, "note": note}]
            )
            stored = connection.execute(
                sql_select(table_of(tables.Project).c.name).where(table_of(tables.Project).c.id == identifier)
            ).scalar_one()
        if stored != name:
            raise StoreError(
                f"The names of projects {name!r} and {stored!r} have the same number; choose another name."
            )
        self._projects[name] = identifier
        return identifier

    def secret(self, given: str) -> bytes:
        """The key of pseudonyms and cookies: the one given, or one made once and kept in the store."""
        if given:
            return given.encode()
        table = table_of(tables.Value)
        with self.write() as connection:
            self.insert_new(connection, tables.Value, [{"name": "secret_key", "data": secrets.token_hex(32)}])
            data = connection.execute(sql_select(table.c.data).where(table.c.name == "secret_key")).scalar_one()
        return str(data).encode()

    def close(self) -> None:
        """Closes all connections."""
        with self._write_lock:
            if self._writing is not None:
                self._writing.close()
                self._writing = None
        self.writer.dispose()
        self.reader.dispose()

    def insert_statement(self, model: type[SQLModel]) -> Any:
        """An INSERT of the engine's own kind, which knows `on_conflict_do_update`."""
        maker = sqlite.insert if self.is_sqlite else postgresql.insert
        return maker(table_of(model))


def table_of(model: type[SQLModel]) -> Table:
    """The Core table of a model: statements on it are several times faster than the object layer."""
    return model.__table__  # type: ignore[attr-defined, no-any-return]


def run_driver(connection: Connection, text: str, rows: Sequence[Any] = ()) -> int:
    """Runs a statement straight on SQLite's driver, once for each row; errors are those of SQLAlchemy."""
    cursor = connection.connection.cursor()
    try:
        if len(rows) > 1:
            cursor.executemany(text, rows)
        else:
            cursor.execute(text, *rows)
        return max(cursor.rowcount, 0)
    except sqlite3.Error as error:
        raise DBAPIError.instance(
            text, None, error, sqlite3.Error, hide_parameters=True, dialect=connection.dialect
        ) from None
    finally:
        cursor.close()


def _run_pipeline(connection: Connection, statements: Sequence[tuple[str, list[Any]]]) -> list[int]:
    """Runs statements on PostgreSQL's driver without waiting for each."""
    with _driver_of(connection) as driver:
        cursors = [driver.cursor() for _ in statements]
        with driver.pipeline():
            _begin(driver)
            for cursor, (text, values) in zip(cursors, statements, strict=True):
                if values:
                    cursor.executemany(text, values)
        return [max(cursor.rowcount, 0) for cursor in cursors]


@contextmanager
def _driver_of(connection: Connection) -> Iterator[Any]:
    """PostgreSQL's driver; errors are those of SQLAlchemy, and a connection that is lost is not used again."""
    import psycopg

    driver: Any = connection.connection.driver_connection
    try:
        yield driver
    except psycopg.Error as error:
        lost = bool(driver.closed)
        wrapped = DBAPIError.instance("INSERT", None, error, psycopg.Error, True, lost, dialect=connection.dialect)
        _clean(error, wrapped)
        if lost:
            connection.invalidate()
        raise wrapped from None


def _count(result: CursorResult[Any]) -> int:
    return max(result.rowcount, 0)


def _note_rest(_driver_connection: Any, record: ConnectionPoolEntry) -> None:
    record.info["resting since"] = time.monotonic()


def _ask_rested(engine: Engine, driver_connection: Any, record: ConnectionPoolEntry, _proxy: Any) -> None:
    """A connection that has rested may have been lost meanwhile: it is asked before it is used."""
    rested = time.monotonic() - record.info.get("resting since", time.monotonic())
    if rested > REST_SECONDS:
        try:
            engine.dialect.do_ping(driver_connection)
        except engine.dialect.dbapi.Error as error:  # type: ignore[union-attr]
            raise InvalidatePoolError from error


def _leave_begin_to_us(driver_connection: Any, _record: Any) -> None:
    driver_connection.autocommit = True


def _begin_late(connection: Connection, *_others: Any) -> None:
    """Begins the transaction with its first statement."""
    with _driver_of(connection) as driver:
        _begin(driver)


def _begin(driver: Any) -> None:
    """The driver's own BEGIN would be a way to the server and back of its own, even in a pipeline."""
    if driver.info.transaction_status == _IDLE:
        driver.execute("BEGIN", prepare=False)


def _relax_postgresql(connection: Connection) -> None:
    connection.exec_driver_sql("SET LOCAL synchronous_commit = off")


def _without_values(context: ExceptionContext) -> None:
    _clean(context.original_exception, context.sqlalchemy_exception)


def _clean(original: BaseException, wrapped: BaseException | None) -> None:
    """PostgreSQL's messages quote values, keys and whole rows; only what went wrong is kept of them."""
    diagnosis = getattr(original, "diag", None)
    if diagnosis is None or not diagnosis.message_primary:
        return
    message = diagnosis.message_primary.partition(': "')[0]
    original.args = (message,)
    if wrapped is not None:
        wrapped.args = (f"({type(original).__name__}) {message}",)


def _prepare_sqlite(engine: Engine, durability: str, *, read_only: bool) -> None:
    def on_connect(driver_connection: Any, _record: Any) -> None:
        # The driver's own transaction handling commits behind our back; BEGIN is sent below instead.
        driver_connection.isolation_level = None
        cursor = driver_connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MILLISECONDS}")
        cursor.execute(PAGE_SIZE)
        cursor.execute("PRAGMA journal_mode = WAL")
        # FULL syncs the log at each commit: acknowledged means durable even through a power cut.
        cursor.execute(f"PRAGMA synchronous = {'FULL' if durability == 'full' else 'NORMAL'}")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute(f"PRAGMA cache_size = -{READER_CACHE_KIB if read_only else WRITER_CACHE_KIB}")
        cursor.execute("PRAGMA temp_store = MEMORY")
        if read_only:
            cursor.execute("PRAGMA query_only = ON")
        else:
            # Random trace ids touch many pages of the index: a longer log (32 MB) writes each of them less often.
            cursor.execute("PRAGMA wal_autocheckpoint = 4000")
        cursor.close()

    def on_begin(connection: Connection) -> None:
        run_driver(connection, "BEGIN" if read_only else "BEGIN IMMEDIATE")

    event.listen(engine, "connect", on_connect)
    event.listen(engine, "begin", on_begin)


_TRANSIENT_SQLITE = frozenset(
    (
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PROTOCOL,
    )
)
_LOCKED = "55P03"
# Classes of SQLSTATE: connection, transaction rolled back, resources (disk, memory, connections), not in a fit state
# (locked), operator's intervention, failure of the system, failure of PostgreSQL itself (a file that may not grow is
# told as one); and a server that takes no writes just now.
_TRANSIENT_CLASSES = ("08", "40", "53", "55", "57", "58", "XX", "25006")


def is_transient(error: DBAPIError) -> bool:
    """True for a failure that trying again may cure: a lock, a lost connection, a full disk."""
    original = error.orig
    if isinstance(original, sqlite3.Error):
        return getattr(original, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF in _TRANSIENT_SQLITE
    state = getattr(original, "sqlstate", None)
    if state is None:  # the server could not be asked at all
        return bool(error.connection_invalidated) or isinstance(error, OperationalError)
    return bool(error.connection_invalidated) or state.startswith(_TRANSIENT_CLASSES)
