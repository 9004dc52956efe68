"""Real clients against the stand-in of their provider and a real server of the monitor; and the table of what arrives.

Each client is a script of `tests/clients`, run in a process and an environment of its own (`.venv-clients`, made here
where it is missing: instrumentations patch the libraries of others, and each other). `python -m tests.client_runs`
writes `docs/clients.md`; the tests check that it says what happens.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
import venv
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import select

from monitor import auth, clock, migrate, tables
from monitor.enrich import enrichers
from monitor.records import Message, Span, Tokens
from monitor.rows import span_of
from monitor.settings import Settings
from monitor.store import Store, table_of
from monitor.web import Listener, close_server, create_server
from tests.provider import ANSWER, ANTHROPIC_MODEL, EMBEDDING_MODEL, FIRST_TOKEN_S, OPENAI_MODEL, provider

ROOT = Path(__file__).parents[1]
ENVIRONMENT = ROOT / ".venv-clients"
PAGE = ROOT / "docs" / "clients.md"
PROJECT = "shop"
YES, ABSENT, UNTRACED = "yes", "not sent", "not traced"

OPENAI_TOKENS = Tokens(
    input_uncached=476, input_cache_read=1_024, output_text=50, output_reasoning=30, rule="inclusive"
)
# List prices of the two models, in US dollars for a million tokens.
OPENAI_COST = (476 * 0.25 + 1_024 * 0.025 + 80 * 2.0) / 1e6
ANTHROPIC_TOKENS = Tokens(
    input_uncached=50, input_cache_read=2_000, input_cache_write=100, input_cache_write_1h=200, output_text=40
)
ANTHROPIC_COST = (50 * 3.0 + 2_000 * 0.3 + 100 * 3.75 + 200 * 6.0 + 40 * 15.0) / 1e6


@dataclass(frozen=True)
class Call:
    """One of the standard calls, as it should arrive."""

    name: str
    question: str
    tool: bool = False
    failed: bool = False
    streamed: bool = False


CHAT = Call("plain", "When do you open?")
STREAM = Call("streamed", "And on Sunday?", streamed=True)
TOOLS = Call("tool", "Look it up.", tool=True)
FAILED = Call("failed", "Please fail", failed=True)
RESPONSE = Call("response", "When do you open?")
RESPONSE_STREAM = Call("streamed response", "And on Sunday?", streamed=True)
BASIC = (CHAT, STREAM, TOOLS, FAILED)
ALL = (*BASIC, RESPONSE, RESPONSE_STREAM)


@dataclass(frozen=True, eq=False)
class Client:
    """One script, the column of the table that it fills, and the calls that it traces."""

    script: str
    title: str
    calls: tuple[Call, ...]
    anthropic: bool = False
    first: int = 0
    notes: Mapping[str, str] = field(default_factory=dict)
    """Why a field is neither right nor absent, by field."""


NO_CACHE = "It does not tell cached tokens: they count, and cost, as if they were fresh."
NO_HOUR = "It does not tell which tokens stay in the cache for an hour: the price of five minutes is taken for all."
ONE_MORE = "It adds the count at the start of a stream to the one at its end, though the second holds the first."
AS_ASKED = "For streams it repeats the name that was asked for; the price is that of the name."
_BOTH_PROVIDERS = "litellm_opentelemetry"
CLIENTS = (
    Client(
        "openai_opentelemetry",
        "OpenTelemetry, newest",
        BASIC,
        notes={"input tokens": NO_CACHE, "cost": NO_CACHE},
    ),
    Client(
        "openai_opentelemetry_legacy",
        "OpenTelemetry, legacy",
        BASIC,
        notes={"input tokens": NO_CACHE, "cost": NO_CACHE},
    ),
    Client("openai_openinference", "OpenInference", ALL),
    Client("openai_openllmetry", "OpenLLMetry", ALL),
    Client("openai_langfuse", "Langfuse", ALL),
    Client(_BOTH_PROVIDERS, "LiteLLM", BASIC, notes={"model": AS_ASKED}),
    Client("openai_logfire", "Logfire", ALL, notes={"model": AS_ASKED}),
    Client("anthropic_itself", "the SDK itself", BASIC, anthropic=True),
    Client("anthropic_openinference", "OpenInference", BASIC, anthropic=True),
    Client(
        "anthropic_openllmetry",
        "OpenLLMetry",
        BASIC,
        anthropic=True,
        notes={"written for 5 minutes, an hour": NO_HOUR, "cost": NO_HOUR, "output tokens": ONE_MORE},
    ),
    Client(_BOTH_PROVIDERS, "LiteLLM", BASIC, anthropic=True, first=4, notes={"model": AS_ASKED}),
    Client("anthropic_logfire", "Logfire", BASIC, anthropic=True, notes={"model": AS_ASKED}),
)
SCRIPTS = tuple(dict.fromkeys(client.script for client in CLIENTS))


def python_of_clients() -> Path:
    """The interpreter that has the clients, installed where they are missing or the list of them has changed."""
    python, mark = ENVIRONMENT / "bin" / "python", ENVIRONMENT / "installed.txt"
    wanted = "\n".join(tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["clients"])
    with Path(tempfile.gettempdir(), f"clients-{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not mark.exists() or mark.read_text() != wanted:
            venv.create(ENVIRONMENT, with_pip=True)
            install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--group", "clients"]
            subprocess.run([python, "-m", "pip", "install", "--quiet", "--upgrade", "pip"], check=True)
            subprocess.run(install, check=True, cwd=ROOT)
            mark.write_text(wanted)
    return python


@dataclass(frozen=True)
class Arrived:
    """What one script left in the store: calls and embeddings in the order they were made, and who sent."""

    calls: tuple[Span, ...]
    embeddings: tuple[Span, ...]
    rejected: int
    unmapped: Mapping[str, int]


def run(script: str, store: Store, settings: Settings) -> Arrived:
    """Runs one client to its end and reads what it sent. Its key binds all it sends to one project."""
    python = python_of_clients()
    key = auth.create_key(store, PROJECT, "write", clock.now())
    with provider() as provider_address, _monitor(store, settings) as monitor_address:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "PYTHON"))}
        environment |= {
            "PROVIDER_ADDRESS": provider_address,
            "MONITOR_ADDRESS": monitor_address,
            "MONITOR_KEY": key,
            "OTEL_EXPORTER_OTLP_HEADERS": f"x-api-key={key}",
        }
        done = subprocess.run(
            [python, ROOT / "tests" / "clients" / f"{script}.py"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-4_000:]
    return _arrived(store)


@contextmanager
def _monitor(store: Store, settings: Settings) -> Iterator[str]:
    local = settings.model_copy(update={"host": "127.0.0.1", "port": 0})
    server = create_server(local, store, {"ingest"})
    listener = Listener(server, local)
    thread = threading.Thread(target=listener.run)
    thread.start()
    try:
        yield listener.address
    finally:
        listener.stop()
        thread.join(10)
        close_server(server)


def _arrived(store: Store) -> Arrived:
    span, body, sender = table_of(tables.Span), table_of(tables.Body), table_of(tables.Sender)
    project = store.project(PROJECT, 0)
    with store.read() as connection:
        bodies = {row.id: row for row in connection.execute(select(body).where(body.c.project_id == project))}
        spans = []
        for row in connection.execute(select(span).where(span.c.project_id == project)).mappings():
            text = bodies.get(row["id"])
            spans.append(span_of(row, text.codec if text else None, text.data if text else None))
        senders = list(connection.execute(select(sender).where(sender.c.project_id == project)).mappings())
    spans.sort(key=lambda one: one.time)
    unmapped: dict[str, int] = {}
    for one in senders:
        unmapped |= one["unmapped"] or {}
    return Arrived(
        tuple(one for one in spans if one.kind == "llm"),
        tuple(one for one in spans if one.kind == "embedding"),
        sum(one["rejected"] for one in senders),
        unmapped,
    )


Judge = Callable[[Client, Call, Span], str | None]
"""What became of one field of one call: in a word, or None where the question does not arise."""


def _provider(client: Client, _: Call, span: Span) -> str:
    wanted = "anthropic" if client.anthropic else "openai"
    return YES if span.provider == wanted else span.provider or ABSENT


def _model(client: Client, call: Call, span: Span) -> str:
    answered = ANTHROPIC_MODEL if client.anthropic else OPENAI_MODEL
    if not span.model:
        return ABSENT
    if span.model == answered and not call.failed:
        return YES
    asked = span.model in ("claude-sonnet-4-5", "gpt-5-mini")
    return (YES if call.failed else "as asked for") if asked else span.model


def _messages(_: Client, call: Call, span: Span) -> str:
    if not span.prompt:
        return ABSENT
    if [message.role for message in span.prompt] != ["system", "user"]:
        return "wrong: " + ", ".join(message.role for message in span.prompt)
    asked = span.prompt[1].content
    right = span.prompt[0] == Message("system", "Be brief.") and asked.startswith(call.question)
    return YES if right else "wrong"


def _answer(_: Client, call: Call, span: Span) -> str | None:
    if call.failed or call.tool:
        return None
    return YES if span.response == ANSWER else "wrong" if span.response else ABSENT


def _tool_call(_: Client, call: Call, span: Span) -> str | None:
    if not call.tool:
        return None
    said = span.response_parts
    right = said.count("opening_hours") == 1 and "Monday" in said and not span.response
    return YES if right else "wrong" if said or span.response else ABSENT


def _bucket(*names: str) -> Judge:
    def judge(client: Client, call: Call, span: Span) -> str | None:
        wanted, found = _counts(client, names), [getattr(span.tokens, name) for name in names]
        if call.failed or not any(wanted):
            return None
        if found == wanted:
            return YES
        if all(count is None for count in found):
            return ABSENT
        return " and ".join(f"{count or 0:,} instead of {right:,}" for count, right in zip(found, wanted, strict=True))

    return judge


def _counts(client: Client, names: Sequence[str]) -> list[int]:
    tokens = ANTHROPIC_TOKENS if client.anthropic else OPENAI_TOKENS
    return [getattr(tokens, name) or 0 for name in names]


def _output(client: Client, call: Call, span: Span) -> str | None:
    if call.failed:
        return None
    wanted = (ANTHROPIC_TOKENS if client.anthropic else OPENAI_TOKENS).output
    found = span.tokens.output
    return YES if found == wanted else ABSENT if found is None else f"{found} instead of {wanted}"


def _cost(client: Client, call: Call, span: Span) -> str | None:
    (signals,) = enrichers()["cost"].compute([span], Settings())
    cost = signals.get("cost_usd")
    if call.failed:
        return None if not cost else "wrong"
    if not isinstance(cost, float | int):
        return ABSENT
    ratio = cost / (ANTHROPIC_COST if client.anthropic else OPENAI_COST)
    return YES if abs(ratio - 1) < 1e-6 else f"{ratio:.2f} times"


def _latency(_: Client, call: Call, span: Span) -> str:
    if span.latency_s is None:
        return ABSENT
    least = FIRST_TOKEN_S if call.streamed else 0.0
    return YES if least < span.latency_s < 30 else "without the stream"


def _first_token(_: Client, call: Call, span: Span) -> str | None:
    if not call.streamed:
        return None
    seconds, whole = span.time_to_first_token_s, span.latency_s or 0.0
    return ABSENT if seconds is None else YES if FIRST_TOKEN_S * 0.9 < seconds <= whole else "wrong"


def _session(_: Client, __: Call, span: Span) -> str:
    return YES if span.session_id == "session-7" else "wrong" if span.session_id else ABSENT


def _user(_: Client, __: Call, span: Span) -> str:
    return (YES if len(span.user) == 16 else "wrong") if span.user else ABSENT


def _error(_: Client, call: Call, span: Span) -> str | None:
    if not call.failed:
        return YES if span.status == "ok" else "wrong"
    return YES if span.status == "error" and span.error else "wrong"


def _finish(_: Client, call: Call, span: Span) -> str | None:
    return None if call.failed else YES if span.finish_reason else ABSENT


def _tier(_: Client, call: Call, span: Span) -> str | None:
    return None if call.failed else YES if span.service_tier in ("default", "standard") else ABSENT


FIELDS: Mapping[str, Judge] = {
    "provider": _provider,
    "model": _model,
    "messages": _messages,
    "answer": _answer,
    "call of a tool": _tool_call,
    "input tokens": _bucket("input_uncached"),
    "read from the cache": _bucket("input_cache_read"),
    "written for 5 minutes, an hour": _bucket("input_cache_write", "input_cache_write_1h"),
    "output tokens": _output,
    "reasoning tokens": _bucket("output_reasoning"),
    "cost": _cost,
    "latency": _latency,
    "time to the first token": _first_token,
    "session": _session,
    "user": _user,
    "error": _error,
    "finish reason": _finish,
    "service tier": _tier,
}


def column(client: Client, arrived: Arrived) -> dict[str, str]:
    """The cells of one client: a word where it holds for all calls, else which calls it holds for."""
    spans = arrived.calls[client.first :]
    if client.script == _BOTH_PROVIDERS:
        spans = spans[: len(client.calls)]
    cells: dict[str, str] = {}
    for name, judge in FIELDS.items():
        words: dict[str, list[str]] = {}
        for call, span in zip(client.calls, spans, strict=True):
            word = judge(client, call, span)
            if word is not None:
                words.setdefault(word, []).append(call.name)
        cells[name] = _cell(words)
    cells["embedding"] = _embedding(client, arrived)
    cells["responses API"] = "" if client.anthropic else YES if RESPONSE in client.calls else UNTRACED
    return cells


def _cell(words: Mapping[str, Sequence[str]]) -> str:
    if not words:
        return ""
    usual = YES if YES in words else max(words, key=lambda word: len(words[word]))
    rest = [f"{word}: {', '.join(calls)}" for word, calls in words.items() if word != usual]
    return "; ".join([usual, *rest])


def _embedding(client: Client, arrived: Arrived) -> str:
    if client.anthropic or client.script == _BOTH_PROVIDERS:
        return ""
    if not arrived.embeddings:
        return UNTRACED
    (span,) = arrived.embeddings
    return YES if span.model == EMBEDDING_MODEL and span.tokens.input == 12 else "wrong"


HEAD = """# Clients and what arrives of their calls

