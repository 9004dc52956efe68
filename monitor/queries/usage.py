"""Traffic, users, errors, latency, tokens and cost, by block and by segment: from profiles only.

Users are counted within a block; the same user on two days counts on both, so sums over blocks are "user-days".
Cost is the sum of the calls whose price is known; `unpriced` counts the others, which are never taken as free.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from monitor import tables
from monitor.clock import BlockLength, from_microseconds, to_microseconds
from monitor.contracts import WHOLE, Kind, Segment
from monitor.profile import Profile, merge
from monitor.store import Store, table_of

_PROFILE = table_of(tables.Profile)
_SEGMENT = table_of(tables.Segment)
_SCALARS = ("calls", "error", "input_tokens", "output_tokens", "cost_usd", "cost_gap", "saved_usd")
_LATENCY = "latency_s"
_FIRST_TOKEN = "time_to_first_token_s"  # noqa: S105 - not a password


@dataclass(frozen=True)
class Quantiles:
    """Half, 95 % and 99 % of the calls took at most so many seconds; each within 1 % of its value."""

    p50: float | None = None
    p95: float | None = None
    p99: float | None = None

    @classmethod
    def of(cls, profile: Profile | None) -> Quantiles:
        """The quantiles of a profile of a number."""
        return cls(*(profile.quantile(share) for share in (0.5, 0.95, 0.99))) if profile and profile.n else cls()


@dataclass(frozen=True)
class UsagePoint:
    """One block, or the sum of several. Sums that nobody reported are None, never 0.

    `cost_gap` is by what part the senders' figures are above tokens times price, on the mean of the `compared` calls
    that have both; `saved_usd` is what calls would have cost that the application answered from its own cache.
    """

    start: datetime
    calls: int
    users: int
    errors: int | None
    input_tokens: float | None
    output_tokens: float | None
    cost_usd: float | None
    priced: int
    latency: Quantiles
    first_token: Quantiles
    cost_gap: float | None = None
    compared: int = 0
    saved_usd: float | None = None

    @property
    def unpriced(self) -> int:
        """Calls whose price is unknown."""
        return max(0, self.calls - self.priced)

    @property
    def cost_per_call(self) -> float | None:
        """Mean cost of the calls whose price is known, US dollars."""
        return self.cost_usd / self.priced if self.cost_usd is not None and self.priced else None

    @property
    def error_share(self) -> float | None:
        """Share of calls that failed."""
        return self.errors / self.calls if self.errors is not None and self.calls else None


@dataclass(frozen=True)
class Usage:
    """A segment over a range: one point for each block that has calls, in order, and all of it together."""

    segment: Segment
    points: tuple[UsagePoint, ...]
    total: UsagePoint


def usage(
    store: Store, project_id: int, length: BlockLength, start: datetime, end: datetime, *, segment: Segment = WHOLE
) -> Usage:
    """What happened in one segment from `start` up to before `end`."""
    with store.read() as connection:
        scope = _Scope(connection, project_id, length, start, end)
        return _usages(scope, [segment], quantiles=True)[segment]


def usage_by(
    store: Store,
    project_id: int,
    length: BlockLength,
    start: datetime,
    end: datetime,
    *,
    dimension: str,
    within: Segment = WHOLE,
) -> tuple[Usage, ...]:
    """The same for each value of a dimension, most calls first, without latency.

    `within` another segment it answers where the two dimensions are sliced together as a declared pair, or the segment
    is of the dimension itself; else nothing.
    """
    with store.read() as connection:
        segments = _values(connection, project_id, dimension, within)
        found = _usages(_Scope(connection, project_id, length, start, end), segments, quantiles=False)
    seen = [part for part in found.values() if part.total.calls]
    return tuple(sorted(seen, key=lambda part: (-part.total.calls, part.segment.value)))


def value_in(dimension: str, segment: Segment) -> str:
    """The value that a segment, a pair perhaps, has in one dimension."""
    return segment.parts.get(dimension, segment.value)


def change(now: float | None, before: float | None) -> float | None:
    """Relative change: 0.1 is ten per cent more; None where there was nothing before."""
    return None if now is None or not before else now / before - 1


def _values(connection: Connection, project_id: int, dimension: str, within: Segment) -> list[Segment]:
    pairs = {f"{dimension}+{within.dimension}", f"{within.dimension}+{dimension}"} if within != WHOLE else {dimension}
    statement = select(_SEGMENT.c.dimension, _SEGMENT.c.value).where(
        _SEGMENT.c.project_id == project_id, _SEGMENT.c.dimension.in_(pairs)
    )
    found = [Segment(row.dimension, row.value) for row in connection.execute(statement)]
    if within == WHOLE:
        return found
    if within.dimension == dimension or dimension in within.dimension.split("+"):
        return [within]
    return [segment for segment in found if value_in(within.dimension, segment) == within.value]


@dataclass(frozen=True)
class _Scope:
    connection: Connection
    project_id: int
    length: BlockLength
    start: datetime
    end: datetime


def _usages(scope: _Scope, segments: Sequence[Segment], *, quantiles: bool) -> dict[Segment, Usage]:
    sums: dict[Segment, dict[int, dict[str, Any]]] = {segment: {} for segment in segments}
    rows = _rows(scope, segments, _SCALARS, with_sketch=False)
    if quantiles:
        rows += _rows(scope, segments, (_LATENCY, _FIRST_TOKEN), with_sketch=True)
    for row in rows:
        blocks = sums.get(Segment(row.dimension, row.value))
        if blocks is not None:
            blocks.setdefault(row.start, {})[row.signal] = row
    result = {}
    for segment, blocks in sums.items():
        profiles: dict[str, list[Profile]] = {_LATENCY: [], _FIRST_TOKEN: []}
        points = tuple(_point(from_microseconds(at), blocks[at], profiles) for at in sorted(blocks))
        result[segment] = Usage(segment, points, _total(scope.start, points, profiles))
    return result


def _rows(scope: _Scope, segments: Sequence[Segment], signals: Iterable[str], *, with_sketch: bool) -> list[Any]:
    values: dict[str, list[str]] = {}
    for segment in segments:
        values.setdefault(segment.dimension, []).append(segment.value)
    columns = [
        _PROFILE.c[name]
        for name in ("dimension", "value", "signal", "start", "n", "users", "total", "total_square")
        + (("sketch",) if with_sketch else ())
    ]
    found: list[Any] = []
    for dimension, wanted in values.items():  # each part of the key is an equality or a list, so each is a seek
        statement = select(*columns).where(
            _PROFILE.c.project_id == scope.project_id,
            _PROFILE.c.length == scope.length.value,
            _PROFILE.c.dimension == dimension,
            _PROFILE.c.value.in_(wanted),
            _PROFILE.c.signal.in_(tuple(signals)),
            _PROFILE.c.start >= to_microseconds(scope.start),
            _PROFILE.c.start < to_microseconds(scope.end),
        )
        found += scope.connection.execute(statement).all()
    return found


def _point(start: datetime, rows: Mapping[str, Any], profiles: dict[str, list[Profile]]) -> UsagePoint:
    quantiles = {}
    for name, seen in profiles.items():
        row = rows.get(name)
        if row is not None:
            sums = (row.total, row.total_square, None, None)
            profile = Profile.load(Kind.NUMBER, row.n, row.users, sums, row.sketch)
            seen.append(profile)
            quantiles[name] = Quantiles.of(profile)
    calls, cost, errors = rows.get("calls"), rows.get("cost_usd"), rows.get("error")
    return UsagePoint(
        start=start,
        calls=calls.n if calls else 0,
        users=calls.users if calls else 0,
        errors=round(errors.total or 0) if errors else None,
        input_tokens=_sum_of(rows.get("input_tokens")),
        output_tokens=_sum_of(rows.get("output_tokens")),
        cost_usd=_sum_of(cost),
        priced=cost.n if cost else 0,
        cost_gap=_mean_of(rows.get("cost_gap")),
        compared=rows["cost_gap"].n if "cost_gap" in rows else 0,
        saved_usd=_sum_of(rows.get("saved_usd")),
        latency=quantiles.get(_LATENCY, Quantiles()),
        first_token=quantiles.get(_FIRST_TOKEN, Quantiles()),
    )


def _total(start: datetime, points: Sequence[UsagePoint], profiles: Mapping[str, list[Profile]]) -> UsagePoint:
    latency, first_token = (Quantiles.of(merge(profiles[name], Kind.NUMBER)) for name in (_LATENCY, _FIRST_TOKEN))
    compared = sum(point.compared for point in points)
    return UsagePoint(
        start=start,
        calls=sum(point.calls for point in points),
        users=sum(point.users for point in points),
        errors=_added(point.errors for point in points),
        input_tokens=_added(point.input_tokens for point in points),
        output_tokens=_added(point.output_tokens for point in points),
        cost_usd=_added(point.cost_usd for point in points),
        priced=sum(point.priced for point in points),
        cost_gap=sum((point.cost_gap or 0.0) * point.compared for point in points) / compared if compared else None,
        compared=compared,
        saved_usd=_added(point.saved_usd for point in points),
        latency=latency,
        first_token=first_token,
    )


def _sum_of(row: Any) -> float | None:
    return None if row is None or not row.n else float(row.total or 0.0)


def _mean_of(row: Any) -> float | None:
    return None if row is None or not row.n else float(row.total or 0.0) / row.n


def _added(values: Iterable[Any]) -> Any:
    present = [value for value in values if value is not None]
    return sum(present) if present else None
