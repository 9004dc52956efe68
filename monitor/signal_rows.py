"""Signals of calls as rows of the store, and back (`monitor.packing` has the format)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from monitor import tables
from monitor.contracts import SignalValue
from monitor.errors import StoreError
from monitor.packing import Layout
from monitor.records import Span
from monitor.signals import registry
from monitor.store import Store, table_of

_SPAN = table_of(tables.Span)
_ENRICHMENT = table_of(tables.Enrichment)
_LAYOUT = table_of(tables.SignalLayout)

SIGNAL_COLUMNS = (
    _ENRICHMENT.c.layout,
    _ENRICHMENT.c.signals,
    _ENRICHMENT.c.cost_usd,
    _ENRICHMENT.c.language,
    _SPAN.c.latency_s,
    _SPAN.c.time_to_first_token_s,
    _SPAN.c.input_tokens,
    _SPAN.c.output_tokens,
    _SPAN.c.finish_reason,
)
"""What `signals_of` reads of a row of `span` joined with `enrichment`."""

# A layout's number is made of its content, so it means the same in every store.
_known: dict[int, Layout] = {}


def declared_layout() -> Layout:
    """The layout of rows that are written now."""
    return Layout({name: signal.kind for name, signal in registry().items()})


def write_layout(store: Store, connection: Connection, layout: Layout) -> None:
    """Makes sure that the layout is stored. Raises StoreError in the very rare case that its number is taken."""
    store.insert_new(connection, tables.SignalLayout, [{"id": layout.id, "content": layout.content}])
    if _stored(connection, layout.id) != layout.content:
        raise StoreError("Two lists of signals have the same number; rename one of the signals.")


def enrichment_row(
    project_id: int,
    identifier: int,
    values: Mapping[str, SignalValue],
    *,
    layout: Layout,
    version: int = 1,
    span: Span | None = None,
) -> dict[str, Any]:
    """The row of a call's signals. Without the span, as stored under the same id, every value is stored here."""
    cost, language = values.get("cost_usd"), values.get("language")
    columns: dict[str, Any] = {
        "cost_usd": cost if isinstance(cost, int | float) and not isinstance(cost, bool) else None,
        "language": language if isinstance(language, str) else None,
    }
    row = {"project_id": project_id, "id": identifier, "version": version, "layout": layout.id, **columns}
    if span is not None:
        columns |= {
            "latency_s": span.latency_s,
            "time_to_first_token_s": span.time_to_first_token_s,
            "input_tokens": span.tokens.input,
            "output_tokens": span.tokens.output,
            "finish_reason": span.finish_reason or None,
        }
    return row | {"signals": layout.pack(values, columns)}


def signals_of(connection: Connection, row: Mapping[Any, Any]) -> dict[str, Any]:
    """The signals of a row that has `SIGNAL_COLUMNS`, empty where it is not enriched; vectors as they are stored."""
    if row["signals"] is None:
        return {}
    return layout_of(connection, row["layout"]).unpack(row["signals"], row)


def layout_of(connection: Connection, identifier: int) -> Layout:
    """The layout of this number. Raises StoreError where it is not stored."""
    known = _known.get(identifier)
    if known is not None:
        return known
    content = _stored(connection, identifier)
    if content is None:
        raise StoreError("The list of signals that a call was stored with is missing.")
    layout = _known[identifier] = Layout.parse(content)
    return layout


def _stored(connection: Connection, identifier: int) -> str | None:
    return connection.execute(select(_LAYOUT.c.content).where(_LAYOUT.c.id == identifier)).scalar()
