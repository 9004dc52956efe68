"""Trains the zstd dictionary with which texts are stored (`monitor.compression`).

    python -m tests.training.dictionary

Writes `monitor/dictionaries/texts_1.zdict`, the same bytes whenever it runs. A dictionary that was ever released is
kept for ever: texts stored with it cannot be read without it. A better one gets the next number and codec.
"""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

import msgspec
import zstandard

from monitor.records import Body, Message

ROOT = Path(__file__).parent.parent.parent
TARGET = ROOT / "monitor" / "dictionaries" / "texts_1.zdict"
DATA = Path(__file__).parent / "data"
DEMO = ROOT / "monitor" / "demo" / "data" / "llmdrift.jsonl.gz"
SIZE = 64 * 1024
# Fragments of up to 1,000 bytes compress texts of other sources best; shorter ones do clearly worse.
_SEGMENT = 1_000
_MATCH = 8


def bodies() -> list[bytes]:
    """What the dictionary learns from: texts as they are stored, before they are compressed."""
    chance = random.Random(7)
    chats = _read(DATA / "chats.jsonl.gz")
    # One in sixteen of the demo: its questions are all alike.
    chats += _read(DEMO)[::16]
    phrases = (DATA / "phrases.txt").read_text().replace("\\n", "\n").splitlines()
    texts = [_body(chat["prompt"], str(chat["response"]), chance) for chat in chats]
    texts += [_body(chance.choice(phrases), phrase, chance) for phrase in phrases * 4]
    texts += [_tool_call(chance) for _ in range(100)]
    return texts


def _read(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt") as file:
        return [json.loads(line) for line in file]


def _body(prompt: str, response: str, chance: random.Random) -> bytes:
    messages = [Message("user", prompt)]
    if chance.random() < 0.3:
        messages.insert(0, Message("system", "You are a helpful assistant."))
    return msgspec.msgpack.encode(
        Body(prompt=tuple(messages), response=response, attributes=chance.choice((_semantic, _plain, _vendor))(chance))
    )


def _tool_call(chance: random.Random) -> bytes:
    name = chance.choice(("search", "get_weather", "lookup_order", "run_query", "send_email"))
    arguments = json.dumps({"query": "order status", "limit": chance.randrange(20), "location": "Berlin"})
    identifier = f"call_{chance.getrandbits(96):x}"
    called = [{"id": identifier, "type": "function", "function": {"name": name, "arguments": arguments}}]
    parts = [{"type": "tool_call", "id": identifier, "name": name, "arguments": json.loads(arguments)}]
    results = [{"type": "tool_call_response", "id": identifier, "response": {"status": "ok", "results": []}}]
    messages = (
        Message("user", "What is the status of my order?"),
        Message("assistant", "", json.dumps(called, separators=(",", ":"))),
        Message("tool", '{"status": "ok", "results": [{"id": 1, "title": ""}]}', json.dumps(results)),
    )
    return msgspec.msgpack.encode(
        Body(prompt=messages, response_parts=json.dumps(parts, separators=(",", ":")), attributes=_semantic(chance))
    )


def _semantic(chance: random.Random) -> dict[str, Any]:
    return {
        "gen_ai.response.id": f"chatcmpl-{chance.getrandbits(64):x}",
        "gen_ai.request.temperature": chance.choice((0.0, 0.2, 0.7, 1.0)),
        "gen_ai.request.top_p": 1.0,
        "gen_ai.request.max_tokens": chance.choice((256, 512, 1024, 2048, 4096)),
        "gen_ai.output.type": "text",
        "server.address": chance.choice(("api.openai.com", "api.anthropic.com")),
        "server.port": 443,
        "telemetry.sdk.language": "python",
    }


def _vendor(chance: random.Random) -> dict[str, Any]:
    return {
        "llm.invocation_parameters": json.dumps({"model": "gpt-4o", "temperature": chance.random(), "stream": False}),
        "llm.is_streaming": chance.random() < 0.5,
        "llm.request.type": "chat",
        "input.mime_type": "application/json",
        "output.mime_type": "application/json",
        "metadata": json.dumps({"langgraph_step": chance.randrange(9), "ls_provider": "openai", "thread_id": ""}),
    }


def _plain(_chance: random.Random) -> dict[str, Any]:
    return {}


def main() -> None:
    """Trains and writes the dictionary."""
    trained = zstandard.train_dictionary(SIZE, bodies(), k=_SEGMENT, d=_MATCH, level=3)
    TARGET.write_bytes(trained.as_bytes())


if __name__ == "__main__":
    main()
