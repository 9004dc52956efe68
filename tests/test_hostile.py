"""Those who mean harm: each gets a clear answer, memory stays bounded, the next is served, and no log tells of them.

The server is one in a process of its own, as people start it. Every request carries a word that must not be logged.
"""

from __future__ import annotations

import gzip
import json
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from monitor import migrate
from monitor.store import Store
from tests.hostile import (
    JSON,
    MEBIBYTE,
    PROTOBUF,
    Line,
    Target,
    attribute_bytes,
    field,
    post,
    request,
    request_bytes,
    request_object,
    served,
    span_bytes,
    span_object,
    target,
    text_value,
)

SECRET = "kanarienvogel"
# Without the bounds it takes gigabytes; what the allocator keeps varies by a fifth from run to run.
MOST_BYTES = 600_000_000
MOST_KEPT_BYTES = 340_000_000
GOOD_SECONDS = 10.0
TRACES, LOGS, CALLS, FEEDBACK = "/v1/traces", "/v1/logs", "/api/v1/calls", "/api/v1/feedback"
GZIP, DEFLATE = "Content-Encoding: gzip", "Content-Encoding: deflate"
KEY = f"Authorization: Bearer {SECRET}"
# Just under the largest body.
FULL = 31 * MEBIBYTE
MILLION = 10**6

Answer = tuple[int, dict[str, str], bytes]
Case = Callable[[int], list[Answer]]


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    url = f"sqlite:///{tmp_path_factory.mktemp('hostile') / 'store.db'}"
    store = Store(url)
    migrate.upgrade(store)
    store.close()
    with target(url, log_level="DEBUG") as server:
        yield server
        server.close()
        assert SECRET not in server.log.lower()
        assert "Traceback" not in server.log


def marked(rest: bytes) -> bytes:
    """A trace request with one span, with the word in a name and in a text, and more."""
    word = attribute_bytes(SECRET, text_value(SECRET)) + attribute_bytes("gen_ai.prompt", text_value(SECRET))
    return request_bytes(field(2, span_bytes(word + rest)))


def sent(path: str, body: Callable[[], bytes], content_type: str = JSON, *more: str) -> Case:
    return lambda port: [post(port, f"{path}?{SECRET}", body(), content_type, *more)]


def spoken(path: str, record: Any) -> Case:
    return sent(path, lambda: json.dumps(record).encode())


def attributes(count: int) -> bytes:
    """Small attributes in protobuf's wire format, of 16 bytes each."""
    return b"".join(b"\x4a\x0e\x0a\x07a%06d\x12\x03\x0a\x01v" % number for number in range(count))


def deep(levels: int) -> bytes:
    value = text_value(SECRET)
    for _ in range(levels):
        value = field(5, field(1, value))
    return attribute_bytes("a", value)


