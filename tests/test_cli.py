"""The command line: one sentence and an exit code for what goes wrong; real processes that serve, work and end."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import pytest
from aiosmtpd.controller import Controller
from sqlalchemy import func, select, text

from monitor import cli, migrate, tables
from monitor.errors import StoreError
from monitor.settings import Settings
from monitor.store import Store, table_of

CALL = {"id": "call-1", "model": "gpt-4o", "provider": "openai", "prompt": "Where is my parcel?", "response": "Near."}


@pytest.fixture
def url(tmp_path: Path, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A SQLite store with the schema; commands run in an empty folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "store.db").write_bytes(sqlite_template.read_bytes())
    return f"sqlite:///{tmp_path / 'store.db'}"


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., tuple[int, str, str]]]:
    """Runs a command line in this process: exit code, stdout, stderr."""
    handlers, level = list(logging.root.handlers), logging.root.level

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = cli.run(list(arguments))
        out, err = capsys.readouterr()
        return code, out, err

    yield run
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    for package in ("monitor", "dashboards"):
        logging.getLogger(package).setLevel(logging.NOTSET)


def environment(url: str, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MONITOR_")}
    return {**kept, "MONITOR_DATABASE_URL": url, "PYTHONUNBUFFERED": "1", **more}


@contextmanager
def process(url: str, folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A real process, and the first line it prints; it must end well on SIGTERM."""
    with (folder / f"{'-'.join(arguments[:1])}-{time.monotonic_ns()}.log").open("w+") as log:
        started = subprocess.Popen(
            [sys.executable, "-m", "monitor.cli", *arguments],
            env=environment(url),
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        assert started.stdout is not None
        try:
            line = started.stdout.readline()
            if not line:
                log.seek(0)
                raise AssertionError(log.read())
            yield started, line
            started.send_signal(signal.SIGTERM)
            code = started.wait(60)
            log.seek(0)
            said = log.read()
            assert code == 0, said
            assert "Traceback" not in said
        finally:
            started.kill()
            started.wait()
            started.stdout.close()


def address(line: str) -> str:
    found = re.search(r"http://127\.0\.0\.1:\d+", line)
    assert found
    return found[0]


def post(url: str, body: Any) -> dict[str, Any]:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.loads(response.read())  # type: ignore[no-any-return]


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as response:
        return response.read()  # type: ignore[no-any-return]


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.1)


def count(store: Store, model: Any) -> int:
    with store.read() as connection:
        return int(connection.execute(select(func.count()).select_from(table_of(model))).scalar_one())


def test_help_is_quick_and_lists_every_command() -> None:
    took = []
    for _ in range(3):
        before = os.times()
        answer = subprocess.run(
            [sys.executable, "-m", "monitor.cli", "--help"], capture_output=True, text=True, check=True
        )
        after = os.times()  # of the processor: other tests may keep it busy
        took.append(after.children_user + after.children_system - before.children_user - before.children_system)
    assert min(took) < 0.5
    for name in ("up", "ingest", "dashboard", "worker", "migrate", "jobs", "keys", "users", "check", "import", "score"):
        assert re.search(rf"^  {name} ", answer.stdout, re.MULTILINE), name


def every_command() -> list[Sequence[str]]:
    context = click.Context(cli.commands)
    found: list[Sequence[str]] = []
    for name in cli.commands.list_commands(context):
        made = cli.commands.get_command(context, name)
        found.append((name,))
        if isinstance(made, click.Group):
            found += [(name, part) for part in made.list_commands(context)]
    return found


