"""What a list of calls is narrowed to, and the SQL that says so.

A condition on a signal is written in an address as

=====================  ================================================================
`refusal:true`         a flag that is set (`false`: measured and not set)
`latency_s:2..`        a number from 2 (`..5` up to 5, `2..5` between, `..` measured at all)
`format:json`          a category with that value
`refusal`              a flag on its worse side (false where up is good); else measured at all
=====================  ================================================================

Several are joined by `;`. Signals `feedback.<name>` mean the feedback given on the call, its trace or its session.
What has a column of its own is compared in SQL; other signals are unpacked call by call, which is why lists of calls
look at a bounded number of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Text, and_, case, cast, exists, false, func, or_, select, true

from monitor import tables
from monitor.contracts import WHOLE, Kind, Segment
from monitor.errors import InputError
from monitor.identifiers import pack_identifier
from monitor.model_names import model_family
from monitor.profile import OTHER
from monitor.store import Store, table_of

SPAN = table_of(tables.Span)
ENRICHMENT = table_of(tables.Enrichment)
FEEDBACK = table_of(tables.Feedback)
_SEGMENT = table_of(tables.Segment)

FEEDBACK_PREFIX = "feedback."
_RANGE = re.compile(r"\s*([-+.\deE]*)\s*\.\.\s*([-+.\deE]*)\s*\Z")
_NAME = re.compile(r"[^\";:]{1,120}\Z")
_TEXT_COLUMNS = ("model", "provider", "environment", "release", "prompt_version", "feature", "finish_reason")
_NUMBER_COLUMNS = ("latency_s", "time_to_first_token_s", "input_tokens", "output_tokens")
_SESSIONS_CAP = 2_000
MAX_SEGMENT_VALUE = 100


@dataclass(frozen=True)
class SignalCondition:
    """One condition on a signal. Without value and bounds: the worse side of a flag, else measured at all."""

    name: str
    value: str | None = None
    low: float | None = None
    high: float | None = None
    measured: bool = False

    @classmethod
    def parse(cls, text: str) -> SignalCondition:
        """The condition that is written so; raises InputError where it is none."""
        name, separator, rest = text.strip().partition(":")
        if not _NAME.match(name):
            raise InputError(f"{text!r} is not a condition on a signal; write name, name:value or name:low..high.")
        if not separator:
            return cls(name)
        bounds = _RANGE.match(rest)
        if bounds is None:
            return cls(name, value=rest)
        try:
            low, high = (float(bound) if bound else None for bound in bounds.groups())
        except ValueError:
            return cls(name, value=rest)
        return cls(name, low=low, high=high, measured=low is None and high is None)

    def __str__(self) -> str:
        if self.value is not None:
            return f"{self.name}:{self.value}"
        if self.measured or self.low is not None or self.high is not None:
            low, high = ("" if bound is None else f"{bound:g}" for bound in (self.low, self.high))
            return f"{self.name}:{low}..{high}"
        return self.name

    def resolved(self) -> SignalCondition:
        """The same with a bare name spelt out by what is known of the signal."""
        if self.value is not None or self.measured or self.low is not None or self.high is not None:
            return self
        from monitor.signals import registry

        signal = registry().get(self.name)
        if signal is not None and signal.kind is Kind.FLAG:
            return replace(self, value="false" if signal.good == "up" else "true")
        return replace(self, measured=True)


def dimension_column(store: Store, name: str) -> ColumnElement[str] | None:
    """The SQL of a call's value in a dimension (with `ENRICHMENT` joined); None for pairs and families of models."""
    if name == "model":
        return _model()
    if name in _TEXT_COLUMNS:
        return _as_segment(SPAN.c[name])
    if name == "language":
        return _as_segment(ENRICHMENT.c.language)
    if name.startswith("tag.") and '"' not in name:
        return _Builder(store, 0).text_of(SPAN.c.tags, name.removeprefix("tag."))
    return None


def parse_conditions(text: str) -> tuple[SignalCondition, ...]:
    """The conditions of an address; raises InputError where one is malformed."""
    return tuple(SignalCondition.parse(part) for part in text.split(";") if part.strip())


