"""The HTTP server on real sockets: its grammar, slow and greedy senders, and an answer for each of them."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from monitor.settings import Settings
from monitor.web import Listener, connection, intake, listener
from monitor.web.exchange import Said

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
MAX_BODY = 100_000


def echo(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answers what was asked; some paths have ways of their own."""
    path = environ["PATH_INFO"]
    if path == "/broken":
        raise ValueError("what a person wrote")
    if path == "/slow" or "HTTP_CONTENT_ENCODING" in environ:
        time.sleep(1.0)
    body = environ["wsgi.input"].read()
    said = {name: value for name, value in environ.items() if isinstance(value, str)} | {"body": len(body)}
    headers = [("Content-Type", "application/json")]
    if path == "/large":
        start_response("200 OK", [*headers, ("Content-Length", "5000000")])
        return [b"x" * 5_000_000]
    if path == "/stream":
        start_response("200 OK", headers)
        return (f"part {number} ".encode() for number in range(3))
    start_response("200 OK", headers)
    return [json.dumps(said).encode()]


class Echo:
    """An application that answers small records itself, several at once."""

    paths = frozenset(("/v1/traces",))

    def __init__(self) -> None:
        self.extensions = {"records": self}
        self.groups: list[int] = []

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        return echo(environ, start_response)

    def together(self, environs: Iterable[dict[str, Any]]) -> list[Said]:
        """Answers as `echo` does; what is asked with `?broken` breaks all."""
        answers = []
        for environ in environs:
            if environ["QUERY_STRING"] == "slow":
                time.sleep(0.3)
            if environ["QUERY_STRING"] == "broken":
                raise ValueError("what a person wrote")
            (body,) = echo(environ, lambda *_: None)
            headers = (("Content-Type", "application/json"), ("Content-Length", str(len(body))))
            answers.append(Said("200 OK", headers, body))
        self.groups.append(len(answers))
        return answers


@pytest.fixture
def application() -> Echo:
    return Echo()


@pytest.fixture
def port(application: Echo) -> Iterator[int]:
    """The port of a listener in front of the application."""
    settings = Settings(port=0, max_body_bytes=MAX_BODY)
    server = Listener(application, settings)
    thread = threading.Thread(target=server.run)
    thread.start()
    yield int(server.address.rpartition(":")[2])
    server.stop()
    thread.join(20)
    assert not thread.is_alive()


class Line:
    """A raw connection."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._rest = b""

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def answer(self, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the next answer."""
        while b"\r\n\r\n" not in self._rest:
            self._more()
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        status = int(first.split()[1])
        if status == 100 or method == "HEAD":
            return status, headers, b""
        if headers.get("transfer-encoding") == "chunked":
            while not self._rest.endswith(b"0\r\n\r\n"):
                self._more()
            body, self._rest = self._rest, b""
            return status, headers, body
        length = int(headers["content-length"])
        while len(self._rest) < length:
            self._more()
        body, self._rest = self._rest[:length], self._rest[length:]
        return status, headers, body

    def _more(self) -> None:
        data = self._socket.recv(1 << 16)
        if not data:
            raise ConnectionError("the server has closed the connection")
        self._rest += data

    def ended(self) -> bool:
        """True where the other end closes."""
        try:
            return not self._socket.recv(1)
        except ConnectionError:
            return True

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def line(port: int) -> Iterator[Line]:
    made = Line(port)
    yield made
    made.close()


def get(path: str, *headers: str, version: str = "1.1") -> bytes:
    return "\r\n".join((f"GET {path} HTTP/{version}", "Host: localhost", *headers, "", "")).encode("latin-1")


def post(body: bytes, path: str = "/v1/traces", *headers: str) -> bytes:
    lines = (f"POST {path} HTTP/1.1", "Host: localhost", *headers, f"Content-Length: {len(body)}", "", "")
    return "\r\n".join(lines).encode() + body


def test_many_requests_share_a_connection(line: Line) -> None:
    for number in range(5):
        line.send(post(b"x" * number))
        status, headers, body = line.answer()
        assert (status, json.loads(body)["body"]) == (200, number)
        assert "connection" not in headers
        assert "server" not in headers


def test_requests_sent_at_once_are_answered_in_order(line: Line) -> None:
    line.send(get("/slow?n=1") + post(b"abc") + get("/2") + post(b"x" * 70_000))
    said = [json.loads(line.answer()[2]) for _ in range(4)]
    assert [one["PATH_INFO"] for one in said] == ["/slow", "/v1/traces", "/2", "/v1/traces"]
    assert [one["body"] for one in said] == [0, 3, 0, 70_000]


