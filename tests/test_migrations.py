"""Migrations up and down, with rows in the tables, on both databases."""

from __future__ import annotations

import multiprocessing
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import inspect, select, text
from sqlmodel import SQLModel

from monitor import migrate, tables
from monitor.errors import StoreError
from monitor.store import Store, table_of
from tests.enrichments import put_signals, stored_signals

NEWEST = migrate.newest()
AFTER = f"{int(NEWEST) + 1:04}"
SECOND = '''"""One revision more, as a later version might bring."""

import sqlalchemy as sa
from alembic import op

revision = "{after}"
down_revision = "{newest}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("project") as batch:
        batch.drop_column("note")
        batch.add_column(sa.Column("owner", sa.String(), nullable=False, server_default="nobody"))
    {more}


def downgrade() -> None:
    with op.batch_alter_table("project") as batch:
        batch.drop_column("owner")
        batch.add_column(sa.Column("note", sa.String(), nullable=False, server_default=""))
'''


@pytest.fixture
def fresh(empty_database_url: str) -> Iterator[Store]:
    """A store without any table."""
    store = Store(empty_database_url)
    yield store
    store.close()


def later_version(monkeypatch: pytest.MonkeyPatch, folder: Path, more: str = "pass") -> None:
    """Makes the code look as if it had one migration more."""
    target = folder / "migrations"
    if not target.exists():
        shutil.copytree(migrate.migrations_folder(), target)
    (target / "versions" / f"{AFTER}_second.py").write_text(SECOND.format(more=more, newest=NEWEST, after=AFTER))
    monkeypatch.setattr(migrate, "migrations_folder", lambda: target)


def names(store: Store) -> set[str]:
    """Names of all tables."""
    return set(inspect(store.reader).get_table_names())


def test_up_down_up(fresh: Store) -> None:
    expected = set(SQLModel.metadata.tables)
    assert migrate.current(fresh) is None
    assert not migrate.is_current(fresh)
    assert migrate.upgrade(fresh)
    assert names(fresh) == {*expected, "alembic_version"}
    assert migrate.is_current(fresh)
    assert not migrate.upgrade(fresh)
    assert migrate.downgrade(fresh, "base")
    assert names(fresh) == {"alembic_version"}
    assert migrate.upgrade(fresh)
    assert migrate.current(fresh) == migrate.newest()


def test_models_equal_migrations(fresh: Store) -> None:
    migrate.upgrade(fresh)
    assert migrate.differences(fresh) == []
    with fresh.write() as connection:
        connection.execute(text("ALTER TABLE span ADD COLUMN extra TEXT"))
        connection.execute(text("DROP INDEX feedback_time"))
    assert {change[0] for change in migrate.differences(fresh)} == {"remove_column", "add_index"}


