"""What the API answers: its public records, made from those of the queries; here those of more than one kind.

They are declared apart from the queries' own records so that these may change without breaking anyone's program. Ids
are texts: they have more digits than JavaScript's numbers. Times are ISO 8601, UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

import msgspec

from monitor.contracts import Kind, Segment
from monitor.queries.listing import ProfileRow
from monitor.queries.options import ProjectOption, SegmentOption
from monitor.queries.usage import UsagePoint

Item = TypeVar("Item")


class Listing(msgspec.Struct, Generic[Item], frozen=True, kw_only=True):
    """One page. `next` is the value of `after` for the next page, null at the end."""

    items: list[Item]
    next: str | None = None


class Problem(msgspec.Struct, frozen=True):
    """What was wrong, in one sentence."""

    error: str


class Health(msgspec.Struct, frozen=True):
    """`ok`, or what is the matter."""

    status: Literal["ok", "not ready"]
    problems: list[str] = []


class SegmentName(msgspec.Struct, frozen=True):
    """A slice of traffic; dimension and value are empty for all traffic."""

    dimension: str
    value: str


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """A project; `note` says what should be known of its data."""

    name: str
    created: datetime
    note: str


class SeenSegment(msgspec.Struct, frozen=True, kw_only=True):
    """A segment, since when and until when it was seen."""

    dimension: str
    value: str
    first_seen: datetime
    last_seen: datetime


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """Traffic and cost of one block and segment. `cost_usd` sums the `priced` calls; the others have no known price."""

    start: datetime
    segment: SegmentName
    calls: int
    users: int
    errors: int | None
    priced: int
    cost_usd: float | None
    input_tokens: float | None
    output_tokens: float | None


class ProfileAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One signal in one block and segment: `mean` over calls, `user_mean` over users' means; shares of the values."""

    start: datetime
    segment: SegmentName
    signal: str
    kind: Kind
    n: int
    users: int
    mean: float | None
    user_mean: float | None
    user_variance: float | None
    quantiles: Mapping[str, float]
    shares: Mapping[str, float]


QUANTILES = {"p05": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95, "p99": 0.99}


def of_project(option: ProjectOption) -> Project:
    """A project."""
    return Project(name=option.name, created=option.created, note=option.note)


def of_segment(option: SegmentOption) -> SeenSegment:
    """A segment that has been seen."""
    return SeenSegment(
        dimension=option.segment.dimension,
        value=option.segment.value,
        first_seen=option.first_seen,
        last_seen=option.last_seen,
    )


def of_point(segment: Segment, point: UsagePoint) -> Cost:
    """A block of usage of one segment."""
    return same_fields(Cost, point, segment=name_of(segment))


def of_profile(row: ProfileRow) -> ProfileAnswer:
    """A profile with its quantiles and shares."""
    profile = row.profile
    quantiles = {name: profile.quantile(share) for name, share in QUANTILES.items()}
    return ProfileAnswer(
        start=row.start,
        segment=name_of(row.segment),
        signal=row.signal,
        kind=profile.kind,
        n=profile.n,
        users=profile.users,
        mean=profile.mean,
        user_mean=profile.user_mean,
        user_variance=profile.user_variance if profile.kind in (Kind.NUMBER, Kind.FLAG) else None,
        quantiles={name: value for name, value in quantiles.items() if value is not None},
        shares=profile.shares(),
    )


def name_of(segment: Segment) -> SegmentName:
    """A segment by its names."""
    return SegmentName(segment.dimension, segment.value)


Answer = TypeVar("Answer", bound=msgspec.Struct)


def same_fields(answer: type[Answer], record: object, **given: Any) -> Answer:
    """The answer whose fields are those given and, for the rest, the record's of the same names."""
    values = {name: getattr(record, name) for name in answer.__struct_fields__ if name not in given and name != "next"}
    return answer(**values, **given)