This page is written by a test: the clients below, as their makers publish them, call a stand-in of their provider's
HTTP API and send their telemetry to a real server of the monitor (`python -m tests.client_runs`; the tests check that
the page says what happens). Each makes the same calls: one plain, one streamed, one that asks for a tool, one that
fails; where it can, also an embedding and OpenAI's responses API.

"yes" means that the monitor stores what the provider said, to the token; "not sent" that the client does not tell it,
so that nobody can know. A cost that says "yes" is the right one to the last digit, whether the client or the
catalogue of prices knew it.
"""
TAIL = """## Setting them up

| client | what to set |
| --- | --- |
| any OpenTelemetry exporter | traces to `http://HOST:8050/v1/traces`, logs to `/v1/logs`, header `x-api-key: KEY` |
| Langfuse | `base_url` is the monitor's address, `public_key` any name, `secret_key` a key of the monitor |
| LiteLLM | `OTEL_EXPORTER=otlp_http`, `OTEL_ENDPOINT=http://HOST:8050/v1/traces`, `OTEL_HEADERS=x-api-key=KEY` |
| Logfire | `OTEL_EXPORTER_OTLP_ENDPOINT=http://HOST:8050`, `logfire.configure(send_to_logfire=False)` |

The scripts in `tests/clients` are complete examples. On the machine itself no key is needed.

