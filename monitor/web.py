"""The server: the parts that a process offers (ingest, API, dashboard) on one Flask application, behind one gate."""

from __future__ import annotations

import base64
import hashlib
import importlib
import logging
import re
import signal
import threading
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from monitor.errors import Busy, InputError, MonitorError, NotFound, TooLarge, describe
from monitor.gate import Gate, Part, Refusal, refuse, require_protection
from monitor.settings import Settings
from monitor.store import Store

if TYPE_CHECKING:
    from flask import Flask
    from werkzeug.wrappers import Response

log = logging.getLogger(__name__)

PARTS: frozenset[Part] = frozenset(("ingest", "api", "dashboard"))

# Senders wait in a thread until their records are durable; the more wait, the more share one commit.
_THREADS = 24
_CONNECTIONS = 400
_IDLE_SECONDS = 60

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

    from monitor import login

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
        from monitor.ingest import Ingester, http

        ingester = Ingester(store, settings)
        server.extensions["ingester"] = ingester
        server.register_blueprint(http.blueprint(ingester, settings))
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
    _protect(server, _POLICY.format(scripts=scripts))
    return server


def close_server(server: Flask) -> None:
    """Writes what still waits; the store stays open."""
    ingester = server.extensions.get("ingester")
    if ingester is not None:
        ingester.close()


class Listener:
    """A server that listens: `address` is where, `run` serves until `stop` or a signal."""

    def __init__(self, server: Flask, settings: Settings) -> None:
        import waitress

        try:
            self._waitress: Any = waitress.create_server(
                server,
                host=settings.host,
                port=settings.port,
                threads=_THREADS,
                connection_limit=_CONNECTIONS,
                channel_timeout=_IDLE_SECONDS,
                max_request_body_size=settings.max_body_bytes,
                max_request_header_size=64 * 1024,
                # Not trusted, but needed: that a proxy forwarded a request makes it one from outside.
                clear_untrusted_proxy_headers=False,
                asyncore_use_poll=True,
                ident=None,
            )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "no such address"
            raise InputError(f"Cannot listen on {settings.host} port {settings.port}: {reason}.") from None
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        # One socket, or one for each address that the host name has.
        sockets = getattr(self._waitress, "effective_listen", None)
        port = sockets[0][1] if sockets else self._waitress.effective_port
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        self.address = f"http://{host}:{port}"
        self._stopped = threading.Event()

    def run(self) -> None:
        """Serves; returns after SIGTERM, SIGINT (in the main thread) or `stop`, when open requests are answered."""
        previous = {}
        if threading.current_thread() is threading.main_thread():
            previous = {number: signal.signal(number, self._on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            self._waitress.run()
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
            self._stopped.set()

    def stop(self) -> None:
        """Ends `run` from another thread, and waits for it."""
        self._waitress.trigger.pull_trigger(self._raise_exit)
        self._stopped.wait(30)

    @staticmethod
    def _on_signal(_number: int, _frame: object) -> None:
        raise SystemExit

    @staticmethod
    def _raise_exit() -> None:
        raise SystemExit


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


class _Compressed:
    """Compressed files of the dashboard; nothing else is kept."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def get(self, key: str) -> bytes | None:
        return self._kept.get(key)

    def set(self, key: str, value: bytes) -> None:
        if key.partition(";")[2].startswith(("/_dash-component-suites/", "/assets/")) and len(self._kept) < 200:
            self._kept[key] = value


def _allowed_scripts(server: Flask) -> str:
    """Hashes of the scripts inside the dashboard's page: those run, and none that someone smuggles in."""
    view: Any = server.view_functions["/"]
    with server.test_request_context("/", base_url="http://localhost"):
        html = server.make_response(view()).get_data()
    found = {base64.b64encode(hashlib.sha256(script).digest()).decode() for script in _INLINE_SCRIPT.findall(html)}
    return "".join(f" 'sha256-{digest}'" for digest in sorted(found))


def _protect(server: Flask, policy: str) -> None:
    def after(response: Response) -> Response:
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers.setdefault("Content-Security-Policy", policy)
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
    log.error("a request failed: %s", describe(error))
    return refuse(Refusal(500, "The request failed here; the log says where."))