@pytest.mark.parametrize("names", every_command(), ids=" ".join)
def test_every_command_says_what_it_does(command: Any, names: Sequence[str]) -> None:
    code, out, err = command(*names, "--help")
    assert (code, err) == (0, "")
    assert len(out.splitlines()[2].strip()) > 10


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("up", "--port", "70000"),
        ("up", "--nonsense"),
        ("jobs", "--database-url", "mysql://host/name"),
        ("jobs", "--database-url", "nonsense"),
        ("jobs", "--database-url", "sqlite:////no/such/folder/store.db"),
        ("jobs", "--database-url", "postgresql://nobody:password@127.0.0.1:1/none"),
        ("jobs", "run", "nonsense"),
        ("keys", "create"),
        ("up", "--host", "no.such.host.invalid", "--port", "1"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_is_one_sentence_and_exit_code_2(
    command: Any, arguments: Sequence[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = command(*arguments)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert len(err) < 300
    assert "password" not in err


def test_an_unforeseen_error_quotes_nobody(command: Any, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    def broken(*_arguments: Any) -> None:
        raise ValueError("what a person wrote")

    monkeypatch.setattr("monitor.auth.keys", broken)
    code, _out, err = command("keys", "list", "--database-url", url)
    assert code == 2
    assert "person" not in err
    assert "ValueError in test_cli.py" in err


def test_bad_settings_are_one_sentence(command: Any, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("MONITOR_SMTP_PORT", "many")
    code, _out, err = command("check", "--database-url", url)
    assert code == 2
    assert "MONITOR_SMTP_PORT" in err
    assert err.count("\n") == 1


def test_migrate_makes_checks_and_goes_back(command: Any, tmp_path: Path) -> None:
    where = ("--database-url", f"sqlite:///{tmp_path / 'new.db'}")
    assert command("migrate", "--check", *where)[0] == 1
    code, _out, err = command("jobs", *where)
    assert code == 2
    assert "llmops-monitor migrate" in err
    assert command("migrate", *where)[1] == f"The store is now at {migrate.newest()}.\n"
    assert command("migrate", *where)[1] == f"The store is already at {migrate.newest()}.\n"
    assert command("migrate", "--check", *where)[0] == 0
    assert command("migrate", "--down", "base", *where)[0] == 0
    assert command("migrate", "--check", *where)[0] == 1
    assert command("migrate", "--down", "nonsense", *where)[0] == 2


def test_jobs_says_what_ran(command: Any, url: str) -> None:
    where = ("--database-url", url)
    code, out, _err = command("jobs", "--json", *where)
    assert code == 0
    assert {job["state"] for job in json.loads(out)["jobs"]} == {"never ran"}
    code, out, _err = command("jobs", "run", "housekeeping", *where)
    assert code == 0
    assert out.startswith("housekeeping: 0 rows")
    jobs = {job["job"]: job for job in json.loads(command("jobs", "--json", *where)[1])["jobs"]}
    order = list(jobs)
    assert order.index("enrich") < order.index("profiles") < order.index("indicators") < order.index("alerts")
    ran = jobs["housekeeping"]
    assert (ran["state"], ran["done"], ran["lag_seconds"], ran["failures_last_day"]) == ("ok", 0, 0, 0)
    assert ran["duration_seconds"] >= 0
    assert jobs["enrich"]["lag_seconds"] is None
    table = command("jobs", *where)[1]
    assert all(name in table for name in jobs)


def test_a_job_that_fails_is_told(command: Any, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: Any) -> int:
        raise StoreError("The store is full.")

    monkeypatch.setattr("monitor.auth.prune", fail)
    where = ("--database-url", url)
    code, _out, err = command("jobs", *where, "run", "housekeeping")
    assert (code, err.splitlines()[-1]) == (2, "The store is full.")
    failed = {job["job"]: job for job in json.loads(command("jobs", "--json", *where)[1])["jobs"]}["housekeeping"]
    assert (failed["state"], failed["last_error"]) == ("failed", "StoreError: The store is full.")
    assert "StoreError: The store is full." in command("jobs", *where)[1]


def test_keys_are_made_listed_and_revoked(command: Any, url: str) -> None:
    where = ("--database-url", url)
    assert command("keys", "list", *where)[1] == "There are no keys.\n"
    code, out, _err = command("keys", "create", "--project", "shop", "--note", "web", *where)
    key = out.strip()
    assert code == 0
    assert re.fullmatch(r"lm_[0-9a-f]{12}_\S+", key)
    (listed,) = json.loads(command("keys", "list", "--json", *where)[1])["keys"]
    assert (listed["project"], listed["scope"], listed["note"], listed["revoked"]) == ("shop", "write", "web", None)
    table = command("keys", "list", *where)[1]
    assert listed["prefix"] in table
    assert key not in table
    assert command("keys", "revoke", listed["prefix"], *where)[0] == 0
    assert command("keys", "revoke", listed["prefix"], *where)[0] == 2
    assert json.loads(command("keys", "list", "--json", *where)[1])["keys"][0]["revoked"]


def test_users_are_added_by_stdin_and_disabled(url: str, command: Any) -> None:
    add = [sys.executable, "-m", "monitor.cli", "users", "add", "anna"]
    done = subprocess.run(
        add, input="correct horse battery\n", capture_output=True, text=True, env=environment(url), check=True
    )
    assert done.stdout == "anna can log in.\n"
    short = subprocess.run(add, input="short\n", capture_output=True, text=True, env=environment(url), check=False)
    assert short.returncode == 2
    assert short.stderr == "A password has 10 to 1000 characters.\n"
    where = ("--database-url", url)
    assert [user["name"] for user in json.loads(command("users", "list", "--json", *where)[1])["users"]] == ["anna"]
    assert command("users", "disable", "anna", *where)[0] == 0
    assert command("users", "disable", "anna", *where)[0] == 2
    assert "anna" in command("users", "list", *where)[1]
    # A password on the command line would be seen by everyone on the machine.
    assert command("users", "add", "anna", "correct horse battery", *where)[0] == 2


def findings(command: Any, *arguments: str) -> tuple[int, dict[str, bool]]:
    code, out, _err = command("check", "--json", *arguments)
    document = json.loads(out)
    assert document["ok"] == (code == 0)
    return code, {check["check"]: check["ok"] for check in document["checks"]}


def test_check_of_a_good_installation(command: Any, database_url: str) -> None:
    code, found = findings(command, "--database-url", database_url)
    expected = {"settings", "store", "clock", "access", "mail"} | ({"disk"} if "sqlite" in database_url else set())
    assert code == 0
    assert found == dict.fromkeys(expected, True)
    assert "WRONG" not in command("check", "--database-url", database_url)[1]


def test_check_finds_what_is_wrong(command: Any, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert findings(command, "--database-url", f"sqlite:///{tmp_path / 'none.db'}") == (
        1,
        {"settings": True, "disk": True, "store": False, "mail": True},
    )
    assert not (tmp_path / "none.db").exists()
    monkeypatch.setenv("MONITOR_HOST", "0.0.0.0")
    monkeypatch.setenv("MONITOR_SMTP_HOST", "127.0.0.1")
    monkeypatch.setenv("MONITOR_SMTP_PORT", "1")
    code, found = findings(command, "--database-url", url)
    assert code == 1
    assert (found["access"], found["mail"], found["store"]) == (False, False, True)
    store = Store(url)
    with store.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0999'"))
        store.insert(
            connection,
            tables.JobRun,
            [
                {
                    "job": "x",
                    "slot": 1,
                    "process": "",
                    "started": 1,
                    "heartbeat": 2**52,
                    "state": "ok",
                    "note": "",
                    "done": 0,
                }
            ],
        )
    assert findings(command, "--database-url", url)[1]["store"] is False
    with store.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": migrate.newest()})
    store.close()
    assert findings(command, "--database-url", url)[1]["clock"] is False
    assert "WRONG" in command("check", "--database-url", url)[1]


def test_check_talks_to_the_mail_server(command: Any, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Sink:
        """Takes everything."""

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Controller(Sink(), hostname="127.0.0.1", port=port)
    server.start()
    try:
        monkeypatch.setenv("MONITOR_SMTP_HOST", "127.0.0.1")
        monkeypatch.setenv("MONITOR_SMTP_PORT", str(port))
        monkeypatch.setenv("MONITOR_SMTP_SECURITY", "none")
        assert findings(command, "--database-url", url)[1]["mail"] is True
        monkeypatch.setenv("MONITOR_SMTP_SECURITY", "starttls")  # which this server does not offer
        assert findings(command, "--database-url", url)[1]["mail"] is False
    finally:
        server.stop()


def test_up_makes_the_store_takes_calls_enriches_them_and_ends_well(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    with process(url, tmp_path, "up", "--port", "0") as (_started, line):
        base = address(line)
        assert b"<html" in get(f"{base}/")
        assert post(f"{base}/api/v1/calls", [CALL, {**CALL, "id": "call-2"}])["accepted"] == 2
        store = Store(url)
        wait_for(lambda: count(store, tables.Enrichment) == 2)
        assert get(f"{base}/readyz")
    assert count(store, tables.Span) == 2
    with store.read() as connection:
        states = connection.execute(select(table_of(tables.JobRun).c.state)).scalars().all()
    assert set(states) == {"ok"}
    store.close()


def test_several_processes_share_one_postgresql(postgres_server: Any, tmp_path: Path) -> None:
    url = postgres_server.database()
    with (
        process(url, tmp_path, "ingest", "--port", "0") as (_ingest, line),
        process(url, tmp_path, "worker"),
        process(url, tmp_path, "worker"),
        process(url, tmp_path, "dashboard", "--port", "0") as (_dashboard, pages),
    ):
        post(f"{address(line)}/api/v1/calls", [{**CALL, "id": f"call-{number}"} for number in range(40)])
        store = Store(url)
        wait_for(lambda: count(store, tables.Enrichment) == 40)
        assert len(json.loads(get(f"{address(pages)}/api/v1/calls"))["items"]) == 40
        with store.read() as connection:
            states = connection.execute(select(table_of(tables.JobRun).c.state).distinct()).scalars().all()
    assert "failed" not in states
    assert "lost" not in states
    store.close()
    postgres_server.drop(url)


@pytest.mark.parametrize("name", ["ingest", "dashboard", "worker"])
def test_parts_want_a_store_that_is_up_to_date(command: Any, name: str, tmp_path: Path) -> None:
    code, _out, err = command(name, "--database-url", f"sqlite:///{tmp_path / 'new.db'}")
    assert code == 2
    assert "llmops-monitor migrate" in err


def test_up_is_not_served_to_others_unprotected(command: Any, url: str) -> None:
    code, out, err = command("up", "--host", "0.0.0.0", "--port", "0", "--database-url", url)
    assert (code, out) == (2, "")
    assert "users add" in err
    assert "keys create" in err
    assert err.count("\n") == 1


def test_flags_win_over_the_environment(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONITOR_PORT", "9000")
    assert Settings.from_flags(port=None).port == 9000
    assert Settings.from_flags(port=9001).port == 9001
