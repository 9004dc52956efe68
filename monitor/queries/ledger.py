"""The ledger of the alarm budget: what was allowed, what may have been spent, what was alarmed, what people call false.

And the list of what is worth a look today: streams whose evidence is remarkable without being enough for an alarm. It
is never mailed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, case, func, select

from monitor import tables
from monitor.clock import BlockLength, block_start, from_microseconds, to_microseconds
from monitor.contracts import Segment
from monitor.errors import NotFound
from monitor.settings import Settings
from monitor.stats.budget import LOOKS_AN_HOUR, QUARTER_DAYS, SHARES, SUSPICIOUS, chance_of_false_alarms
from monitor.stats.discoveries import benjamini_yekutieli
from monitor.store import Store, table_of

FALSE_DISCOVERIES = 0.1
"""Share of the streams worth a look that may be there by chance, in expectation."""

QUARTER = QUARTER_DAYS * BlockLength.DAY.duration

_ALERT = table_of(tables.Alert)
_ALLOWANCE = table_of(tables.Allowance)
_DETECTOR = table_of(tables.Detector)

_TROUBLE = func.coalesce(_ALERT.c.incident_id, _ALERT.c.id)
_FALSE = case((_ALERT.c.marked_false.is_not(None), _TROUBLE))


@dataclass(frozen=True)
class LaneSpending:
    """One lane: `spent` is the number of false alarms that its looks may have cost at most, in expectation."""

    lane: str
    allowed: float
    looks: int
    spent: float


@dataclass(frozen=True)
class Ledger:
    """A period of a project: false alarms allowed in it, spent at most, alarms raised, and what was marked false.

    `raised` alarms belong to `incidents`, of which people called `marked_false` false: one false cause is one, in
    however many segments it shows. `is_suspicious` is true where so many were marked false that, with what was
    spent, chance would explain it less than once in a hundred: an assumption is then broken (docs/statistics.md names
    them).
    """

    start: datetime
    end: datetime
    budget: float
    allowed: float
    lanes: tuple[LaneSpending, ...]
    raised: int
    incidents: int
    marked_false: int
    is_suspicious: bool

    @property
    def spent(self) -> float:
        """False alarms that all looks together may have cost at most, in expectation."""
        return sum(lane.spent for lane in self.lanes)


@dataclass(frozen=True)
class WorthALook:
    """A stream with remarkable evidence: `chance` is how probable as much is in a healthy stream, `evidence` and
    `threshold` are -log10 of probabilities."""

    indicator: str
    signal: str
    segment: Segment
    evidence: float
    threshold: float
    chance: float
    reached: datetime


def ledger(store: Store, settings: Settings, project_id: int, start: datetime, end: datetime) -> Ledger:
    """The ledger of the days that begin in [start, end). Alarms of the monitor about itself are not in it."""
    days = (to_microseconds(start), to_microseconds(end))
    share_of_quarter = (end - start) / (QUARTER_DAYS * BlockLength.DAY.duration)
    with store.read() as connection:
        spent = {
            row.lane: (int(row.looks), float(row.spent))
            for row in connection.execute(
                select(
                    _ALLOWANCE.c.lane,
                    func.sum(_ALLOWANCE.c.looks).label("looks"),
                    func.sum(_ALLOWANCE.c.spent).label("spent"),
                )
                .where(_ALLOWANCE.c.project_id == project_id, _ALLOWANCE.c.day >= days[0], _ALLOWANCE.c.day < days[1])
                .group_by(_ALLOWANCE.c.lane)
            )
        }
        raised, incidents, marked = connection.execute(
            select(func.count(), func.count(_TROUBLE.distinct()), func.count(_FALSE.distinct())).where(
                _ALERT.c.project_id == project_id,
                _ALERT.c.opened >= days[0],
                _ALERT.c.opened < days[1],
                _ALERT.c.signal != "",
                _ALERT.c.state != "pending",
            )
        ).one()
    lanes = tuple(
        LaneSpending(lane, settings.alarm_budget * share * share_of_quarter, *spent.get(lane, (0, 0.0)))
        for lane, share in SHARES.items()
    )
    return Ledger(
        start=start,
        end=end,
        budget=settings.alarm_budget,
        allowed=settings.alarm_budget * share_of_quarter,
        lanes=lanes,
        raised=int(raised),
        incidents=int(incidents),
        marked_false=int(marked),
        is_suspicious=chance_of_false_alarms(int(marked), sum(lane.spent for lane in lanes)) < SUSPICIOUS,
    )


def mark_false(store: Store, project_id: int, alert_id: int, *, by: str, now: datetime, is_false: bool = True) -> None:
    """Notes that somebody calls an alert false, or takes that back. Raises NotFound where there is no such alert."""
    changed = {"marked_false": to_microseconds(now) if is_false else None, "marked_by": by if is_false else None}
    with store.write() as connection:
        found = connection.execute(
            _ALERT.update().where(_ALERT.c.project_id == project_id, _ALERT.c.id == alert_id).values(changed)
        )
        if not found.rowcount:
            raise NotFound(f"There is no alert {alert_id}.")


def mark_incident_false(
    store: Store, project_id: int, incident_id: int, *, by: str, now: datetime, is_false: bool = True
) -> None:
    """The same for all alerts of an incident. Raises NotFound where there is no such incident."""
    changed = {"marked_false": to_microseconds(now) if is_false else None, "marked_by": by if is_false else None}
    of_incident = and_(_ALERT.c.project_id == project_id, _ALERT.c.incident_id == incident_id)
    with store.write() as connection:
        if not connection.execute(_ALERT.update().where(of_incident).values(changed)).rowcount:
            raise NotFound(f"There is no incident {incident_id} in this project.")


def worth_a_look(store: Store, project_id: int, now: datetime) -> list[WorthALook]:
    """Streams whose last two days are remarkable but did not alarm, the most remarkable first.

    Of those listed at most a tenth is there by chance in expectation, however streams depend on each other (Benjamini
    and Yekutieli, Annals of Statistics 29, 2001, on the tail probability of each stream's most telling window times the
    number of windows). Streams with an open alert are left out; so are detectors that did not look for a day.
    """
    alive = to_microseconds(block_start(now, BlockLength.HOUR) - BlockLength.DAY.duration)
    names = ("indicator", "signal", "dimension", "value")
    same = and_(
        _ALERT.c.project_id == _DETECTOR.c.project_id,
        *(_ALERT.c[name] == _DETECTOR.c[name] for name in names),
        _ALERT.c.state == "firing",
    )
    columns = [_DETECTOR.c[name] for name in (*names, "evidence", "threshold", "reached")]
    with store.read() as connection:
        rows = connection.execute(
            select(*columns).where(
                _DETECTOR.c.project_id == project_id,
                _DETECTOR.c.reached >= alive,
                ~select(_ALERT.c.id).where(same).exists(),
            )
        ).all()
    found = [
        WorthALook(
            row.indicator,
            row.signal,
            Segment(row.dimension, row.value),
            row.evidence,
            row.threshold,
            min(1.0, LOOKS_AN_HOUR * 10.0**-row.evidence),
            from_microseconds(row.reached),
        )
        for row in rows
    ]
    found.sort(key=lambda item: (item.chance, item.indicator, item.signal, str(item.segment)))
    return found[: discoveries([item.chance for item in found])]


def discoveries(chances: Sequence[float], level: float = FALSE_DISCOVERIES) -> int:
    """How many of these probabilities, smallest first, are discoveries at this false discovery rate."""
    return sum(benjamini_yekutieli(chances, level))
