"""Rows of a range of time, all of them or so many spread over it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select

from monitor.identifiers import id_floor

SLICES = 48


def spread_rows(
    connection: Connection, statement: Select[Any], identifier: Any, start: datetime, end: datetime, *, most: int
) -> list[Any]:
    """The rows of a statement whose id is of [start, end), by id; where these are more than `most`, as many of each
    slice of the range, so that what is given is spread over it."""

    def rows(since: datetime, until: datetime, limit: int) -> list[Any]:
        inside = statement.where(identifier >= id_floor(since), identifier < id_floor(until))
        return list(connection.execute(inside.order_by(identifier).limit(limit)))

    found = rows(start, end, most + 1)
    if len(found) <= most:
        return found
    step = (end - start) / SLICES
    return [
        row for place in range(SLICES) for row in rows(start + place * step, start + (place + 1) * step, most // SLICES)
    ]