@dataclass(frozen=True)
class CallFilter:
    """Which calls: from `start` up to before `end`, and all conditions together.

    `text` is looked for in prompt, response and context, without regard to case.
    """

    start: datetime | None = None
    end: datetime | None = None
    segment: Segment = WHOLE
    signals: tuple[SignalCondition, ...] = ()
    status: Literal["", "ok", "error"] = ""
    session: str = ""
    user: str = ""
    text: str = ""


@dataclass(frozen=True)
class Where:
    """SQL conditions on the span table, and conditions on the packed signals of those that meet them (`meets`).

    `heavy` where each row costs a look into another table.
    """

    clauses: tuple[ColumnElement[bool], ...]
    heavy: bool
    tests: tuple[SignalCondition, ...] = ()


def where(store: Store, project_id: int, wanted: CallFilter) -> Where:
    """The SQL of a filter, but for its time range and its text."""
    given = (wanted.segment.dimension, wanted.segment.value, wanted.session, wanted.user, *map(str, wanted.signals))
    if any("\0" in text for text in given):
        return Where((false(),), heavy=False)  # no stored text holds one, and PostgreSQL refuses it
    builder = _Builder(store, project_id)
    clauses: list[ColumnElement[bool]] = [SPAN.c.kind == "llm"]
    tests: list[SignalCondition] = []
    if wanted.segment != WHOLE:
        clauses += builder.segment(wanted.segment)
    if wanted.status:
        clauses.append(SPAN.c.status == (1 if wanted.status == "error" else 0))
    if wanted.session:
        clauses.append(SPAN.c.session_id == pack_identifier(wanted.session))
    if wanted.user:
        clauses.append(SPAN.c.user == pack_identifier(wanted.user))
    for condition in map(SignalCondition.resolved, wanted.signals):
        clause = builder.signal(condition)
        if clause is None:
            builder.heavy = True
            tests.append(condition)
        else:
            clauses.append(clause)
    return Where(tuple(clauses), builder.heavy, tuple(tests))


class _Builder:
    def __init__(self, store: Store, project_id: int) -> None:
        self._store = store
        self._project_id = project_id
        self.heavy = False

    def segment(self, segment: Segment) -> list[ColumnElement[bool]]:
        """A pair is both of its dimensions; its values are joined by " + "."""
        dimensions = segment.dimension.split("+")
        values = segment.value.split(" + ", len(dimensions) - 1)
        if len(values) != len(dimensions) or '"' in segment.dimension:
            return [false()]
        return [self._dimension(name.strip(), value) for name, value in zip(dimensions, values, strict=True)]

    def _dimension(self, name: str, value: str) -> ColumnElement[bool]:
        if value == OTHER:
            known = [other for other in self._known(name) if other != OTHER]
            return and_(*(~self._dimension(name, other) for other in known)) if known else true()
        if name == "model_family":
            return _model().in_([model for model in self._known("model") if model_family(model) == value] or [value])
        if name in _TEXT_COLUMNS:
            return (_model() if name == "model" else _as_segment(SPAN.c[name])) == value
        if name.startswith("tag."):
            return self.text_of(SPAN.c.tags, name.removeprefix("tag.")) == _spelt(value)
        return self._enriched(_as_segment(ENRICHMENT.c.language) == value) if name == "language" else false()

    def _known(self, dimension: str) -> Sequence[str]:
        statement = select(_SEGMENT.c.value).where(
            _SEGMENT.c.project_id == self._project_id, _SEGMENT.c.dimension == dimension
        )
        with self._store.read() as connection:
            return connection.execute(statement).scalars().all()

    def signal(self, condition: SignalCondition) -> ColumnElement[bool] | None:
        """The SQL of a condition; None where only the call's signals can tell."""
        name = condition.name
        clause: ColumnElement[bool] | None
        if name.startswith(FEEDBACK_PREFIX):
            clause = self._feedback(condition)
        elif name == "calls":
            clause = true()
        elif name == "error":
            clause = SPAN.c.status == (0 if condition.value == "false" else 1)
        elif name in _NUMBER_COLUMNS:
            clause = _number_is(SPAN.c[name], condition)
        elif name in _TEXT_COLUMNS:
            clause = _text_is(SPAN.c[name], condition)
        elif name == "language":
            clause = self._enriched(_text_is(ENRICHMENT.c.language, condition))
        elif name == "cost_usd":
            clause = self._enriched(_number_is(ENRICHMENT.c.cost_usd, condition))
        else:
            clause = None
        return clause

    def _enriched(self, clause: ColumnElement[bool]) -> ColumnElement[bool]:
        self.heavy = True
        return exists(
            select(ENRICHMENT.c.id).where(
                ENRICHMENT.c.project_id == SPAN.c.project_id, ENRICHMENT.c.id == SPAN.c.id, clause
            )
        )

    def _type(self, column: Any, name: str) -> ColumnElement[str]:
        if self._store.is_sqlite:
            return func.json_type(column, f'$."{name}"')
        return func.jsonb_typeof(column[name])

    def text_of(self, column: Any, name: str) -> ColumnElement[str]:
        """A JSON value as text; truth values are `true` and `false` on both engines."""
        text = cast(column[name].as_string(), Text)
        if self._store.is_sqlite:
            kind = self._type(column, name)
            return case((kind.in_(("true", "false")), kind), else_=text)
        return text

    def _feedback(self, condition: SignalCondition) -> ColumnElement[bool]:
        self.heavy = True
        given = [
            FEEDBACK.c.project_id == self._project_id,
            FEEDBACK.c.name == condition.name.removeprefix(FEEDBACK_PREFIX),
            _feedback_is(condition),
        ]
        sessions = (
            select(FEEDBACK.c.session_id)
            .where(*given, FEEDBACK.c.trace_id.is_(None), FEEDBACK.c.session_id.is_not(None))
            .limit(_SESSIONS_CAP)
        )
        with self._store.read() as connection:
            of_sessions = connection.execute(sessions).scalars().all()
        of_call = exists(
            select(FEEDBACK.c.id).where(
                *given,
                FEEDBACK.c.trace_id == SPAN.c.trace_id,
                or_(FEEDBACK.c.span_id == SPAN.c.span_id, FEEDBACK.c.span_id.is_(None)),
            )
        )
        return or_(of_call, SPAN.c.session_id.in_(of_sessions)) if of_sessions else of_call


