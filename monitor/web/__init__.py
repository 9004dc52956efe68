"""The server: the parts that a process offers (ingest, API, dashboard) on one Flask application, behind one gate."""

from __future__ import annotations

import base64
import hashlib
import importlib
import logging
import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError

from monitor.errors import Busy, InputError, MonitorError, NotFound, TooLarge, describe
from monitor.settings import Settings
from monitor.store import Store, is_transient
from monitor.web.gate import Gate, Part, Refusal, refuse, require_protection
from monitor.web.listener import Listener

if TYPE_CHECKING:
    from flask import Flask
    from werkzeug.wrappers import Response

__all__ = ["PARTS", "Listener", "close_server", "create_server"]

log = logging.getLogger(__name__)

PARTS: frozenset[Part] = frozenset(("ingest", "api", "dashboard"))

_POLICY = (
    "default-src 'self'; script-src 'self'{scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_INLINE_SCRIPT = re.compile(rb"<script(?![^>]*\bsrc=)(?![^>]*application/json)[^>]*>(.*?)</script>", re.DOTALL)


def create_server(settings: Settings, store: Store, parts: Collection[str] = PARTS) -> Flask:
    """The Flask application with the chosen parts; `close_server` ends it.

    Raises SettingsError where others than this machine could reach it and no login or key exists yet.
    """
    import flask

    from monitor.web import login

    wanted = frozenset(part for part in PARTS if part in parts)
    require_protection(store, settings, wanted)
    server = flask.Flask("monitor", static_folder=None)
    server.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    gate = Gate(store, settings)
    gate.install(server)
    server.register_blueprint(login.blueprint(gate.door, secure=settings.public_url.startswith("https://")))
    server.register_error_handler(Exception, _answer_error)

    ingester = None
    if "ingest" in wanted:
        from monitor.ingest import Ingester

        ingester = Ingester(store, settings)
        server.extensions["ingester"] = ingester
    from monitor import api

    routes = api.blueprint(store, settings, ingester)
    if "api" in wanted:
        server.register_blueprint(routes)
    else:
        _only_health(server, routes)
    _compress(server)
    scripts = ""
    if "dashboard" in wanted:
        # By name: the dashboard knows the monitor, and not the other way round.
        importlib.import_module("dashboards.app").create_app(settings, store, server)
        scripts = _allowed_scripts(server)
    headers = _HEADERS | {"Content-Security-Policy": _POLICY.format(scripts=scripts)}
    _protect(server, headers)
    if ingester is not None:
        from monitor.ingest.http import Endpoint
        from monitor.web.front import Front

        front = Front(server.wsgi_app, Endpoint(ingester, settings), gate, headers.items())
        server.wsgi_app = front  # type: ignore[method-assign]
        server.extensions["records"] = front
    return server


def close_server(server: Flask) -> None:
    """Writes what still waits; the store stays open."""
    ingester = server.extensions.get("ingester")
    if ingester is not None:
        ingester.close()


def _only_health(server: Flask, routes: Any) -> None:
    """Of the API only what operations need: health and metrics."""
    import flask

    api = flask.Flask("health")
    api.register_blueprint(routes)
    for path in ("/healthz", "/readyz", "/metrics"):
        view = next(api.view_functions[rule.endpoint] for rule in api.url_map.iter_rules() if rule.rule == path)
        server.add_url_rule(path, path.strip("/"), view)


def _compress(server: Flask) -> None:
    from flask_compress import Compress

    server.config["COMPRESS_ALGORITHM"] = ["gzip"]
    server.config["COMPRESS_MIMETYPES"] = [
        "text/html",
        "text/css",
        "text/plain",
        "text/javascript",
        "application/javascript",
        "application/json",
        "image/svg+xml",
    ]
    # The same few megabytes of scripts for everyone are compressed once.
    server.config["COMPRESS_CACHE_KEY"] = lambda request: request.full_path
    server.config["COMPRESS_CACHE_BACKEND"] = _Compressed
    Compress(server)


# Several times all files of the dashboard: made-up addresses of the same files cannot fill the memory.
_COMPRESSED_BYTES = 16 * 1024 * 1024


class _Compressed:
    """Compressed files of the dashboard; nothing else is kept."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def get(self, key: str) -> bytes | None:
        return self._kept.get(key)

    def set(self, key: str, value: bytes) -> None:
        if (
            key.partition(";")[2].startswith(("/_dash-component-suites/", "/assets/"))
            and sum(map(len, self._kept.values())) + len(value) <= _COMPRESSED_BYTES
        ):
            self._kept[key] = value


def _allowed_scripts(server: Flask) -> str:
    """Hashes of the scripts inside the dashboard's page: those run, and none that someone smuggles in."""
    view: Any = server.view_functions["/"]
    with server.test_request_context("/", base_url="http://localhost"):
        html = server.make_response(view()).get_data()
    found = {base64.b64encode(hashlib.sha256(script).digest()).decode() for script in _INLINE_SCRIPT.findall(html)}
    return "".join(f" 'sha256-{digest}'" for digest in sorted(found))


def _protect(server: Flask, headers: Mapping[str, str]) -> None:
    def after(response: Response) -> Response:
        for name, value in headers.items():
            response.headers.setdefault(name, value)
        return response

    server.after_request(after)


def _answer_error(error: Exception) -> Response:
    """A sentence as JSON instead of a page with a trace; the log says where, and quotes nobody."""
    from werkzeug.exceptions import HTTPException

    if isinstance(error, HTTPException):
        return refuse(Refusal(error.code or 500, error.description or error.name))
    if isinstance(error, MonitorError):
        kinds: tuple[tuple[type[MonitorError], int], ...] = (
            (NotFound, 404),
            (TooLarge, 413),
            (InputError, 400),
            (Busy, 503),
        )
        status = next((code for kind, code in kinds if isinstance(error, kind)), 500)
        return refuse(Refusal(status, str(error)))
    if isinstance(error, DBAPIError) and is_transient(error):
        response = refuse(Refusal(503, "The store cannot be reached just now; come again a little later."))
        response.headers["Retry-After"] = "5"
        return response
    log.error("a request failed: %s", describe(error))
    return refuse(Refusal(500, "The request failed here; the log says where."))
