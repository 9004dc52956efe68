"""The server: who gets in, for every path there is; headers, limits, and an orderly end."""

from __future__ import annotations

import base64
import gzip
import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from monitor import auth, tables, web
from monitor.clock import now
from monitor.errors import InputError, SettingsError
from monitor.settings import Settings
from monitor.store import Store, table_of
from monitor.web import gate
from tests.telemetry import body_of, otlp_span

PASSWORD = "correct horse battery"
CALL = {"id": "call-1", "model": "gpt-4o", "prompt": "Hello", "response": "Hi"}
OPEN = {"/healthz", "/readyz", "/login", "/logout"}


@pytest.fixture(autouse=True)
def _quick(quick_hashes: None) -> None:
    """Logging in costs next to nothing here."""


def made(store: Store, settings: Settings, **changes: Any) -> Flask:
    return web.create_server(settings.model_copy(update=changes), store, changes.pop("parts", web.PARTS))


@pytest.fixture
def near(store: Store, settings: Settings) -> Iterator[FlaskClient]:
    """A client of a server on a loopback address."""
    server = made(store, settings)
    yield server.test_client()
    web.close_server(server)


@pytest.fixture
def far(store: Store, settings: Settings) -> Iterator[FlaskClient]:
    """A client of a server that others can reach, with one account and keys of the project `shop`."""
    auth.add_account(store, "anna", PASSWORD, now())
    client_keys = {scope: auth.create_key(store, "shop", scope, now()) for scope in ("write", "read")}
    server = made(store, settings, host="0.0.0.0")
    server.extensions["keys"] = client_keys
    yield server.test_client()
    web.close_server(server)


