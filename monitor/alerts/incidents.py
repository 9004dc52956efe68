"""Folds alerts into incidents, and decides what is to be said of them."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

from sqlalchemy import Connection, func, select

from monitor import tables
from monitor.alerts.rules import Phase
from monitor.alerts.telling import in_order, title, weigh, worst
from monitor.clock import from_microseconds, to_microseconds
from monitor.contracts import Segment
from monitor.identifiers import new_id
from monitor.queries.alerts import SEVERITIES, IncidentRecord, belongs_to, read_incidents
from monitor.store import Store, table_of

# Change points this near are one trouble: the estimate is right to within a day.
NEAR = timedelta(hours=36)
NEARBY_CHANGES = timedelta(days=1)
CHANGE_DIMENSIONS = ("model", "release", "prompt_version")

_alert = table_of(tables.Alert)
_incident = table_of(tables.Incident)
_segment = table_of(tables.Segment)

_STREAM = ("indicator", "signal", "dimension", "value")

Say = Literal["opened", "worse", "resolved"]


class Why(StrEnum):
    """Why something is said of an incident, or not."""

    NEW = "new trouble"
    WORSE = "worse than when it was last told"
    OVER = "all alerts are resolved"
    KNOWN = "already said"
    UNSAID = "over before anything was said"
    QUIET = "no rule of it notifies"


@dataclass(frozen=True)
class Decision:
    """What to say, if anything, and why."""

    say: Say | None
    why: Why


def decide(said: str, severity: str, *, is_open: bool, worsened: bool, notifies: bool) -> Decision:
    """What to say of an incident.

    `said` is its severity when last told: empty where never, `over` after the end. That it got worse is said once.
    """
    if not is_open:
        if said in ("", "over"):
            return Decision(None, Why.KNOWN if said else Why.UNSAID)
        return Decision("resolved", Why.OVER)
    if not said:
        return Decision("opened", Why.NEW) if notifies else Decision(None, Why.QUIET)
    if not worsened and SEVERITIES.index(severity) > SEVERITIES.index(said):
        return Decision("worse", Why.WORSE)
    return Decision(None, Why.KNOWN)


def home(since: datetime, window: tuple[datetime, datetime], candidates: Mapping[int, datetime]) -> int | None:
    """The open incident that an alert belongs to, of those given by id and beginning; None where it is a new one.

    It is the nearest whose beginning is at most 36 hours from the alert's own. A window of several days that holds the
    beginning of an incident belongs to it too: thin traffic cannot tell the two apart.
    """
    near = {
        incident_id: abs(began - since)
        for incident_id, began in candidates.items()
        if abs(began - since) <= NEAR or (window[1] - window[0] > NEAR and window[0] <= began < window[1])
    }
    return min(near, key=lambda incident_id: (near[incident_id], incident_id)) if near else None


def fold(connection: Connection, project_id: int, rows: Sequence[dict[str, Any]], now: datetime) -> set[int]:
    """Gives each alert that has fired its incident, opening those that are new; answers the incidents touched."""
    candidates = {
        row.id: from_microseconds(row.since)
        for row in connection.execute(
            select(_incident.c.id, _incident.c.since).where(
                _incident.c.project_id == project_id, _incident.c.state == "open"
            )
        )
    }
    touched = {row["incident_id"] for row in rows if row["incident_id"] is not None}
    known = _streams_of(connection, project_id, candidates)
    # The best dated alerts first: those found in the shortest window, so that vague ones join them.
    homeless = [row for row in rows if row["state"] != Phase.PENDING and row["incident_id"] is None]
    for row in sorted(homeless, key=lambda row: (row["detail"]["end"] - row["detail"]["window_start"], row["since"])):
        since = from_microseconds(row["since"])
        window = (from_microseconds(row["detail"]["window_start"]), from_microseconds(row["detail"]["end"]))
        # What is back while its incident is open belongs to it, whenever it came back.
        incident_id = known.get(_stream(row)) or home(since, window, candidates)
        if incident_id is None:
            incident_id = _open(connection, project_id, since, now)
            candidates[incident_id] = since
        row["incident_id"] = incident_id
        touched.add(incident_id)
    return touched


def _streams_of(
    connection: Connection, project_id: int, open_incidents: Mapping[int, datetime]
) -> dict[tuple[str, str, str, str], int]:
    """The open incident that each stream is, or was, a part of."""
    if not open_incidents:
        return {}
    rows = connection.execute(
        select(*(_alert.c[name] for name in _STREAM), _alert.c.incident_id)
        .where(_alert.c.project_id == project_id, _alert.c.incident_id.in_(list(open_incidents)))
        .order_by(_alert.c.opened, _alert.c.id)
    ).mappings()
    return {_stream(dict(row)): row["incident_id"] for row in rows}


def _stream(row: Mapping[str, Any]) -> tuple[str, str, str, str]:
    indicator, signal, dimension, value = (str(row[name]) for name in _STREAM)
    return indicator, signal, dimension, value


def refresh(
    connection: Connection, project_id: int, touched: set[int], now: datetime, unsaid: Container[int] = ()
) -> list[tuple[Say, IncidentRecord]]:
    """Brings title, severity, beginning and state of incidents up to date; answers what is to be said, oldest first.

    What was said of those in `unsaid` never left.
    """
    to_say: list[tuple[Say, IncidentRecord]] = []
    for incident_id in sorted(touched):
        (record,) = read_incidents(connection, project_id, _incident.c.id == incident_id)
        if not record.is_open:
            continue
        ordered = in_order(record.alerts)
        over = all(alert.state == Phase.RESOLVED for alert in record.alerts)
        severity = worst([alert.severity for alert in record.alerts])
        since = ordered[0].since
        said = "" if incident_id in unsaid else record.detail.get("said", "")
        notifies = any(alert.is_open and alert.detail.get("notify", True) for alert in record.alerts)
        worsened = record.detail.get("worsened", False)
        decision = decide(said, severity, is_open=not over, worsened=worsened, notifies=notifies)
        if decision.say is not None:
            said = "over" if over else severity
        detail = dict(record.detail) | {
            "said": said,
            "worsened": worsened or decision.say == "worse",
            "why": str(decision.why),
            "order": [alert.id for alert in ordered],
            "repeats": sorted(weigh(ordered)[1]),
            "appeared": _appeared(connection, project_id, since, ordered[0].segment),
        }
        connection.execute(
            _incident.update()
            .where(_incident.c.project_id == project_id, _incident.c.id == incident_id)
            .values(
                title=record.title if over and record.title else title(record.alerts),
                severity=severity,
                since=to_microseconds(since),
                state="resolved" if over else "open",
                resolved=to_microseconds(now) if over else None,
                detail=detail,
            )
        )
        if decision.say is not None:
            (record,) = read_incidents(connection, project_id, _incident.c.id == incident_id)
            to_say.append((decision.say, record))
    return to_say


def save_alerts(
    connection: Connection, store: Store, project_id: int, rows: Sequence[dict[str, Any]], dropped: set[int]
) -> None:
    """Writes the alerts that moved; those that were calm again before they fired are gone."""
    store.upsert(connection, tables.Alert, [row for row in rows if row["id"] not in dropped])
    if dropped:
        connection.execute(_alert.delete().where(_alert.c.project_id == project_id, _alert.c.id.in_(dropped)))


def _open(connection: Connection, project_id: int, since: datetime, now: datetime) -> int:
    incident_id = new_id(now)
    connection.execute(
        _incident.insert().values(
            project_id=project_id,
            id=incident_id,
            state="open",
            severity="notice",
            title="",
            since=to_microseconds(since),
            opened=to_microseconds(now),
            resolved=None,
            detail={},
        )
    )
    return incident_id


def _appeared(connection: Connection, project_id: int, since: datetime, segment: Segment) -> list[dict[str, str]]:
    """Models, releases and prompt versions first seen within a day of the beginning, those of the segment first.

    What was there from the very first call has not appeared.
    """
    first = connection.execute(
        select(func.min(_segment.c.first_seen)).where(_segment.c.project_id == project_id)
    ).scalar_one()
    if first is None:
        return []
    rows = connection.execute(
        select(_segment.c.dimension, _segment.c.value, _segment.c.first_seen).where(
            _segment.c.project_id == project_id,
            _segment.c.dimension.in_(CHANGE_DIMENSIONS),
            _segment.c.first_seen.between(
                to_microseconds(since - NEARBY_CHANGES), to_microseconds(since + NEARBY_CHANGES)
            ),
            _segment.c.first_seen > first + NEARBY_CHANGES // timedelta(microseconds=1),
        )
    ).all()
    found = [
        {"dimension": row.dimension, "value": row.value, "first_seen": from_microseconds(row.first_seen).isoformat()}
        for row in rows
    ]
    return sorted(
        found,
        key=lambda item: (
            not belongs_to(item["value"], segment),
            CHANGE_DIMENSIONS.index(item["dimension"]),
            item["value"],
        ),
    )
