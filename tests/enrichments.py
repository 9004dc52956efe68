"""Signals put into a store by hand, and read back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, and_, select

from monitor import tables
from monitor.signal_rows import SIGNAL_COLUMNS, declared_layout, enrichment_row, signals_of, write_layout
from monitor.store import Store, table_of


def put_signals(
    store: Store, connection: Connection, project: int, signals: Iterable[tuple[int, Mapping[str, Any]]]
) -> None:
    """Stores the signals of calls by their ids, as the enrichers' driver does."""
    layout = declared_layout()
    write_layout(store, connection, layout)
    store.insert(
        connection,
        tables.Enrichment,
        [enrichment_row(project, identifier, values, layout=layout) for identifier, values in signals],
    )


def stored_signals(store: Store) -> list[dict[str, Any]]:
    """The signals of all calls, in the order of project and id; vectors as they are stored."""
    span, enrichment = table_of(tables.Span), table_of(tables.Enrichment)
    joined = enrichment.join(span, and_(span.c.project_id == enrichment.c.project_id, span.c.id == enrichment.c.id))
    statement = select(*SIGNAL_COLUMNS).select_from(joined).order_by(enrichment.c.project_id, enrichment.c.id)
    with store.read() as connection:
        return [signals_of(connection, row) for row in connection.execute(statement).mappings().all()]
