"""The HTTP server: one thread watches all connections, others answer what has arrived whole.

A request is handed over when all of it is there, so that slow senders hold no thread; the bytes of bodies in memory are
bounded, and what finds no room is answered 429. Connections with small records go to the thread of the intake and stay
there while their senders are busy.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import logging
import os
import selectors
import signal
import socket
import sys
import threading
import time
from collections import deque
from typing import Any

from monitor.allocation import give_back_large_blocks
from monitor.errors import InputError, describe
from monitor.settings import Settings
from monitor.web.connection import Connection, Fault, Request, Room
from monitor.web.exchange import BROKEN, Answer, environment, refusal
from monitor.web.gate import need_of
from monitor.web.intake import Intake, Records
from monitor.web.lanes import Lane

log = logging.getLogger(__name__)

_LARGE_THREADS = 4
_PAGE_THREADS = 8
_CONNECTIONS = 1_000
_BACKLOG = 512

# Seconds: a connection without a request, the first lines of one, a body of which nothing comes, an unread answer, the
# time for which one that was refused is listened to.
_IDLE_SECONDS = 60
_HEAD_SECONDS = 30
_SILENT_SECONDS = 30
_UNREAD_SECONDS = 60
_LINGER_SECONDS = 2
# A body has to come this fast after its first seconds; those who send a byte now and then hold a place for nothing.
_SLOWEST_BYTES_A_SECOND = 500
# Where all places are taken, one who has asked nothing, or has not finished asking, for so long makes room.
_PLACE_SECONDS = 2.0
# Seconds between looks at clocks, and how long open requests may take when the end has come.
_LOOK_UP = 0.5
_PATIENCE = 15.0
# So long nobody is accepted where this process may open no more files.
_MOMENT = 0.01
# A thread that computes lets others in after so long: a page must not wait for a batch that is being decoded.
_SWITCH_SECONDS = 0.001
# Records on their way are no garbage: to look for it after every 700 objects takes a twentieth of the time of a batch.
_GARBAGE_THRESHOLDS = (20_000, 10, 10)

_CROWDED = Fault(503, "Too many connections are open; try again a little later.", 1)
_LATE = Fault(408, "The request did not arrive in time.")


class Listener:
    """A server that listens: `address` is where, `run` serves until `stop` or a signal.

    `server` is a WSGI application; its extension `records`, where it has one, is what takes small records (`Records`).
    Raises InputError where the address cannot be had.
    """

    def __init__(self, server: Any, settings: Settings) -> None:
        self._server = server
        self._max_body = settings.max_body_bytes
        self._sockets = _bind(settings.host, settings.port)
        self._place: tuple[str, int] = self._sockets[0].getsockname()[:2]
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        self.address = f"http://{host}:{self._place[1]}"
        self._room = Room(settings.max_body_bytes)
        self._large = Lane("large", _LARGE_THREADS, self._serve)
        self._pages = Lane("pages", _PAGE_THREADS, self._serve)
        self._connections: set[Connection] = set()
        self._watched: set[Connection] = set()
        self._returned: deque[Connection] = deque()
        self._selector = selectors.DefaultSelector()
        self._ear, self._bell = socket.socketpair()
        for channel in (self._ear, self._bell):
            channel.setblocking(False)
        self._stop = threading.Event()
        self._ended = threading.Event()
        records: Records | None = getattr(server, "extensions", {}).get("records")
        self._intake = None if records is None else Intake(records, self._place, self._return, self._stop)
        self._parts: list[Lane | Intake] = [self._large, self._pages]
        if self._intake is not None:
            self._parts.append(self._intake)

    def run(self) -> None:
        """Serves; returns after SIGTERM, SIGINT (in the main thread) or `stop`, when open requests are answered."""
        give_back_large_blocks()
        previous = {}
        if threading.current_thread() is threading.main_thread():
            previous = {number: signal.signal(number, self._on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
        _allow_files(4 * _CONNECTIONS)
        # What stands now stays as long as the process: looking through it for garbage took 80 ms each time.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_GARBAGE_THRESHOLDS)
        interval = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_SECONDS)
        try:
            for bound in self._sockets:
                self._selector.register(bound, selectors.EVENT_READ)
            self._selector.register(self._ear, selectors.EVENT_READ)
            for part in self._parts:
                part.start()
            looked = time.monotonic()
            while not self._stop.is_set():
                self._turn(_LOOK_UP)
                if time.monotonic() >= looked + _LOOK_UP:
                    looked = time.monotonic()
                    self._end_late(looked)
            self._drain()
        finally:
            sys.setswitchinterval(interval)
            for number, handler in previous.items():
                signal.signal(number, handler)
            self._close()
            self._ended.set()

    def stop(self) -> None:
        """Ends `run` from another thread, and waits for it."""
        self._stop.set()
        self._wake()
        self._ended.wait()

    def _on_signal(self, _number: int, _frame: object) -> None:
        self._stop.set()
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # a full pipe wakes as well
            self._bell.send(b".")

    # The thread that watches

    def _turn(self, seconds: float) -> None:
        moment = None
        for key, _events in self._selector.select(seconds):
            moment = moment or time.monotonic()
            if key.fileobj is self._ear:
                with contextlib.suppress(OSError):
                    self._ear.recv(4096)
            elif key.data is None:
                self._accept(key.fileobj, moment)
            elif key.data.lingers:
                key.data.discard()
                if key.data.ended:
                    self._forget(key.data)
            elif key.data.outgoing:
                self._send_rest(key.data, moment)
            else:
                key.data.read(moment)
                self._after_read(key.data)
        while self._returned:
            connection = self._returned.popleft()
            if connection.closes and not connection.outgoing:
                self._end(connection)
            else:
                self._watch(connection)
                if not connection.outgoing:
                    self._after_read(connection)

    def _accept(self, bound: Any, moment: float) -> None:
        try:
            channel, address = bound.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE) and not self._made_room(moment):
                time.sleep(_MOMENT)
            return
        peer = str(address[0])
        connection = Connection(channel, peer, self._max_body, self._room, moment)
        self._connections.add(connection)
        if len(self._connections) > _CONNECTIONS and not self._made_room(moment):
            self._refuse(connection, _CROWDED)
        else:
            self._watch(connection)

    def _made_room(self, moment: float) -> bool:
        """Ends the connection that has been the longest without a request, or without the rest of one."""
        waiting = [one for one in self._watched if not (one.outgoing or one.lingers)]
        longest = min(waiting, key=lambda one: (one.unfinished, one.since), default=None)
        if longest is None or moment - longest.since < _PLACE_SECONDS:
            return False
        if longest.unfinished:
            self._refuse(longest, _LATE)
        else:
            self._forget(longest)
        return True

    def _watch(self, connection: Connection) -> None:
        events = selectors.EVENT_WRITE if connection.outgoing else selectors.EVENT_READ
        if connection in self._watched:
            self._selector.modify(connection.channel, events, connection)
        else:
            self._selector.register(connection.channel, events, connection)
            self._watched.add(connection)

    def _unwatch(self, connection: Connection) -> None:
        if connection in self._watched:
            self._selector.unregister(connection.channel)
            self._watched.discard(connection)

    def _after_read(self, connection: Connection) -> None:
        if connection.ready:
            self._unwatch(connection)
            self._part_for(connection.ready[0]).put(connection)
        elif connection.ended:
            self._end(connection)
        elif connection.fault is not None:
            self._refuse(connection, connection.fault)

    def _part_for(self, request: Request) -> Lane | Intake:
        if self._intake is not None and self._intake.takes(request):
            return self._intake
        path = request.target.partition(b"?")[0].decode("latin-1")
        return self._large if need_of(request.method, path) == "write" else self._pages

    def _refuse(self, connection: Connection, fault: Fault) -> None:
        """Answers in place of the application, and ends the connection."""
        connection.closes = True
        try:
            connection.outgoing = connection.send(refusal(fault, stays=False))
        except OSError:
            connection.outgoing = b""
        if connection.outgoing:
            self._watch(connection)
        else:
            self._end(connection)

    def _send_rest(self, connection: Connection, moment: float) -> None:
        try:
            connection.outgoing = connection.send(connection.outgoing)
        except OSError:
            connection.outgoing, connection.closes = b"", True
        connection.active = moment
        if connection.outgoing:
            return
        if connection.closes:
            self._end(connection)
        elif connection.ready:
            self._after_read(connection)
        else:
            self._watch(connection)

    def _end(self, connection: Connection) -> None:
        """Ends a connection; one whose other end is still sending is listened to a little longer."""
        if connection.unfinished and connection.closes and not connection.ended:
            with contextlib.suppress(OSError):
                connection.channel.shutdown(socket.SHUT_WR)
            connection.lingers, connection.began = True, time.monotonic()
            self._watch(connection)
        else:
            self._forget(connection)

    def _forget(self, connection: Connection) -> None:
        if connection in self._watched:
            self._selector.unregister(connection.channel)
            self._watched.discard(connection)
        self._connections.discard(connection)
        connection.close()

    def _end_late(self, moment: float) -> None:
        for connection in list(self._watched):
            silent = moment - connection.active
            if connection.lingers:
                if moment - connection.began > _LINGER_SECONDS:
                    self._forget(connection)
            elif connection.outgoing:
                if silent > _UNREAD_SECONDS:
                    self._forget(connection)
            elif connection.unfinished:
                if silent > _SILENT_SECONDS or _too_slow(connection, moment - connection.began):
                    self._refuse(connection, _LATE)
            elif silent > _IDLE_SECONDS:
                self._forget(connection)

    def _drain(self) -> None:
        """Takes no more connections, and answers what has been asked."""
        for bound in self._sockets:
            self._selector.unregister(bound)
            bound.close()
        if self._intake is not None:
            self._intake.wake()
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            for connection in [one for one in self._watched if not one.outgoing]:
                self._forget(connection)
            if not self._connections:
                break
            self._turn(0.05)

    def _close(self) -> None:
        for bound in self._sockets:
            bound.close()
        for part in self._parts:
            part.stop(0.1)
        for connection in list(self._connections):
            self._forget(connection)
        self._selector.close()
        self._ear.close()
        self._bell.close()

    # The threads that answer

    def _return(self, connection: Connection) -> None:
        """Lets the watching thread go on with a connection."""
        self._returned.append(connection)
        self._wake()

    def _serve(self, connection: Connection) -> None:
        """Answers the next request of a connection."""
        request = connection.ready.popleft()
        try:
            self._answer(connection, request)
        except OSError:
            connection.closes = True
        except Exception as error:
            # Part of the answer may be on the line already: there is nothing left to say.
            log.error("an answer failed: %s", describe(error))
            connection.closes = True
        connection.release(request)
        self._return(connection)

    def _answer(self, connection: Connection, request: Request) -> None:
        last = self._stop.is_set() or bool(connection.ended and not connection.ready)
        environ = environment(request, connection.peer, self._place)
        if isinstance(environ, Fault):
            connection.closes = last or not request.keep_alive
            connection.outgoing = connection.send(refusal(environ, stays=not connection.closes))
            return
        try:
            answer = Answer(self._server, environ, request)
        except Exception as error:
            log.error("a request failed: %s", describe(error))
            connection.closes = True
            connection.outgoing = connection.send(refusal(BROKEN, stays=False))
            return
        connection.release(request)
        before = b""
        for piece in answer.pieces(last=last):
            if before:
                connection.send_all(before, _UNREAD_SECONDS)
            before = piece
        connection.closes = not answer.keep_alive
        # The last bytes are left to the watching thread where the line is full.
        connection.outgoing = connection.send(before)


def _allow_files(wanted: int) -> None:
    """Lets this process have so many connections and files open, as far as it may decide that."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _too_slow(connection: Connection, seconds: float) -> bool:
    """True where an unfinished request has taken longer than what has come of it explains."""
    return seconds > _HEAD_SECONDS + (0 if connection.in_head else connection.received / _SLOWEST_BYTES_A_SECOND)


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
            made.setblocking(False)
            made.listen(_BACKLOG)
            port = made.getsockname()[1]
    except (OSError, UnicodeError) as error:
        for made in bound:
            made.close()
        reason = getattr(error, "strerror", None) or "there is no such host"
        raise InputError(f"Cannot listen on {host} port {port}: {reason}.") from None
    if not bound:
        raise InputError(f"Cannot listen on {host}: this machine has no such address.")
    return bound