def in_chunks(port: int) -> list[Answer]:
    return [post(port, TRACES, (SECRET.encode() * (MEBIBYTE // 13) for _ in range(100)), PROTOBUF)]


def tiny_chunks(port: int) -> list[Answer]:
    with closing(Line(port)) as line:
        line.send(request(port, TRACES, [], PROTOBUF))
        line.send(b"2\r\nab\r\n" * 60_000 for _ in range(20))
        line.send(b"0\r\n\r\n")
        return [line.answer()]


def endless_head(head: bytes, piece: bytes) -> Case:
    """What follows the head of a request in chunks, without end."""

    def send(port: int) -> list[Answer]:
        with closing(Line(port)) as line:
            line.send(request(port, TRACES, [], PROTOBUF, KEY) + head)
            line.send(piece for _ in range(50))
            return [line.answer()]

    return send


def at_once(count: int, make: Callable[[], bytes], *more: str) -> Case:
    """Several of the largest bodies at the same time."""

    def send(port: int) -> list[Answer]:
        answers: list[Answer] = []
        body = make()
        threads = [
            threading.Thread(target=lambda: answers.append(post(port, TRACES, body, PROTOBUF, *more)))
            for _ in range(count)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return answers

    return send


def deeply_nested(port: int) -> list[Answer]:
    lists, objects = b"[" * 10_000 + b"]" * 10_000, b'{"a":' * 10_000 + b"1" + b"}" * 10_000
    bodies = (lists, objects, b'{"prompt":"%b","x":%b}' % (SECRET.encode(), lists))
    return [post(port, path, body) for path in (TRACES, LOGS, CALLS, FEEDBACK) for body in bodies]


def clocks(port: int) -> list[Answer]:
    """Times before there were computers, and after; ends before starts; no numbers at all."""
    moments = ("0", "1", "-1", str(2**63), str(2**64 - 1), "9" * 30, 10**400, 1.5, SECRET, None, [], {})
    spans = [
        span_object(startTimeUnixNano=start, endTimeUnixNano=end)
        for start in moments
        for end in (*moments, str(time.time_ns()))
    ]
    times = ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-02-30", SECRET, -1, 10**30, True, [])
    calls = [{"prompt": SECRET, "time": moment, "latency_s": -1} for moment in times]
    return [
        post(port, path, json.dumps(it).encode()) for path, it in ((TRACES, request_object(*spans)), (CALLS, calls))
    ]


def no_unicode(port: int) -> list[Answer]:
    word = SECRET.encode()
    wrong = field(9, field(1, b"\xff" + word) + field(2, field(1, b"\xfe\xed\xa0\x80" + word)))
    return [
        post(port, TRACES, marked(wrong), PROTOBUF),
        post(port, CALLS, b'{"prompt":"%b\xff\xfe"}' % word),
        post(port, CALLS, b'{"prompt":"%b\\ud800","id":"\\u0000"}' % word),
        post(port, TRACES, b'{"resourceSpans":"%b\xc3"}' % word),
    ]


PASSED, REFUSED, LARGE, HEADERS = {200}, {400}, {413}, {431}
CASES: dict[str, tuple[Case, set[int]]] = {
    "a gzip bomb": (sent(TRACES, lambda: gzip.compress(bytes(200 * MEBIBYTE), 1), PROTOBUF, GZIP), LARGE),
    "a deflate bomb": (sent(TRACES, lambda: zlib.compress(bytes(200 * MEBIBYTE), 1), PROTOBUF, DEFLATE), LARGE),
    "a bomb in a bomb": (
        sent(TRACES, lambda: gzip.compress(gzip.compress(bytes(100 * MEBIBYTE), 1)), PROTOBUF, GZIP),
        REFUSED,
    ),
    "twice compressed": (sent(TRACES, lambda: gzip.compress(b""), PROTOBUF, "Content-Encoding: gzip, gzip"), {415}),
    "cut short while compressed": (sent(TRACES, lambda: gzip.compress(marked(b""))[:-9], PROTOBUF, GZIP), REFUSED),
    "100 MB": (sent(TRACES, lambda: SECRET.encode() * (100 * MEBIBYTE // 13), PROTOBUF), LARGE),
    "100 MB in chunks": (in_chunks, LARGE),
    "tiny chunks": (tiny_chunks, REFUSED),
    "an endless extension of a chunk": (endless_head(b"1;x=", b"a" * MEBIBYTE), HEADERS),
    "an endless trailer": (endless_head(b"0\r\nX: ", b"a" * MEBIBYTE), HEADERS),
    "endless trailers": (endless_head(b"0\r\n", b"ab: cd\r\n" * 100_000), HEADERS),
    "empty resources": (sent(TRACES, lambda: b"\x0a\x00" * (FULL // 2), PROTOBUF), LARGE),
    "empty spans": (sent(TRACES, lambda: request_bytes(b"\x12\x00" * (FULL // 2)), PROTOBUF), LARGE),
    "empty spans at once": (at_once(6, lambda: request_bytes(b"\x12\x00" * (2 * MEBIBYTE))), {413, 429, 503}),
    "eight times zeros": (at_once(8, lambda: gzip.compress(bytes(FULL), 1), GZIP), {200, 400, 429, 503}),
    "a million attributes": (sent(TRACES, lambda: marked(attributes(MILLION)), PROTOBUF), PASSED),
    "empty attributes": (sent(TRACES, lambda: marked(b"\x4a\x00" * (FULL // 2)), PROTOBUF), PASSED),
    "a million keys": (
        sent(
            CALLS,
            lambda: (
                b'{"prompt":"%b",' % SECRET.encode() + b",".join(b'"k%06d":1' % key for key in range(MILLION)) + b"}"
            ),
        ),
        LARGE,
    ),
    "empty lists": (sent(TRACES, lambda: b"[" + b"[]," * (FULL // 3) + b"1]"), LARGE),
    "empty objects": (sent(CALLS, lambda: b"[" + b"{}," * (FULL // 3) + b"NaN]"), LARGE),
    "one text": (sent(CALLS, ('{"prompt":"' + SECRET * (FULL // 13 - 1000) + '\U0001f600"}').encode), PASSED),
    "10,000 deep": (deeply_nested, REFUSED),
    "10,000 deep in protobuf": (sent(TRACES, lambda: marked(deep(10_000)), PROTOBUF), PASSED),
    "wrong clocks": (clocks, {200, 422}),
    "no Unicode": (no_unicode, {200, 400}),
    "no protobuf": (sent(TRACES, lambda: SECRET.encode() * 100, PROTOBUF), REFUSED),
    "no JSON": (sent(CALLS, lambda: SECRET.encode() * 100), REFUSED),
    "another type": (sent(TRACES, SECRET.encode, f"text/{SECRET}"), {400, 415}),
    "an unknown key": (sent(CALLS, lambda: b'{"prompt":"%b"}' % SECRET.encode(), JSON, KEY), {200, 401}),
    "no records": (spoken(CALLS, [SECRET, None, 1, [SECRET]]), {422}),
    "wrong types": (spoken(CALLS, {"prompt": {SECRET: SECRET}, "model": [SECRET], "usage": SECRET}), {422}),
}


@pytest.mark.parametrize("name", CASES)
def test_harm_is_answered_and_the_next_is_served(victim: Target, name: str) -> None:
    case, expected = CASES[name]
    victim.forget_peak()
    answers = case(victim.port)
    assert {status for status, _headers, _body in answers} <= expected, [
        (status, body[:300]) for status, _, body in answers
    ]
    for status, headers, body in answers:
        if status in (429, 503):
            assert int(headers["retry-after"]) > 0
        if status != 200:
            assert len(body) > 20  # a sentence that says why
    assert served(victim.port, name) < GOOD_SECONDS
    assert victim.peak < MOST_BYTES
    assert SECRET not in victim.log.lower()


def test_memory_of_the_largest_requests_goes_back(victim: Target) -> None:
    for name in ("eight times zeros", "empty attributes", "one text", "eight times zeros"):
        case, expected = CASES[name]
        assert {status for status, _headers, _body in case(victim.port)} <= expected
    assert served(victim.port, "after the largest") < GOOD_SECONDS
    assert victim.resident < MOST_KEPT_BYTES


def test_slow_senders_keep_nobody_waiting(victim: Target) -> None:
    """Hundreds that stop in the middle of a head or of a body."""
    with ExitStack() as lines:
        for number in range(300):
            line = lines.enter_context(closing(Line(victim.port)))
            head = request(victim.port, CALLS, bytes(1000), JSON, KEY)
            line.send(head + SECRET.encode() if number % 2 else head[: 20 + number % 100])
        assert served(victim.port, "beside slow senders") < GOOD_SECONDS
        assert victim.peak < MOST_BYTES
    assert served(victim.port, "after slow senders") < GOOD_SECONDS
