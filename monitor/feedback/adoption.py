"""Adoption: how many people use the application, how many are new, and how many come back.

For every closed day the distinct users are reduced to 64-bit hashes of their pseudonyms; the smallest 4,096 are kept
with the share of all users they stand for (bottom-k sampling; Cohen and Kaplan, PODC 2007). As the same user has the
same hash every day, unions over days are again samples of users: up to 4,096 users a day all numbers are exact, beyond
that their relative standard error is about 1.6 %. Weeks (from Monday) and months are unions of their days; a newcomer
of a period was in none before it. Retention is the share of a week's newcomers who were back in each later week.

A day is counted when it has closed, and again when its number of calls changes. Calls without a user are not counted as
anybody. It misleads where one person has several pseudonyms, or a program one for many, and in the first weeks after
the monitor was set up, when everybody is new.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, delete, func, select

from monitor import tables
from monitor.clock import BlockLength, from_microseconds, to_microseconds
from monitor.identifiers import id_floor
from monitor.store import Store, table_of

_SPAN = table_of(tables.Span)
_PROFILE = table_of(tables.Profile)
_PROJECT = table_of(tables.Project)
_ADOPTION = table_of(tables.Adoption)

Hashes = NDArray[np.uint64]
SAMPLE = 4_096
COHORT_WEEKS = 26
_DAYS_READ = 730
_ALL = float(2**64)
_DAY = timedelta(days=1)
_CHUNK = 20_000


@dataclass(frozen=True)
class Users:
    """A sample of distinct users: those whose hash is below `rate` of the whole range."""

    hashes: Hashes
    rate: float

    @classmethod
    def of(cls, users: Iterable[bytes], most: int = SAMPLE) -> Users:
        """The sample of some users, each counted once."""
        hashes = {int.from_bytes(hashlib.blake2b(user, digest_size=8).digest()) for user in users}
        if len(hashes) <= most:
            return cls(np.array(sorted(hashes), dtype=np.uint64), 1.0)
        kept = sorted(hashes)[: most + 1]
        return cls(np.array(kept[:most], dtype=np.uint64), kept[most] / _ALL)

    @property
    def count(self) -> float:
        """How many users there are: exact where the sample holds all."""
        return len(self.hashes) / self.rate

    def limited(self, rate: float) -> Users:
        """The part of the sample below a smaller rate."""
        return self if rate >= self.rate else Users(self.hashes[self.hashes < np.uint64(rate * _ALL)], rate)


def union(parts: Sequence[Users]) -> Users:
    """All users of several samples, each once."""
    rate = min((part.rate for part in parts), default=1.0)
    hashes = [part.limited(rate).hashes for part in parts]
    return Users(np.unique(np.concatenate(hashes)) if hashes else np.array([], dtype=np.uint64), rate)


def overlap(one: Users, other: Users) -> float:
    """How many users two samples have in common."""
    rate = min(one.rate, other.rate)
    return len(np.intersect1d(one.limited(rate).hashes, other.limited(rate).hashes)) / rate


def count_users(store: Store, now: datetime) -> int:
    """Counts every closed day that is due, and then weeks and months anew; answers how many days."""
    with store.read() as connection:
        projects = list(connection.execute(select(_PROJECT.c.id)).scalars())
    done = 0
    for project_id in projects:
        due = _due(store, project_id, now)
        for start, calls in due:
            _count_day(store, project_id, start, calls)
        if due:
            _count_longer(store, project_id, now)
        done += len(due)
    return done


def _due(store: Store, project_id: int, now: datetime) -> list[tuple[int, int]]:
    oldest = to_microseconds(now - _DAYS_READ * _DAY)
    with store.read() as connection:
        statement = select(_PROFILE.c.start, _PROFILE.c.n).where(
            _PROFILE.c.project_id == project_id,
            _PROFILE.c.length == BlockLength.DAY.value,
            _PROFILE.c.dimension == "",
            _PROFILE.c.value == "",
            _PROFILE.c.signal == "calls",
            _PROFILE.c.start >= oldest,
            _PROFILE.c.start <= to_microseconds(now - _DAY),
        )
        calls = {row.start: row.n for row in connection.execute(statement)}
        counted = {row.start: row.calls for row in connection.execute(_of_days(project_id, oldest))}
    return [
        (start, calls.get(start, 0))
        for start in sorted({*calls, *counted})
        if counted.get(start) != calls.get(start, 0)
    ]


def _of_days(project_id: int, oldest: int) -> Any:
    return (
        select(_ADOPTION)
        .where(_ADOPTION.c.project_id == project_id, _ADOPTION.c.length == "day", _ADOPTION.c.start >= oldest)
        .order_by(_ADOPTION.c.start)
    )


def _count_day(store: Store, project_id: int, start: int, calls: int) -> None:
    first = from_microseconds(start)
    with store.read() as connection:
        users = Users.of(_distinct(connection, project_id, _SPAN.c.user, first))
        sessions = len({bytes(one) for one in _distinct(connection, project_id, _SPAN.c.session_id, first)})
    row = {
        "project_id": project_id,
        "length": "day",
        "start": start,
        "calls": calls,
        "sessions": sessions,
        "users": users.count,
        "newcomers": 0.0,
        "kept": None,
        "rate": users.rate,
        "sample": users.hashes.tobytes(),
    }
    with store.write() as connection:
        store.upsert(connection, tables.Adoption, [row])


def _distinct(connection: Connection, project_id: int, column: Any, start: datetime) -> Iterable[bytes]:
    statement = (
        select(column)
        .where(
            _SPAN.c.project_id == project_id,
            _SPAN.c.id >= id_floor(start),
            _SPAN.c.id < id_floor(start + _DAY),
            _SPAN.c.kind == "llm",
            column.is_not(None),
        )
        .group_by(column)
        .having(func.count() > 0)
    )
    return connection.execution_options(yield_per=_CHUNK).execute(statement).scalars()


def week_start(day: datetime) -> datetime:
    """The Monday of a day's week."""
    return day - day.weekday() * _DAY