def test_old_rows_survive_up_and_down(fresh: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    migrate.upgrade(fresh)
    identifier = fresh.project("kept", 1)
    with fresh.write() as connection:
        fresh.insert(connection, tables.Body, [{"project_id": identifier, "id": 7, "codec": 0, "data": b"\x00\xff"}])
    later_version(monkeypatch, tmp_path)
    assert not migrate.is_current(fresh)
    assert migrate.upgrade(fresh)
    with fresh.read() as connection:
        assert connection.execute(text("SELECT id, name, owner FROM project")).all() == [(identifier, "kept", "nobody")]
    assert migrate.downgrade(fresh, NEWEST)
    with fresh.read() as connection:
        assert connection.execute(select(table_of(tables.Project))).all() == [(identifier, "kept", 1, "")]
        assert connection.execute(select(table_of(tables.Body))).all() == [(identifier, 0, 7, b"\x00\xff")]


def test_failing_migration_changes_nothing_and_can_be_repeated(
    fresh: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    migrate.upgrade(fresh)
    fresh.project("kept", 1)
    before = names(fresh)
    later_version(monkeypatch, tmp_path, more='op.execute("SELECT no_such_column FROM project")')
    with pytest.raises(StoreError, match="is as it was") as caught:
        migrate.upgrade(fresh)
    assert "no_such_column" not in str(caught.value)
    assert migrate.current(fresh) == NEWEST
    assert names(fresh) == before
    later_version(monkeypatch, tmp_path)
    assert migrate.upgrade(fresh)
    assert migrate.current(fresh) == AFTER


def test_children_are_kept_when_sqlite_rewrites_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(f"sqlite:///{tmp_path / 'store.db'}")
    migrate.upgrade(store)
    identifier = store.project("kept", 1)
    with store.write() as connection:
        connection.execute(text("CREATE TABLE child (parent INTEGER REFERENCES project (id) ON DELETE CASCADE)"))
        connection.execute(text("INSERT INTO child VALUES (:parent)"), {"parent": identifier})
    later_version(monkeypatch, tmp_path)
    migrate.upgrade(store)
    with store.read() as connection:
        assert connection.execute(text("SELECT parent FROM child")).scalars().all() == [identifier]
    store.close()


def test_migration_that_leaves_orphans_is_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(f"sqlite:///{tmp_path / 'store.db'}")
    migrate.upgrade(store)
    identifier = store.project("kept", 1)
    with store.write() as connection:
        connection.execute(text("CREATE TABLE child (parent INTEGER REFERENCES project (id))"))
        connection.execute(text("INSERT INTO child VALUES (:parent)"), {"parent": identifier})
    later_version(monkeypatch, tmp_path, more='op.execute("DELETE FROM project")')
    with pytest.raises(StoreError, match="point to nothing"):
        migrate.upgrade(store)
    assert migrate.current(store) == NEWEST
    with store.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM project")).scalar_one() == 1
    store.close()


def test_sqlite_is_copied_before_its_migration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(f"sqlite:///{tmp_path / 'store.db'}")
    migrate.upgrade(store)
    assert list(tmp_path.glob("store.db.revision-*")) == []  # nothing to lose in an empty file
    store.project("kept", 1)
    later_version(monkeypatch, tmp_path)
    migrate.upgrade(store)
    store.close()
    copy = tmp_path / f"store.db.revision-{NEWEST}"
    with sqlite3.connect(copy) as connection:
        assert connection.execute("SELECT name, note FROM project").fetchall() == [("kept", "")]
    connection.close()
    assert not list(tmp_path.glob("*unfinished*"))


def test_store_of_a_newer_version_is_refused(fresh: Store) -> None:
    migrate.upgrade(fresh)
    with fresh.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0999'"))
    for attempt in (migrate.upgrade, migrate.require_current):
        with pytest.raises(StoreError, match=r"newer version .*0999.*upgrade the program"):
            attempt(fresh)


def test_missing_schema_says_what_to_do(fresh: Store) -> None:
    with pytest.raises(StoreError, match="llmops-monitor migrate"):
        migrate.require_current(fresh)


def test_unreachable_store_is_one_sentence(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'no such folder' / 'store.db'}")
    for attempt in (migrate.upgrade, migrate.current):
        with pytest.raises(StoreError) as caught:
            attempt(store)
        assert "\n" not in str(caught.value)
    store.close()


def _upgrade(url: str, results: multiprocessing.Queue[bool]) -> None:
    store = Store(url)
    results.put(migrate.upgrade(store))
    store.close()


def test_of_several_processes_one_migrates(empty_database_url: str) -> None:
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[bool] = context.Queue()
    processes = [context.Process(target=_upgrade, args=(empty_database_url, results)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert sorted(results.get(timeout=5) for _ in processes) == [False, False, True]


def test_new_revision_is_written_with_plain_types(
    fresh: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    migrate.upgrade(fresh)
    folder = tmp_path / "migrations"
    shutil.copytree(migrate.migrations_folder(), folder)
    monkeypatch.setattr(migrate, "migrations_folder", lambda: folder)
    with fresh.write() as connection:
        connection.execute(text("ALTER TABLE reject DROP COLUMN shape"))
        connection.execute(text("ALTER TABLE sender DROP COLUMN unmapped"))
    path = migrate.new_revision(fresh, "Shapes again")
    assert path.name == f"{AFTER}_shapes_again.py"
    source = path.read_text()
    assert "sqlmodel" not in source
    assert "JSONB" in source
    assert migrate.upgrade(fresh)
    assert migrate.differences(fresh) == []


def test_a_store_with_calls_keeps_them_and_their_order_of_columns(fresh: Store) -> None:
    migrate.upgrade(fresh)
    identifier = fresh.project("kept", 1)
    span = {
        "project_id": identifier,
        "id": 7,
        "trace_id": b"t",
        "span_id": b"s",
        "session_id": b"a session",
        "time": 1,
        "received": 2,
        "kind": "llm",
        "status": 1,
    }
    with fresh.write() as connection:
        fresh.insert(connection, tables.Span, [span])
        fresh.insert(connection, tables.Body, [{"project_id": identifier, "id": 7, "codec": 0, "data": b"\x00"}])
        put_signals(fresh, connection, identifier, [(7, {"calls": True})])
    assert migrate.downgrade(fresh, "0008")
    assert {index["name"] for index in inspect(fresh.reader).get_indexes("span")} >= {"span_session"}
    before = [column["name"] for column in inspect(fresh.reader).get_columns("span")]
    assert migrate.upgrade(fresh)
    with fresh.read() as connection:
        row = connection.execute(select(table_of(tables.Span))).mappings().one()
        assert {name: row[name] for name in span} == span
        assert connection.execute(select(table_of(tables.Body))).one() == (identifier, 0, 7, b"\x00")
    assert stored_signals(fresh) == [{"calls": True}]
    assert [column["name"] for column in inspect(fresh.reader).get_columns("span")] == before
    assert migrate.differences(fresh) == []


def test_calls_are_enriched_again_where_their_signals_were_stored_otherwise(fresh: Store) -> None:
    migrate.upgrade(fresh)
    identifier = fresh.project("kept", 1)
    spans = [
        {
            "project_id": identifier,
            "id": number,
            "trace_id": bytes([number]),
            "span_id": b"s",
            "time": number,
            "received": number,
            "kind": kind,
            "status": 0,
        }
        for number, kind in enumerate(("llm", "tool", "llm"), 1)
    ]
    pending, enrichment = table_of(tables.Pending), table_of(tables.Enrichment)
    with fresh.write() as connection:
        fresh.insert(connection, tables.Span, spans)
        fresh.insert(connection, tables.Pending, [{"project_id": identifier, "id": 3, "received": 3}])
        put_signals(fresh, connection, identifier, [(1, {"calls": True})])
    assert migrate.downgrade(fresh, "0002")
    assert migrate.upgrade(fresh)
    with fresh.read() as connection:
        assert connection.execute(select(pending.c.id).order_by(pending.c.id)).scalars().all() == [1, 3]
        assert connection.execute(select(enrichment)).all() == []
