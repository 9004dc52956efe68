"""Verdicts as pages, mails and the API read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, func, select

from monitor import tables
from monitor.clock import from_microseconds, to_microseconds
from monitor.contracts import Segment, State
from monitor.store import Store, table_of

_VERDICT = table_of(tables.Verdict)
_STREAM = (_VERDICT.c.indicator, _VERDICT.c.signal, _VERDICT.c.dimension, _VERDICT.c.value)

_RANK: Mapping[str, int] = {"bad": 0, "moved": 1, "no_data": 2, "too_few": 3, "ok": 4}
_STALE_AFTER = timedelta(days=8)


@dataclass(frozen=True)
class VerdictRecord:
    """A stored verdict of one stream; the fields are those of `monitor.contracts.Verdict`.

    `start` and `end` bound the newest block that was judged, `window_start` the window where it was lengthened.
    """

    indicator: str
    signal: str
    segment: Segment
    start: datetime
    end: datetime
    window_start: datetime
    computed: datetime
    state: State
    reason: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    effective_n: float
    baseline: float | None
    effect: float | None
    effect_low: float | None
    effect_high: float | None
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def since(self) -> datetime | None:
        """Estimated moment of the change, where there was one."""
        text = self.detail.get("since")
        return datetime.fromisoformat(text) if text else None

    @property
    def is_trouble(self) -> bool:
        """True for a stream that moved or got worse."""
        return self.state in ("moved", "bad")


def latest_verdicts(
    store: Store,
    project_id: int,
    as_of: datetime,
    *,
    indicators: Iterable[str] | None = None,
    segment: Segment | None = None,
) -> list[VerdictRecord]:
    """The newest verdict of each stream that was judged in the eight days up to `as_of`, worst first."""
    limits = [
        _VERDICT.c.project_id == project_id,
        _VERDICT.c.start > to_microseconds(as_of - _STALE_AFTER),
        _VERDICT.c.start <= to_microseconds(as_of),
    ]
    if indicators is not None:
        limits.append(_VERDICT.c.indicator.in_(list(indicators)))
    if segment is not None:
        limits += [_VERDICT.c.dimension == segment.dimension, _VERDICT.c.value == segment.value]
    newest = (
        select(*_STREAM, func.max(_VERDICT.c.start).label("newest"))
        .where(*limits)
        .group_by(*_STREAM)
        .subquery("newest")
    )
    statement = (
        select(_VERDICT)
        .join(
            newest,
            and_(
                _VERDICT.c.start == newest.c.newest,
                *(column == newest.c[column.name] for column in _STREAM),
            ),
        )
        .where(*limits)
    )
    return worst_first(_read(store, statement))


def verdict_history(
    store: Store,
    project_id: int,
    start: datetime,
    end: datetime,
    *,
    indicator: str,
    signal: str,
    segment: Segment,
) -> list[VerdictRecord]:
    """The verdicts of one stream on blocks that begin in [start, end), oldest first."""
    statement = (
        select(_VERDICT)
        .where(
            _VERDICT.c.project_id == project_id,
            _VERDICT.c.indicator == indicator,
            _VERDICT.c.signal == signal,
            _VERDICT.c.dimension == segment.dimension,
            _VERDICT.c.value == segment.value,
            _VERDICT.c.start >= to_microseconds(start),
            _VERDICT.c.start < to_microseconds(end),
        )
        .order_by(_VERDICT.c.start)
    )
    return _read(store, statement)


def verdicts_between(
    store: Store,
    project_id: int,
    start: datetime,
    end: datetime,
    *,
    states: Iterable[State] | None = None,
    indicators: Iterable[str] | None = None,
    segment: Segment | None = None,
    limit: int = 10_000,
) -> list[VerdictRecord]:
    """The verdicts on blocks that begin in [start, end), newest first, at most `limit`."""
    statement = select(_VERDICT).where(
        _VERDICT.c.project_id == project_id,
        _VERDICT.c.start >= to_microseconds(start),
        _VERDICT.c.start < to_microseconds(end),
    )
    if states is not None:
        statement = statement.where(_VERDICT.c.state.in_(list(states)))
    if indicators is not None:
        statement = statement.where(_VERDICT.c.indicator.in_(list(indicators)))
    if segment is not None:
        statement = statement.where(_VERDICT.c.dimension == segment.dimension, _VERDICT.c.value == segment.value)
    return _read(store, statement.order_by(_VERDICT.c.start.desc(), *_STREAM).limit(limit))


def state_counts(
    store: Store, project_id: int, start: datetime, end: datetime
) -> dict[tuple[datetime, str, State], int]:
    """How many streams were in each state, by start of the block and indicator, in [start, end)."""
    columns = (_VERDICT.c.start, _VERDICT.c.indicator, _VERDICT.c.state)
    statement = (
        select(*columns, func.count().label("streams"))
        .where(
            _VERDICT.c.project_id == project_id,
            _VERDICT.c.start >= to_microseconds(start),
            _VERDICT.c.start < to_microseconds(end),
        )
        .group_by(*columns)
    )
    with store.read() as connection:
        return {
            (from_microseconds(row.start), row.indicator, row.state): row.streams
            for row in connection.execute(statement)
        }


def worst_first(verdicts: Iterable[VerdictRecord]) -> list[VerdictRecord]:
    """The same, worst state first, then the largest change in units of its own uncertainty."""
    return sorted(
        verdicts,
        key=lambda item: (
            _RANK.get(item.state, 9),
            -item.detail.get("strength", 0.0),
            item.segment.dimension,
            item.segment.value,
            item.indicator,
            item.signal,
        ),
    )


def _read(store: Store, statement: Any) -> list[VerdictRecord]:
    with store.read() as connection:
        return [verdict_of(row) for row in connection.execute(statement)]


def verdict_of(row: Any) -> VerdictRecord:
    """The record of a row of the table `verdict`."""
    return VerdictRecord(
        indicator=row.indicator,
        signal=row.signal,
        segment=Segment(row.dimension, row.value),
        start=from_microseconds(row.start),
        end=from_microseconds(row.end),
        window_start=from_microseconds(row.window_start),
        computed=from_microseconds(row.computed),
        state=row.state,
        reason=row.reason,
        value=row.number,
        low=row.low,
        high=row.high,
        n=row.n,
        effective_n=row.effective_n,
        baseline=row.baseline,
        effect=row.effect,
        effect_low=row.effect_low,
        effect_high=row.effect_high,
        detail=row.detail or {},
    )
