"""Real clients against a stand-in of their provider: what arrives is whole, and the documentation says what is not."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path

import pytest

from monitor.settings import Settings
from monitor.store import Store
from tests import client_runs
from tests.client_runs import CLIENTS, PAGE, SCRIPTS, Client


@pytest.fixture
def sqlite_url(tmp_path: Path, sqlite_template: Path) -> str:
    path = tmp_path / "clients.db"
    shutil.copy(sqlite_template, path)
    return f"sqlite:///{path}"


@cache
def documented() -> dict[tuple[str, str, bool], str]:
    """The cells of the page by field, column and provider."""
    cells: dict[tuple[str, str, bool], str] = {}
    for section in PAGE.read_text().split("\n## ")[1:3]:
        anthropic = section.startswith("Anthropic")
        head, _, *rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
        for field, *values in rows:
            for title, value in zip(head[1:], values, strict=True):
                cells[field.strip(), title.strip(), anthropic] = value.strip()
    return cells


def cell_of(client: Client, name: str) -> str:
    """What the page says of one field, without the number of its note; empty where the question does not arise."""
    cell = documented().get((name, client.title, client.anthropic), "-").partition(" (")[0]
    return "" if cell == "-" else cell


@pytest.mark.timeout(600)
@pytest.mark.parametrize("script", SCRIPTS)
def test_calls_of_a_real_client_arrive_as_documented(script: str, sqlite_url: str) -> None:
    store = Store(sqlite_url)
    arrived = client_runs.run(script, store, Settings(database_url=sqlite_url, secret_key="a key for tests"))
    store.close()
    assert (arrived.rejected, arrived.unmapped) == (0, {})
    mine = [client for client in CLIENTS if client.script == script]
    assert len(arrived.calls) == sum(len(client.calls) for client in mine)
    for client in mine:
        cells = client_runs.column(client, arrived)
        assert client_runs.unexplained(client, cells) == set()
        said = {name: cell_of(client, name) for name in cells}
        assert said == cells, "`python -m tests.client_runs` writes the page anew"


def test_the_page_is_the_one_that_is_written() -> None:
    names = [*client_runs.FIELDS, "embedding", "responses API"]
    columns = {client: {name: cell_of(client, name) for name in names} for client in CLIENTS}
    assert client_runs.page(columns) == PAGE.read_text()


def test_what_matters_most_is_right_with_every_client_that_tells_cached_tokens() -> None:
    for client in CLIENTS:
        notes = client.notes.values()
        if client_runs.NO_CACHE in notes:
            continue
        for name in ("messages", "input tokens", "read from the cache", "user", "error", "latency"):
            assert cell_of(client, name) == "yes", (client.title, name)
        assert client_runs.NO_HOUR in notes or cell_of(client, "cost") == "yes"
