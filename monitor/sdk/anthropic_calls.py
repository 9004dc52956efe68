"""What the methods of an Anthropic client say of a call: messages, plain and as streams."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from monitor.sdk.wrapping import Method, plain


def _asked(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    messages = [plain(item) for item in kwargs.get("messages") or ()]
    system = kwargs.get("system")
    if system:
        messages.insert(0, {"role": "system", "content": plain(system)})
    found: dict[str, Any] = {"kind": "llm", "provider": "anthropic", "prompt": messages}
    if kwargs.get("model"):
        found["requested_model"] = found["model"] = str(kwargs["model"])
    who = (kwargs.get("metadata") or {}).get("user_id")
    if isinstance(who, str):
        found["user_id"] = who
    return found


def _answered(answer: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "response": [{"role": "assistant", "content": [plain(block) for block in answer.content]}],
        "usage": plain(answer.usage),
        "finish_reason": str(answer.stop_reason or ""),
    }
    if answer.model:
        found["model"] = str(answer.model)
    if isinstance(answer.id, str):
        found["response_id"] = answer.id
    return found


class MessageStream:
    """Events of a message put together: blocks of text, thought and calls of tools, and the usage."""

    def __init__(self) -> None:
        self._model = self._number = ""
        self._usage: dict[str, Any] = {}
        self._blocks: dict[int, dict[str, Any]] = {}
        self._arguments: dict[int, str] = {}
        self._reason = ""

    def add(self, event: Any) -> bool:
        """Takes an event; true where it carries content."""
        kind = getattr(event, "type", "")
        if kind == "message_start":
            self._model, self._number = event.message.model, str(event.message.id or "")
            self._usage.update(plain(event.message.usage))
        elif kind == "content_block_start":
            self._blocks[event.index] = dict(plain(event.content_block))
        elif kind == "content_block_delta":
            self._add_delta(event.index, event.delta)
            return True
        elif kind == "message_delta":
            self._usage.update(plain(event.usage))
            self._reason = event.delta.stop_reason or self._reason
        return False

    def _add_delta(self, index: int, delta: Any) -> None:
        block = self._blocks.setdefault(index, {"type": "text", "text": ""})
        for name in ("text", "thinking"):
            piece = getattr(delta, name, None)
            if isinstance(piece, str):
                block[name] = block.get(name, "") + piece
        arguments = getattr(delta, "partial_json", None)
        if isinstance(arguments, str):
            self._arguments[index] = self._arguments.get(index, "") + arguments

    def fields(self) -> dict[str, Any]:
        """The call so far."""
        blocks = []
        for index, block in sorted(self._blocks.items()):
            given = self._arguments.get(index)
            blocks.append({**block, "input": _parsed(given)} if given else block)
        found: dict[str, Any] = {
            "response": [{"role": "assistant", "content": blocks}] if blocks else "",
            "finish_reason": self._reason,
        }
        if self._usage:
            found["usage"] = self._usage
        if self._number:
            found["response_id"] = self._number
        return {**found, "model": self._model} if self._model else found


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


METHODS = (
    Method(("messages", "create"), _asked, _answered, MessageStream),
    Method(
        ("messages", "stream"),
        _asked,
        _answered,
        MessageStream,
        ("_MessageStreamManager__api_request", "_AsyncMessageStreamManager__api_request"),
    ),
)
"""The methods to report."""
