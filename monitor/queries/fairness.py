"""Scans for unfairness as they are stored: one a closed week, with every comparison that was made in it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec
from sqlalchemy import and_, func, select

from monitor import tables
from monitor.clock import BlockLength, block_start, to_microseconds
from monitor.contracts import WHOLE
from monitor.identifiers import id_floor
from monitor.queries import series
from monitor.queries.conditions import ENRICHMENT, SPAN, dimension_column
from monitor.store import Store, table_of

_SCAN = table_of(tables.FairnessScan)

GAP = "gap"
NO_GAP = "no relevant gap"
NOT_ENOUGH = "not enough data"
MENTIONED = "mentioned"
"""The dimension of the mentioned-group analysis: what a prompt names, not who wrote it."""


class Limits(msgspec.Struct, frozen=True):
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """One group against all others on one signal, users counted once in the whole range.

    `value` and `other` are raw means over users, `raw` their difference. `standardised` is the difference as if both
    sides had the same mix of the `strata`, null where it cannot be made; `covered` is the share of the group in it, and
    `mix` what the mix does to the raw difference: none, part, explains, hides or reverses. `good_ratio` and `bad_ratio`
    are those of good and of bad outcomes (shares only). `missing` is how many more users would tell.
    """

    signal: str
    kind: str
    dimension: str
    group: str
    verdict: str
    worse: bool | None
    reason: str
    users: int
    others: int
    value: float
    other: float
    tolerance: float
    raw: Limits
    standardised: Limits | None = None
    strata: list[str] = []
    covered: float = 1.0
    mix: str = "none"
    p_value: float | None = None
    good_ratio: Limits | None = None
    bad_ratio: Limits | None = None
    missing: int = 0


class Scan(msgspec.Struct, frozen=True, kw_only=True):
    """All comparisons of a week. `share` of the users were read, `calls` of theirs; `questions` were asked together.

    `hidden` counts, by dimension, groups with fewer than 20 users: no figure of theirs is kept.
    """

    start: datetime
    end: datetime
    made: datetime
    calls: int
    users: int
    share: float
    questions: int
    hidden: Mapping[str, int]
    compared: list[Comparison]


def newest_scan(store: Store, project_id: int, before: datetime) -> Scan | None:
    """The newest scan of a week that began before a moment."""
    statement = (
        select(_SCAN.c.data)
        .where(_SCAN.c.project_id == project_id, _SCAN.c.start < to_microseconds(before))
        .order_by(_SCAN.c.start.desc())
        .limit(1)
    )
    with store.read() as connection:
        data = connection.execute(statement).scalar()
    return None if data is None else msgspec.convert(data, Scan)


def scans(store: Store, project_id: int, *, before: datetime | None, limit: int) -> list[Scan]:
    """Scans of weeks that began before a moment, the newest first."""
    statement = select(_SCAN.c.data).where(_SCAN.c.project_id == project_id)
    if before is not None:
        statement = statement.where(_SCAN.c.start < to_microseconds(before))
    with store.read() as connection:
        found = connection.execute(statement.order_by(_SCAN.c.start.desc()).limit(limit)).scalars()
        return [msgspec.convert(data, Scan) for data in found]


def is_scanned(store: Store, project_id: int, start: datetime) -> bool:
    """True where the week that begins so has its scan."""
    statement = select(_SCAN.c.start).where(_SCAN.c.project_id == project_id, _SCAN.c.start == to_microseconds(start))
    with store.read() as connection:
        return connection.execute(statement).first() is not None


def newest_call(store: Store, project_id: int) -> datetime | None:
    """The hour of the newest call with profiles."""
    return series.newest_block(store, project_id, BlockLength.HOUR)


def calls_between(store: Store, project_id: int, start: datetime, end: datetime) -> int:
    """How many calls began in a range of days, by the profiles."""
    blocks = series.read_series(
        store, project_id, BlockLength.DAY, block_start(start, BlockLength.DAY), end, signal="calls", segment=WHOLE
    )
    return sum(block.profile.n for block in blocks)


def distinct_users(store: Store, project_id: int, dimension: str, start: datetime, end: datetime) -> dict[str, int]:
    """How many users each value of a dimension has among the calls that began in [start, end), each counted once.

    Calls without a user count for their session, those without either for themselves, as in the profiles. Empty for
    pairs and families of models.
    """
    column = dimension_column(store, dimension)
    if column is None:
        return {}
    signals = and_(ENRICHMENT.c.project_id == SPAN.c.project_id, ENRICHMENT.c.id == SPAN.c.id)
    who = func.coalesce(SPAN.c.user, SPAN.c.session_id)
    statement = (
        select(column.label("value"), func.count(who.distinct()), func.count() - func.count(who))
        .select_from(SPAN.join(ENRICHMENT, signals))
        .where(
            SPAN.c.project_id == project_id,
            SPAN.c.id >= id_floor(start),
            SPAN.c.id < id_floor(end),
            SPAN.c.kind == "llm",
        )
        .group_by(column)
    )
    with store.read() as connection:
        return {row[0]: row[1] + row[2] for row in connection.execute(statement) if row[0] is not None}


def users_below(share: float) -> object:
    """SQL that is true for about this share of the users, always the same ones: their pseudonyms are hashes."""
    edge = min(round(share * 65536), 65535).to_bytes(2, "big")
    return func.substr(SPAN.c.user, 1, 2) < edge