The SDK of Anthropic has traced its own calls since its version 2, wherever OpenTelemetry is set up. Beside another
instrumentation that gives two spans for one call, and both would count: set `ANTHROPIC_OPEN_TELEMETRY=false` there.
"""


def page(columns: Mapping[Client, Mapping[str, str]]) -> str:
    """The page of documentation, given the cells of every client."""
    parts = [HEAD]
    for title, anthropic in (("OpenAI", False), ("Anthropic", True)):
        chosen = [client for client in CLIENTS if client.anthropic is anthropic]
        parts.append(f"## {title}\n\n{_table(chosen, columns)}")
    return "\n".join([*parts, TAIL])


def _table(clients: Sequence[Client], columns: Mapping[Client, Mapping[str, str]]) -> str:
    notes = list(dict.fromkeys(note for client in clients for note in client.notes.values()))
    names = [name for name in columns[clients[0]] if any(columns[client][name] for client in clients)]
    rows = ["| field | " + " | ".join(client.title for client in clients) + " |"]
    rows.append("| --- |" + " --- |" * len(clients))
    for name in names:
        cells = " | ".join(_noted(client, columns, name, notes) for client in clients)
        rows.append(f"| {name} | {cells} |")
    return "\n".join([*rows, "", *(f"{number}. {note}" for number, note in enumerate(notes, 1)), ""])


def _noted(client: Client, columns: Mapping[Client, Mapping[str, str]], name: str, notes: Sequence[str]) -> str:
    cell = columns[client][name] or "-"
    return f"{cell} ({notes.index(client.notes[name]) + 1})" if name in client.notes else cell


def unexplained(client: Client, cells: Mapping[str, str]) -> set[str]:
    """Fields that are neither right nor absent and that no note explains, and notes that explain nothing."""
    strange = {
        name
        for name, cell in cells.items()
        for part in cell.split("; ")
        if part and part.split(":")[0] not in (YES, ABSENT, UNTRACED)
    }
    return strange ^ set(client.notes)


def main() -> None:
    """Writes the page."""
    Settings.model_config["env_file"] = None
    columns: dict[Client, Mapping[str, str]] = {}
    for script in SCRIPTS:
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            settings = Settings(database_url=f"sqlite:///{folder}/store.db", secret_key="a key for tests")
            store = Store.open(settings)
            migrate.upgrade(store)
            arrived = run(script, store, settings)
            columns |= {client: column(client, arrived) for client in CLIENTS if client.script == script}
            store.close()
        sys.stderr.write(f"{script}: {time.monotonic() - started:.1f} s\n")
    PAGE.write_text(page(columns))


if __name__ == "__main__":
    main()
