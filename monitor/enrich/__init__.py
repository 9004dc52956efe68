"""Enrichment: signals are computed for every stored call, from the call alone.

Each module here defines one `Enricher` and is found by itself. An enricher that fails loses only its own signals, only
for the calls it fails on; the failures are counted in the store under `enricher_failures.NAME`.
"""

from __future__ import annotations

import functools
import logging
import math
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import delete, select

from monitor import tables
from monitor.contracts import Enricher, SignalValue, collect
from monitor.dirty import mark_times
from monitor.duplicates import set_aside
from monitor.errors import PluginError, SettingsError
from monitor.rows import span_of
from monitor.signal_rows import declared_layout, enrichment_row, write_layout
from monitor.signals import CONTRADICTS, COUNTED
from monitor.store import table_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from monitor.records import Span
    from monitor.settings import Settings
    from monitor.store import Store

FAILURES = "enricher_failures."
"""Names in table `value` under which failures are counted begin with this."""

_BATCH = 500
_log = logging.getLogger(__name__)


@functools.cache
def enrichers() -> dict[str, Enricher]:
    """All enrichers by name."""
    return collect(sys.modules[__name__], Enricher)


def switched_off(settings: Settings) -> frozenset[str]:
    """The signals and enrichers that the settings switch off. Raises SettingsError for a name that does not exist."""
    off = frozenset(settings.signals_off)
    if off:
        known = {
            *enrichers(),
            *COUNTED,
            CONTRADICTS,
            *(signal.name for enricher in enrichers().values() for signal in enricher.signals),
        }
        if unknown := sorted(off - known):
            names = ", ".join(unknown)
            raise SettingsError(f"MONITOR_SIGNALS_OFF: no signal or enricher is called {names}; see docs/signals.md.")
    return off


def enrich_span(span: Span, settings: Settings) -> dict[str, SignalValue]:
    """The signals of one call; vectors are lists of floats."""
    return enrich_batch([span], settings)[0]


def enrich_batch(
    calls: Sequence[Span], settings: Settings, failed: Callable[[str, int], None] | None = None
) -> list[dict[str, SignalValue]]:
    """The signals of each call, in order. `failed` is told the name of an enricher and on how many calls it failed."""
    results: list[dict[str, SignalValue]] = [{} for _ in calls]
    off = switched_off(settings)
    for enricher in enrichers().values():
        if off and (enricher.name in off or off.issuperset(signal.name for signal in enricher.signals)):
            continue
        answers, errors = _isolated(enricher, calls, settings)
        for result, answer in zip(results, answers, strict=True):
            for name, value in answer.items():
                if (
                    name not in off
                    and value is not None
                    and not (isinstance(value, float) and not math.isfinite(value))
                ):
                    result[name] = value
        if errors:
            # The message of an error may quote people's text, so only its type is logged.
            kinds = ", ".join(sorted({type(error).__name__ for error in errors}))
            _log.warning("Enricher %s failed on %d of %d calls: %s", enricher.name, len(errors), len(calls), kinds)
            if failed is not None:
                failed(enricher.name, len(errors))
    return results


def _isolated(
    enricher: Enricher, calls: Sequence[Span], settings: Settings
) -> tuple[list[dict[str, SignalValue]], list[Exception]]:
    """The answers, and the errors: after a failure each call is tried by itself."""
    try:
        return _checked(enricher, calls, settings), []
    except Exception as error:
        if len(calls) == 1:
            return [{}], [error]
    answers: list[dict[str, SignalValue]] = []
    errors: list[Exception] = []
    for call in calls:
        single, failure = _isolated(enricher, [call], settings)
        answers += single
        errors += failure
    return answers, errors


def _checked(enricher: Enricher, calls: Sequence[Span], settings: Settings) -> list[dict[str, SignalValue]]:
    answers = enricher.compute(calls, settings)
    if len(answers) != len(calls):
        raise PluginError(f"Enricher {enricher.name} answered {len(answers)} times for {len(calls)} calls.")
    return answers


def enrich_pending(store: Store, settings: Settings, now: datetime, limit: int = 5000) -> int:
    """Enriches waiting calls, oldest first, the limit shared fairly between projects; answers how many were taken."""
    pending = table_of(tables.Pending)
    with store.read() as connection:
        projects = list(
            connection.execute(select(pending.c.project_id).distinct().order_by(pending.c.project_id)).scalars()
        )
    done = 0
    for index, project in enumerate(projects):
        share = math.ceil((limit - done) / (len(projects) - index))
        while share > 0:
            taken = _enrich_some(store, settings, now, project, min(share, _BATCH))
            done += taken
            share -= taken
            if not taken:
                break
    if done:
        store.give_back(tables.Pending)
    return done


def _enrich_some(store: Store, settings: Settings, now: datetime, project: int, limit: int) -> int:
    identifiers, calls = _read(store, project, limit)
    if not identifiers:
        return 0
    failures: Counter[str] = Counter()
    spans = list(calls.values())
    signals = enrich_batch(spans, settings, lambda name, count: failures.update({name: count}))
    version = sum(enricher.version for enricher in enrichers().values())
    layout = declared_layout()
    rows = {
        identifier: enrichment_row(project, identifier, values, layout=layout, version=version, span=calls[identifier])
        for identifier, values in zip(calls, signals, strict=True)
    }
    pending = table_of(tables.Pending)
    with store.write() as connection:
        # Only what is still waiting: another worker may have been faster, or the call may have been erased.
        taken = connection.execute(
            delete(pending)
            .where(pending.c.project_id == project, pending.c.id.in_(identifiers))
            .returning(pending.c.id)
        ).scalars()
        waiting = {identifier: calls[identifier] for identifier in sorted(taken) if identifier in calls}
        doubles = set_aside(store, connection, project, waiting, now)
        kept = [identifier for identifier in waiting if identifier not in doubles]
        write_layout(store, connection, layout)
        store.upsert(connection, tables.Enrichment, [rows[identifier] for identifier in kept])
        mark_times(store, connection, project, [calls[identifier].time for identifier in kept], now)
        _count_failures(store, connection, failures)
    return len(identifiers)


def _read(store: Store, project: int, limit: int) -> tuple[list[int], dict[int, Span]]:
    """The ids that wait, and the calls of those that are still stored."""
    pending, span, body = table_of(tables.Pending), table_of(tables.Span), table_of(tables.Body)
    with store.read() as connection:
        identifiers = list(
            connection.execute(
                select(pending.c.id).where(pending.c.project_id == project).order_by(pending.c.id).limit(limit)
            ).scalars()
        )
        rows = connection.execute(
            select(span, body.c.codec, body.c.data)
            .select_from(span.outerjoin(body, (body.c.project_id == span.c.project_id) & (body.c.id == span.c.id)))
            .where(span.c.project_id == project, span.c.id.in_(identifiers))
            .order_by(span.c.id)
        ).mappings()
        return identifiers, {
            row["id"]: span_of(cast("Mapping[str, Any]", row), row["codec"], row["data"]) for row in rows
        }


def _count_failures(store: Store, connection: Connection, failures: Mapping[str, int]) -> None:
    table = table_of(tables.Value)
    for name, count in failures.items():
        known = connection.execute(select(table.c.data).where(table.c.name == FAILURES + name)).scalar()
        store.upsert(connection, tables.Value, [{"name": FAILURES + name, "data": str(int(known or 0) + count)}])
