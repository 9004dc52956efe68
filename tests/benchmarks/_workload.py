"""What the benchmark of ingest sends, and a sender that costs next to nothing itself."""

from __future__ import annotations

import json
import random
import socket
import time
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

CHARACTERS = 1_500

_PROSE = """
river water flows through the valley and carries sand stone leaf light from mountain to sea while people build bridges
mills harbours write letters ask questions about weather price order invoice delivery refund account reset language
model answer table list code function error memory network server client request
"""
_WORDS = _PROSE.split()


def text(generator: random.Random, characters: int) -> str:
    """Words in random order: compresses about as well as prose."""
    words = generator.choices(_WORDS, k=characters // 5)
    return " ".join(words)[:characters]


def attributes(generator: random.Random, number: int) -> dict[str, Any]:
    """What an instrumentation of today sends of one chat call."""
    question, answer = text(generator, CHARACTERS // 3), text(generator, CHARACTERS - CHARACTERS // 3)
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.model": "gpt-4o-2024-08-06",
        "gen_ai.response.id": f"chatcmpl-{number:x}",
        "gen_ai.request.temperature": 0.2,
        "gen_ai.request.max_tokens": 1024,
        "gen_ai.usage.input_tokens": 120 + number % 50,
        "gen_ai.usage.output_tokens": 250 + number % 90,
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.conversation.id": f"conversation-{number // 5}",
        "user.id": f"user-{number % 997}",
        "server.address": "api.openai.com",
        "server.port": 443,
        "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": question}]}]),
        "gen_ai.output.messages": json.dumps(
            [{"role": "assistant", "parts": [{"type": "text", "content": answer}], "finish_reason": "stop"}]
        ),
    }


def requests_of(count: int, batch: int, seed: int) -> list[bytes]:
    """OTLP requests with `count` spans, `batch` in each."""
    generator = random.Random(seed)
    start = time.time_ns() - 3_600_000_000_000
    bodies = []
    for first in range(0, count, batch):
        request = ExportTraceServiceRequest()
        group = request.resource_spans.add()
        group.resource.attributes.add(key="service.name").value.string_value = "benchmark"
        scope = group.scope_spans.add()
        scope.scope.name = "opentelemetry.instrumentation.openai_v2"
        for number in range(first, min(first + batch, count)):
            span = scope.spans.add(
                trace_id=generator.randbytes(16),
                span_id=generator.randbytes(8),
                name="chat gpt-4o",
                start_time_unix_nano=start + number * 1_000_000,
                end_time_unix_nano=start + number * 1_000_000 + 900_000_000,
            )
            for name, value in attributes(generator, number).items():
                _set(span.attributes.add(key=name).value, value)
        bodies.append(request.SerializeToString())
    return bodies


def _set(target: Any, value: Any) -> None:
    if isinstance(value, list):
        for item in value:
            _set(target.array_value.values.add(), item)
    else:
        kind = {str: "string_value", int: "int_value", float: "double_value"}[type(value)]
        setattr(target, kind, value)


class Line:
    """A connection that posts OTLP: one `send` and one `recv`, so that the client takes little of the machine."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def post(self, body: bytes) -> tuple[int, bytes]:
        """Sends a request; answers the status, and the head of the answer."""
        head = (
            "POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-protobuf\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        self._socket.sendall(head.encode() + body)
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._piece()
        head_bytes, _, rest = data.partition(b"\r\n\r\n")
        length = int(head_bytes.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        while len(rest) < length:
            rest += self._piece()
        return int(data[9:12]), head_bytes

    def _piece(self) -> bytes:
        piece = self._socket.recv(65536)
        if not piece:
            raise ConnectionError("the server closed the connection")
        return piece

    def close(self) -> None:
        """Ends the connection."""
        self._socket.close()
