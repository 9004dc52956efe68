"""Wrapped clients of OpenAI and Anthropic: the same calls, and that the client's user notices nothing."""

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "clients"))

from anthropic import Anthropic, AsyncAnthropic
from openai import AsyncOpenAI, AsyncStream, OpenAI, RateLimitError, Stream
from standard_calls import (
    ANTHROPIC_MODEL,
    KEY,
    MONITOR,
    OPENAI_MODEL,
    SESSION,
    USER,
    anthropic_client,
    call_anthropic,
    call_openai,
    call_responses,
    conversation,
    openai_client,
)

import monitor

monitor.init(endpoint=MONITOR, api_key=KEY)
WHO = {"session_id": SESSION, "user_id": USER}
ANSWER = "The shop opens at nine."
ASKED = {"model": ANTHROPIC_MODEL, "max_tokens": 50, "messages": [{"role": "user", "content": "Open?"}]}

client = openai_client(OpenAI)
assert monitor.wrap(client, **WHO) is client
monitor.wrap(client)  # does nothing
call_openai(client)
call_responses(client)
claude = monitor.wrap(anthropic_client(Anthropic), **WHO)
call_anthropic(claude)

# What the user of the client sees is as before.
stream = client.chat.completions.create(model=OPENAI_MODEL, messages=conversation("typed"), stream=True)
assert isinstance(stream, Stream)
with stream:
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices) == ANSWER
refused = None
try:
    client.chat.completions.create(model=OPENAI_MODEL, messages=conversation("Please fail 429."))
except RateLimitError as error:
    refused = error.status_code
assert refused == 429
raw = client.chat.completions.with_raw_response.create(model=OPENAI_MODEL, messages=conversation("raw"))
assert raw.headers["x-request-id"] == "req_1"
assert raw.parse().choices[0].message.content == ANSWER
other = client.with_options(timeout=5.0)
assert isinstance(other, OpenAI)
other.chat.completions.create(model=OPENAI_MODEL, messages=conversation("other options"))
with client.chat.completions.stream(model=OPENAI_MODEL, messages=conversation("helper")) as events:
    assert events.get_final_completion().choices[0].message.content == ANSWER
with claude.messages.stream(**ASKED) as events:
    assert "".join(events.text_stream) == ANSWER
    assert events.get_final_message().usage.output_tokens == 40
broken_off = client.chat.completions.create(model=OPENAI_MODEL, messages=conversation("broken off"), stream=True)
for chunk in broken_off:
    if chunk.choices and chunk.choices[0].delta.content:
        break
del broken_off


async def asynchronously() -> None:
    """The same with the asynchronous clients, inside an observed function."""
    several = monitor.wrap(openai_client(AsyncOpenAI), **WHO)
    answer = await several.chat.completions.create(model=OPENAI_MODEL, messages=conversation("async"))
    assert answer.choices[0].message.content == ANSWER
    stream = await several.chat.completions.create(
        model=OPENAI_MODEL, messages=conversation("async stream"), stream=True
    )
    assert isinstance(stream, AsyncStream)
    words = [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]
    assert "".join(words) == ANSWER
    claudes = monitor.wrap(anthropic_client(AsyncAnthropic), **WHO)
    async with claudes.messages.stream(**ASKED) as events:
        assert "".join([text async for text in events.text_stream]) == ANSWER
    assert (await claudes.messages.create(**ASKED)).content[0].text == ANSWER


@monitor.observe(name="answering")
def answering() -> str:
    """A function whose calls are parts of its trace."""
    found = client.chat.completions.create(model=OPENAI_MODEL, messages=conversation("nested"))
    with monitor.span("streamed by hand", kind="llm", model="own", prompt="by hand") as call:
        for piece in ("so ", "it ", "is"):
            call.chunk(piece)
        call.set(usage={"prompt_tokens": 3, "completion_tokens": 4}, tags={"hand": True})
        assert monitor.log_feedback("thumb", True, id=call.id)
    return str(found.choices[0].message.content)


asyncio.run(asynchronously())
assert answering() == ANSWER
assert monitor.wrap("not a client") == "not a client"
assert monitor.flush(10) == 0
