"""Active, new and returning users and retention, as the job of adoption counted them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import select

from monitor import tables
from monitor.clock import from_microseconds, to_microseconds
from monitor.store import Store, table_of

_ADOPTION = table_of(tables.Adoption)
Length = Literal["day", "week", "month"]


@dataclass(frozen=True)
class Period:
    """A closed day, week or month. `kept` is, of a week, how many of its newcomers came back in each later week.

    `exact` is false where users were estimated from a sample.
    """

    start: datetime
    calls: int
    sessions: int
    users: float
    newcomers: float
    kept: tuple[float, ...]
    exact: bool

    @property
    def returning(self) -> float:
        """Users who were there before."""
        return max(self.users - self.newcomers, 0.0)


def periods(store: Store, project_id: int, length: Length, start: datetime, end: datetime) -> tuple[Period, ...]:
    """The periods that begin in a range, in order."""
    columns = [
        _ADOPTION.c[name] for name in ("start", "calls", "sessions", "users", "newcomers", "kept", "rate")
    ]  # never the samples
    statement = (
        select(*columns)
        .where(
            _ADOPTION.c.project_id == project_id,
            _ADOPTION.c.length == length,
            _ADOPTION.c.start >= to_microseconds(start),
            _ADOPTION.c.start < to_microseconds(end),
        )
        .order_by(_ADOPTION.c.start)
    )
    with store.read() as connection:
        return tuple(
            Period(
                from_microseconds(row.start),
                row.calls,
                row.sessions,
                row.users,
                row.newcomers,
                tuple(row.kept or ()),
                row.rate >= 1,
            )
            for row in connection.execute(statement)
        )