def test_what_the_application_is_told(line: Line) -> None:
    line.send(get("/a%20b%C3%A9/?x=%20y", "X-One: 1", "x-one: 2", "X_One: evil", "Cookie: a=1", "Cookie: b=2"))
    said = json.loads(line.answer()[2])
    assert said["PATH_INFO"].encode("latin-1").decode() == "/a bé/"
    assert said["REQUEST_URI"] == "/a%20b%C3%A9/?x=%20y"
    assert (said["QUERY_STRING"], said["HTTP_X_ONE"], said["HTTP_COOKIE"]) == ("x=%20y", "1, 2", "a=1; b=2")
    assert (said["REMOTE_ADDR"], said["HTTP_HOST"], said["SERVER_PROTOCOL"]) == ("127.0.0.1", "localhost", "HTTP/1.1")
    line.send(get("http://other.example/b?c=d"))
    said = json.loads(line.answer()[2])
    assert (said["PATH_INFO"], said["QUERY_STRING"]) == ("/b", "c=d")


def test_a_body_in_chunks(line: Line) -> None:
    head = "POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    line.send(head.encode() + b"5\r\nhello\r\n6\r\n world\r\n0\r\nX-Trailer: 1\r\n\r\n")
    said = json.loads(line.answer()[2])
    assert (said["body"], said["CONTENT_LENGTH"]) == (11, "11")
    assert "HTTP_X_TRAILER" not in said
    assert "HTTP_TRANSFER_ENCODING" not in said


def test_who_asks_first_is_told_to_go_on(line: Line) -> None:
    line.send(b"POST /x HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
    assert line.answer()[0] == 100
    line.send(b"abc")
    assert json.loads(line.answer()[2])["body"] == 3


def test_answers_of_every_length(line: Line) -> None:
    line.send(get("/large"))
    assert len(line.answer()[2]) == 5_000_000
    line.send(get("/stream"))
    assert line.answer()[2] == b"7\r\npart 0 \r\n7\r\npart 1 \r\n7\r\npart 2 \r\n0\r\n\r\n"
    line.send(get("/").replace(b"GET", b"HEAD") + get("/after"))
    assert line.answer("HEAD")[2] == b""
    assert json.loads(line.answer()[2])["PATH_INFO"] == "/after"


def test_an_answer_that_nobody_reads_holds_no_thread(port: int, line: Line) -> None:
    unread = [Line(port) for _ in range(listener._PAGE_THREADS + 4)]
    for one in unread:
        one.send(get("/large"))
    time.sleep(0.2)
    line.send(get("/"))
    assert line.answer()[0] == 200
    for one in unread:
        one.close()


def test_old_and_closing_clients(port: int) -> None:
    for request, stays in (
        (get("/", version="1.0"), False),
        (get("/", "Connection: keep-alive", version="1.0"), True),
        (get("/", "Connection: close"), False),
        (get("/stream", version="1.0"), False),
    ):
        line = Line(port)
        line.send(request)
        if b"stream" in request:
            data = b""
            while piece := line._socket.recv(1000):
                data += piece
            assert data.endswith(b"part 0 part 1 part 2 ")
        else:
            assert line.answer()[0] == 200
            if stays:
                line.send(request)
                assert line.answer()[0] == 200
            else:
                assert line.ended()
        line.close()


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET other HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 200_000, 431),
        (b"GET /" + b"y" * 200_000, 431),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100001\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n30000\r\n" + b"y" * 0x30000, 413),
    ],
)
def test_what_cannot_be_served_is_told_and_ended(line: Line, data: bytes, status: int) -> None:
    line.send(data)
    got, _headers, body = line.answer()
    assert got == status
    assert json.loads(body)["error"].endswith(".")
    assert line.ended()


def test_a_failure_is_told_and_quotes_nobody(line: Line, caplog: pytest.LogCaptureFixture) -> None:
    line.send(get("/broken"))
    status, _headers, body = line.answer()
    assert status == 500
    assert "person" not in body.decode() + caplog.text
    assert "ValueError in test_listener.py" in caplog.text


