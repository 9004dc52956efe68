"""The store on both databases."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from monitor import tables
from monitor.store import Store, table_of


def test_project_is_made_once(store: Store, project: int) -> None:
    assert store.project("default", 5) == project
    with store.read() as connection:
        assert connection.execute(select(table_of(tables.Project).c.name)).scalars().all() == ["default"]


def test_errors_never_show_parameters(store: Store) -> None:
    row = {"name": "secret prompt text", "data": "more secret prompt text"}
    with pytest.raises(DBAPIError) as caught, store.write() as connection:
        store.insert(connection, tables.Value, [row, row])
    assert "more secret" not in str(caught.value)
