"""Spans whose messages come apart from them, as log records: whichever arrives first, the two become one.

A log record makes a part of a span; its source begins with `LOG_SOURCE`. Where a span and such a part meet in the
store, the span counts and the part fills what it left open.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, select, update

from monitor import tables
from monitor.compression import compress, decompress
from monitor.records import BODY_FIELDS, Body
from monitor.store import Store, table_of

LOG_SOURCE = "otlp log"
_LOOKUP = 500
_FIXED = frozenset(("project_id", "id", "trace_id", "span_id", "received"))
_JSON = ("tags", "masked")

Row = Mapping[str, Any]


def complete(store: Store, connection: Connection, rows: Sequence[Row], bodies: Mapping[int, Row]) -> set[int]:
    """Merges rows that were there already with what is stored; answers the ids (as sent) of those that added something.

    `bodies` are the texts of `rows` by their ids. What gained something waits for enrichment again.
    """
    stored = _stored(connection, rows)
    gained: set[int] = set()
    for row in rows:
        place = (row["project_id"], row["trace_id"], row["span_id"])
        old = stored.get(place)
        if old is None or not (_is_part(row) or _is_part(old)):
            continue
        new = dict(row) | {name: _decoded(row[name]) for name in _JSON}
        merged, texts = _merged_row(old, new), _body(connection, old)
        body = _merged_body(old, texts, new, bodies.get(row["id"]))
        if merged == old and body == texts:
            continue
        gained.add(row["id"])
        stored[place] = merged
        _store(store, connection, merged, body)
    return gained


def _is_part(row: Row) -> bool:
    return str(row["source"] or "").startswith(LOG_SOURCE)


def _decoded(text: Any) -> Any:
    return msgspec.json.decode(text) if isinstance(text, str) else text


def _stored(connection: Connection, rows: Sequence[Row]) -> dict[tuple[int, bytes, bytes], dict[str, Any]]:
    table = table_of(tables.Span)
    found: dict[tuple[int, bytes, bytes], dict[str, Any]] = {}
    for project_id in {row["project_id"] for row in rows}:
        traces = sorted({row["trace_id"] for row in rows if row["project_id"] == project_id})
        for start in range(0, len(traces), _LOOKUP):
            query = select(table).where(
                table.c.project_id == project_id, table.c.trace_id.in_(traces[start : start + _LOOKUP])
            )
            for row in connection.execute(query).mappings():
                found[project_id, row["trace_id"], row["span_id"]] = dict(row)
    return found


def _merged_row(old: Row, new: Row) -> dict[str, Any]:
    first, second = (new, old) if _is_part(old) and not _is_part(new) else (old, new)
    merged = dict(old)
    for name in old:
        if name not in _FIXED:
            merged[name] = first[name] if first[name] is not None else second[name]
    if first["input_tokens"] is not None or first["output_tokens"] is not None:
        merged["tokens"] = first["tokens"]  # whose counts these are
    return merged


def _body(connection: Connection, row: Row) -> Body:
    table = table_of(tables.Body)
    query = select(table.c.codec, table.c.data).where(table.c.project_id == row["project_id"], table.c.id == row["id"])
    found = connection.execute(query).first()
    return decompress(found.codec, found.data) if found is not None else Body()


def _merged_body(old_row: Row, old: Body, new_row: Row, new_texts: Row | None) -> Body:
    new = decompress(new_texts["codec"], new_texts["data"]) if new_texts is not None else Body()
    old_first = _is_part(new_row) or not _is_part(old_row)
    first, second = (old, new) if old_first else (new, old)
    fields = {name: getattr(first, name) or getattr(second, name) for name in BODY_FIELDS}
    if _is_part(old_row) and _is_part(new_row):
        # Parts of one conversation that came in several requests.
        fields["prompt"] = (*old.prompt, *(message for message in new.prompt if message not in old.prompt))
    return Body(**fields)


def _store(store: Store, connection: Connection, row: Row, body: Body) -> None:
    table = table_of(tables.Span)
    key = {"project_id": row["project_id"], "id": row["id"]}
    values = {name: value for name, value in row.items() if name not in _FIXED}
    connection.execute(
        update(table).where(table.c.project_id == row["project_id"], table.c.id == row["id"]).values(**values)
    )
    codec, data = compress(body)
    store.upsert(connection, tables.Body, [{**key, "codec": codec, "data": data}])
    if row["kind"] == "llm":
        store.insert_new(connection, tables.Pending, [{**key, "received": row["received"]}])
