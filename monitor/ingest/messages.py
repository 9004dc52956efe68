"""Messages of a conversation out of the JSON shapes in use.

OpenAI (`{role, content}` with text or a list of parts, `tool_calls`), Anthropic (content blocks), OpenTelemetry
(`{role, parts}`) and LangChain (`{type, content}`, or lists of constructor objects). Text becomes the content of a
message; everything else (tool calls, images, reasoning) is kept beside it as JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from monitor.ingest.values import to_json, try_json
from monitor.records import Message

MAX_BLOB = 4_000

_ROLES = {
    "human": "user",
    "HumanMessage": "user",
    "ai": "assistant",
    "AIMessage": "assistant",
    "AIMessageChunk": "assistant",
    "model": "assistant",
    "SystemMessage": "system",
    "ToolMessage": "tool",
}
_TEXT_PARTS = frozenset(("text", "input_text", "output_text"))
_OWN_KEYS = frozenset(("role", "content", "parts", "type", "name", "finish_reason", "id"))


def messages_of(value: Any, role: str = "user") -> tuple[Message, ...]:
    """The messages in a value of any shape; a bare text is one message of `role`."""
    value = try_json(value)
    if value is None or value == "":
        return ()
    if isinstance(value, str):
        return (Message(role, value),)
    if isinstance(value, dict):
        inner = value.get("messages")
        if inner is not None and _is_conversation(inner):
            return messages_of(inner, role)
        return (message_of(value, role),)
    if isinstance(value, list):
        return _messages_of_list(value, role)
    return (Message(role, to_json(value)),)


def _messages_of_list(value: list[Any], role: str) -> tuple[Message, ...]:
    if len(value) == 1 and isinstance(value[0], list):
        return messages_of(value[0], role)  # LangChain sends batches of conversations
    if _is_conversation(value):
        return tuple(message_of(item, role) for item in value)
    if all(isinstance(item, str) for item in value):
        return tuple(Message(role, item) for item in value)
    return (Message(role, to_json(value)),)


def message_of(value: Mapping[str, Any], default_role: str = "user") -> Message:
    """One message object; an object that is none becomes a message with its JSON as text."""
    inner = value.get("kwargs")
    if isinstance(inner, dict) and "content" in inner:  # LangChain's serialised constructor
        name = value.get("id")
        kind = name[-1] if isinstance(name, list) and name else inner.get("type", "")
        return message_of({"type": kind, **inner}, default_role)
    spoken = value.get("role") or value.get("type") or default_role
    role = _ROLES.get(spoken, spoken) if isinstance(spoken, str) else default_role
    if "content" not in value and "parts" not in value and not value.get("tool_calls"):
        return Message(default_role if "role" not in value else role, to_json(value))
    texts: list[str] = []
    others: list[Any] = []
    for source in (value.get("content"), value.get("parts")):
        if source is not None and source != "":
            _split(source, texts, others)
    if not value.keys() <= _OWN_KEYS:
        _add_calls(value, role, others)
    return Message(role, "\n".join(texts), parts_json(others) if others else "")


def _add_calls(value: Mapping[str, Any], role: str, others: list[Any]) -> None:
    """Tool calls, and what else there is of a tool's answer."""
    rest = {name: item for name, item in value.items() if name not in _OWN_KEYS and item not in (None, "", [], {})}
    calls = rest.pop("tool_calls", None)
    if isinstance(calls, list):
        others.extend(calls)
    elif calls:
        others.append(calls)
    if rest and role == "tool":
        others.append(rest)
    elif rest.get("function_call"):
        others.append({"function_call": rest["function_call"]})


def _split(source: Any, texts: list[str], others: list[Any]) -> None:
    if isinstance(source, str):
        texts.append(source)
    elif isinstance(source, list):
        for part in source:
            text = _text_of(part)
            if text is None:
                others.append(part)
            elif text:
                texts.append(text)
    else:
        text = _text_of(source)
        texts.append(to_json(source) if text is None else text)


def _text_of(part: Any) -> str | None:
    if isinstance(part, str):
        return part
    if isinstance(part, dict) and part.get("type", "text") in _TEXT_PARTS:
        text = part.get("text", part.get("content"))
        if isinstance(text, str):
            return text
    return None


def parts_json(parts: Iterable[Any]) -> str:
    """JSON of what is not text; long encoded data (images, sound) is replaced by its length."""
    light = [_light(part, 0) for part in parts]
    return to_json(light) if light else ""


def _light(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        if len(value) > MAX_BLOB and " " not in value[:MAX_BLOB]:
            return f"[{len(value)} characters]"
        return value
    if depth > 20:
        return "..."
    if isinstance(value, dict):
        return {str(name): _light(item, depth + 1) for name, item in value.items()}
    if isinstance(value, list):
        return [_light(item, depth + 1) for item in value]
    return value


def _is_conversation(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_message, value))


def _is_message(value: Any) -> bool:
    return isinstance(value, dict) and ("role" in value or "content" in value or "kwargs" in value)


def answer_of(messages: Iterable[Message]) -> tuple[str, str]:
    """The response of output messages: text, and the other parts as JSON."""
    texts: list[str] = []
    parts: list[Any] = []
    for message in messages:
        if message.content:
            texts.append(message.content)
        if message.parts:
            found = try_json(message.parts)
            parts.extend(found if isinstance(found, list) else [found])
    return "\n\n".join(texts), to_json(parts) if parts else ""


def documents_of(value: Any) -> tuple[str, ...]:
    """Texts of retrieved documents: a text, a list of texts, or objects that hold their text under a usual name."""
    value = try_json(value)
    if value is None or value == "":
        return ()
    if not isinstance(value, list):
        value = [value]
    texts = []
    for item in value:
        text = item
        if isinstance(item, dict):
            for name in ("content", "page_content", "text", "document"):
                if isinstance(item.get(name), str):
                    text = item[name]
                    break
        texts.append(text if isinstance(text, str) else to_json(text))
    return tuple(text for text in texts if text)
