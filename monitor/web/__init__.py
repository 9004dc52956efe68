"""The server: the parts that a process offers (ingest, API, dashboard) on one Flask application, behind one gate."""

from __future__ import annotations

import base64
import gc
import hashlib
import importlib
import logging
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from monitor.errors import Busy, InputError, MonitorError, NotFound, TooLarge, describe
from monitor.settings import Settings
from monitor.store import Store
from monitor.web.gate import Gate, Part, Refusal, refuse, require_protection

if TYPE_CHECKING:
    from flask import Flask
    from werkzeug.wrappers import Response

log = logging.getLogger(__name__)

PARTS: frozenset[Part] = frozenset(("ingest", "api", "dashboard"))

# Senders wait in a thread until their records are durable; the more wait, the more share one commit.
_THREADS = 24
_CONNECTIONS = 400
_IDLE_SECONDS = 60
# Seconds between looks whether to stop, and how long open requests may then still take.
_LOOK_UP = 0.5
_PATIENCE = 15.0

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
        from monitor.ingest import http as ingest_http

        ingester = Ingester(store, settings)
        server.extensions["ingester"] = ingester
        server.register_blueprint(ingest_http.blueprint(ingester, settings))
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

        bound = _bind(settings.host, settings.port)
        self._waitress: Any = waitress.create_server(
            server,
            sockets=bound,
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
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        self.address = f"http://{host}:{bound[0].getsockname()[1]}"
        self._sockets: dict[int, Any] = self._waitress.map if hasattr(self._waitress, "map") else self._waitress._map
        self._stop = threading.Event()
        self._ended = threading.Event()

    def run(self) -> None:
        """Serves; returns after SIGTERM, SIGINT (in the main thread) or `stop`, when open requests are answered."""
        previous = {}
        if threading.current_thread() is threading.main_thread():
            previous = {number: signal.signal(number, self._on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
        # What stands now stays as long as the process: looking through it for garbage took 80 ms each time.
        gc.collect()
        gc.freeze()
        try:
            while not self._stop.is_set():
                self._turn(_LOOK_UP)
            self._drain()
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
            self._ended.set()

    def stop(self) -> None:
        """Ends `run` from another thread, and waits for it."""
        self._stop.set()
        self._ended.wait()

    def _on_signal(self, _number: int, _frame: object) -> None:
        self._stop.set()

    def _turn(self, seconds: float) -> None:
        self._waitress.asyncore.loop(timeout=seconds, use_poll=True, map=self._sockets, count=1)

    def _drain(self) -> None:
        """Takes no more connections, and answers what has been asked."""
        from waitress import server, wasyncore

        for item in list(self._sockets.values()):
            if isinstance(item, server.BaseWSGIServer):
                wasyncore.dispatcher.close(item)
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end and any(_is_busy(item) for item in self._sockets.values()):
            self._turn(0.05)
        self._waitress.task_dispatcher.shutdown()
        wasyncore.close_all(self._sockets)


def _bind(host: str, port: int) -> list[socket.socket]:
    """A socket for each address that the host name has. Raises InputError with the reason where one cannot be had."""
    bound: list[socket.socket] = []
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _name, address in dict.fromkeys(addresses):
            try:
                made = socket.socket(family, kind, protocol)
            except OSError:  # a name may have an address of a kind that this machine does not speak
                continue
            bound.append(made)
            if os.name == "posix":
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            made.bind((address[0], port, *address[2:]))
            port = made.getsockname()[1]
    except (OSError, UnicodeError) as error:
        for made in bound:
            made.close()
        reason = getattr(error, "strerror", None) or "there is no such host"
        raise InputError(f"Cannot listen on {host} port {port}: {reason}.") from None
    if not bound:
        raise InputError(f"Cannot listen on {host}: this machine has no such address.")
    return bound


def _is_busy(item: Any) -> bool:
    """True for a connection with a request that is being answered, or an answer that is not all sent."""
    return bool(getattr(item, "requests", ()) or getattr(item, "total_outbufs_len", 0))


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