def month_start(day: datetime) -> datetime:
    """The first day of a day's month."""
    return day.replace(day=1)


def _next_month(start: datetime) -> datetime:
    return month_start(start + 31 * _DAY)


def _count_longer(store: Store, project_id: int, now: datetime) -> None:
    """Newcomers of days, and weeks and months with what belongs to them, from the samples of the days."""
    with store.read() as connection:
        rows = connection.execute(_of_days(project_id, to_microseconds(now - _DAYS_READ * _DAY))).all()
    days = {
        from_microseconds(row.start): (row, Users(np.frombuffer(row.sample or b"", dtype=np.uint64), row.rate))
        for row in rows
    }
    written: list[dict[str, Any]] = []
    for length, start_of in (("week", week_start), ("month", month_start), ("day", lambda day: day)):
        periods: dict[datetime, list[datetime]] = {}
        for day in days:
            periods.setdefault(start_of(day), []).append(day)
        samples = {start: union([days[day][1] for day in own]) for start, own in periods.items()}
        fresh = _newcomers(samples)
        for start, own in periods.items():
            end = start + _DAY if length == "day" else start + 7 * _DAY if length == "week" else _next_month(start)
            if end > now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0):
                continue
            written.append(
                {
                    "project_id": project_id,
                    "length": length,
                    "start": to_microseconds(start),
                    "calls": sum(days[day][0].calls for day in own),
                    "sessions": sum(days[day][0].sessions for day in own),
                    "users": samples[start].count,
                    "newcomers": fresh[start].count,
                    "kept": _kept(start, fresh[start], samples, now) if length == "week" else None,
                    "rate": samples[start].rate,
                    "sample": days[start][0].sample if length == "day" else None,
                }
            )
    with store.write() as connection:
        longer = _ADOPTION.c.length.in_(("week", "month"))
        connection.execute(delete(_ADOPTION).where(_ADOPTION.c.project_id == project_id, longer))
        store.upsert(connection, tables.Adoption, written)


def _newcomers(samples: dict[datetime, Users]) -> dict[datetime, Users]:
    """Of each period the users who were in none before it."""
    found: dict[datetime, Users] = {}
    seen = Users(np.array([], dtype=np.uint64), 1.0)
    for start in sorted(samples):
        rate = min(seen.rate, samples[start].rate)
        own, before = samples[start].limited(rate), seen.limited(rate)
        found[start] = Users(np.setdiff1d(own.hashes, before.hashes), rate)
        seen = union([seen, samples[start]])
    return found


def _kept(start: datetime, fresh: Users, samples: dict[datetime, Users], now: datetime) -> list[float]:
    """How many of a week's newcomers were there in each later week that has closed."""
    nobody = Users(np.array([], dtype=np.uint64), 1.0)
    weeks = [start + number * 7 * _DAY for number in range(1, COHORT_WEEKS)]
    return [overlap(fresh, samples.get(week, nobody)) for week in weeks if week + 7 * _DAY <= now]
