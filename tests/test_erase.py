"""Erasure: nothing that was kept of the calls is left, nothing else is touched, profiles forget them."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from monitor import cli, tables
from monitor.clock import BlockLength
from monitor.enrich import enrich_pending
from monitor.ingest import Batch, Ingester
from monitor.profiles import refresh
from monitor.records import Feedback, Message, Span
from monitor.settings import Settings
from monitor.store import Store, table_of
from tests.conftest import NOW

COUNT = 40
TABLES = (tables.Span, tables.Body, tables.Enrichment, tables.Pending, tables.Feedback)


def fill(store: Store, settings: Settings) -> None:
    """Forty calls of four users in twenty traces over four days, with a tool beside each tenth, and feedback."""
    spans, said = [], []
    for number in range(COUNT):
        time = NOW - timedelta(days=4) + timedelta(hours=2 * number)
        spans.append(
            Span(
                trace_id=f"trace-{number // 2}",
                span_id=f"span-{number}",
                time=time,
                user=f"user-{number // 2 % 4}",
                session_id=f"session-{number // 4}",
                model="gpt-4o",
                prompt=(Message("user", f"secret words number {number}"),),
                response="Yes.",
                source="json",
            )
        )
        if number % 10 == 0:
            spans.append(Span(trace_id=f"trace-{number // 2}", span_id=f"tool-{number}", time=time, kind="tool"))
        said.append(
            Feedback(
                name="thumb",
                time=time,
                trace_id=f"trace-{number // 2}",
                span_id=f"span-{number}",
                value=1.0,
                flag=True,
                annotator_id="user-1" if number == 0 else "other",
            )
        )
    ingester = Ingester(store, settings)
    ingester.submit(Batch("default", spans, said, sender="test"), NOW)
    ingester.close()


def counts(store: Store) -> tuple[int, ...]:
    with store.read() as connection:
        return tuple(
            int(connection.execute(select(func.count()).select_from(table_of(model))).scalar_one()) for model in TABLES
        )


def calls_in_profiles(store: Store) -> int:
    profile = table_of(tables.Profile)
    with store.read() as connection:
        statement = select(func.sum(profile.c.n)).where(
            profile.c.length == str(BlockLength.DAY), profile.c.dimension == "", profile.c.signal == "calls"
        )
        return int(connection.execute(statement).scalar_one() or 0)


@pytest.fixture
def erase(store: Store, settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> Any:
    """Fills the store, works on it, and runs `erase`: exit code and receipt."""
    monkeypatch.setenv("MONITOR_SECRET_KEY", settings.secret_key.get_secret_value())
    fill(store, settings)
    enrich_pending(store, settings, NOW)
    refresh(store, settings, NOW)

    def run(*arguments: str) -> tuple[int, Any]:
        capsys.readouterr()
        code = cli.run(["erase", *arguments, "--database-url", settings.database_url])
        out = capsys.readouterr().out
        return code, json.loads(out) if out.startswith("{") else out

    return run


@pytest.mark.parametrize(
    ("arguments", "calls", "spans", "feedback"),
    [
        (("--user", "user-1"), 10, 11, 11),
        (("--session", "session-0"), 4, 5, 4),
        (("--trace", "trace-0"), 2, 3, 2),
        (("--before", (NOW - timedelta(days=3, hours=12)).isoformat()), 6, 7, 6),
        (("--user", "nobody"), 0, 0, 0),
    ],
)
def test_nothing_is_left_and_nothing_else_is_touched(
    store: Store, settings: Settings, erase: Any, arguments: tuple[str, str], calls: int, spans: int, feedback: int
) -> None:
    before = counts(store)
    assert calls_in_profiles(store) == COUNT
    code, told = erase(*arguments)
    assert code == 2
    assert f"would erase {spans} spans" in told
    assert counts(store) == before
    code, receipt = erase(*arguments, "--yes")
    assert code == 0
    assert (receipt["erased"]["spans"], receipt["erased"]["feedback"]) == (spans, feedback)
    gone = tuple(one - other for one, other in zip(before, counts(store), strict=True))
    assert gone == (spans, calls, calls, 0, feedback)
    refresh(store, settings, NOW)
    assert calls_in_profiles(store) == COUNT - calls
    assert erase(*arguments, "--yes")[1]["erased"]["spans"] == 0


def test_erased_words_are_not_in_the_file(tmp_path: Path, store: Store, settings: Settings, erase: Any) -> None:
    if not store.is_sqlite:
        assert erase("--before", NOW.isoformat(), "--yes")[1]["erased"]["spans"] == COUNT + 4
        return
    with store.read() as connection:
        bodies = list(connection.execute(select(table_of(tables.Body).c.data)).scalars())
    files = [Path(settings.database_url.removeprefix("sqlite:///"))]
    files.append(files[0].with_name(files[0].name + "-wal"))
    held = b"".join(path.read_bytes() for path in files if path.exists())
    assert any(data in held for data in bodies)
    assert erase("--before", NOW.isoformat(), "--yes")[0] == 0
    held = b"".join(path.read_bytes() for path in files if path.exists())
    assert not [data for data in bodies if data in held]


def test_exactly_one_scope_and_a_known_project(erase: Any) -> None:
    assert erase("--yes")[0] == 2
    assert erase("--user", "a", "--session", "b", "--yes")[0] == 2
    assert erase("--user", "a", "--project", "nobody", "--yes")[0] == 2
