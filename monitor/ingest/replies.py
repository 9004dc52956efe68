"""What a model answered, out of the response objects of its provider.

Chat completions and responses of OpenAI, messages of Anthropic, Converse of Amazon Bedrock, LangChain results; any
other shape is read as a message, and at last as text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monitor.ingest.messages import answer_of, messages_of
from monitor.ingest.values import to_json, try_json

_ITEMS = frozenset(("reasoning", "function_call"))
"""Items of OpenAI's responses that are no messages."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: its text, the other parts as JSON, why the model stopped, and which model it was."""

    text: str = ""
    parts: str = ""
    finish_reason: str = ""
    model: str = ""

    @property
    def response(self) -> tuple[str, str]:
        """Text and parts, as spans hold them."""
        return self.text, self.parts


def reply_of(value: Any) -> Reply:
    """The answer in a response object or its JSON."""
    given = try_json(value)
    if isinstance(given, list) and any(isinstance(item, Mapping) and item.get("type") in _ITEMS for item in given):
        return Reply(*answer_of(messages_of(_items(given), "assistant")))
    if not isinstance(given, Mapping):
        return Reply(*answer_of(messages_of(given, "assistant")))
    message = given.get("message")
    choices = given.get("choices")
    reason = given.get("finish_reason", given.get("stop_reason", given.get("stopReason")))
    said: Any = given
    if isinstance(choices, list):
        picked = [choice for choice in choices if isinstance(choice, Mapping)]
        said = [choice.get("message", {"role": "assistant", "content": choice.get("text")}) for choice in picked]
        reason = next((choice["finish_reason"] for choice in picked if choice.get("finish_reason")), reason)
    elif isinstance(message, Mapping):
        said = dict(message)
    elif isinstance(given.get("generations"), list):
        said, reason = _generations(given["generations"], reason)
    elif isinstance(given.get("output"), Mapping) and isinstance(given["output"].get("message"), Mapping):
        said = dict(given["output"]["message"])
    elif isinstance(given.get("output"), list):
        said = _items(given["output"])
    elif isinstance(given.get("combined_chunk_content"), str):
        said = given["combined_chunk_content"]
    model = given.get("model")
    return Reply(
        *answer_of(messages_of(said, "assistant")),
        reason if isinstance(reason, str) else "",
        model if isinstance(model, str) else "",
    )


def _items(output: list[Any]) -> list[Any]:
    """The items of OpenAI's responses as messages; calls of tools and reasoning are parts of one."""
    said: list[Any] = []
    for item in output:
        if isinstance(item, Mapping) and item.get("type", "message") == "message" and item.get("content") is not None:
            said.append({"role": "assistant", "content": item["content"]})
        else:
            said.append({"role": "assistant", "content": [item] if isinstance(item, Mapping) else to_json(item)})
    return said


def _generations(generations: list[Any], reason: Any) -> tuple[Any, Any]:
    flat = [item for group in generations for item in (group if isinstance(group, list) else [group])]
    said: list[Any] = []
    for item in flat:
        if not isinstance(item, Mapping):
            continue
        message = item.get("message")
        said.append(
            dict(message) if isinstance(message, Mapping) else {"role": "assistant", "content": item.get("text")}
        )
        info = item.get("generation_info")
        if isinstance(info, Mapping):
            reason = info.get("finish_reason", reason)
    return said, reason
