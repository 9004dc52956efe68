"""A real HTTP server for tests of what is sent."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from monitor.sdk import client


class Sink:
    """A real HTTP server that keeps what it gets and answers what it is told to."""

    def __init__(self, port: int = 0) -> None:
        self.calls: list[dict[str, Any]] = []
        self.feedback: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        self.delay_s = 0.0
        self.largest = 10**9
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                time.sleep(sink.delay_s)
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                records = json.loads(body)
                status, headers, content = sink.answers.pop(0) if sink.answers else (200, {}, b'{"rejected": []}')
                if len(records) > sink.largest:
                    status = 413
                if status == 200:
                    (sink.calls if self.path.endswith("/calls") else sink.feedback).extend(records)
                sink.headers.append(dict(self.headers))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def __enter__(self) -> Sink:
        return self

    def __exit__(self, *_error: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def call(self, name: str) -> dict[str, Any]:
        [found] = [record for record in self.calls if record.get("name", "").endswith(name)]
        return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def own_client() -> Iterator[None]:
    """A client of the SDK for one test alone; its thread is ended with it."""
    client._client = None
    try:
        yield
    finally:
        if client._client is not None:
            client._client.sender.close(0.0)
            thread = client._client.sender._thread
            if thread is not None:
                thread.join(10)
            client._client.sender._poster.close()
        client._client = None