def meets(value: Any, condition: SignalCondition) -> bool:
    """True where the value of a packed signal, None where it is absent, is as a resolved condition says."""
    if value is None or isinstance(value, bytes):
        return value is not None and condition.measured
    if condition.value is not None:
        return _alike(value, condition.value)
    if condition.measured:
        return True
    if isinstance(value, str | bool):
        return False
    return (condition.low is None or value >= condition.low) and (condition.high is None or value <= condition.high)


def _alike(value: str | float, text: str) -> bool:
    if isinstance(value, str):
        return value == text
    if isinstance(value, bool):
        return text.lower() == str(value).lower()
    try:
        return value == float(text)
    except ValueError:
        return False


def _model() -> ColumnElement[str]:
    return func.coalesce(_as_segment(SPAN.c.model), _as_segment(SPAN.c.requested_model))


def _as_segment(column: Any) -> ColumnElement[str]:
    """A column as the value of a segment: trimmed, and not longer than those are."""
    return func.substr(func.trim(column), 1, MAX_SEGMENT_VALUE)


def _feedback_is(condition: SignalCondition) -> ColumnElement[bool]:
    if condition.value is None:
        return true() if condition.measured else _number_is(FEEDBACK.c.value, condition)
    alike = FEEDBACK.c.label == condition.value
    if condition.value in ("true", "false"):
        return or_(alike, FEEDBACK.c.value >= 0.5 if condition.value == "true" else FEEDBACK.c.value < 0.5)
    return or_(alike, _number_is(FEEDBACK.c.value, condition))


def _text_is(text: Any, condition: SignalCondition) -> ColumnElement[bool]:
    if condition.value is not None:
        return and_(text == condition.value)
    return and_(text.is_not(None)) if condition.measured else false()


def _number_is(number: Any, condition: SignalCondition) -> ColumnElement[bool]:
    if condition.value is not None:
        try:
            wanted = float(condition.value)
        except ValueError:
            return false()
        return and_(number == wanted)
    clauses = [number.is_not(None)]
    if condition.low is not None:
        clauses.append(number >= condition.low)
    if condition.high is not None:
        clauses.append(number <= condition.high)
    return and_(*clauses)


def _spelt(value: str) -> str:
    return value.lower() if value.lower() in ("true", "false") else value
