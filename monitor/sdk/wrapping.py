"""`monitor.wrap(client)`: every call of a provider's client becomes a record, and the client stays what it was.

The methods of the client object are replaced on the object itself, so that its type, its results and its errors are the
same as before. A stream is reported when it ends, is broken off or thrown away.
"""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, Unpack

from monitor.sdk import client as reporting
from monitor.sdk.client import CallFields
from monitor.sdk.observing import Observation

logger = logging.getLogger("monitor.sdk")

ClientType = TypeVar("ClientType")
_MARK = "_monitor_wrapped"


class Collector(Protocol):
    """What a stream amounts to: told each event, it answers the fields of the call in the end."""

    def add(self, event: Any) -> bool:
        """Takes an event; true where it carries the first or further content of the answer."""
        ...

    def fields(self) -> dict[str, Any]:
        """The fields of the call record so far."""
        ...


@dataclass(frozen=True)
class Method:
    """A method of a client, by its path: what its arguments and its result say of the call.

    `stream_factories` name attributes of what the method returns that make a stream (`with client.messages.stream()`).
    """

    path: tuple[str, ...]
    asked: Callable[[Mapping[str, Any]], dict[str, Any]]
    answered: Callable[[Any], dict[str, Any]]
    collector: Callable[[], Collector] | None = None
    stream_factories: tuple[str, ...] = ()


def wrap(client: ClientType, **fields: Unpack[CallFields]) -> ClientType:
    """Reports every call of an `openai` or `anthropic` client, synchronous or asynchronous; answers the same client.

    `fields` are those of the call record, the same for each call, such as `feature` or `tags`; inside an observed
    function the calls become part of its trace. Clients made of it (`with_options`, `copy`) are wrapped too. Wrapping
    it again does nothing. Anything else is answered as it is, with a warning in the log.
    """
    try:
        methods = _methods_of(client)
        if methods is None:
            logger.warning("monitor.wrap knows clients of openai and anthropic; this one is not reported.")
        elif not getattr(client, _MARK, False):
            _wrap_all(client, methods, fields)
    except Exception as error:
        logger.warning("A client could not be wrapped: %s.", type(error).__name__)
    return client


def _methods_of(client: Any) -> tuple[Method, ...] | None:
    for kind in type(client).__mro__:
        package = kind.__module__.partition(".")[0]
        if package == "openai":
            from monitor.sdk import openai_calls

            return openai_calls.methods(client)
        if package == "anthropic":
            from monitor.sdk import anthropic_calls

            return anthropic_calls.METHODS
    return None


def _wrap_all(client: Any, methods: tuple[Method, ...], fields: CallFields) -> None:
    for method in methods:
        owner = client
        try:
            for name in method.path[:-1]:
                owner = getattr(owner, name)
            original = getattr(owner, method.path[-1])
        except AttributeError:
            continue  # An older client that does not have it.
        setattr(owner, method.path[-1], _reported(original, method, fields))
    for name in ("with_options", "copy"):
        original = getattr(client, name, None)
        if original is not None:
            setattr(client, name, _wrapping(original, fields))
    setattr(client, _MARK, True)


def _wrapping(original: Callable[..., Any], fields: CallFields) -> Callable[..., Any]:
    @functools.wraps(original)
    def made(*args: Any, **kwargs: Any) -> Any:
        return wrap(original(*args, **kwargs), **fields)

    return made


def _reported(original: Callable[..., Any], method: Method, fields: CallFields) -> Callable[..., Any]:
    @functools.wraps(original)
    def run(*args: Any, **kwargs: Any) -> Any:
        call = _Call.begin(method, kwargs, fields)
        if call is None:
            return original(*args, **kwargs)
        try:
            result = original(*args, **kwargs)
        except BaseException as error:
            call.failed(error)
            raise
        return _awaited(call, result) if inspect.isawaitable(result) else call.returned(result)

    return run


async def _awaited(call: _Call, result: Awaitable[Any]) -> Any:
    try:
        found = await result
    except BaseException as error:
        call.failed(error)
        raise
    return call.returned(found)


class _Call:
    """One call on its way."""

    def __init__(self, method: Method, observation: Observation) -> None:
        self._method = method
        self._observation = observation

    @classmethod
    def begin(cls, method: Method, kwargs: Mapping[str, Any], fields: CallFields) -> _Call | None:
        try:
            # What the client writes for "not given" is no value.
            given = {name: value for name, value in kwargs.items() if type(value).__name__ not in ("NotGiven", "Omit")}
            observation = Observation(".".join(method.path), fields, "")
            observation.fields = {**observation.fields, **method.asked(given), **fields}
        except Exception as error:
            reporting.failed(error)
            return None
        return cls(method, observation)

    def failed(self, error: BaseException) -> None:
        self._observation.finish(error=error)

    def returned(self, result: Any) -> Any:
        """Reports the result, or sees to it that a stream is reported when it ends; answers the result."""
        try:
            for name in self._method.stream_factories:
                if hasattr(result, name):
                    self._follow_factory(result, name)
                    return result
            if hasattr(result, "_iterator") and self._method.collector is not None:
                self._follow(result)
                return result
            # A raw response, asked for with `with_raw_response`, keeps what it parsed.
            parsed = result.parse() if hasattr(result, "parse") and hasattr(result, "http_response") else result
            if hasattr(parsed, "_iterator") and self._method.collector is not None:
                self._follow(parsed)
                return result
            self._observation.fields.update(self._method.answered(parsed))
            self._observation.finish()
        except Exception as error:
            self._observation.finish()
            reporting.failed(error)
        return result

    def _follow_factory(self, manager: Any, name: str) -> None:
        made = getattr(manager, name)

        def run() -> Any:
            stream = made()
            return _awaited(self, stream) if inspect.isawaitable(stream) else self.returned(stream)

        # An asynchronous manager holds the awaitable itself.
        setattr(manager, name, _awaited(self, made) if inspect.isawaitable(made) else run)

    def _follow(self, stream: Any) -> None:
        assert self._method.collector is not None  # noqa: S101
        collector = self._method.collector()
        inner = stream._iterator
        several = hasattr(inner, "__anext__")
        stream._iterator = self._collected_later(inner, collector) if several else self._collected(inner, collector)

    def _collected(self, inner: Iterator[Any], collector: Collector) -> Iterator[Any]:
        with self._to_its_end(collector):
            for event in inner:
                self._add(collector, event)
                yield event

    async def _collected_later(self, inner: AsyncIterator[Any], collector: Collector) -> AsyncIterator[Any]:
        with self._to_its_end(collector):
            async for event in inner:
                self._add(collector, event)
                yield event

    @contextmanager
    def _to_its_end(self, collector: Collector) -> Iterator[None]:
        """Reports the stream when it ends, fails, is broken off or thrown away."""
        problem: BaseException | None = None
        try:
            yield
        except GeneratorExit:
            raise
        except BaseException as error:
            problem = error
            raise
        finally:
            self._ended(collector, problem)

    def _add(self, collector: Collector, event: Any) -> None:
        try:
            if collector.add(event):
                self._observation.arrived()
        except Exception as error:
            reporting.failed(error)

    def _ended(self, collector: Collector, problem: BaseException | None) -> None:
        try:
            self._observation.fields.update(collector.fields())
        except Exception as error:
            reporting.failed(error)
        self._observation.finish(error=problem)


def plain(value: Any) -> Any:
    """An object of the client as JSON types; anything else as it is."""
    dump = getattr(value, "model_dump", None)
    return dump(mode="json", exclude_none=True) if callable(dump) else value
