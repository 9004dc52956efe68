"""Explanations of alerts as they are stored."""

from __future__ import annotations

import msgspec
from sqlalchemy import select

from monitor import tables
from monitor.explain.records import VERSION, Explanation
from monitor.store import Store, table_of

_explanation = table_of(tables.Explanation)


def explanations_of(store: Store, project_id: int, incident_id: int) -> dict[int, Explanation]:
    """The explanations of an incident's alerts, by the id of the alert; those of other versions are left out."""
    with store.read() as connection:
        rows = connection.execute(
            select(_explanation.c.alert_id, _explanation.c.data).where(
                _explanation.c.project_id == project_id, _explanation.c.incident_id == incident_id
            )
        ).all()
    return {row.alert_id: msgspec.convert(row.data, Explanation) for row in rows if row.data["version"] == VERSION}
