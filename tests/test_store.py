"""The store on both databases."""

from __future__ import annotations

import threading
import traceback
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from monitor import tables
from monitor.errors import SettingsError, StoreError
from monitor.store import Store, is_transient, table_of

TEXT = "what a person wrote"


def values(store: Store) -> dict[str, str]:
    """The rows of the small table that these tests use."""
    with store.read() as connection:
        rows = connection.execute(select(table_of(tables.Value))).all()
    return {row.name: row.data for row in rows}


def test_project_is_made_once_and_has_the_same_id_everywhere(store: Store, project: int) -> None:
    assert store.project("default", 5) == project
    with store.read() as connection:
        rows = connection.execute(select(table_of(tables.Project).c.id, table_of(tables.Project).c.name)).all()
    assert rows == [(project, "default")]


def test_two_projects_with_one_number_are_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.store.project_id", lambda _name: 7)
    assert store.project("one", 1) == 7
    with pytest.raises(StoreError, match=r"'two' and 'one'"):
        store.project("two", 1)


def test_insert_new_counts_what_was_new(store: Store) -> None:
    rows = [{"name": name, "data": "first"} for name in "abc"]
    with store.write() as connection:
        assert store.insert_new(connection, tables.Value, rows[:2]) == 2
        assert store.insert_new(connection, tables.Value, [{**row, "data": "second"} for row in rows]) == 1
        assert store.insert_new(connection, tables.Value, []) == 0
    assert values(store) == {"a": "first", "b": "first", "c": "second"}


def test_upsert_replaces(store: Store) -> None:
    with store.write() as connection:
        store.upsert(connection, tables.Value, [{"name": "a", "data": "1"}])
        store.upsert(connection, tables.Value, [{"name": "a", "data": "2"}, {"name": "b", "data": "3"}])
        store.upsert(connection, tables.Value, [])
    assert values(store) == {"a": "2", "b": "3"}


def test_an_emptied_queue_gives_its_room_back(store: Store, project: int) -> None:
    table = table_of(tables.Pending)
    rows = [{"project_id": project, "id": number, "received": number} for number in range(6_000)]
    with store.write() as connection:
        store.insert(connection, tables.Pending, rows)
    assert not store.give_back(tables.Pending)
    with store.write() as connection:
        connection.execute(table.delete())
    if store.is_sqlite:
        assert not store.give_back(tables.Pending)
        return
    assert not store.give_back(tables.Pending, above=1 << 30)
    with store.write() as connection:
        connection.execute(table.insert(), rows[:1])
        connection.execute(table.delete())
        assert not store.give_back(tables.Pending)  # someone is at work on it
    with store.read() as connection:
        size = text("SELECT pg_total_relation_size('pending')")
        before = connection.execute(size).scalar_one()
        connection.commit()
        assert store.give_back(tables.Pending)
        assert connection.execute(size).scalar_one() < 32_768 < 262_144 < before


def test_a_transaction_that_raises_leaves_nothing(store: Store) -> None:
    row = {"name": "a", "data": "1"}

    def insert_twice() -> None:
        with store.write() as connection:
            store.insert(connection, tables.Value, [row])
            store.insert(connection, tables.Value, [row])

    with pytest.raises(DBAPIError):
        insert_twice()
    assert values(store) == {}


def test_secret_is_made_once_unless_one_is_given(store: Store) -> None:
    made = store.secret("")
    assert store.secret("") == made
    assert len(made) == 64
    assert store.secret("own") == b"own"


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO value (name, data) VALUES (:text, NULL)",
        "INSERT INTO value (name, data) VALUES (:text, 'x'), (:text, 'x')",
        "INSERT INTO value (name, data) VALUES (:text, :text || no_such_column)",
        "INSERT INTO no_such_table VALUES (:text)",
    ],
)
def test_errors_never_show_bound_parameters(store: Store, statement: str) -> None:
    with pytest.raises(DBAPIError) as caught, store.write() as connection:
        connection.execute(text(statement), {"text": TEXT})
    assert TEXT not in "".join(traceback.format_exception(caught.value))


def test_errors_of_bulk_inserts_never_show_rows(store: Store) -> None:
    row = {"name": TEXT, "data": TEXT}
    with pytest.raises(DBAPIError) as caught, store.write() as connection:
        store.insert(connection, tables.Value, [row, row])
    shown = "".join(traceback.format_exception(caught.value))
    assert TEXT not in shown
    assert "UNIQUE" in shown.upper()
    with pytest.raises(DBAPIError) as caught, store.write() as connection:
        store.insert_encoded(connection, tables.Value, [row, row])
    shown = "".join(traceback.format_exception(caught.value))
    assert TEXT not in shown
    assert "UNIQUE" in shown.upper()
    assert values(store) == {}


