"""Prices the stored calls of a range anew: each at the price of its own day, by today's catalogue and own prices.

For when a price was missing or wrong. What the sender said stays. The profiles of the hours and days concerned are made
again by the jobs; verdicts that were given stay as they were.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from sqlalchemy import and_, select, update

from monitor import tables
from monitor.dirty import mark_times
from monitor.enrich.cost import cost as enricher
from monitor.identifiers import id_floor
from monitor.records import Span
from monitor.rows import span_of
from monitor.settings import Settings
from monitor.signal_rows import declared_layout, enrichment_row, signals_of, write_layout
from monitor.store import Store, table_of
from monitor.vectors import decode_vector

BATCH = 500
_SPAN, _BODY, _ENRICHMENT = table_of(tables.Span), table_of(tables.Body), table_of(tables.Enrichment)
_NAMES = tuple(signal.name for signal in enricher.signals)


@dataclass
class Change:
    """What became of a model's calls: how many were looked at and changed, their cost before and after in US dollars,
    and how many have no price before and after."""

    calls: int = 0
    changed: int = 0
    before: float = 0.0
    after: float = 0.0
    unpriced_before: int = 0
    unpriced_after: int = 0

    def add(self, before: float | None, after: float | None, *, changed: bool) -> None:
        """Counts a call."""
        self.calls += 1
        self.changed += changed
        self.before += before or 0.0
        self.after += after or 0.0
        self.unpriced_before += before is None
        self.unpriced_after += after is None


@dataclass
class Repriced:
    """The outcome by model."""

    models: dict[str, Change] = field(default_factory=lambda: defaultdict(Change))

    @property
    def total(self) -> Change:
        """All models together."""
        whole = Change()
        for change in self.models.values():
            for name in vars(whole):
                setattr(whole, name, getattr(whole, name) + getattr(change, name))
        return whole


def reprice(
    store: Store,
    settings: Settings,
    project_id: int,
    now: datetime,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    dry_run: bool = False,
    done: Callable[[int], None] = lambda _: None,
) -> Repriced:
    """Prices the calls that began in [start, end) anew, 500 a transaction; `done` is told how many so far.

    With `dry_run` nothing is written. Broken off, it can be started again: what is right already is left alone.
    """
    found = Repriced()
    looked_at = 0
    for rows in _pages(store, project_id, start, end):
        changed: list[tuple[int, Span, dict[str, Any], int]] = []
        for identifier, span, known, version in rows:
            [fresh] = enricher.compute([span], settings)
            before, after = known.get("cost_usd"), cast("float | None", fresh.get("cost_usd"))
            differs = any(_differ(known.get(name), fresh.get(name)) for name in _NAMES)
            found.models[span.model or span.requested_model or "(no model)"].add(before, after, changed=differs)
            if differs:
                kept = {
                    name: decode_vector(value) if isinstance(value, bytes) else value
                    for name, value in known.items()
                    if name not in _NAMES
                }
                changed.append((identifier, span, {**kept, **fresh}, version))
        if changed and not dry_run:
            _write(store, project_id, changed, now)
        looked_at += len(rows)
        done(looked_at)
    return found


def _pages(
    store: Store, project_id: int, start: datetime | None, end: datetime | None
) -> Iterator[list[tuple[int, Span, dict[str, Any], int]]]:
    """Enriched calls with their signals, page by page; each page is a transaction of its own."""
    following = id_floor(start) if start else 0
    statement = (
        select(
            _SPAN,
            _ENRICHMENT.c.layout,
            _ENRICHMENT.c.signals,
            _ENRICHMENT.c.cost_usd,
            _ENRICHMENT.c.language,
            _ENRICHMENT.c.version,
            _BODY.c.codec,
            _BODY.c.data,
        )
        .select_from(
            _SPAN.join(
                _ENRICHMENT, and_(_ENRICHMENT.c.project_id == _SPAN.c.project_id, _ENRICHMENT.c.id == _SPAN.c.id)
            ).outerjoin(_BODY, and_(_BODY.c.project_id == _SPAN.c.project_id, _BODY.c.id == _SPAN.c.id))
        )
        .where(_SPAN.c.project_id == project_id, _SPAN.c.kind == "llm")
        .order_by(_SPAN.c.id)
        .limit(BATCH)
    )
    if end is not None:
        statement = statement.where(_SPAN.c.id < id_floor(end))
    while True:
        with store.read() as connection:
            rows = connection.execute(statement.where(_SPAN.c.id >= following)).mappings().all()
            page = [
                (row["id"], _span(row), signals_of(connection, cast("Mapping[Any, Any]", row)), row["version"])
                for row in rows
            ]
        if page:
            yield page
        if len(page) < BATCH:
            return
        following = page[-1][0] + 1


def _differ(known: Any, fresh: Any) -> bool:
    """Stored numbers beside the cost itself are rounded, so equal ones may be some thousandths apart."""
    if isinstance(known, int | float) and isinstance(fresh, int | float):
        return not math.isclose(known, fresh, rel_tol=1e-3, abs_tol=1e-12)
    return bool(known != fresh)


def _span(row: Any) -> Span:
    return span_of(row, row["codec"], row["data"])


def _write(store: Store, project_id: int, changed: list[tuple[int, Span, dict[str, Any], int]], now: datetime) -> None:
    layout = declared_layout()
    with store.write() as connection:
        write_layout(store, connection, layout)
        for identifier, span, values, version in changed:
            row = enrichment_row(project_id, identifier, values, layout=layout, version=version, span=span)
            key = {name: row.pop(name) for name in ("project_id", "id")}
            # An update, not an insert: a call that was erased meanwhile stays erased.
            connection.execute(
                update(_ENRICHMENT)
                .where(_ENRICHMENT.c.project_id == key["project_id"], _ENRICHMENT.c.id == key["id"])
                .values(**row)
            )
        mark_times(store, connection, project_id, [span.time for _, span, _, _ in changed], now)
