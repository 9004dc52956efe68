"""A server in a process of its own for tests that mean it harm: its peak memory, its log, and raw connections to it."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

JSON = "application/json"
PROTOBUF = "application/x-protobuf"

MEBIBYTE = 1 << 20


class Target:
    """A server on a database, started as people start it."""

    def __init__(self, database_url: str, folder: Path, command: str = "up", **settings: str) -> None:
        self._log = folder / "server.log"
        variables = {f"MONITOR_{name.upper()}": value for name, value in settings.items()}
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "monitor.cli", command, "--port", "0", "--database-url", database_url],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=folder,
                env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])} | variables,
            )
        assert self.process.stdout is not None
        first = self.process.stdout.readline()
        self.port = int(first.partition(" (")[0].rpartition(":")[2])

    @property
    def log(self) -> str:
        """All that it has logged."""
        return self._log.read_text(errors="replace")

    def forget_peak(self) -> None:
        """Peak memory is that of what follows."""
        for process in self._family():
            with contextlib.suppress(OSError):
                Path(f"/proc/{process}/clear_refs").write_text("5")

    @property
    def peak(self) -> int:
        """Peak resident memory in bytes of the server and what it has started, added up."""
        return sum(_status(process, "VmHWM") for process in self._family())

    @property
    def resident(self) -> int:
        """Memory in bytes that the server and what it has started hold now."""
        return sum(_status(process, "VmRSS") for process in self._family())

    def _family(self) -> list[int]:
        found = [self.process.pid]
        for process in found:
            for task in Path(f"/proc/{process}/task").glob("*/children"):
                with contextlib.suppress(OSError):
                    found.extend(map(int, task.read_text().split()))
        return found

    def close(self) -> None:
        """Ends the server as a service manager does; what it has printed is in the log then."""
        if self.process.poll() is None:
            self.process.terminate()
            printed, _ = self.process.communicate(timeout=60)
            with self._log.open("a") as log:
                log.write(printed)


def _status(process: int, name: str) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    return 0


@contextlib.contextmanager
def target(database_url: str, **settings: str) -> Iterator[Target]:
    """A server for a while."""
    with tempfile.TemporaryDirectory(prefix="monitor-hostile-") as folder:
        made = Target(database_url, Path(folder), **settings)
        try:
            yield made
        finally:
            made.close()


class Line:
    """A raw connection."""

    def __init__(self, port: int, timeout: float = 120) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)

    def send(self, data: bytes | Iterable[bytes]) -> None:
        """Sends all of it, or as much as the other end takes before it has had enough."""
        with contextlib.suppress(ConnectionError):
            for part in [data] if isinstance(data, bytes) else data:
                self.socket.sendall(part)

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the one answer that comes; status 0 where the connection ends without one."""
        data = b""
        with contextlib.suppress(ConnectionError):
            while not _whole(data) and (part := self.socket.recv(1 << 16)):
                data += part
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        return int(first.split()[1]) if data else 0, headers, body

    def close(self) -> None:
        self.socket.close()


def _whole(data: bytes) -> bool:
    head, found, body = data.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return bool(found) and len(body) >= int(line.partition(b":")[2])
    return False


def request(port: int, path: str, body: bytes | Iterable[bytes], content_type: str = JSON, *more: str) -> bytes:
    """Head of a POST; a body that is no bytes is announced as chunked."""
    length = f"Content-Length: {len(body)}" if isinstance(body, bytes) else "Transfer-Encoding: chunked"
    lines = (f"POST {path} HTTP/1.1", f"Host: localhost:{port}", f"Content-Type: {content_type}", length, *more)
    return "\r\n".join((*lines, "", "")).encode()


def chunks(parts: Iterable[bytes]) -> Iterator[bytes]:
    """A body in chunks."""
    for part in parts:
        yield b"%x\r\n%b\r\n" % (len(part), part)
    yield b"0\r\n\r\n"


def post(
    port: int, path: str, body: bytes | Iterable[bytes], content_type: str = JSON, *more: str
) -> tuple[int, dict[str, str], bytes]:
    """Posts on a connection of its own."""
    line = Line(port)
    try:
        line.send(request(port, path, body, content_type, *more))
        line.send(body if isinstance(body, bytes) else chunks(body))
        return line.answer()
    finally:
        line.close()


def served(port: int, name: str) -> float:
    """Seconds that a good request takes; fails where it is not served."""
    body = json.dumps({"id": name, "prompt": "How are you?", "response": "Fine."}).encode()
    started = time.monotonic()
    status, _headers, answer = post(port, "/api/v1/calls", body)
    assert status == 200, (status, answer)
    assert json.loads(answer)["rejected"] == []
    return time.monotonic() - started


def varint(value: int) -> bytes:
    """A number in protobuf's wire format."""
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*parts, value))


def field(place: int, data: bytes) -> bytes:
    """A field of bytes in protobuf's wire format."""
    return varint(place << 3 | 2) + varint(len(data)) + data


def span_bytes(rest: bytes = b"", number: int = 1) -> bytes:
    """A span in protobuf's wire format, of now, with other fields after it."""
    moment = time.time_ns().to_bytes(8, "little")
    identifiers = field(1, number.to_bytes(16, "big")) + field(2, number.to_bytes(8, "big")) + field(5, b"chat")
    return identifiers + b"\x39" + moment + b"\x41" + moment + rest


def request_bytes(spans: bytes) -> bytes:
    """A trace request around spans, each a field 2."""
    return field(1, field(2, spans))


def attribute_bytes(name: str, value: bytes) -> bytes:
    """An attribute of a span, with an AnyValue in protobuf's wire format."""
    return field(9, field(1, name.encode()) + field(2, value))


def text_value(text: str) -> bytes:
    """An AnyValue that is text."""
    return field(1, text.encode("utf-8", "surrogatepass"))


def span_object(**fields: Any) -> dict[str, Any]:
    """A span of now in OTLP's JSON encoding."""
    moment = str(time.time_ns())
    return {
        "traceId": "1" * 32,
        "spanId": "2" * 16,
        "name": "chat",
        "startTimeUnixNano": moment,
        "endTimeUnixNano": moment,
        "attributes": [],
    } | fields


def request_object(*spans: Any) -> dict[str, Any]:
    """A trace request in OTLP's JSON encoding."""
    return {"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]}
