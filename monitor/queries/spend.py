"""What was spent by day and model, from profiles; for holding it against an invoice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select

from monitor import tables
from monitor.clock import BlockLength, from_microseconds, to_microseconds
from monitor.store import Store, table_of

_PROFILE = table_of(tables.Profile)


@dataclass(frozen=True)
class Spend:
    """A model on a day: US dollars, calls, calls without a price, mean share of cached input tokens (0 if unknown)."""

    cost: float
    calls: int
    unpriced: int
    cached_share: float


def spend_by_day(store: Store, project_id: int, start: datetime, end: datetime) -> dict[tuple[date, str], Spend]:
    """What was spent on each day (UTC) and model, of days that begin in [start, end)."""
    statement = select(_PROFILE.c.value, _PROFILE.c.signal, _PROFILE.c.start, _PROFILE.c.n, _PROFILE.c.total).where(
        _PROFILE.c.project_id == project_id,
        _PROFILE.c.length == BlockLength.DAY.value,
        _PROFILE.c.dimension == "model",
        _PROFILE.c.signal.in_(("calls", "cost_usd", "cached_share")),
        _PROFILE.c.start >= to_microseconds(start),
        _PROFILE.c.start < to_microseconds(end),
    )
    found: dict[tuple[date, str], dict[str, tuple[int, float]]] = {}
    with store.read() as connection:
        for row in connection.execute(statement):
            key = (from_microseconds(row.start).date(), row.value)
            found.setdefault(key, {})[row.signal] = (row.n, float(row.total or 0.0))
    result = {}
    for key, sums in found.items():
        calls, _ = sums.get("calls", (0, 0.0))
        priced, cost = sums.get("cost_usd", (0, 0.0))
        told, cached = sums.get("cached_share", (0, 0.0))
        result[key] = Spend(cost, calls, max(0, calls - priced), cached / told if told else 0.0)
    return result
