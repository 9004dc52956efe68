"""Explanations of alerts as they are stored."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from sqlalchemy import ColumnElement, select

from monitor import tables
from monitor.explain.records import VERSION, Explanation
from monitor.store import Store, table_of

_explanation = table_of(tables.Explanation)


def explanations_of(store: Store, project_id: int, incident_id: int) -> dict[int, Explanation]:
    """The explanations of an incident's alerts, by the id of the alert; those of other versions are left out."""
    return _read(store, project_id, _explanation.c.incident_id == incident_id)


def explanations_by_alert(store: Store, project_id: int, alerts: Iterable[int]) -> dict[int, Explanation]:
    """The explanations of some alerts, by the id of the alert."""
    return _read(store, project_id, _explanation.c.alert_id.in_(sorted(alerts)))


def _read(store: Store, project_id: int, condition: ColumnElement[bool]) -> dict[int, Explanation]:
    with store.read() as connection:
        rows = connection.execute(
            select(_explanation.c.alert_id, _explanation.c.data).where(
                _explanation.c.project_id == project_id, condition
            )
        ).all()
    return {row.alert_id: msgspec.convert(row.data, Explanation) for row in rows if row.data["version"] == VERSION}
