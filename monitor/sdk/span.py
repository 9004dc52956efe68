"""`with monitor.span(...)`: what happens inside is one record, also where the answer comes in pieces."""

from __future__ import annotations

from contextvars import Token
from types import TracebackType
from typing import Any, Self, Unpack

from monitor.sdk import client
from monitor.sdk.client import CallFields
from monitor.sdk.observing import Observation, joined, leave


class Span:
    """An operation under way: opened by `with` or `async with`, reported at its end.

    Observed functions, wrapped clients and `log_call` inside it become its parts. An error that leaves the block is
    reported and goes on.
    """

    def __init__(self, name: str, fields: CallFields) -> None:
        self._name = name
        self._fields = fields
        self._observation: Observation | None = None
        self._token: Token[Observation | None] | None = None

    @property
    def id(self) -> str:
        """The id by which `log_feedback` can be told of it; empty before the block."""
        inner = self._observation
        return f"{inner.trace_id}:{inner.span_id}" if inner is not None else ""

    def chunk(self, piece: Any) -> None:
        """Takes a piece of the answer as it arrives; the first one is timed."""
        if self._observation is not None:
            self._observation.collect(piece)

    def set(self, **fields: Unpack[CallFields]) -> None:
        """Adds fields of the call record, such as `response`, `model`, `usage`, tokens or `tags`."""
        if self._observation is not None:
            self._observation.add(fields)

    def __enter__(self) -> Self:
        try:
            self._observation = Observation(self._name, self._fields, "")
            self._token = self._observation.enter()
        except Exception as problem:
            client.failed(problem)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._observation is None:
            return
        if self._token is not None:
            leave(self._token)
        self._observation.finish(joined(self._observation.items) if self._observation.items else None, error)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)


def span(name: str, /, **fields: Unpack[CallFields]) -> Span:
    """A context manager around an operation; `fields` are those of the call record.

    Without `kind` it is a call (`llm`), or a `chain` where another call was reported inside.
    """
    return Span(name, fields)
