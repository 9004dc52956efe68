"""Verdicts as rows of the store, and the marks of how far each lane got."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select

from monitor import tables
from monitor.clock import from_microseconds, to_microseconds
from monitor.contracts import Verdict
from monitor.detectors.storing import spend
from monitor.stats.budget import SLOW
from monitor.store import Row, Store, table_of

_VALUE = table_of(tables.Value)

AlertStream = tuple[str, str, str, str]
"""Indicator, signal, dimension and value."""


def verdict_row(
    project_id: int,
    stream: AlertStream,
    verdict: Verdict,
    *,
    start: datetime,
    end: datetime,
    window: datetime,
    now: datetime,
) -> Row:
    """The row of a verdict on the block from `start` to `end`."""
    return {
        "project_id": project_id,
        **dict(zip(("indicator", "signal", "dimension", "value"), stream, strict=True)),
        "start": to_microseconds(start),
        "end": to_microseconds(end),
        "window_start": to_microseconds(window),
        "computed": to_microseconds(now),
        "state": verdict.state,
        "reason": verdict.reason,
        "number": _finite(verdict.value),
        "low": _finite(verdict.low),
        "high": _finite(verdict.high),
        "n": verdict.n,
        "effective_n": verdict.effective_n,
        "baseline": _finite(verdict.baseline),
        "effect": _finite(verdict.effect),
        "effect_low": _finite(verdict.effect_low),
        "effect_high": _finite(verdict.effect_high),
        "detail": _finite(dict(verdict.detail)),
    }


def _finite(value: Any) -> Any:
    """The value without anything a database or JSON cannot hold: what is no finite number becomes None."""
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value


def mark_name(what: str, project_id: int) -> str:
    """The name of a mark of a project."""
    return f"indicators.{what}.{project_id}"


def read_mark(store: Store, name: str) -> datetime | None:
    """The moment that a mark says was reached; None where nothing was."""
    with store.read() as connection:
        data = connection.execute(select(_VALUE.c.data).where(_VALUE.c.name == name)).scalar()
    return from_microseconds(int(data)) if data else None


def save(
    store: Store,
    project_id: int,
    rows: Sequence[Row],
    mark: str,
    reached: datetime,
    *,
    looks: int = 0,
    cost: float = 0.0,
) -> None:
    """Writes verdicts and how far they reach; `looks` of the slow lane and their `cost` go to the ledger."""
    with store.write() as connection:
        store.upsert(connection, tables.Verdict, rows)
        store.upsert(connection, tables.Value, [{"name": mark, "data": str(to_microseconds(reached))}])
        if looks:
            spend(store, connection, project_id, lane=SLOW, moment=reached, looks=looks, cost=cost)
