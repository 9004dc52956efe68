"""`@monitor.observe`: a function's inputs, output, error, duration and place in the trace become a record."""

from __future__ import annotations

import functools
import inspect
import json
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import suppress
from contextvars import Token
from typing import Any, TypeVar, Unpack, cast, overload

from monitor.clock import now
from monitor.sdk import client
from monitor.sdk.client import CallFields, current
from monitor.sdk.snapshot import snapshot

Function = TypeVar("Function", bound=Callable[..., Any])

MAX_COLLECTED = 10_000
PROMPT_PARAMETERS = ("messages", "prompt")


def leave(token: Token[Observation | None]) -> None:
    """Undoes `Observation.enter`. A coroutine that is thrown away may be closed in another context: nothing to undo."""
    with suppress(ValueError):
        current.reset(token)


class Observation:
    """One run of an observed function: opened before it, closed after it."""

    def __init__(self, name: str, fields: CallFields, inputs: Any) -> None:
        parent = current.get()
        self.parent = parent
        self.trace_id: str = parent.trace_id if parent is not None else client.new_trace_id()
        self.span_id = client.new_span_id()
        self.has_call = False
        self.fields: dict[str, Any] = {"name": name, "prompt": inputs, **fields}
        self.time = now()
        self.started = time.perf_counter()
        self.first_s: float | None = None
        self.items: list[Any] = []
        self.finished = False

    def enter(self) -> Token[Observation | None]:
        """Makes this the innermost observation."""
        return current.set(self)

    def collect(self, item: Any) -> None:
        """Remembers a yielded item; after 10,000 the rest is left out."""
        self.arrived()
        if len(self.items) < MAX_COLLECTED:
            self.items.append(item)

    def arrived(self) -> None:
        """Says that a piece of the answer is there; the first one is timed."""
        if self.first_s is None:
            self.first_s = time.perf_counter() - self.started

    def add(self, fields: CallFields) -> None:
        """Adds fields; tags come beside those there are; never raises."""
        try:
            tags = fields.get("tags")
            if isinstance(tags, dict):
                self.fields["tags"] = {**self.fields.get("tags", {}), **tags}
            fixed = {"tags", "id", "trace_id"}
            self.fields.update({name: value for name, value in fields.items() if name not in fixed})
        except Exception as problem:
            client.failed(problem)

    def finish(self, output: Any = None, error: BaseException | None = None) -> None:
        """Reports the record; never raises."""
        if self.finished:
            return
        self.finished = True
        try:
            self._report(output, error)
        except Exception as problem:
            client.failed(problem)

    def _inherited(self) -> dict[str, Any]:
        """Parent, session and user of the observation around this one; the session's and the user's are found above."""
        found: dict[str, Any] = {}
        above = self.parent
        if above is not None:
            found["parent_id"] = above.span_id
        while above is not None:
            for name in ("session_id", "user_id"):
                if above.fields.get(name):
                    found.setdefault(name, above.fields[name])
            above = above.parent
        return found

    def _report(self, output: Any, error: BaseException | None) -> None:
        kind = self.fields.get("kind") or ("chain" if self.has_call else "llm")
        record: dict[str, Any] = {
            "id": self.span_id,
            "trace_id": self.trace_id,
            "kind": kind,
            "time": self.time,
            "latency_s": time.perf_counter() - self.started,
            "response": _text(output),
            **self._inherited(),
            **({"time_to_first_token_s": self.first_s} if self.first_s is not None else {}),
            **self.fields,
        }
        if error is not None:
            record["status"] = "error"
            record["error"] = f"{type(error).__name__}: {error}"
        if self.parent is not None and (kind == "llm" or self.has_call):
            self.parent.has_call = True
        client.submit_call(client.get_client(), record)


@overload
def observe(function: Function, /) -> Function: ...


@overload
def observe(*, capture: bool = True, **fields: Unpack[CallFields]) -> Callable[[Function], Function]: ...


def observe(function: Any = None, /, *, capture: bool = True, **fields: Unpack[CallFields]) -> Any:
    """Reports each run of a function, coroutine, generator or asynchronous generator.

    Inputs become the prompt (an argument called `messages` or `prompt` alone, else the only argument, else all by
    name), what is returned or yielded becomes the response; `capture=False` leaves both out. Observed functions that
    call each other share a trace. `fields` are those of the call record, the same for each run; `annotate` adds what is
    known only inside. Without `kind`, a function in which another call was reported is a `chain`, any other one is a
    call (`llm`). The function behaves as before: same result, same errors, and nothing of this can make it fail.
    """
    if function is None:
        return lambda decorated: _wrap(decorated, capture, fields)
    return _wrap(function, capture, fields)


def annotate(**fields: Unpack[CallFields]) -> str:
    """Adds fields to the record of the innermost observed function, such as `model`, tokens, `user_id` or `tags`.

    Answers the id by which `log_feedback` can be told of that call later; empty outside observed functions.
    """
    inner = current.get()
    if inner is None:
        return ""
    inner.add(fields)
    return f"{inner.trace_id}:{inner.span_id}"


