"""What the API answers about verdicts, alerts, the alarm budget and back-tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from monitor.api.answers import SegmentName, name_of, same_fields
from monitor.contracts import Kind
from monitor.explain.records import Explanation
from monitor.queries.alerts import AlertRecord, IncidentRecord
from monitor.queries.backtests import Standing
from monitor.queries.declared import DeclaredTime as Declared
from monitor.queries.ledger import Ledger
from monitor.queries.ledger import WorthALook as Remarkable
from monitor.queries.verdicts import VerdictRecord


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of an indicator for one stream and window; figures are in the unit of the signal."""

    indicator: str
    signal: str
    segment: SegmentName
    start: datetime
    end: datetime
    window_start: datetime
    computed: datetime
    state: str
    reason: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    effective_n: float
    baseline: float | None
    effect: float | None
    effect_low: float | None
    effect_high: float | None
    detail: Mapping[str, Any]


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """A stream in trouble: `before` is the healthy value, `after` the one since the change with its 95 % interval.

    `explanation` says why (docs/explanations.md); it is there for the most telling alerts of an incident.
    `marked_false` is when somebody called it a false alarm.
    """

    id: str
    incident_id: str | None
    indicator: str
    signal: str
    kind: Kind
    segment: SegmentName
    state: str
    severity: str
    since: datetime
    opened: datetime
    resolved: datetime | None
    before: float | None
    after: float | None
    low: float | None
    high: float | None
    n: int
    reason: str
    marked_false: datetime | None
    explanation: Explanation | None


class Appeared(msgspec.Struct, frozen=True, kw_only=True):
    """A segment first seen about when the trouble began."""

    segment: SegmentName
    first_seen: datetime


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """One trouble: the alerts that began together, the most telling first, and what else changed then."""

    id: str
    state: str
    severity: str
    title: str
    since: datetime
    opened: datetime
    resolved: datetime | None
    marked_false: datetime | None
    alerts: list[Alert]
    appeared: list[Appeared]


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """One way of looking: `hour` or `day`. `spent` is the number of false alarms its looks may have cost at most."""

    lane: str
    allowed: float
    looks: int
    spent: float


class WorthALook(msgspec.Struct, frozen=True, kw_only=True):
    """A stream with remarkable evidence, too little for an alarm; `evidence` and `threshold` are -log10 of chances."""

    indicator: str
    signal: str
    segment: SegmentName
    evidence: float
    threshold: float
    chance: float
    reached: datetime


class DeclaredTime(msgspec.Struct, frozen=True, kw_only=True):
    """What people declared: an `incident` or a `holiday` in [start, until) teaches no baseline; at a `cut` baselines of
    the segment begin anew, or those of the streams of the incident that was accepted.
    """

    id: str
    kind: str
    start: datetime
    until: datetime | None
    reason: str
    segment: SegmentName
    incident_id: str | None
    made: datetime
    made_by: str


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger of the alarm budget of a range (default: the last quarter); expectations are of false alarms.

    `budget` is for a quarter, `allowed` for the range. `raised` alarms belong to `incidents`, of which `marked_false`
    were marked. `is_suspicious`: so many that an assumption looks broken. `worth_a_look` and
    `declared` are as of now.
    """

    start: datetime
    end: datetime
    budget: float
    allowed: float
    spent: float
    lanes: list[Lane]
    raised: int
    incidents: int
    marked_false: int
    is_suspicious: bool
    worth_a_look: list[WorthALook]
    declared: list[DeclaredTime]


class BackTest(msgspec.Struct, frozen=True, kw_only=True):
    """A back-test: `state` is `none`, `asked`, `running`, `done` or `failed`; `result`, of the newest that ended well
    (at `made`), is the document of `llmops-monitor backtest --project --json`.
    """

    state: str
    weeks: int | None = None
    block: str | None = None
    budget: float | None = None
    asked: datetime | None = None
    days: int = 0
    done_days: int = 0
    note: str = ""
    made: datetime | None = None
    result: Mapping[str, Any] | None = None


def of_declared(one: Declared) -> DeclaredTime:
    """What somebody declared."""
    incident = None if one.incident_id is None else str(one.incident_id)
    return same_fields(DeclaredTime, one, id=str(one.id), segment=name_of(one.segment), incident_id=incident)


def of_verdict(row: VerdictRecord) -> Verdict:
    """A verdict."""
    return same_fields(Verdict, row, segment=name_of(row.segment))


def of_alert(record: AlertRecord, explanations: Mapping[int, Explanation]) -> Alert:
    """An alert with its explanation, of those given by the id of the alert."""
    incident = None if record.incident_id is None else str(record.incident_id)
    return same_fields(
        Alert,
        record,
        id=str(record.id),
        incident_id=incident,
        segment=name_of(record.segment),
        explanation=explanations.get(record.id),
    )


def of_incident(record: IncidentRecord, explanations: Mapping[int, Explanation]) -> Incident:
    """An incident with its alerts."""
    appeared = [Appeared(segment=name_of(item.segment), first_seen=item.first_seen) for item in record.appeared]
    alerts = [of_alert(alert, explanations) for alert in record.alerts]
    return same_fields(Incident, record, id=str(record.id), alerts=alerts, appeared=appeared)


def of_budget(book: Ledger, remarkable: Sequence[Remarkable], known: Sequence[Declared]) -> Budget:
    """A ledger with the list of what is worth a look, and what is declared."""
    found = [same_fields(WorthALook, item, segment=name_of(item.segment)) for item in remarkable]
    lanes = [same_fields(Lane, lane) for lane in book.lanes]
    return same_fields(Budget, book, lanes=lanes, worth_a_look=found, declared=[of_declared(one) for one in known])


def of_back_test(standing: Standing | None) -> BackTest:
    """How a back-test stands."""
    if standing is None:
        return BackTest(state="none")
    wanted = standing.wanted
    return same_fields(BackTest, standing, weeks=wanted.weeks, block=wanted.block, budget=wanted.budget)
