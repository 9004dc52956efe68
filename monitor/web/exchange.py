"""One request and its answer: from what was sent to a WSGI application, and from its answer to bytes."""

from __future__ import annotations

import http
import sys
from collections.abc import Iterable, Iterator
from email.utils import formatdate
from functools import lru_cache
from io import BytesIO
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes, urlsplit

from monitor.clock import now
from monitor.web.connection import Fault, Request

PHRASES = {status.value: f"{status.value} {status.phrase}" for status in http.HTTPStatus}
_WITHOUT_BODY = ("1", "204", "304")
_OWN_HEADERS = frozenset(("connection", "date", "server", "transfer-encoding", "keep-alive"))
_LONGEST_NAME = 100
# The body has been read and its length is known.
_SKIPPED = ("", "HTTP_TRANSFER_ENCODING", "HTTP_CONTENT_LENGTH")

Headers = list[tuple[str, str]]

BROKEN = Fault(500, "The request failed here; the log says where.")


def environment(request: Request, peer: str, place: tuple[str, int]) -> dict[str, Any] | Fault:
    """The WSGI environment of a request that came from `peer` to `place` (host and port), or what is wrong with it.

    After a request that names no address or no host the connection ends.
    """
    if request.fault is not None:
        return request.fault
    environ = _environment(request, peer, place)
    if isinstance(environ, Fault):
        request.keep_alive = False
    return environ


def _environment(request: Request, peer: str, place: tuple[str, int]) -> dict[str, Any] | Fault:
    target = request.target.decode("latin-1")
    if not target.startswith("/"):
        target = _absolute(target, request.method)
        if not target:
            return Fault(400, "What is asked for is no address.")
    path, _, query = target.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1") if "%" in path else path,
        "QUERY_STRING": query,
        "REQUEST_URI": target,
        "SERVER_PROTOCOL": f"HTTP/{request.version}",
        "SERVER_NAME": place[0],
        "SERVER_PORT": str(place[1]),
        "REMOTE_ADDR": peer,
        "CONTENT_LENGTH": str(len(request.body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(request.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in request.headers:
        variable = _variable(name) if len(name) <= _LONGEST_NAME else ""
        if variable in _SKIPPED:
            continue
        text = value.decode("latin-1")
        if variable == "HTTP_CONTENT_TYPE":
            variable = "CONTENT_TYPE"
        if variable in environ:
            if variable == "HTTP_HOST":
                return Fault(400, "There is more than one Host header.")
            text = f"{environ[variable]}{'; ' if variable == 'HTTP_COOKIE' else ', '}{text}"
        environ[variable] = text
    if "HTTP_HOST" not in environ and request.version != "1.0":
        return Fault(400, "The Host header is missing.")
    return environ


@lru_cache(maxsize=512)
def _variable(name: bytes) -> str:
    """Name of a header in WSGI; empty for one that could be mistaken for another, as `X_Forwarded_For`."""
    return "" if b"_" in name else "HTTP_" + name.decode("latin-1").upper().replace("-", "_")


def _absolute(target: str, method: str) -> str:
    """The path of an address that was sent whole, as to a proxy; empty where it is none."""
    if target == "*" and method == "OPTIONS":
        return "/*"
    try:
        parts = urlsplit(target)
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https"):
        return ""
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


class Said(NamedTuple):
    """A whole answer: status line, headers (its length among them), body."""

    status: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def data(self, version: str, *, stays: bool) -> bytes:
        """The bytes for the line, for a request in this version of HTTP; whether the connection stays."""
        return _dated(_usual_fields(self.status, self.headers, version, stays)) + self.body


class Answer:
    """The answer of a WSGI application, piece by piece as bytes for the line."""

    def __init__(self, application: Any, environ: dict[str, Any], request: Request) -> None:
        self._request = request
        self._status = ""
        self._headers: Headers = []
        self._written: list[bytes] = []
        self._body: Iterable[bytes] = application(environ, self._start)
        self.keep_alive = request.keep_alive

    def _start(self, status: str, headers: Headers, _exc_info: Any = None) -> Any:
        self._status, self._headers = status, headers
        return self._written.append

    def pieces(self, *, last: bool) -> Iterator[bytes]:
        """Head and body; `last` where the connection ends with this answer. An answer without a length is chunked."""
        try:
            body = self._body
            known = any(name.lower() == "content-length" for name, _ in self._headers)
            silent = self._request.method == "HEAD" or self._status.startswith(_WITHOUT_BODY)
            if not known and not silent and isinstance(body, (list, tuple)) and not self._written:
                self._headers.append(("Content-Length", str(sum(map(len, body)))))
                known = True
            chunked = not known and not silent and self._request.version == "1.1"
            self.keep_alive = self.keep_alive and not last and (known or silent or chunked)
            head = _dated(_fields(self._status, self._headers, self._request.version, self.keep_alive, chunked))
            if silent:
                yield head
                return
            if not chunked and isinstance(body, (list, tuple)):
                yield head + b"".join((*self._written, *body))
                return
            yield head
            for part in (*self._written, *body):
                if part:
                    yield b"%x\r\n%b\r\n" % (len(part), part) if chunked else part
            if chunked:
                yield b"0\r\n\r\n"
        finally:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()


def _fields(status: str, headers: Iterable[tuple[str, str]], version: str, stays: bool, chunked: bool = False) -> bytes:
    """All lines of an answer's head, without the date."""
    lines = [f"HTTP/1.1 {status}\r\n"]
    lines += [f"{name}: {value}\r\n" for name, value in headers if name.lower() not in _OWN_HEADERS]
    if chunked:
        lines.append("Transfer-Encoding: chunked\r\n")
    if not stays:
        lines.append("Connection: close\r\n")
    elif version == "1.0":
        lines.append("Connection: keep-alive\r\n")
    return "".join(lines).encode("latin-1", "replace")


_usual_fields = lru_cache(maxsize=256)(_fields)


def _dated(fields: bytes) -> bytes:
    return b"%bDate: %b\r\n\r\n" % (fields, _date(int(now().timestamp())))


@lru_cache(maxsize=2)
def _date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()


def refusal(fault: Fault, *, stays: bool) -> bytes:
    """The answer to a request that never reached the application."""
    body = b'{"error":"%b"}\n' % fault.sentence.encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    if fault.retry_after:
        headers.append(("Retry-After", str(fault.retry_after)))
    return _dated(_fields(PHRASES[fault.status], headers, "1.1", stays)) + body
