"""The alarms of a replay, noted as they were when they were raised."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from monitor.alerts.rules import default_pack
from monitor.alerts.telling import category_of, signal_of
from monitor.clock import BlockLength, block_start
from monitor.contracts import Indicator
from monitor.queries.alerts import AlertRecord, Appeared, incident, incidents, open_alerts
from monitor.stats.budget import SLOW
from monitor.store import Store


@dataclass(frozen=True)
class Alarm:
    """An alert as it was when it was raised, and when it was over (None where it was open at the end of the replay).

    `drivers` are the models, releases and prompt versions first seen about when its incident began.
    """

    alert: AlertRecord
    indicator: Indicator
    raised: datetime
    drivers: tuple[Appeared, ...]
    resolved: datetime | None = None


class Alarms:
    """Notes the alarms of a store in which a replay runs.

    `unfinished` is a day that may have been cut short, whose low amounts say nothing. What the monitor says of itself
    is left out, since a replay says nothing of it.
    """

    def __init__(self, store: Store, project_id: int, unfinished: datetime | None = None) -> None:
        self._store = store
        self._project_id = project_id
        self._unfinished = unfinished
        self._pack = default_pack()
        self._found: dict[int, Alarm] = {}

    def note(self, start: datetime, moment: datetime) -> None:
        """Notes the alarms that are open at this moment, after the block that began at `start`, as they are now."""
        for alert in open_alerts(self._store, self._project_id):
            indicator = self._pack[alert.indicator]
            if alert.id in self._found or indicator.against == "pulse":
                continue
            is_unfinished = block_start(start, BlockLength.DAY) == self._unfinished
            if indicator.amount is not None and is_unfinished and (alert.effect or 0.0) < 0:
                continue
            drivers: tuple[Appeared, ...] = ()
            if alert.incident_id is not None:
                drivers = incident(self._store, self._project_id, alert.incident_id).appeared
            self._found[alert.id] = Alarm(alert, indicator, moment, drivers)

    def told(self) -> tuple[Alarm, ...]:
        """The alarms in order, those of a day as their incident ranks them, with when they were over."""
        final = [alert for item in incidents(self._store, self._project_id, limit=10_000) for alert in item.alerts]
        rank = {alert.id: place for place, alert in enumerate(final)}
        over = {alert.id: alert.resolved for alert in final}
        ordered = sorted(self._found.values(), key=lambda alarm: (alarm.raised, rank.get(alarm.alert.id, len(rank))))
        return tuple(replace(alarm, resolved=over.get(alarm.alert.id)) for alarm in ordered)


def alarm_document(alarm: Alarm) -> dict[str, Any]:
    """An alarm for programs; times are ISO 8601."""
    alert = alarm.alert
    signal = signal_of(alert)
    return {
        "time": alarm.raised.isoformat(),
        "since": alert.since.isoformat(),
        "indicator": alert.indicator,
        "signal": alert.signal,
        "title": signal.title,
        "kind": str(alert.kind),
        "category": category_of(alert) or None,
        "segment": {"dimension": alert.segment.dimension, "value": alert.segment.value},
        "severity": alert.severity,
        "lane": alert.detail.get("lane", SLOW),
        "evidence": alert.detail.get("evidence"),
        "threshold": alert.detail.get("threshold"),
        "direction": direction_of(alert),
        "before": alert.before,
        "after": alert.after,
        "low": alert.low,
        "high": alert.high,
        "n": alert.n,
        "users": alert.detail.get("effective_n"),
        "effect": alert.effect,
        "effect_low": alert.effect_low,
        "effect_high": alert.effect_high,
        "reason": alert.reason,
        "distances": alert.detail.get("distances") or {},
        "drivers": [
            {
                "dimension": item.segment.dimension,
                "value": item.segment.value,
                "first_seen": item.first_seen.isoformat(),
            }
            for item in alarm.drivers
        ],
        "incident": alert.incident_id,
        "resolved": alarm.resolved.isoformat() if alarm.resolved else None,
    }


def direction_of(alert: AlertRecord) -> str:
    """`up` or `down`; `moved` for texts, which have no direction."""
    if alert.kind.value == "vector" or alert.effect is None:
        return "moved"
    return "up" if alert.effect > 0 else "down"
