"""A stand-in for the HTTP APIs of OpenAI and Anthropic: what they answer, on this machine, always the same.

Chat completions, responses, embeddings and messages; plain and as a stream of events; with cached and reasoning
tokens, calls of tools, and the errors 429 and 500. What is asked for is chosen by the request: `stream`, `tools`, and
the words "fail 429" or "fail 500" in it.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

OPENAI_MODEL = "gpt-5-mini-2025-08-07"
ANTHROPIC_MODEL = "claude-sonnet-4-5-20250929"
EMBEDDING_MODEL = "text-embedding-3-small"

ANSWER = "The shop opens at nine."
THOUGHT = "They ask for the hours."
TOOL_CALL = {"name": "opening_hours", "arguments": '{"day": "Monday"}'}

# Cached tokens are part of OpenAI's prompt tokens, reasoning tokens part of its completion tokens.
OPENAI_USAGE = {
    "prompt_tokens": 1_500,
    "completion_tokens": 80,
    "total_tokens": 1_580,
    "prompt_tokens_details": {"cached_tokens": 1_024, "audio_tokens": 0},
    "completion_tokens_details": {
        "reasoning_tokens": 30,
        "audio_tokens": 0,
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    },
}
RESPONSES_USAGE = {
    "input_tokens": 1_500,
    "input_tokens_details": {"cached_tokens": 1_024},
    "output_tokens": 80,
    "output_tokens_details": {"reasoning_tokens": 30},
    "total_tokens": 1_580,
}
EMBEDDING_USAGE = {"prompt_tokens": 12, "total_tokens": 12}
# What was read from and written to the cache comes on top of Anthropic's input tokens.
ANTHROPIC_USAGE = {
    "input_tokens": 50,
    "cache_read_input_tokens": 2_000,
    "cache_creation_input_tokens": 300,
    "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
    "output_tokens": 40,
    "service_tier": "standard",
}

FIRST_TOKEN_S = 0.06
"""How long a stream waits before its first word."""
_BETWEEN_S = 0.01
_CREATED = 1_773_000_000

Request = Mapping[str, Any]


@contextmanager
def provider() -> Iterator[str]:
    """The address of a provider that runs as long as the block does."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        for status in (429, 500):
            if f"fail {status}".encode() in body:
                self._say(status, _failure(self.path, status))
                return
        request = json.loads(body)
        path = self.path.split("?", 1)[0]
        answers = {
            "/v1/chat/completions": (_chat, _chat_events),
            "/v1/responses": (_responses, _responses_events),
            "/v1/messages": (_messages, _messages_events),
        }
        if path == "/v1/embeddings":
            self._say(200, _embeddings(request))
        elif path not in answers:
            self._say(404, {"error": {"message": "There is no such address.", "type": "not_found_error"}})
        elif request.get("stream"):
            self._stream(answers[path][1](request))
        else:
            self._say(200, answers[path][0](request))

    def _say(self, status: int, value: Any) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.send_header("x-request-id", "req_1")
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, events: Iterator[str]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        time.sleep(FIRST_TOKEN_S)
        for event in events:
            self.wfile.write(event.encode())
            self.wfile.flush()
            time.sleep(_BETWEEN_S)

    def log_message(self, *_: Any) -> None:
        return


def _failure(path: str, status: int) -> Any:
    kind = "rate_limit_error" if status == 429 else "api_error"
    error = {"message": "The stand-in was asked to fail.", "type": kind}
    return {"type": "error", "error": error} if "messages" in path else {"error": error | {"code": None, "param": None}}


def _words() -> list[str]:
    return [f"{word} " for word in ANSWER.split()[:-1]] + ANSWER.split()[-1:]


def _calls(request: Request) -> list[dict[str, Any]]:
    return [{"id": "call_1", "type": "function", "function": TOOL_CALL}] if request.get("tools") else []


def _chat(request: Request) -> Any:
    calls = _calls(request)
    message: dict[str, Any] = {"role": "assistant", "content": None if calls else ANSWER, "refusal": None}
    if calls:
        message["tool_calls"] = calls
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": _CREATED,
        "model": OPENAI_MODEL,
        "service_tier": "default",
        "system_fingerprint": "fp_1",
        "choices": [
            {"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop", "logprobs": None}
        ],
        "usage": OPENAI_USAGE,
    }


