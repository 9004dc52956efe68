"""An explanation as it is stored, shown, mailed and sent: plain values in the unit of the signal, times in UTC."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

VERSION = 1
Verdict = Literal["mix", "behaviour", "both", "unclear"]


class Since(msgspec.Struct, frozen=True):
    """Start of the first block after the change, and of the first and last block that it could be (95 %)."""

    at: datetime
    first: datetime
    last: datetime
    block: Literal["hour", "day"]


class Where(msgspec.Struct, frozen=True):
    """A segment that explains the change better than "everywhere".

    `values` has one value for each of its one or two dimensions; `share` is its part of the calls since the change;
    `explains` how much of the change of the mean is its own; `strength` by how many standard errors it differs from the
    rest on users that were not searched; `same` are other names of the same calls.
    """

    values: dict[str, str]
    share: float
    before: float | None
    after: float | None
    rest_before: float | None
    rest_after: float | None
    explains: float | None
    strength: float
    same: tuple[str, ...] = ()


class MixturePart(msgspec.Struct, frozen=True):
    """What one value of a dimension adds to mix and behaviour; `value` is None for calls without one."""

    value: str | None
    share_before: float
    share_after: float
    mean_before: float | None
    mean_after: float | None
    mix: float
    behaviour: float


class Mixture(msgspec.Struct, frozen=True):
    """The change of the mean over calls, by the values of a dimension: `mix + behaviour` is `change`, and so are the
    sums over the parts. Values beyond the largest are one part, "(rest)"."""

    dimension: str
    change: float
    mix: float
    behaviour: float
    verdict: Verdict
    parts: tuple[MixturePart, ...]


class Word(msgspec.Struct, frozen=True):
    """A phrase, the shares of texts that have it before and since, and its score (standard errors of the log-odds)."""

    text: str
    before: float
    after: float
    score: float


class Topic(msgspec.Struct, frozen=True):
    """A group of similar texts by its words, with its shares before and since."""

    words: tuple[str, ...]
    before: float
    after: float
    score: float


class Suspect(msgspec.Struct, frozen=True):
    """A value that appeared or vanished near the change; `explains` is the share of the change that goes with it."""

    dimension: str
    value: str
    event: Literal["appeared", "vanished"]
    before: float
    after: float
    explains: float | None
    moment: datetime


class Example(msgspec.Struct, frozen=True):
    """A call by its trace and span."""

    trace_id: str
    span_id: str


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Why one alarm rang, from a sample of the calls of its stream.

    `before` and `after` are the means over the `calls_before` and `calls_after` calls of the sample (for vectors along
    the direction of the change); `what` says which value of a category or which tail they are the share of.
    """

    version: int = VERSION
    made: datetime
    calls_before: int
    calls_after: int
    before: float | None
    after: float | None
    what: str = ""
    since: Since | None = None
    where: tuple[Where, ...] = ()
    mixture: Mixture | None = None
    prompt_words: tuple[Word, ...] = ()
    response_words: tuple[Word, ...] = ()
    prompt_topics: tuple[Topic, ...] = ()
    response_topics: tuple[Topic, ...] = ()
    suspects: tuple[Suspect, ...] = ()
    examples_before: tuple[Example, ...] = ()
    examples_after: tuple[Example, ...] = ()
