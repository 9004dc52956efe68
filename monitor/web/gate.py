"""The gate: who may ask the server for what, decided for every path before anything else runs.

On a loopback address nobody needs a login; requests must name a loopback host, so that a web page cannot reach the
server under a name of its own ("DNS rebinding"). Everywhere else (another address, a public address, a proxy in front)
people need a login and programs a key.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote, urlsplit

from monitor import auth, clock
from monitor.errors import SettingsError
from monitor.links import is_loopback, is_wide
from monitor.settings import Settings
from monitor.store import Store

if TYPE_CHECKING:
    from flask import Flask, Request
    from werkzeug.wrappers import Response

    from monitor.tables import ApiKey

COOKIE = "llmops_monitor_login"

Part = Literal["ingest", "api", "dashboard"]
Need = Literal["nothing", "write", "read", "login"]

_OPEN = ("/healthz", "/readyz", "/login", "/logout")
_WRITE = ("/v1/", "/api/v1/calls", "/api/v1/feedback", "/api/public/otel/v1/traces")
_READ = ("/api/", "/metrics", "/openapi.json", "/docs")
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via")


@dataclass(frozen=True)
class Refusal:
    """Why a request is not let through: the status, and a sentence for the one who asks."""

    status: int
    sentence: str


def require_protection(store: Store, settings: Settings, parts: frozenset[Part]) -> None:
    """Raises SettingsError where the server would be reachable by others and nobody could be told apart."""
    if not is_wide(settings):
        return
    people, programs = auth.count_usable(store, "write")
    missing = []
    if parts & {"dashboard", "api"} and not people:
        missing.append("a login (`llmops-monitor users add NAME`)")
    if "ingest" in parts and not programs:
        missing.append("a key for senders (`llmops-monitor keys create --project PROJECT`)")
    if missing:
        where = settings.public_url or settings.host
        raise SettingsError(f"Others than this machine can reach {where}, so it needs {' and '.join(missing)} first.")


def need_of(method: str, path: str) -> Need:
    """What a request needs where it comes from outside."""
    if path in _OPEN:
        return "nothing"
    if method == "POST" and path.startswith(_WRITE):
        return "write"
    return "read" if path.startswith(_READ) else "login"


@lru_cache(maxsize=256)
def host_of(netloc: str) -> str:
    """The host of a Host header or an origin, without the port."""
    return urlsplit(f"//{netloc}").hostname or ""


class Gate:
    """Decides about requests to one server."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self.ring = auth.KeyRing(store)
        self.door = auth.Door(store)
        self._wide = is_wide(settings)
        self._public = urlsplit(settings.public_url).hostname or ""
        self._project = settings.project

    def install(self, server: Flask) -> None:
        """Puts the gate before every path of a server.

        `flask.g.project` is the project that a key binds the request to, None where there is no key;
        `flask.g.account` is the one who is logged in.
        """
        server.before_request(self._before)

    def _before(self) -> Response | None:
        from flask import g, redirect, request

        g.project = g.account = None
        refusal = self.decide(request)
        if refusal is None:
            return None
        if refusal.status == 401 and request.method == "GET" and "text/html" in request.headers.get("Accept", ""):
            target = request.full_path if request.query_string else request.path
            return redirect(f"/login?next={quote(target)}")
        return refuse(refusal)

    def decide(self, request: Request) -> Refusal | None:
        """Nothing where the request may pass; sets `g.project` and `g.account`."""
        from flask import g

        need = need_of(request.method, request.path)
        refusal = self._misdirected(request)
        if refusal is not None or need == "nothing":
            return refusal
        key = self._key(request)
        if key is not None and key.scope == need:
            g.project = key.project
            return self._other_project(request, key)
        g.account = self.door.who(request.cookies.get(COOKIE, ""), clock.now())
        if not self._from_outside(request) or (g.account is not None and need != "write"):
            return None
        return _lacking(need, key)

    def _misdirected(self, request: Request) -> Refusal | None:
        host = host_of(request.host)
        if not self._wide and not is_loopback(host):
            return Refusal(403, "This server only answers to localhost; MONITOR_PUBLIC_URL gives it another name.")
        origin = request.headers.get("Origin", "")
        if request.method not in ("GET", "HEAD", "OPTIONS") and origin and self._key(request) is None:
            asker = host_of(urlsplit(origin).netloc)
            if not asker or asker not in (host, self._public):
                return Refusal(
                    403, "Another web site may not send this; behind a proxy, MONITOR_PUBLIC_URL must name it."
                )
        return None

    def _from_outside(self, request: Request) -> bool:
        return self._wide or any(name in request.headers for name in _FORWARDED)

    def _key(self, request: Request) -> ApiKey | None:
        authorization = request.authorization
        token = request.headers.get("X-Api-Key", "")
        if authorization is not None:
            token = (authorization.password if authorization.type == "basic" else authorization.token) or token
        return self.ring.check(token, clock.now())

    def _other_project(self, request: Request, key: ApiKey) -> Refusal | None:
        asked = request.args.getlist("project") or [self._project]
        about_all = request.path == "/api/v1/projects"
        if key.scope == "read" and request.path.startswith("/api/") and (about_all or set(asked) != {key.project}):
            return Refusal(403, f"This key may only read the project {key.project!r}; name it: ?project={key.project}.")
        return None


def _lacking(need: Need, key: ApiKey | None) -> Refusal:
    if key is not None:
        return Refusal(403, f"This key may only {key.scope}.")
    if need == "write":
        return Refusal(401, "Sending needs a valid key: Authorization: Bearer KEY, or x-api-key: KEY.")
    return Refusal(401, "Log in first, or send a valid key that may read.")


def refuse(refusal: Refusal) -> Response:
    """The answer to one who is not let through."""
    from flask import jsonify

    response = jsonify(error=refusal.sentence)
    response.status_code = refusal.status
    if refusal.status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="llmops-monitor"'
    return response