def test_slow_senders_hold_nobody_up(port: int, line: Line) -> None:
    slow = [Line(port) for _ in range(100)]
    request = post(b"x" * (MAX_BODY // 200))
    for one in slow:
        one.send(request[:-1])
    line.send(post(b"y"))
    assert line.answer()[0] == 200
    for one in slow:
        one.send(request[-1:])
    assert {one.answer()[0] for one in slow} == {200}
    for one in slow:
        one.close()


def test_large_requests_stand_in_nobodys_way(port: int, line: Line) -> None:
    """What is packed or large has threads of its own: pages and small requests need not wait for it."""
    large = [Line(port) for _ in range(3 * listener._LARGE_THREADS)]
    for one in large:
        one.send(post(b"x", "/v1/traces", "Content-Encoding: gzip"))
    answered: list[str] = []
    threads = [threading.Thread(target=lambda one=one: answered.append(f"large {one.answer()[0]}")) for one in large]
    for thread in threads:
        thread.start()
    for request in (post(b"y"), get("/")):
        line.send(request)
        answered.append(f"small {line.answer()[0]}")
    for thread in threads:
        thread.join(20)
    assert answered.index("small 200") < listener._LARGE_THREADS
    assert answered[: 2 * listener._LARGE_THREADS].count("small 200") == 2
    assert answered.count("large 200") == len(large)
    for one in large:
        one.close()


def test_senders_that_fall_silent_are_sent_away(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "_SILENT_SECONDS", 0.1)
    monkeypatch.setattr(listener, "_IDLE_SECONDS", 0.1)
    half, idle = Line(port), Line(port)
    half.send(post(b"x" * 1000)[:-1])
    assert half.answer()[0] == 408
    assert half.ended()
    assert idle.ended()
    half.close()
    idle.close()


def taken(line: Line, size: int) -> dict[str, Any]:
    """What is answered to a body once there is room for it again."""
    end = time.monotonic() + 20
    while True:
        line.send(post(b"y" * size))
        status, _headers, body = line.answer()
        if status == 200:
            return json.loads(body)  # type: ignore[no-any-return]
        assert (status, time.monotonic() < end) == (429, True)
        time.sleep(0.01)


def test_bodies_that_find_no_room_are_refused_and_the_connection_lives(port: int) -> None:
    greedy = Line(port)
    greedy.send(post(b"x" * MAX_BODY)[:-1])
    time.sleep(0.2)
    other = Line(port)
    other.send(post(b"y" * 2000))
    status, headers, _body = other.answer()
    assert (status, headers["retry-after"]) == (429, "1")
    greedy.send(b"x")
    assert json.loads(greedy.answer()[2])["body"] == MAX_BODY
    assert taken(other, 2000)["body"] == 2000
    greedy.close()
    other.close()


def test_a_body_that_never_ends_gives_its_room_back(port: int) -> None:
    for _ in range(5):
        greedy = Line(port)
        greedy.send(post(b"x" * MAX_BODY)[:-1])
        time.sleep(0.05)
        greedy.close()
    line = Line(port)
    assert taken(line, MAX_BODY)["body"] == MAX_BODY
    line.close()


def test_too_many_connections_are_told_to_come_again(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "_CONNECTIONS", 3)
    lines = [Line(port) for _ in range(4)]
    status, headers, _body = lines[3].answer()
    assert (status, headers["retry-after"]) == (503, "1")
    lines[0].send(get("/"))
    assert lines[0].answer()[0] == 200
    for one in lines:
        one.close()


def test_room_is_never_more_than_was_given() -> None:
    room = connection.Room(10)
    assert room.take(6)
    assert not room.take(5)
    room.give(6)
    assert room.take(10)


def test_small_records_that_come_meanwhile_are_answered_together(port: int, application: Echo) -> None:
    first, *others = [Line(port) for _ in range(5)]
    first.send(post(b"x", "/v1/traces?slow"))
    for number, one in enumerate(others):
        one.send(post(b"y" * number))
    assert first.answer()[0] == 200
    assert [json.loads(one.answer()[2])["body"] for one in others] == [0, 1, 2, 3]
    assert sum(application.groups) == 5
    for one in (first, *others):
        one.close()


def test_a_sender_of_small_records_may_ask_for_anything_else_in_between(line: Line) -> None:
    for data, path, size in (
        (post(b"x"), "/v1/traces", 1),
        (get("/page"), "/page", 0),
        (post(b"x" * 5) + get("/page") + post(b"x" * 70_000), "/v1/traces", 5),
        (b"", "/page", 0),
        (b"", "/v1/traces", 70_000),
        (post(b"x", "/other"), "/other", 1),
    ):
        line.send(data)
        said = json.loads(line.answer()[2])
        assert (said["PATH_INFO"], said["body"]) == (path, size)


def test_small_records_that_fail_are_told_and_quote_nobody(port: int, caplog: pytest.LogCaptureFixture) -> None:
    broken, after = Line(port), Line(port)
    broken.send(post(b"x", "/v1/traces?broken"))
    assert broken.answer()[0] == 500
    assert broken.ended()
    assert "person" not in caplog.text
    assert "ValueError in test_listener.py" in caplog.text
    after.send(post(b"x"))
    assert after.answer()[0] == 200
    for one in (broken, after):
        one.close()


def test_a_sender_that_falls_silent_after_small_records_is_sent_away(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_SILENT_SECONDS", "_IDLE_SECONDS"):
        monkeypatch.setattr(listener, name, 0.1)
    monkeypatch.setattr(intake, "_REST_SECONDS", 0.1)
    half, idle = Line(port), Line(port)
    for one, rest in ((half, post(b"x" * 1000)[:-1]), (idle, b"")):
        one.send(post(b"x") + rest)
        assert one.answer()[0] == 200
    assert half.answer()[0] == 408
    assert half.ended()
    assert idle.ended()
    half.close()
    idle.close()


def test_the_end_comes_at_once_while_senders_of_small_records_are_connected(application: Echo) -> None:
    server = Listener(application, Settings(port=0))
    thread = threading.Thread(target=server.run)
    thread.start()
    one = Line(int(server.address.rpartition(":")[2]))
    one.send(post(b"x"))
    assert one.answer()[0] == 200
    server.stop()
    assert one.ended()
    thread.join(20)
    assert not thread.is_alive()
    one.close()
