"""What the methods of an OpenAI client say of a call: chat completions, responses, embeddings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.sdk.wrapping import Method, plain


def methods(client: Any) -> tuple[Method, ...]:
    """The methods to report; the provider is told by the client's class (OpenAI or Azure) or its address."""
    provider = _provider(client)

    def chat(kwargs: Mapping[str, Any]) -> dict[str, Any]:
        return _request(kwargs, provider, plain_list(kwargs.get("messages")))

    def response(kwargs: Mapping[str, Any]) -> dict[str, Any]:
        prompt = plain_list(kwargs.get("input"))
        if kwargs.get("instructions"):
            asked = prompt if isinstance(prompt, list) else [{"role": "user", "content": prompt}]
            prompt = [{"role": "system", "content": kwargs["instructions"]}, *asked]
        return _request(kwargs, provider, prompt)

    def embedding(kwargs: Mapping[str, Any]) -> dict[str, Any]:
        given = kwargs.get("input")
        texts = given if isinstance(given, str) else "\n".join(item for item in given or () if isinstance(item, str))
        return {**_request(kwargs, provider, texts), "kind": "embedding"}

    return (
        Method(("chat", "completions", "create"), chat, _chat_answer, ChatStream),
        Method(("chat", "completions", "parse"), chat, _chat_answer, ChatStream),
        Method(("responses", "create"), response, _response_answer, ResponseStream),
        Method(("responses", "parse"), response, _response_answer, ResponseStream),
        Method(("embeddings", "create"), embedding, _embedding_answer),
    )


def _provider(client: Any) -> str:
    if "Azure" in type(client).__name__:
        return "azure"
    host = getattr(getattr(client, "base_url", None), "host", "") or ""
    known = {
        "openai.com": "openai",
        "openrouter.ai": "openrouter",
        "groq.com": "groq",
        "mistral.ai": "mistral",
        "deepseek.com": "deepseek",
        "x.ai": "x-ai",
        "together.xyz": "together",
        "fireworks.ai": "fireworks",
        "googleapis.com": "google",
    }
    return next((name for end, name in known.items() if host == end or host.endswith(f".{end}")), "openai")


def plain_list(value: Any) -> Any:
    """Messages as JSON types, each of them; a text stays a text."""
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value or ""


def _request(kwargs: Mapping[str, Any], provider: str, prompt: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"kind": "llm", "provider": provider, "prompt": prompt}
    if kwargs.get("model"):
        found["requested_model"] = found["model"] = str(kwargs["model"])
    who = kwargs.get("safety_identifier") or kwargs.get("user")
    if isinstance(who, str):
        found["user_id"] = who
    return found


def _common(answer: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ("model", "service_tier"):
        value = getattr(answer, name, None)
        if isinstance(value, str) and value:
            found[name] = value
    if isinstance(number := getattr(answer, "id", None), str):
        found["response_id"] = number
    usage = getattr(answer, "usage", None)
    if usage is not None:
        found["usage"] = plain(usage)
    return found


def _chat_answer(answer: Any) -> dict[str, Any]:
    found = _common(answer)
    choices = getattr(answer, "choices", None) or []
    if choices:
        found["response"] = [plain(choice.message) for choice in choices]
        found["finish_reason"] = str(choices[0].finish_reason or "")
    return found


def _response_answer(answer: Any) -> dict[str, Any]:
    found = _common(answer)
    found["response"] = output_messages(plain(answer).get("output") or [])
    reason = getattr(getattr(answer, "incomplete_details", None), "reason", None)
    found["finish_reason"] = {"max_output_tokens": "length"}.get(reason, reason) if reason else "stop"
    if any(message.get("tool_calls") for message in found["response"]):
        found["finish_reason"] = "tool_calls"
    return found


def output_messages(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Items of a response's output as messages; what the model thought and called stands beside its words."""
    messages: list[dict[str, Any]] = []
    for item in items:
        if item.get("type") == "message":
            messages.append({"role": "assistant", "content": item.get("content") or ""})
        elif item.get("type") == "function_call":
            messages.append({"role": "assistant", "content": "", "tool_calls": [item]})
        else:
            messages.append({"role": "assistant", "content": [item]})
    return messages


def _embedding_answer(answer: Any) -> dict[str, Any]:
    return _common(answer)


class ChatStream:
    """Chunks of a chat completion put together: text, calls of tools, the last usage."""

    def __init__(self) -> None:
        self._texts: dict[int, list[str]] = {}
        self._calls: dict[tuple[int, int], dict[str, Any]] = {}
        self._reason = ""
        self._common: dict[str, Any] = {}

    def add(self, event: Any) -> bool:
        """Takes a chunk; true where it carries content."""
        self._common.update(_common(event))
        content = False
        for choice in getattr(event, "choices", None) or ():
            delta = choice.delta
            if getattr(delta, "content", None):
                self._texts.setdefault(choice.index, []).append(delta.content)
                content = True
            for call in getattr(delta, "tool_calls", None) or ():
                self._add_call(choice.index, call)
                content = True
            self._reason = choice.finish_reason or self._reason
        return content

    def _add_call(self, choice: int, call: Any) -> None:
        known = self._calls.setdefault(
            (choice, call.index), {"id": None, "type": "function", "function": {"name": "", "arguments": ""}}
        )
        known["id"] = call.id or known["id"]
        if call.function is not None:
            known["function"]["name"] += call.function.name or ""
            known["function"]["arguments"] += call.function.arguments or ""

    def fields(self) -> dict[str, Any]:
        """The call so far."""
        messages = []
        for index in sorted({*self._texts, *(choice for choice, _ in self._calls)}):
            message: dict[str, Any] = {"role": "assistant", "content": "".join(self._texts.get(index, []))}
            calls = [call for (choice, _), call in sorted(self._calls.items()) if choice == index]
            messages.append({**message, "tool_calls": calls} if calls else message)
        return {**self._common, "response": messages, "finish_reason": self._reason}


class ResponseStream:
    """Events of the responses API: the last one holds the whole response; before it, the text as it came."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._whole: dict[str, Any] | None = None

    def add(self, event: Any) -> bool:
        """Takes an event; true where it carries text or arguments of a call."""
        kind = str(getattr(event, "type", ""))
        if kind == "response.output_text.delta":
            self._texts.append(event.delta)
        if kind in ("response.completed", "response.incomplete", "response.failed"):
            self._whole = _response_answer(event.response)
        return kind in ("response.output_text.delta", "response.function_call_arguments.delta")

    def fields(self) -> dict[str, Any]:
        """The call so far."""
        return self._whole if self._whole is not None else {"response": "".join(self._texts)}