def _chat_events(request: Request) -> Iterator[str]:
    shared = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": _CREATED, "model": OPENAI_MODEL}
    shared |= {"service_tier": "default", "system_fingerprint": "fp_1"}
    options = request.get("stream_options") or {}
    with_usage = bool(options.get("include_usage"))

    def chunk(delta: Mapping[str, Any], reason: str | None = None) -> str:
        value = shared | {"choices": [{"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}]}
        return f"data: {json.dumps(value | ({'usage': None} if with_usage else {}))}\n\n"

    yield chunk({"role": "assistant", "content": ""})
    for word in _words():
        yield chunk({"content": word})
    yield chunk({}, "stop")
    if with_usage:
        yield f"data: {json.dumps(shared | {'choices': [], 'usage': OPENAI_USAGE})}\n\n"
    yield "data: [DONE]\n\n"


def _responses(request: Request, status: str = "completed") -> dict[str, Any]:
    text = {"type": "output_text", "text": ANSWER, "annotations": [], "logprobs": []}
    thought = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": THOUGHT}]}
    said = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [text]}
    call = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "status": "completed"} | TOOL_CALL
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": _CREATED,
        "status": status,
        "model": OPENAI_MODEL,
        "error": None,
        "incomplete_details": None,
        "instructions": request.get("instructions"),
        "metadata": {},
        "output": [thought, call if request.get("tools") else said],
        "parallel_tool_calls": True,
        "service_tier": "default",
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": request.get("tools") or [],
        "top_p": 1.0,
        "usage": RESPONSES_USAGE,
    }


def _responses_events(request: Request) -> Iterator[str]:
    whole = _responses(request)
    begun = whole | {"status": "in_progress", "output": [], "usage": None}
    place = {"item_id": "msg_1", "output_index": 1, "content_index": 0}
    empty = whole["output"][1] | {"content": [], "status": "in_progress"}
    part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.output_item.added", "output_index": 1, "item": empty},
        {"type": "response.content_part.added", "part": part} | place,
        *({"type": "response.output_text.delta", "delta": word, "logprobs": []} | place for word in _words()),
        {"type": "response.output_text.done", "text": ANSWER, "logprobs": []} | place,
        {"type": "response.output_item.done", "output_index": 1, "item": whole["output"][1]},
        {"type": "response.completed", "response": whole},
    ]
    for number, event in enumerate(events):
        yield f"event: {event['type']}\ndata: {json.dumps(event | {'sequence_number': number})}\n\n"


def _embeddings(request: Request) -> Any:
    import base64
    import struct

    values = [0.1, 0.2, 0.3]
    encoded = base64.b64encode(struct.pack("<3f", *values)).decode()
    texts = request["input"] if isinstance(request["input"], list) else [request["input"]]
    return {
        "object": "list",
        "model": EMBEDDING_MODEL,
        "data": [
            {
                "object": "embedding",
                "index": index,
                "embedding": encoded if request.get("encoding_format") == "base64" else values,
            }
            for index in range(len(texts))
        ],
        "usage": EMBEDDING_USAGE,
    }


def _messages(request: Request) -> dict[str, Any]:
    called = {"type": "tool_use", "id": "toolu_1", "name": TOOL_CALL["name"]}
    called |= {"input": json.loads(TOOL_CALL["arguments"])}
    tools = bool(request.get("tools"))
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": ANTHROPIC_MODEL,
        "content": [called if tools else {"type": "text", "text": ANSWER}],
        "stop_reason": "tool_use" if tools else "end_turn",
        "stop_sequence": None,
        "usage": ANTHROPIC_USAGE,
    }


def _messages_events(request: Request) -> Iterator[str]:
    whole = _messages(request)
    begun = whole | {"content": [], "stop_reason": None, "usage": ANTHROPIC_USAGE | {"output_tokens": 1}}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": begun},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}}
            for word in _words()
        ),
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": ANTHROPIC_USAGE["output_tokens"]},
        },
        {"type": "message_stop"},
    ]
    for event in events:
        yield f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"