@pytest.mark.parametrize("kind", ["INTEGER", "JSON", "TIMESTAMP"])
def test_postgresql_errors_that_quote_a_value_are_cut(postgres_server, kind: str) -> None:  # type: ignore[no-untyped-def]
    url = postgres_server.database()
    store = Store(url)
    with pytest.raises(DBAPIError, match="invalid input syntax") as caught, store.read() as connection:
        connection.execute(text(f"SELECT CAST(CAST(:text AS TEXT) AS {kind})"), {"text": TEXT})
    store.close()
    postgres_server.drop(url)
    assert TEXT not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("asked", [False, True])
def test_connections_to_postgresql_that_are_lost(  # type: ignore[no-untyped-def]
    postgres_server, monkeypatch: pytest.MonkeyPatch, asked: bool
) -> None:
    """One that has rested is asked first; else its first user is told, and the next one gets another."""
    monkeypatch.setattr("monitor.store.REST_SECONDS", -1.0 if asked else 3_600.0)
    url = postgres_server.database()
    store = Store(url)

    def lose_connections() -> None:
        with psycopg.connect(url, autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    def insert_encoded() -> None:
        with store.write() as connection:
            row = {"project_id": 1, "id": 1, "codec": 0, "data": b"x"}
            store.insert_encoded(connection, tables.Body, [row], ("project_id", "id"))

    def insert() -> None:
        with store.write() as connection:
            store.insert_new(connection, tables.Value, [{"name": "n", "data": "d"}])

    for use in (insert_encoded, insert, lambda: values(store)):
        use()
        lose_connections()
        if not asked:
            with pytest.raises(DBAPIError) as caught:
                use()
            assert is_transient(caught.value)
        use()
    store.close()
    postgres_server.drop(url)


def test_readers_cannot_write_on_sqlite_and_see_one_moment(tmp_path: Path, sqlite_template: Path) -> None:
    (tmp_path / "store.db").write_bytes(sqlite_template.read_bytes())
    store = Store(f"sqlite:///{tmp_path / 'store.db'}")
    with pytest.raises(DBAPIError, match="readonly"), store.read() as connection:
        connection.execute(text("DELETE FROM value"))
    count = text("SELECT count(*) FROM value")
    with store.read() as connection:
        assert connection.execute(count).scalar_one() == 0
        with store.write() as writing:
            store.insert(writing, tables.Value, [{"name": "a", "data": "1"}])
        assert connection.execute(count).scalar_one() == 0
    with store.read() as connection:
        assert connection.execute(count).scalar_one() == 1
    store.close()


def test_sqlite_is_durable_by_default(tmp_path: Path) -> None:
    for durability, expected in (("full", 2), ("relaxed", 1)):
        store = Store(f"sqlite:///{tmp_path / 'store.db'}", durability)
        with store.write() as connection:
            assert connection.execute(text("PRAGMA synchronous")).scalar_one() == expected
            assert connection.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
            assert connection.execute(text("PRAGMA foreign_keys")).scalar_one() == 1
        store.close()


def test_many_threads_write_without_losing_any(store: Store) -> None:
    def work(worker: int) -> None:
        for number in range(20):
            with store.write() as connection:
                store.insert(connection, tables.Value, [{"name": f"{worker}.{number}", "data": ""}])

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(values(store)) == 120


@pytest.mark.parametrize(
    ("url", "message"), [("no address", "not a database address"), ("mysql://host/name", "names mysql")]
)
def test_bad_addresses_are_refused(url: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Store(url)


def test_what_may_be_tried_again(store: Store) -> None:
    with pytest.raises(DBAPIError) as caught, store.write() as connection:
        connection.execute(text("SELECT * FROM no_such_table"))
    assert not is_transient(caught.value)


@pytest.mark.parametrize(("code", "again"), [("XX000", True), ("53100", True), ("22021", False)])
def test_a_failure_of_postgresql_itself_may_be_tried_again(  # type: ignore[no-untyped-def]
    postgres_server, code: str, again: bool
) -> None:
    """A file that may not grow is an internal error to PostgreSQL: no record is to blame for it."""
    url = postgres_server.database()
    store = Store(url)
    with pytest.raises(DBAPIError) as caught, store.write() as connection:
        connection.exec_driver_sql(f"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{code}'; END $$")
    assert is_transient(caught.value) == again
    store.close()
    postgres_server.drop(url)


def test_a_locked_sqlite_file_may_be_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.store.BUSY_TIMEOUT_MILLISECONDS", 50)
    first, second = (Store(f"sqlite:///{tmp_path / 'store.db'}") for _ in range(2))
    with first.write(), pytest.raises(DBAPIError) as caught, second.write():
        pass
    assert is_transient(caught.value)
    first.close()
    second.close()
