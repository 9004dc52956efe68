"""One connection: bytes come in, whole requests come out. The grammar of HTTP is left to llhttp (`httptools`)."""

from __future__ import annotations

import socket
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import httptools

MAX_HEAD_BYTES = 64 * 1024
MAX_HEADERS = 200
# Chunks of a body after which they have to be of some size on average: each costs the time of a thousand bytes.
MANY_PIECES = 10_000
LEAST_PIECE_BYTES = 64
READ_BYTES = 128 * 1024


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a request is answered by the server itself: the status, a sentence, and after how many seconds to return."""

    status: int
    sentence: str
    retry_after: int = 0


TOO_MANY_HEADERS = Fault(431, f"There are more than {MAX_HEADERS} headers.")
TOO_MANY_PIECES = Fault(400, "The body comes in too many small chunks.")
TOO_LARGE = Fault(413, "The body is larger than this server takes.")
NO_ROOM = Fault(429, "Too much is being received already; send again a little later.", 1)


@dataclass(slots=True)
class Request:
    """A request as it was sent; of a body that found no room nothing is kept."""

    method: str = ""
    target: bytes = b""
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    version: str = "1.1"
    keep_alive: bool = True
    fault: Fault | None = None


class Room:
    """Bytes of bodies that may be in memory at once, over all connections."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken = 0
        self._guard = threading.Lock()

    def take(self, size: int) -> bool:
        """False where there is no room."""
        with self._guard:
            if self._taken + size > self._limit:
                return False
            self._taken += size
            return True

    def give(self, size: int) -> None:
        """Gives back what was taken."""
        with self._guard:
            self._taken -= size


class Connection:
    """A connection and what has been read from it. Used by one thread at a time.

    `ready` are requests to be answered, in order. After a `fault` nothing more is read. `outgoing` is what the line has
    not taken yet of an answer; a connection that `closes` ends after it, and while it `lingers` what still comes is
    thrown away, since closing at once would make the other end lose the answer.
    """

    def __init__(self, channel: socket.socket, peer: str, max_body: int, room: Room, moment: float) -> None:
        channel.setblocking(False)
        if channel.family in (socket.AF_INET, socket.AF_INET6):
            channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.channel = channel
        self.peer = peer
        self.ready: deque[Request] = deque()
        self.fault: Fault | None = None
        self.ended = False
        self.outgoing = b""
        self.closes = self.lingers = False
        self.active = self.began = moment
        self._max_body = max_body
        self._room = room
        self._parser: Any = httptools.HttpRequestParser(self)
        self._request = Request()
        self._body = bytearray()
        self._size = self._dropped = self._head = self._pieces = 0
        self._in_body = self._in_request = False

    @property
    def unfinished(self) -> bool:
        """True in the middle of a request."""
        return self._in_request

    @property
    def since(self) -> float:
        """When the unfinished request began, or without one: when something came or went last."""
        return self.began if self._in_request else self.active

    @property
    def received(self) -> int:
        """Bytes of the unfinished request's body so far."""
        return self._size + self._dropped

    @property
    def in_head(self) -> bool:
        """True in the middle of a request's first lines."""
        return self._in_request and not self._in_body

    def read(self, moment: float) -> None:
        """Takes what has come. `ended` says that nothing will come any more."""
        try:
            data = self.channel.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self.active = moment
        if not data:
            self.ended = True
            return
        if not self._in_request:
            self.began = moment
        # What is neither body nor the end of a request: heads, sizes of chunks, what follows the last of them.
        self._head += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # Nothing but HTTP/1 is spoken here: the request is answered as if it had not asked for more.
            if self.ready:
                self.ready[-1].keep_alive = False
        except (httptools.HttpParserError, ValueError):
            self.fault = self.fault or Fault(400, "The request is not valid HTTP.")
        if self._in_request and self._head > MAX_HEAD_BYTES:
            self.fault = Fault(431, f"The headers are longer than {MAX_HEAD_BYTES} bytes.")

    def discard(self) -> None:
        """Throws away what has come."""
        try:
            self.ended = not self.channel.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            self.ended = True

    def send(self, data: bytes) -> bytes:
        """Sends what the line takes at once; answers what is left. Raises OSError where the other end is gone."""
        try:
            sent = self.channel.send(data)
        except BlockingIOError:
            return data
        return data[sent:] if sent < len(data) else b""

    def send_all(self, data: bytes, seconds: float) -> None:
        """Sends all of it, and waits for the line. Raises OSError where that takes longer, or the other end is gone."""
        self.channel.settimeout(seconds)
        self.channel.sendall(data)
        self.channel.setblocking(False)

    def release(self, request: Request) -> None:
        """The request's body is not needed any more."""
        self._room.give(len(request.body))
        request.body = b""

    def close(self) -> None:
        """Ends the connection, and gives back what it held."""
        self._drop()
        for request in self.ready:
            self.release(request)
        self.ready.clear()
        self._parser = None
        self.channel.close()

    def _drop(self) -> None:
        self._room.give(self._size)
        self._size = 0
        self._request.body = b""
        self._body = bytearray()

    def on_message_begin(self) -> None:
        """A request begins."""
        self._request = Request()
        self._body, self._size, self._dropped, self._pieces = bytearray(), 0, 0, 0
        self._in_request, self._in_body = True, False

    def on_url(self, part: bytes) -> None:
        """A piece of what is asked for."""
        self._request.target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; what follows a body is left out."""
        if self._in_body:
            return
        if len(self._request.headers) < MAX_HEADERS:
            self._request.headers.append((name, value))
        else:
            self.fault = self._request.fault = TOO_MANY_HEADERS

    def on_headers_complete(self) -> None:
        """The body begins."""
        request = self._request
        self._in_body, self._head = True, 0
        request.method = self._parser.get_method().decode("ascii")
        request.version = self._parser.get_http_version()
        request.keep_alive = self._parser.should_keep_alive()
        expects = False
        for name, value in request.headers:
            lowered = name.lower()
            if lowered == b"content-length" and value.isdigit() and int(value[:20]) > self._max_body:
                self.fault = request.fault = TOO_LARGE
            elif lowered == b"expect":
                expects = value.lower() == b"100-continue"
        if expects and self.fault is None and not self.ready:
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, part: bytes) -> None:
        """A piece of the body."""
        self._head = 0
        self._pieces += 1
        so_far = self._size + self._dropped + len(part)
        if so_far > self._max_body:
            self.fault = self._request.fault = TOO_LARGE
        elif self._pieces > MANY_PIECES and so_far < self._pieces * LEAST_PIECE_BYTES:
            self.fault = self._request.fault = TOO_MANY_PIECES
        elif self._request.fault is None:
            if self._room.take(len(part)):
                # Mostly a body is one piece; many small ones must not take more than their bytes.
                if self._size:
                    self._body += part
                else:
                    self._request.body = part
                self._size += len(part)
                return
            self._request.fault = NO_ROOM
        self._dropped += self._size + len(part)
        self._drop()

    def on_message_complete(self) -> None:
        """The request is whole."""
        if self._request.fault is TOO_LARGE:
            self.fault = None  # it went by whole, so what follows it can be read
        if self._body:
            self._request.body += self._body
        self._body, self._size, self._head = bytearray(), 0, 0
        self._in_request = self._in_body = False
        self.ready.append(self._request)