def _wrap(function: Function, capture: bool, fields: CallFields) -> Function:
    name = getattr(function, "__qualname__", "function")
    signature = _signature(function) if capture else None

    def start(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Observation | None:
        try:
            return Observation(name, fields, _inputs(signature, args, kwargs) if capture else "")
        except Exception as problem:
            client.failed(problem)
            return None

    if inspect.isasyncgenfunction(function):
        wrapper = _async_generator(function, start, capture)
    elif inspect.isgeneratorfunction(function):
        wrapper = _generator(function, start, capture)
    elif inspect.iscoroutinefunction(function):
        wrapper = _coroutine(function, start, capture)
    else:
        wrapper = _plain(function, start, capture)
    return cast(Function, functools.wraps(function)(wrapper))


Start = Callable[[tuple[Any, ...], dict[str, Any]], Observation | None]


def _plain(function: Callable[..., Any], start: Start, capture: bool) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        observation = start(args, kwargs)
        if observation is None:
            return function(*args, **kwargs)
        token = observation.enter()
        try:
            output = function(*args, **kwargs)
        except BaseException as error:
            observation.finish(error=error)
            raise
        else:
            observation.finish(output if capture else None)
            return output
        finally:
            leave(token)

    return run


def _coroutine(function: Callable[..., Any], start: Start, capture: bool) -> Callable[..., Any]:
    async def run(*args: Any, **kwargs: Any) -> Any:
        observation = start(args, kwargs)
        if observation is None:
            return await function(*args, **kwargs)
        token = observation.enter()
        try:
            output = await function(*args, **kwargs)
        except BaseException as error:
            observation.finish(error=error)
            raise
        else:
            observation.finish(output if capture else None)
            return output
        finally:
            leave(token)

    return run


def _generator(function: Callable[..., Any], start: Start, capture: bool) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        observation = start(args, kwargs)
        inner: Generator[Any, Any, Any] = function(*args, **kwargs)
        if observation is None:
            return (yield from inner)
        step: Callable[[], Any] = functools.partial(next, inner)
        try:
            while True:
                # The consumer's code between two items is not part of this function: the context is set for steps only.
                token = observation.enter()
                try:
                    item = step()
                finally:
                    leave(token)
                observation.collect(item if capture else None)
                try:
                    step = functools.partial(inner.send, (yield item))
                except GeneratorExit:
                    inner.close()
                    raise
                except BaseException as thrown:
                    step = functools.partial(inner.throw, thrown)
        except StopIteration as stop:
            observation.finish(joined(observation.items) if capture else None)
            return stop.value
        except GeneratorExit:
            observation.finish(joined(observation.items) if capture else None)
            raise
        except BaseException as error:
            observation.finish(joined(observation.items) if capture else None, error)
            raise

    return run


def _async_generator(function: Callable[..., Any], start: Start, capture: bool) -> Callable[..., Any]:
    async def run(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        observation = start(args, kwargs)
        inner: AsyncGenerator[Any, Any] = function(*args, **kwargs)
        if observation is None:
            async for item in inner:
                yield item
            return
        step: Callable[[], Any] = functools.partial(anext, inner)
        try:
            while True:
                token = observation.enter()
                try:
                    item = await step()
                finally:
                    leave(token)
                observation.collect(item if capture else None)
                try:
                    step = functools.partial(inner.asend, (yield item))
                except GeneratorExit:
                    await inner.aclose()
                    raise
                except BaseException as thrown:
                    step = functools.partial(inner.athrow, thrown)
        except (StopAsyncIteration, GeneratorExit) as end:
            observation.finish(joined(observation.items) if capture else None)
            if isinstance(end, GeneratorExit):
                raise
        except BaseException as error:
            observation.finish(joined(observation.items) if capture else None, error)
            raise

    return run


def _signature(function: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None


def _inputs(signature: inspect.Signature | None, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    named: dict[str, Any] = dict(kwargs)
    if signature is not None:
        try:
            named = dict(signature.bind(*args, **kwargs).arguments)
        except TypeError:
            named = {**{str(index): value for index, value in enumerate(args)}, **kwargs}
    named.pop("self", None)
    named.pop("cls", None)
    for parameter in PROMPT_PARAMETERS:
        if parameter in named:
            return _prompt(named[parameter])
    return _prompt(next(iter(named.values())) if len(named) == 1 else named)


def _prompt(value: Any) -> Any:
    """A text or a list of messages stays what it is (the record's field takes both); anything else becomes text."""
    if isinstance(value, (list, tuple)) and value and all(isinstance(item, dict) and "role" in item for item in value):
        return snapshot(value)[0]
    return _text(value)


def joined(items: list[Any]) -> Any:
    """The answer as it was streamed: pieces of text joined, anything else as a list."""
    return "".join(items) if all(isinstance(item, str) for item in items) else items


def _text(value: Any) -> str:
    """A text as it is, nothing as nothing, anything else as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(snapshot(value)[0], ensure_ascii=False)
