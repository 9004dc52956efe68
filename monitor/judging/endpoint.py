"""One question to an OpenAI-compatible endpoint (POST .../chat/completions), with an end to waiting and to reading."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

import msgspec

from monitor.errors import SettingsError
from monitor.records import Tokens

_LARGEST_ANSWER = 1_000_000
_PIECE = 65_536
_WORTH_ANOTHER_TRY = (408, 409, 425)
_NOT_NOW = (401, 402, 403, 404, 429)


@dataclass(frozen=True)
class Endpoint:
    """Where a model answers, and as whom it is asked."""

    url: str
    model: str
    key: str
    timeout_seconds: float = 30.0
    most_tokens: int = 200


@dataclass(frozen=True)
class Reply:
    """What came back: the text with the tokens it took (None where nothing was said of them), or what went wrong.

    `retry` where another try may help; `stop` where the endpoint wants to be left alone for now.
    """

    text: str = ""
    tokens: Tokens | None = None
    problem: str = ""
    retry: bool = False
    stop: bool = False


class _Message(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    message: _Message


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Answer(msgspec.Struct):
    choices: list[_Choice]
    usage: _Usage | None = None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: the key is for the address that was set, and for no other."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def address_of(url: str, setting: str) -> str:
    """The address of chat completions under a base such as https://api.example.com/v1. Raises SettingsError."""
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
        raise SettingsError(f"{setting} is not an http or https address.")
    return url if url.rstrip("/").endswith("/chat/completions") else f"{url.rstrip('/')}/chat/completions"


def ask(endpoint: Endpoint, prompt: str, *, temperature: float = 0.0) -> Reply:
    """Asks, and waits no longer than the endpoint's time-out for the whole answer. Never raises; tells no secret."""
    document = {
        "model": endpoint.model,
        "messages": [{"role": "user", "content": prompt}],
        "temperature": temperature,
        "max_tokens": endpoint.most_tokens,
    }
    headers = {"Content-Type": "application/json", "User-Agent": "llmops-monitor"}
    if endpoint.key:
        headers["Authorization"] = f"Bearer {endpoint.key}"
    end = time.monotonic() + endpoint.timeout_seconds
    try:
        body = msgspec.json.encode(document)
        request = urllib.request.Request(endpoint.url, data=body, headers=headers, method="POST")  # noqa: S310
        opener = urllib.request.build_opener(_NoRedirects)
        with opener.open(request, timeout=endpoint.timeout_seconds) as answer:
            return _read(_all_of(answer, end))
    except urllib.error.HTTPError as error:
        error.close()
        retry = error.code >= 500 or error.code in _WORTH_ANOTHER_TRY
        return Reply(
            problem=f"the endpoint answered {error.code}", retry=retry, stop=error.code in (401, 403, 404, 429)
        )
    except TimeoutError:
        return Reply(problem="the endpoint took too long", retry=True)
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, TimeoutError):
            return Reply(problem="the endpoint took too long", retry=True)
        return Reply(problem=f"the endpoint could not be reached ({type(reason).__name__})", retry=True)


def _all_of(answer: Any, end: float) -> bytes:
    parts: list[bytes] = []
    size = 0
    while part := answer.read1(_PIECE):
        parts.append(part)
        size += len(part)
        if time.monotonic() > end:
            raise TimeoutError
        if size > _LARGEST_ANSWER:
            break
    return b"".join(parts)


def _read(data: bytes) -> Reply:
    try:
        answer = msgspec.json.decode(data, type=_Answer)
    except msgspec.MsgspecError:
        return Reply(problem="the answer is no chat completion")
    usage = answer.usage
    tokens = None
    if usage is not None and usage.prompt_tokens >= 0 and usage.completion_tokens >= 0:
        tokens = Tokens(input_uncached=usage.prompt_tokens, output_text=usage.completion_tokens)
    text = answer.choices[0].message.content if answer.choices else None
    return Reply(text=text or "", tokens=tokens)
