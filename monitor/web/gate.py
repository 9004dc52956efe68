"""The gate: who may ask the server for what, decided for every path before anything else runs.

On a loopback address nobody needs a login; requests must name a loopback host, so that a web page cannot reach the
server under a name of its own ("DNS rebinding"). Everywhere else (another address, a public address, a proxy in front)
people need a login and programs a key.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qs, quote, urlsplit

from msgspec import Struct
from werkzeug.http import parse_cookie

from monitor import auth, clock
from monitor.errors import SettingsError
from monitor.links import is_loopback, is_wide
from monitor.settings import Settings
from monitor.store import Store

if TYPE_CHECKING:
    from flask import Flask
    from werkzeug.wrappers import Response

    from monitor.tables import ApiKey

COOKIE = "llmops_monitor_login"

Part = Literal["ingest", "api", "dashboard"]
Need = Literal["nothing", "write", "read", "login"]

_OPEN = ("/healthz", "/readyz", "/login", "/logout")
_WRITE = ("/v1/", "/api/v1/calls", "/api/v1/feedback", "/api/public/otel/v1/traces")
_DECIDE = ("/api/v1/incidents/", "/api/v1/declared")
_READ = ("/api/", "/metrics", "/openapi.json", "/docs")
_FORWARDED = frozenset(
    ("HTTP_FORWARDED", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_HOST", "HTTP_X_REAL_IP", "HTTP_VIA")
)

Environ = dict[str, Any]


@dataclass(frozen=True)
class Refusal:
    """Why a request is not let through: the status, and a sentence for the one who asks."""

    status: int
    sentence: str


class Passage(Struct, frozen=True):
    """What the gate decided: nothing refused means that the request may pass.

    `project` is the one that a key binds the request to, empty without a key; `account` is who is logged in.
    """

    refusal: Refusal | None
    project: str = ""
    account: str | None = None


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
    if method == "POST" and path.startswith(_DECIDE):
        return "login"
    return "read" if path.startswith(_READ) else "login"


@lru_cache(maxsize=256)
def host_of(netloc: str) -> str:
    """The host of a Host header or an origin, without the port; empty where it is none."""
    try:
        return urlsplit(f"//{netloc}").hostname or ""
    except ValueError:
        return ""


class Gate:
    """Decides about requests to one server."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self.ring = auth.KeyRing(store)
        self.door = auth.Door(store)
        self._wide = is_wide(settings)
        self._public = urlsplit(settings.public_url).hostname or ""
        self._project = settings.project

    def install(self, server: Flask) -> None:
        """Puts the gate before every path of a server; `flask.g.account` is then the one who is logged in."""
        server.before_request(self._before)

    def _before(self) -> Response | None:
        from flask import g, redirect, request

        passage = self.decide(request.environ)
        g.account = passage.account
        refusal = passage.refusal
        if refusal is None:
            return None
        if refusal.status == 401 and request.method == "GET" and "text/html" in request.headers.get("Accept", ""):
            target = request.full_path if request.query_string else request.path
            return redirect(f"/login?next={quote(target)}")
        return refuse(refusal)

    def decide(self, environ: Environ) -> Passage:
        """Whether a request may pass, as whom and into which project. `environ` is that of WSGI."""
        need = need_of(environ["REQUEST_METHOD"], environ["PATH_INFO"])
        key = self._key(environ)
        refusal = self._misdirected(environ, key)
        if refusal is not None or need == "nothing":
            return Passage(refusal)
        if key is not None and key.scope == need:
            return Passage(self._other_project(environ, key), key.project)
        cookies = parse_cookie(environ) if "HTTP_COOKIE" in environ else {}
        account = self.door.who(cookies.get(COOKIE, ""), clock.now())
        if not self._from_outside(environ) or (account is not None and need != "write"):
            return Passage(None, account=account)
        return Passage(_lacking(need, key), account=account)

    def _misdirected(self, environ: Environ, key: ApiKey | None) -> Refusal | None:
        host = host_of(environ.get("HTTP_HOST", environ["SERVER_NAME"]))
        if not self._wide and not is_loopback(host):
            return Refusal(403, "This server only answers to localhost; MONITOR_PUBLIC_URL gives it another name.")
        origin = environ.get("HTTP_ORIGIN", "")
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD", "OPTIONS") and origin and key is None:
            asker = host_of(origin.partition("://")[2])
            if not asker or asker not in (host, self._public):
                return Refusal(
                    403, "Another web site may not send this; behind a proxy, MONITOR_PUBLIC_URL must name it."
                )
        return None

    def _from_outside(self, environ: Environ) -> bool:
        return self._wide or not _FORWARDED.isdisjoint(environ)

    def _key(self, environ: Environ) -> ApiKey | None:
        said = environ.get("HTTP_AUTHORIZATION", "")
        token = (said and _token(said)) or environ.get("HTTP_X_API_KEY", "")
        return self.ring.check(token, clock.now()) if token else None

    def _other_project(self, environ: Environ, key: ApiKey) -> Refusal | None:
        path = environ["PATH_INFO"]
        if key.scope != "read" or not path.startswith("/api/"):
            return None
        asked = parse_qs(environ.get("QUERY_STRING", "")).get("project") or [self._project]
        if path == "/api/v1/projects" or set(asked) != {key.project}:
            return Refusal(403, f"This key may only read the project {key.project!r}; name it: ?project={key.project}.")
        return None


def _token(authorization: str) -> str:
    """The secret of an Authorization header: what follows the scheme, or the password of a basic one."""
    scheme, _, rest = authorization.strip().partition(" ")
    if scheme.lower() != "basic":
        return rest.strip()
    try:
        return base64.b64decode(rest).decode().partition(":")[2]
    except ValueError:
        return ""


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
