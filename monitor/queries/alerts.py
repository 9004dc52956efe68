"""Incidents, their alerts and what was said of them, for pages, mails and the API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, func, select, true

from monitor import tables
from monitor.clock import from_microseconds, to_microseconds
from monitor.contracts import WHOLE, Kind, Segment
from monitor.errors import NotFound
from monitor.model_names import model_family
from monitor.store import Store, table_of

SEVERITIES = ("notice", "serious", "critical")
"""How bad, mildest first: `notice` moved without a better direction, `serious` and `critical` got worse."""

_alert = table_of(tables.Alert)
_incident = table_of(tables.Incident)
_notification = table_of(tables.Notification)


@dataclass(frozen=True)
class AlertRecord:
    """One stream in trouble, with its newest figures.

    `before` is the healthy value, `after` the one since the change (of the newest window in trouble where all calls
    since have not been judged together yet), `low` and `high` its 95 % interval and `n` the calls behind it; `current`
    is the value of the newest window that could be judged. All are in the unit of the signal, which for categories is a
    share and for vectors a distance. `effect` is the change against the baseline. `kept` says why
    the state did not move where the newest window could not be judged. `marked_false` is when somebody, `marked_by`,
    called it a false alarm.
    """

    id: int
    incident_id: int | None
    indicator: str
    signal: str
    kind: Kind
    segment: Segment
    state: str
    severity: str
    since: datetime
    opened: datetime
    changed: datetime
    resolved: datetime | None
    before: float | None
    after: float | None
    low: float | None
    high: float | None
    n: int
    current: float | None
    effect: float | None
    effect_low: float | None
    effect_high: float | None
    reason: str
    kept: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    marked_false: datetime | None = None
    marked_by: str = ""

    @property
    def is_open(self) -> bool:
        """True while it fires."""
        return self.state == "firing"


@dataclass(frozen=True)
class Appeared:
    """A segment that was first seen about when an incident began: a new model, release or prompt version."""

    segment: Segment
    first_seen: datetime


@dataclass(frozen=True)
class IncidentRecord:
    """One trouble as people see it. `alerts` begins with the most telling one; `appeared` is what else changed then."""

    id: int
    project_id: int
    state: str
    severity: str
    title: str
    since: datetime
    opened: datetime
    resolved: datetime | None
    alerts: tuple[AlertRecord, ...]
    appeared: tuple[Appeared, ...]
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        """True until every alert of it is resolved."""
        return self.state == "open"

    @property
    def marked_false(self) -> datetime | None:
        """When somebody first called it a false alarm; None where nobody does."""
        return min((alert.marked_false for alert in self.alerts if alert.marked_false), default=None)

    @property
    def accepted(self) -> Mapping[str, str]:
        """Who accepted its level as the new normal, when and why (`by`, `made`, `reason`); empty where nobody did."""
        found = (alert.detail.get("accepted") for alert in self.alerts)
        return next((said for said in found if said), {})

    @property
    def telling(self) -> tuple[AlertRecord, ...]:
        """Its alerts without those that say the same of a wider or narrower segment."""
        repeats = frozenset(self.detail.get("repeats", ()))
        return tuple(alert for alert in self.alerts if alert.id not in repeats)

    @property
    def suspects(self) -> Mapping[str, tuple[str, ...]]:
        """What appeared, by dimension: what belongs to the segment of the most telling alert, or else all of it."""
        found: dict[str, list[str]] = {}
        for item in self.appeared:
            found.setdefault(item.segment.dimension, []).append(item.segment.value)
        segment = self.alerts[0].segment if self.alerts else WHOLE
        own = {name: [value for value in values if belongs_to(value, segment)] for name, values in found.items()}
        return {name: tuple(own[name] or values) for name, values in found.items()}


@dataclass(frozen=True)
class NotificationRecord:
    """What was, or is to be, said through one channel. `state`: due, sending, delivered, failed."""

    id: int
    incident_id: int | None
    channel: str
    kind: str
    subject: str
    state: str
    created: datetime
    due: datetime
    attempts: int
    delivered: datetime | None
    note: str


@dataclass(frozen=True)
class AlertCounts:
    """How many open incidents of each severity there are, and how many notifications could not be delivered."""

    critical: int = 0
    serious: int = 0
    notice: int = 0
    failed_notifications: int = 0

    @property
    def open(self) -> int:
        """All open incidents."""
        return self.critical + self.serious + self.notice


def belongs_to(value: str, segment: Segment) -> bool:
    """True for a value that the segment names, or a model of the family that it names."""
    parts = segment.value.split(" + ")
    return value in parts or model_family(value) in parts


def open_incidents(store: Store, project_id: int) -> list[IncidentRecord]:
    """Open incidents, the worst and newest first."""
    found = _incidents(store, project_id, _incident.c.state == "open", None)
    return sorted(found, key=lambda item: (-SEVERITIES.index(item.severity), -item.opened.timestamp(), -item.id))


def incidents(store: Store, project_id: int, *, limit: int = 200) -> list[IncidentRecord]:
    """All incidents, open or not, the newest first."""
    return _incidents(store, project_id, true(), limit)


def past_incidents(
    store: Store, project_id: int, *, limit: int = 50, resolved_from: datetime | None = None
) -> list[IncidentRecord]:
    """Resolved incidents, the last one first; only those resolved at or after `resolved_from` where it is given."""
    condition = _incident.c.state == "resolved"
    if resolved_from is not None:
        condition = and_(condition, _incident.c.resolved >= to_microseconds(resolved_from))
    return _incidents(store, project_id, condition, limit)


def incident(store: Store, project_id: int, incident_id: int) -> IncidentRecord:
    """One incident. Raises NotFound where there is none with this id."""
    found = []
    if 0 <= incident_id < 2**63:
        found = _incidents(store, project_id, _incident.c.id == incident_id, None)
    if not found:
        raise NotFound(f"There is no incident {incident_id}.")
    return found[0]


def open_alerts(store: Store, project_id: int) -> list[AlertRecord]:
    """All alerts that fire, oldest first."""
    with store.read() as connection:
        rows = connection.execute(
            select(_alert)
            .where(_alert.c.project_id == project_id, _alert.c.state == "firing")
            .order_by(_alert.c.opened, _alert.c.id)
        ).mappings()
        return [alert_record(row) for row in rows]


def notifications(
    store: Store, project_id: int, *, incident_id: int | None = None, limit: int = 100
) -> list[NotificationRecord]:
    """What was said, newest first; of one incident where its id is given."""
    statement = select(_notification).where(_notification.c.project_id == project_id)
    if incident_id is not None:
        statement = statement.where(_notification.c.incident_id == incident_id)
    statement = statement.order_by(_notification.c.created.desc(), _notification.c.id.desc()).limit(limit)
    with store.read() as connection:
        return [
            NotificationRecord(
                id=row["id"],
                incident_id=row["incident_id"],
                channel=row["channel"],
                kind=row["kind"],
                subject=row["subject"],
                state=row["state"],
                created=from_microseconds(row["created"]),
                due=from_microseconds(row["due"]),
                attempts=row["attempts"],
                delivered=_moment(row["delivered"]),
                note=row["note"],
            )
            for row in connection.execute(statement).mappings()
        ]


def alert_counts(store: Store, project_id: int) -> AlertCounts:
    """The figures of the badge and of the overview."""
    with store.read() as connection:
        by_severity: dict[str, int] = {}
        for severity, number in connection.execute(
            select(_incident.c.severity, func.count())
            .where(_incident.c.project_id == project_id, _incident.c.state == "open")
            .group_by(_incident.c.severity)
        ):
            by_severity[severity] = number
        failed = connection.execute(
            select(func.count()).where(_notification.c.project_id == project_id, _notification.c.state == "failed")
        ).scalar_one()
    return AlertCounts(
        **{severity: by_severity.get(severity, 0) for severity in SEVERITIES}, failed_notifications=failed
    )


def alert_record(row: RowMapping) -> AlertRecord:
    """The record of a row of the table `alert`."""
    detail = row["detail"] or {}
    return AlertRecord(
        id=row["id"],
        incident_id=row["incident_id"],
        indicator=row["indicator"],
        signal=row["signal"],
        kind=Kind(detail.get("kind", Kind.NUMBER)),
        segment=Segment(row["dimension"], row["value"]),
        state=row["state"],
        severity=row["severity"],
        since=from_microseconds(row["since"]),
        opened=from_microseconds(row["opened"]),
        changed=from_microseconds(row["changed"]),
        resolved=_moment(row["resolved"]),
        before=detail.get("before"),
        after=detail.get("after"),
        low=detail.get("low"),
        high=detail.get("high"),
        n=detail.get("n", 0),
        current=detail.get("now"),
        effect=detail.get("effect"),
        effect_low=detail.get("effect_low"),
        effect_high=detail.get("effect_high"),
        reason=detail.get("reason", ""),
        kept=detail.get("kept", ""),
        detail=detail,
        marked_false=_moment(row["marked_false"]),
        marked_by=row["marked_by"] or "",
    )


def _incidents(
    store: Store, project_id: int, condition: ColumnElement[bool], limit: int | None
) -> list[IncidentRecord]:
    with store.read() as connection:
        return read_incidents(connection, project_id, condition, limit)


def read_incidents(
    connection: Connection, project_id: int, condition: ColumnElement[bool], limit: int | None = None
) -> list[IncidentRecord]:
    """Incidents that meet a condition, the newest first, as this connection sees them."""
    statement = (
        select(_incident)
        .where(_incident.c.project_id == project_id, condition)
        .order_by(_incident.c.opened.desc(), _incident.c.id.desc())
        .limit(limit)
    )
    rows = connection.execute(statement).mappings().all()
    alerts: dict[int, list[AlertRecord]] = {row["id"]: [] for row in rows}
    if rows:
        for row in connection.execute(
            select(_alert).where(_alert.c.project_id == project_id, _alert.c.incident_id.in_(list(alerts)))
        ).mappings():
            alerts[row["incident_id"]].append(alert_record(row))
    return [_incident_record(row, alerts[row["id"]]) for row in rows]


def _incident_record(row: RowMapping, alerts: Iterable[AlertRecord]) -> IncidentRecord:
    detail = row["detail"] or {}
    order = {alert_id: place for place, alert_id in enumerate(detail.get("order", ()))}
    return IncidentRecord(
        id=row["id"],
        project_id=row["project_id"],
        state=row["state"],
        severity=row["severity"],
        title=row["title"],
        since=from_microseconds(row["since"]),
        opened=from_microseconds(row["opened"]),
        resolved=_moment(row["resolved"]),
        alerts=tuple(sorted(alerts, key=lambda alert: (order.get(alert.id, len(order)), alert.id))),
        appeared=tuple(
            Appeared(Segment(item["dimension"], item["value"]), datetime.fromisoformat(item["first_seen"]))
            for item in detail.get("appeared", [])
        ),
        detail=detail,
    )


def _moment(value: int | None) -> datetime | None:
    return None if value is None else from_microseconds(value)