def key(client: FlaskClient, scope: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {client.application.extensions['keys'][scope]}"}


def log_in(client: FlaskClient, password: str = PASSWORD, **fields: str) -> Any:
    return client.post("/login", data={"name": "anna", "password": password, **fields})


def every_path(server: Flask) -> list[tuple[str, str]]:
    """A method and an address for each rule of a server, and for each path that takes records."""
    found = [("POST", path) for path in server.wsgi_app.paths]  # type: ignore[attr-defined]
    for rule in server.url_map.iter_rules():
        path = re.sub(r"<[^>]+>", "x", rule.rule)
        found += [(method, path) for method in (rule.methods or ()) if method in ("GET", "POST")]
    return sorted(found)


def test_every_path_but_the_open_ones_is_closed_to_strangers(far: FlaskClient) -> None:
    paths = every_path(far.application)
    assert len(paths) > 25
    for method, path in paths:
        status = far.open(path, method=method).status_code
        closed = status == 401
        assert closed or path in OPEN, (method, path, status)
    assert far.get("/healthz").status_code == far.get("/login").status_code == 200


def test_every_path_is_closed_to_foreign_host_names(near: FlaskClient) -> None:
    for method, path in every_path(near.application):
        response = near.open(path, method=method, headers={"Host": "attacker.example:8050"})
        assert response.status_code == 403, (method, path)


@pytest.mark.parametrize("host", ["localhost:8050", "127.0.0.1", "127.0.0.9:1", "[::1]:8050", "app.localhost"])
def test_this_machine_needs_no_login(near: FlaskClient, host: str) -> None:
    assert near.get("/api/v1/projects", headers={"Host": host}).status_code == 200
    assert near.get("/", headers={"Host": host, "Accept": "text/html"}).status_code == 200
    assert near.post("/api/v1/calls", json=CALL, headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["127.0.0.1.attacker.example", "localhost.attacker.example", "10.0.0.1", "", "0.0.0.0"]
)
def test_names_that_look_like_this_machine_are_refused(near: FlaskClient, host: str) -> None:
    assert near.get("/api/v1/projects", headers={"Host": host}).status_code in (400, 403)


def test_another_web_site_cannot_send(near: FlaskClient) -> None:
    for origin in ("https://attacker.example", "null", "http://127.0.0.1.attacker.example"):
        assert near.post("/api/v1/calls", json=CALL, headers={"Origin": origin}).status_code == 403
    assert near.post("/api/v1/calls", json=CALL, headers={"Origin": "http://localhost:8050"}).status_code == 200


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded", "X-Real-IP"])
def test_what_a_proxy_forwards_comes_from_outside(near: FlaskClient, name: str) -> None:
    for method, path in (("GET", "/"), ("GET", "/api/v1/calls"), ("POST", "/api/v1/calls")):
        assert near.open(path, method=method, headers={name: "10.0.0.1"}).status_code == 401
    assert near.get("/healthz", headers={name: "10.0.0.1"}).status_code == 200


def test_a_key_is_not_needed_but_binds_on_this_machine(near: FlaskClient, store: Store) -> None:
    token = auth.create_key(store, "shop", "write", now())
    near.post("/api/v1/calls", json=CALL, headers={"Authorization": f"Bearer {token}"})
    near.post("/api/v1/calls", json={**CALL, "id": "call-2"}, headers={"Authorization": "Bearer of another product"})
    assert projects(store) == {"shop": 1, "default": 1}


def projects(store: Store) -> dict[str, int]:
    """Stored calls of each project."""
    project, span = table_of(tables.Project), table_of(tables.Span)
    query = select(project.c.name, func.count()).join(span, span.c.project_id == project.c.id).group_by(project.c.name)
    with store.read() as connection:
        return {row[0]: row[1] for row in connection.execute(query)}


def test_a_write_key_sends_into_its_project_and_does_nothing_else(far: FlaskClient, store: Store) -> None:
    headers = {**key(far, "write"), "x-project": "other"}
    assert far.post("/api/v1/calls", json=CALL, headers=headers).status_code == 200
    assert projects(store) == {"shop": 1}
    for path in ("/", "/api/v1/calls?project=shop", "/metrics", "/docs", "/_dash-layout", "/openapi.json"):
        assert far.get(path, headers=headers).status_code in (401, 403), path


def test_a_read_key_reads_its_project_and_does_nothing_else(far: FlaskClient) -> None:
    headers = key(far, "read")
    far.post("/api/v1/calls", json=CALL, headers=key(far, "write"))
    assert far.get("/api/v1/calls?project=shop", headers=headers).status_code == 200
    assert far.get("/metrics", headers=headers).status_code == 200
    for path in (
        "/api/v1/calls",
        "/api/v1/calls?project=other",
        "/api/v1/calls?project=shop&project=other",
        "/api/v1/projects",
        "/",
        "/_dash-layout",
    ):
        assert far.get(path, headers=headers).status_code in (401, 403), path
    assert far.post("/api/v1/calls", json=CALL, headers=headers).status_code == 403


def test_keys_come_as_bearer_as_header_and_as_basic_password(far: FlaskClient) -> None:
    token = far.application.extensions["keys"]["write"]
    basic = base64.b64encode(f"anyone:{token}".encode()).decode()
    for number, headers in enumerate(
        ({"Authorization": f"Bearer {token}"}, {"x-api-key": token}, {"Authorization": f"Basic {basic}"})
    ):
        assert far.post("/api/v1/calls", json={**CALL, "id": str(number)}, headers=headers).status_code == 200
    for headers in ({"Authorization": "Bearer nonsense"}, {"x-api-key": token[:-2]}, {"Authorization": "Basic !"}, {}):
        response = far.post("/api/v1/calls", json=CALL, headers=headers)
        assert response.status_code == 401
        assert "valid key" in response.get_json()["error"]
        assert "Bearer" in response.headers["WWW-Authenticate"]


def test_the_sdks_of_langfuse_send_to_the_path_they_know(far: FlaskClient) -> None:
    token = far.application.extensions["keys"]["write"]
    span = otlp_span(1, {"langfuse.observation.type": "generation", "langfuse.observation.model.name": "gpt-4o"})
    given = {"data": body_of(span), "content_type": "application/json"}
    path = "/api/public/otel/v1/traces"
    assert far.post(path, **given).status_code == 401
    basic = base64.b64encode(f"pk-lf-any:{token}".encode()).decode()
    assert far.post(path, **given, headers={"Authorization": f"Basic {basic}"}).status_code == 200
    assert far.post(path, **given, headers=key(far, "read")).status_code == 403


def test_people_log_in_and_out(far: FlaskClient) -> None:
    asked = far.get("/drift?project=shop&range=7d", headers={"Accept": "text/html"})
    assert asked.status_code == 302
    assert asked.headers["Location"] == "/login?next=/drift%3Fproject%3Dshop%26range%3D7d"
    page = far.get(asked.headers["Location"])
    assert b'value="/drift?project=shop&amp;range=7d"' in page.data
    answer = log_in(far, next="/drift?project=shop&range=7d")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/drift?project=shop&range=7d")
    cookie = answer.headers["Set-Cookie"]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=Lax", "Path=/"))
    assert far.get("/drift", headers={"Accept": "text/html"}).status_code == 200
    assert far.get("/api/v1/projects").status_code == 200
    assert far.get("/_dash-layout").status_code == 200
    assert far.post("/api/v1/calls", json=CALL).status_code == 401  # sending takes a key
    assert far.post("/logout").status_code == 303
    assert far.get("/api/v1/projects").status_code == 401


def test_a_wrong_password_stays_out_and_is_slowed(far: FlaskClient) -> None:
    for _ in range(10):
        answer = log_in(far, "wrong password")
        assert answer.status_code == 401
        assert "Set-Cookie" not in answer.headers
        assert b"name or the password is wrong" in answer.data
    slowed = log_in(far)
    assert slowed.status_code == 429
    assert int(slowed.headers["Retry-After"]) > 0


@pytest.mark.parametrize(
    "target",
    ["https://attacker.example", "//attacker.example", "/\\attacker.example", "javascript:alert(1)", "/\r\nX: y", ""],
)
def test_the_login_leads_to_no_other_site(far: FlaskClient, target: str) -> None:
    assert log_in(far, next=target).headers["Location"] == "/"


def test_the_login_page_escapes_and_is_strict(far: FlaskClient) -> None:
    page = far.post("/login", data={"name": '"><script>alert(1)</script>', "password": "x"})
    assert b"<script" not in page.data
    assert page.headers["Cache-Control"] == "no-store"
    assert b"color-scheme" in page.data


def test_the_cookie_is_secure_behind_https(store: Store, settings: Settings) -> None:
    auth.add_account(store, "anna", PASSWORD, now())
    auth.create_key(store, "shop", "write", now())
    server = made(store, settings, public_url="https://monitor.example")
    answer = log_in(server.test_client())
    assert "Secure" in answer.headers["Set-Cookie"]
    web.close_server(server)


@pytest.mark.parametrize(
    ("changes", "parts", "lacks"),
    [
        ({"host": "0.0.0.0"}, {"ingest", "api", "dashboard"}, "login .* and a key"),
        ({"host": "192.168.1.5"}, {"ingest"}, "a key"),
        ({"host": "::"}, {"dashboard"}, "a login"),
        ({"public_url": "https://monitor.example"}, {"dashboard"}, "a login"),
    ],
)
def test_nothing_is_served_to_others_unprotected(
    store: Store, settings: Settings, changes: dict[str, str], parts: set[str], lacks: str
) -> None:
    wide = settings.model_copy(update=changes)
    with pytest.raises(SettingsError, match=lacks):
        web.create_server(wide, store, parts)


def test_an_account_and_a_key_are_enough(store: Store, settings: Settings) -> None:
    auth.add_account(store, "anna", PASSWORD, now())
    auth.create_key(store, "shop", "write", now())
    gate.require_protection(store, settings.model_copy(update={"host": "0.0.0.0"}), web.PARTS)
    auth.disable_account(store, "anna", now())
    with pytest.raises(SettingsError, match="a login"):
        gate.require_protection(store, settings.model_copy(update={"host": "0.0.0.0"}), web.PARTS)


def test_every_answer_has_the_protecting_headers(near: FlaskClient) -> None:
    for path in ("/", "/login", "/api/v1/projects", "/healthz", "/no/such/page", "/_dash-layout"):
        headers = near.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff", path
        assert headers["Referrer-Policy"] == "same-origin"
        policy = headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        scripts = re.search(r"script-src ([^;]*)", policy)
        assert scripts
        assert "unsafe" not in scripts[1]


def test_the_policy_allows_the_scripts_of_the_page_and_no_other(near: FlaskClient) -> None:
    response = near.get("/", headers={"Accept": "text/html"})
    inside = web._INLINE_SCRIPT.findall(response.data)
    assert inside
    allowed = set(re.findall(r"'sha256-([^']+)'", response.headers["Content-Security-Policy"]))
    import hashlib

    assert {base64.b64encode(hashlib.sha256(script).digest()).decode() for script in inside} == allowed


def test_scripts_are_compressed_and_kept(near: FlaskClient) -> None:
    page = near.get("/", headers={"Accept": "text/html"}).get_data(as_text=True)
    paths = [path for path in re.findall(r'src="(/[^"]+)"', page) if "_dash-component-suites" in path]
    assert paths
    for path in paths:
        plain = near.get(path)
        packed = near.get(path, headers={"Accept-Encoding": "gzip"})
        assert plain.status_code == 200
        if len(plain.data) > 2000:
            assert packed.headers["Content-Encoding"] == "gzip"
            assert len(packed.data) < 0.6 * len(plain.data)
            assert gzip.decompress(packed.data) == plain.data
            again = near.get(path, headers={"Accept-Encoding": "gzip"})
            assert again.data == packed.data


def test_too_large_a_body_is_refused(store: Store, settings: Settings) -> None:
    server = made(store, settings, max_body_bytes=2000)
    client = server.test_client()
    assert client.post("/api/v1/calls", json={**CALL, "response": "x" * 5000}).status_code == 413
    packed = gzip.compress(json.dumps({**CALL, "response": "x" * 50_000}).encode())
    assert len(packed) < 2000
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    assert client.post("/api/v1/calls", data=packed, headers=headers).status_code == 413
    web.close_server(server)


def test_a_failure_answers_one_sentence_and_quotes_nobody(
    store: Store, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    server = made(store, settings, parts={"api"})

    def broken() -> str:
        raise ValueError("what a person wrote")

    server.add_url_rule("/broken", "broken", broken)
    response = server.test_client().get("/broken")
    assert response.status_code == 500
    assert "person" not in response.get_data(as_text=True) + caplog.text
    assert "ValueError in test_web.py line" in caplog.text


@pytest.mark.parametrize(
    ("parts", "there", "absent"),
    [
        ({"ingest"}, ["/healthz", "/readyz", "/metrics"], ["/", "/api/v1/projects", "/docs"]),
        ({"api"}, ["/healthz", "/api/v1/projects", "/docs"], ["/"]),
        ({"dashboard"}, ["/", "/healthz", "/readyz"], []),
    ],
)
def test_parts_are_served_alone(
    store: Store, settings: Settings, parts: set[str], there: list[str], absent: list[str]
) -> None:
    server = web.create_server(settings, store, parts)
    client = server.test_client()
    assert [client.get(path).status_code for path in there] == [200] * len(there)
    assert [client.get(path).status_code for path in absent] == [404] * len(absent)
    taken = client.post("/api/v1/calls", json=CALL).status_code
    assert (taken == 200) == ("ingest" in parts)
    web.close_server(server)


def test_a_listener_serves_until_it_is_stopped(tmp_path: Path, sqlite_template: Path) -> None:
    (tmp_path / "store.db").write_bytes(sqlite_template.read_bytes())
    settings = Settings(database_url=f"sqlite:///{tmp_path / 'store.db'}", port=0)
    store = Store.open(settings)
    server = web.create_server(settings, store, {"ingest"})
    asked = threading.Event()

    def slow() -> str:
        asked.set()
        time.sleep(1.5)
        return "answered"

    server.add_url_rule("/slow", "slow", slow)
    listener = web.Listener(server, settings)
    port = int(listener.address.rpartition(":")[2])
    assert listener.address == f"http://127.0.0.1:{port}"
    thread = threading.Thread(target=listener.run)
    thread.start()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/healthz")
    response = connection.getresponse()
    assert response.status == 200
    assert response.getheader("Server") is None
    with pytest.raises(InputError, match=f"port {port}"):
        web.Listener(server, settings.model_copy(update={"port": port}))
    response.read()
    connection.putrequest("POST", "/api/v1/calls")
    connection.putheader("Content-Length", str(settings.max_body_bytes + 1))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()
    connection.request("GET", "/slow")
    assert asked.wait(20)
    listener.stop()
    assert connection.getresponse().read() == b"answered"  # what was asked before the end is answered
    thread.join(20)
    assert not thread.is_alive()
    with socket.socket() as caller:
        assert caller.connect_ex(("127.0.0.1", port)) != 0
    connection.close()
    web.close_server(server)
    store.close()
